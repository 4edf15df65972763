/* mixture_entropy: minus the entropy of the batch's mean mixture, in nats; minimizing it spreads
 * the examples over the leaves while each may still go to one leaf alone.
 *
 *     value = sum_leaf P log P,   P[leaf] = 1/B sum_b c[leaf,b]
 *     d value / d c[leaf,b] = (1 + log P[leaf]) / B
 *
 * Between -log L, where all leaves have the same weight, and 0, where one has it all. A leaf that
 * has no weight at all counts 0; for its slope P is taken to be no less than 1e-30.
 *
 * Source: none for trees of leaves; the marginal entropy term of discriminative clustering (Krause,
 * Perona and Gomes, NIPS 2010). */
#include "espalier_plugin.h"

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    (void)state;
    (void)host;
    const int n_examples = batch->n_examples;
    *value = 0;
    for (int leaf = 0; leaf < batch->dims->n_leaves; leaf++) {
        const size_t row = (size_t)leaf * batch->stride;
        double mean = 0;
        for (int b = 0; b < n_examples; b++) {
            mean += batch->mixture[row + b];
        }
        mean /= n_examples;
        const double log_mean = log(fmax(mean, 1e-30));
        *value += mean * log_mean;
        if (d) {
            const esp_real slope = (esp_real)((1 + log_mean) / n_examples);
            esp_real *restrict dc = d->mixture + row;
            for (int b = 0; b < n_examples; b++) {
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

static const esp_loss_ops ops = {
    .struct_size = sizeof ops,
    .needs = ESP_MIXTURE,
    .evaluate = evaluate,
};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_LOSS,
    .role = ESP_ROUTING,
    .name = "mixture_entropy",
    .version = "1",
    .summary = "minus the entropy of the batch's mean mixture, in nats; -log L where load is even",
    .source = "Krause, Perona and Gomes, NIPS 2010, of leaves in place of clusters",
    .cost = "O(B L), two additions an element and one log a leaf",
    .loss = &ops,
    .create = create,
};
