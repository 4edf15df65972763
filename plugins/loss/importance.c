/* importance: how unequal the leaves' total weights are, as Shazeer et al. measure it.
 *
 *     value = CV(I)^2 = L sum_leaf I^2 / (sum_leaf I)^2 - 1,   I[leaf] = sum_b c[leaf,b]
 *           = 1/L sum_leaf (L P - 1)^2,   P = I/B, since c sums to 1 over the leaves
 *     d value / d c[leaf,b] = 2 (L P[leaf] - 1) / B
 *
 * CV is the coefficient of variation: standard deviation (of all L, not a sample) over mean. 0 when
 * every leaf has the same weight, L - 1 when one has it all. Soft: hard choices do not enter.
 *
 * Source: arXiv 1701.06538 eq. 6-7, whose gate values c are; w_importance is the study's weight. */
#include "espalier_plugin.h"

static double mean_of_row(const esp_real *row, int count)
{
    double total = 0;
    for (int b = 0; b < count; b++) {
        total += row[b];
    }
    return total / count;
}

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    (void)state;
    (void)host;
    const int n_leaves = batch->dims->n_leaves, n_examples = batch->n_examples;
    double squares = 0;
    for (int leaf = 0; leaf < n_leaves; leaf++) {
        const size_t row = (size_t)leaf * batch->stride;
        const double excess = n_leaves * mean_of_row(batch->mixture + row, n_examples) - 1;
        squares += excess * excess;
        if (d) {
            const esp_real slope = (esp_real)(2 * excess / n_examples);
            esp_real *restrict dc = d->mixture + row;
            for (int b = 0; b < n_examples; b++) {
                dc[b] += slope;
            }
        }
    }
    *value = squares / n_leaves;
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
    .name = "importance",
    .version = "1",
    .summary = "squared coefficient of variation of the leaves' total mixture weights",
    .source = "arXiv:1701.06538, eq. 6-7",
    .cost = "O(B L), two additions an element",
    .loss = &ops,
    .create = create,
};
