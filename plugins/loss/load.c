/* load: how unequal the experts' expected numbers of examples are.
 *
 *     value = CV(load)^2 = 1/E sum_i (load[i]/m - 1)^2,   m = mean load of the E experts
 *     d value / d load[i] = 2/(E m) (load[i]/m - 1 - value)
 *
 * load is the gate's smooth estimate: the chance that an expert is chosen, were its noise drawn
 * again, summed over the batch. The host computes it and carries the gradient back. A gate without
 * noise (and any gate in evaluation) counts hard choices instead, through which no gradient flows.
 *
 * Source: arXiv 1701.06538 eq. 11 (its appendix A); w_load is the study's weight. */
#include "espalier_plugin.h"

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    (void)state;
    (void)host;
    const int n_experts = batch->dims->n_leaves;
    double mean = 0, squares = 0;
    for (int i = 0; i < n_experts; i++) {
        mean += (double)batch->load[i] / n_experts;
    }
    for (int i = 0; i < n_experts; i++) {
        const double excess = batch->load[i] / mean - 1;
        squares += excess * excess;
    }
    *value = squares / n_experts;
    for (int i = 0; d && i < n_experts; i++) {
        const double excess = batch->load[i] / mean - 1;
        d->load[i] += (esp_real)(2 * (excess - *value) / (n_experts * mean));
    }
    return 0;
}

static int create(void *state, const esp_host *host, const esp_dims *dims)
{
    (void)state;
    if (dims->routing != ESP_ROUTING_GATE) {
        return host->fail(host, "needs a gate's load (kind: moe); give it weight 0 or leave it out "
                                "for others");
    }
    return 0;
}

static const esp_loss_ops ops = {
    .struct_size = sizeof ops,
    .needs = ESP_LOAD,
    .evaluate = evaluate,
};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_LOSS,
    .role = ESP_ROUTING,
    .name = "load",
    .version = "1",
    .summary = "squared coefficient of variation of a noisy gate's expected load of each expert",
    .source = "arXiv:1701.06538, eq. 11",
    .cost = "O(E) beside the gate's own estimate, an erfc for each expert and example",
    .loss = &ops,
    .create = create,
};
