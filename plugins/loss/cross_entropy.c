/* cross_entropy: how unlikely the network finds the right classes, in nats.
 *
 *     value = 1/B sum_b ( log sum_o exp(y[o,b]) - y[label[b],b] )
 *     d value / d y[o,b] = 1/B ( softmax(y[.,b])[o] - (o == label[b]) )
 *
 * The largest logit of each example is taken out before exp, so nothing overflows.
 * With label_smoothing s the target is 1 - s at the label plus s/O everywhere, which adds
 *     s/B sum_b ( y[label[b],b] - 1/O sum_o y[o,b] )
 * in training and in evaluation alike.
 * Source: the task loss of arXiv 2405.16836 section 3.2 (torch.nn.CrossEntropyLoss, mean);
 * label smoothing: arXiv 1512.00567 section 7. */
#include "espalier_plugin.h"

typedef struct cross_entropy {
    double label_smoothing;
} cross_entropy;

/* top (B) overwritten with each example's largest logit. */
static void find_tops(esp_real *restrict top, const esp_batch *batch)
{
    for (int b = 0; b < batch->n_examples; b++) {
        top[b] = batch->logits[b];
    }
    for (int o = 1; o < batch->dims->n_outputs; o++) {
        const esp_real *restrict y = batch->logits + (size_t)o * batch->stride;
        for (int b = 0; b < batch->n_examples; b++) {
            top[b] = y[b] > top[b] ? y[b] : top[b];
        }
    }
}

/* sum (B) overwritten with sum_o exp(y - top). */
static void sum_exponentials(esp_real *restrict sum, const esp_real *restrict top,
                             const esp_batch *batch)
{
    for (int b = 0; b < batch->n_examples; b++) {
        sum[b] = 0;
    }
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        const esp_real *restrict y = batch->logits + (size_t)o * batch->stride;
        for (int b = 0; b < batch->n_examples; b++) {
            sum[b] += esp_exp(y[b] - top[b]);
        }
    }
}

static void add_gradient(esp_real *dy, esp_real *restrict sum, const esp_real *restrict top,
                         const esp_batch *batch)
{
    const int n_examples = batch->n_examples;
    const esp_real share = (esp_real)1 / (esp_real)n_examples;
    for (int b = 0; b < n_examples; b++) {
        sum[b] = share / sum[b];
    }
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        const esp_real *restrict y = batch->logits + (size_t)o * batch->stride;
        esp_real *restrict row = dy + (size_t)o * batch->stride;
        for (int b = 0; b < n_examples; b++) {
            row[b] += esp_exp(y[b] - top[b]) * sum[b];
        }
    }
    for (int b = 0; b < n_examples; b++) {
        dy[(size_t)batch->labels[b] * batch->stride + b] -= share;
    }
}

/* Returns what smoothing adds to the value; dy NULL: only that. */
static double add_smoothing(esp_real *dy, double smoothing, const esp_batch *batch)
{
    const int n_outputs = batch->dims->n_outputs, n_examples = batch->n_examples;
    const esp_real slope = (esp_real)(smoothing / n_examples);
    double total = 0;
    for (int o = 0; o < n_outputs; o++) {
        const esp_real *y = batch->logits + (size_t)o * batch->stride;
        for (int b = 0; b < n_examples; b++) {
            total -= (double)y[b] / n_outputs;
        }
        for (int b = 0; dy && b < n_examples; b++) {
            dy[(size_t)o * batch->stride + b] -= slope / (esp_real)n_outputs;
        }
    }
    for (int b = 0; b < n_examples; b++) {
        const size_t own = (size_t)batch->labels[b] * batch->stride + b;
        total += batch->logits[own];
        if (dy) {
            dy[own] += slope;
        }
    }
    return smoothing * total / n_examples;
}

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    const cross_entropy *self = (const cross_entropy *)state;
    const int n_examples = batch->n_examples;
    esp_real *top = (esp_real *)host->scratch(host, sizeof(esp_real) * (size_t)n_examples);
    esp_real *sum = (esp_real *)host->scratch(host, sizeof(esp_real) * (size_t)n_examples);
    esp_real *loss = (esp_real *)host->scratch(host, sizeof(esp_real) * (size_t)n_examples);
    find_tops(top, batch);
    sum_exponentials(sum, top, batch);
    for (int b = 0; b < n_examples; b++) {
        loss[b] = top[b] + esp_log(sum[b]);
    }
    double total = 0;
    for (int b = 0; b < n_examples; b++) {
        total += loss[b] - batch->logits[(size_t)batch->labels[b] * batch->stride + b];
    }
    *value = total / n_examples;
    if (d) {
        add_gradient(d->logits, sum, top, batch);
    }
    if (self->label_smoothing > 0) {
        *value += add_smoothing(d ? d->logits : NULL, self->label_smoothing, batch);
    }
    return 0;
}

static const esp_param params[] = {
    {.name = "label_smoothing",
     .help = "share of the target that is spread evenly over all classes",
     .type = ESP_PARAM_REAL,
     .offset = offsetof(cross_entropy, label_smoothing),
     .default_value = 0,
     .minimum = 0,
     .maximum = 1},
};

static const esp_loss_ops ops = {
    .struct_size = sizeof ops,
    .needs = ESP_LOGITS,
    .evaluate = evaluate,
};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_LOSS,
    .role = ESP_TASK,
    .name = "cross_entropy",
    .version = "1",
    .summary = "negative log likelihood of the labels under softmax, mean over the batch, in nats",
    .source = "arXiv:2405.16836, section 3.2; label smoothing: arXiv:1512.00567, section 7",
    .cost = "O(B O), two exps an element and one log an example",
    .state_size = sizeof(cross_entropy),
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .loss = &ops,
};
