/* balance: how unevenly the leaves are used, as Switch Transformers measure it.
 *
 *     value = L sum_leaf f[leaf] P[leaf]
 *     f = share of the batch's B*K hard choices that went to the leaf (no gradient flows through f)
 *     P = mean over the batch of the mixture weight c
 *     d value / d c[leaf,b] = L f[leaf] / B
 *
 * It is 1 when f or P is uniform, L when all goes to one leaf, and can be below 1.
 * `configured_batch` divides counts and sums by the configured batch size instead of the batch's
 * own, as the published code does: only the short last batch of an epoch then differs.
 *
 * Source: arXiv 2405.16836 section 3.3; arXiv 2101.03961 eq. 4-6. */
#include "espalier_plugin.h"

typedef struct balance {
    int32_t configured_batch;
} balance;

enum { LANES = 8 };

/* Sums in LANES independent parts, so that the loop runs as vectors in a fixed order. */
static double sum_row(const esp_real *row, int count)
{
    double lanes[LANES] = {0};
    int b = 0;
    for (; b + LANES <= count; b += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            lanes[lane] += row[b + lane];
        }
    }
    double total = 0;
    for (int lane = 0; lane < LANES; lane++) {
        total += lanes[lane];
    }
    for (; b < count; b++) {
        total += row[b];
    }
    return total;
}

static void count_choices(int64_t *counts, const esp_batch *batch)
{
    for (int leaf = 0; leaf < batch->dims->n_leaves; leaf++) {
        counts[leaf] = 0;
    }
    for (int choice = 0; choice < batch->dims->n_choices; choice++) {
        const int32_t *chosen = batch->choices + (size_t)choice * batch->stride;
        for (int b = 0; b < batch->n_examples; b++) {
            counts[chosen[b]]++;
        }
    }
}

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    const balance *self = (const balance *)state;
    const int n_leaves = batch->dims->n_leaves;
    const double size = self->configured_batch ? batch->dims->batch_size : batch->n_examples;
    int64_t *counts = (int64_t *)host->scratch(host, sizeof *counts * (size_t)n_leaves);
    count_choices(counts, batch);
    *value = 0;
    for (int leaf = 0; leaf < n_leaves; leaf++) {
        if (counts[leaf] == 0) {
            continue;
        }
        const size_t row = (size_t)leaf * batch->stride;
        const double f = (double)counts[leaf] / (size * batch->dims->n_choices);
        *value += n_leaves * f * sum_row(batch->mixture + row, batch->n_examples) / size;
        if (d) {
            const esp_real slope = (esp_real)(n_leaves * f / size);
            esp_real *restrict dc = d->mixture + row;
            for (int b = 0; b < batch->n_examples; b++) {
                dc[b] += slope;
            }
        }
    }
    return 0;
}

static int create(void *state, const esp_host *host, const esp_dims *dims)
{
    (void)state;
    if (dims->routing != ESP_ROUTING_TREE && dims->routing != ESP_ROUTING_GATE) {
        return host->fail(host, "needs a model that mixes leaves or experts (kind: fff or moe); "
                                "give it weight 0 or leave it out for others");
    }
    return 0;
}

static const esp_param params[] = {
    {.name = "configured_batch",
     .help = "divide by the configured batch size also on a short batch, as the published code",
     .type = ESP_PARAM_BOOLEAN,
     .offset = offsetof(balance, configured_batch),
     .default_value = 0},
};

static const esp_loss_ops ops = {
    .struct_size = sizeof ops,
    .needs = ESP_MIXTURE | ESP_CHOICES,
    .evaluate = evaluate,
};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_LOSS,
    .role = ESP_ROUTING,
    .name = "balance",
    .version = "1",
    .summary = "unevenness of leaf use: L times the sum of hard share times mean mixture weight",
    .source = "arXiv:2405.16836, section 3.3; arXiv:2101.03961, eq. 4-6",
    .cost = "O(B L), one addition an element",
    .state_size = sizeof(balance),
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .loss = &ops,
    .create = create,
};
