/* router_z: how large a gate's logits are.
 *
 *     value = 1/B sum_b lse_b^2,   lse_b = log sum_i exp(z[i,b])
 *     d value / d z[i,b] = 2/B lse_b softmax(z[.,b])[i]
 *
 * z are the clean logits, before noise. The largest is taken out before exp.
 * Source: arXiv 2202.08906 (ST-MoE) eq. 5. */
#include "espalier_plugin.h"

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    (void)state;
    const int n_experts = batch->dims->n_leaves, n_examples = batch->n_examples;
    const size_t bytes = sizeof(esp_real) * (size_t)n_examples;
    esp_real *restrict top = (esp_real *)host->scratch(host, bytes);
    esp_real *restrict sum = (esp_real *)host->scratch(host, bytes);
    for (int i = 0; i < n_experts; i++) {
        const esp_real *z = batch->scores + (size_t)i * batch->stride;
        for (int b = 0; b < n_examples; b++) {
            top[b] = i == 0 || z[b] > top[b] ? z[b] : top[b];
            sum[b] = 0;
        }
    }
    for (int i = 0; i < n_experts; i++) {
        const esp_real *z = batch->scores + (size_t)i * batch->stride;
        for (int b = 0; b < n_examples; b++) {
            sum[b] += esp_exp(z[b] - top[b]);
        }
    }
    double total = 0;
    for (int b = 0; b < n_examples; b++) {
        const double lse = (double)top[b] + (double)esp_log(sum[b]);
        total += lse * lse;
        sum[b] = (esp_real)(2 * lse / (n_examples * (double)sum[b]));
    }
    *value = total / n_examples;
    for (int i = 0; d && i < n_experts; i++) {
        const esp_real *z = batch->scores + (size_t)i * batch->stride;
        esp_real *restrict dz = d->scores + (size_t)i * batch->stride;
        for (int b = 0; b < n_examples; b++) {
            dz[b] += sum[b] * esp_exp(z[b] - top[b]);
        }
    }
    return 0;
}

static int create(void *state, const esp_host *host, const esp_dims *dims)
{
    (void)state;
    if (dims->routing != ESP_ROUTING_GATE) {
        return host->fail(host, "needs a gate's logits (kind: moe); give it weight 0 or leave it "
                                "out for others");
    }
    return 0;
}

static const esp_loss_ops ops = {
    .struct_size = sizeof ops,
    .needs = ESP_SCORES,
    .evaluate = evaluate,
};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_LOSS,
    .role = ESP_ROUTING,
    .name = "router_z",
    .version = "1",
    .summary =
        "mean square of the log of the sum of a gate's exponentials, which keeps logits small",
    .source = "arXiv:2202.08906, eq. 5",
    .cost = "O(B E), two exps an element and one log an example",
    .loss = &ops,
    .create = create,
};
