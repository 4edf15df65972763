/* load_bias: balances a gate without gradients, by a bias that only the choice of experts sees.
 *
 *     after each optimizer step:  bias[i] += rate * sign(mean count - count[i])
 *
 * count is how many of the step's examples chose expert i. The bias is added to the gate's noisy
 * logits where the K greatest are taken, never to the weights of the chosen; the source adds it to
 * sigmoid scores, whose unit is smaller: there the rate is 0.001, here it is 0.01 unless
 * set. It belongs to the network: checkpoints hold it, and inference chooses by it.
 *
 * Nothing is minimized: the value is 0 and the study's weight scales nothing. A weight above 0
 * turns the term on, 0 leaves the bias as it is. What can be watched is the logged max_violation,
 *     max_i count[i] / mean count - 1,  mean over batches: 0 where every expert is chosen alike.
 *
 * Source: arXiv 2408.15664 algorithm 1 and eq. 4; arXiv 2412.19437 section 2.1.2. */
#include "espalier_plugin.h"

typedef struct load_bias {
    double rate;
    int32_t n_leaves; /* set by create: after_step is not told */
} load_bias;

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    (void)state;
    (void)d;
    const int n_leaves = batch->dims->n_leaves, n_choices = batch->dims->n_choices;
    int64_t *counts = (int64_t *)host->scratch(host, sizeof *counts * (size_t)n_leaves);
    for (int leaf = 0; leaf < n_leaves; leaf++) {
        counts[leaf] = 0;
    }
    int64_t most = 0;
    for (int k = 0; k < n_choices; k++) {
        const int32_t *chosen = batch->choices + (size_t)k * batch->stride;
        for (int b = 0; b < batch->n_examples; b++) {
            const int64_t count = ++counts[chosen[b]];
            most = count > most ? count : most;
        }
    }
    const double mean = (double)batch->n_examples * n_choices / n_leaves;
    host->log(host, "max_violation", batch->n_examples * ((double)most / mean - 1),
              batch->n_examples);
    *value = 0;
    return 0;
}

static int after_step(void *state, const esp_host *host, const int64_t *counts,
                      esp_real *routing_bias)
{
    const load_bias *self = (const load_bias *)state;
    (void)host;
    int64_t total = 0;
    for (int i = 0; i < self->n_leaves; i++) {
        total += counts[i];
    }
    for (int i = 0; i < self->n_leaves; i++) {
        const int64_t excess = counts[i] * self->n_leaves - total; /* exact: no mean is rounded */
        const double sign = excess > 0 ? -1 : excess < 0 ? 1 : 0;
        routing_bias[i] += (esp_real)(self->rate * sign);
    }
    return 0;
}

static int create(void *state, const esp_host *host, const esp_dims *dims)
{
    load_bias *self = (load_bias *)state;
    self->n_leaves = dims->n_leaves;
    if (dims->routing != ESP_ROUTING_GATE) {
        return host->fail(host,
                          "needs a gate's routing bias (kind: moe); give it weight 0 or leave "
                          "it out for others");
    }
    return 0;
}

static const esp_param params[] = {
    {.name = "rate",
     .help = "how far the bias of each expert moves in a step, in units of gate logits",
     .type = ESP_PARAM_REAL,
     .offset = offsetof(load_bias, rate),
     .default_value = 0.01,
     .minimum = 0,
     .maximum = 1},
};

static const esp_loss_ops ops = {
    .struct_size = sizeof ops,
    .needs = ESP_CHOICES,
    .evaluate = evaluate,
    .after_step = after_step,
};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_LOSS,
    .role = ESP_ROUTING,
    .name = "load_bias",
    .version = "1",
    .summary =
        "no loss: moves a gate's routing bias against the load; any weight above 0 turns it on",
    .source = "arXiv:2408.15664, algorithm 1; arXiv:2412.19437, section 2.1.2",
    .cost = "O(B K + L) integer additions",
    .state_size = sizeof(load_bias),
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .loss = &ops,
    .create = create,
};
