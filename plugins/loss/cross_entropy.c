/* cross_entropy: how unlikely the network finds the right classes, in nats.
 *
 *     value = 1/B sum_b ( log sum_o exp(y[o,b]) - y[label[b],b] )
 *     d value / d y[o,b] = 1/B ( softmax(y[.,b])[o] - (o == label[b]) )
 *
 * The largest logit of each example is taken out before exp, so nothing overflows.
 * Source: the task loss of arXiv 2405.16836 section 3.2 (torch.nn.CrossEntropyLoss, mean). */
#include "espalier_plugin.h"

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

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    (void)state;
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
    return 0;
}

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
    .source = "arXiv:2405.16836, section 3.2",
    .cost = "O(B O), two exps an element and one log an example",
    .loss = &ops,
};
