/* focal: cross entropy that counts examples the less the better they are classified.
 *
 *     value = -1/B sum_b q^gamma log p,   p = softmax(y[.,b])[label[b]], q = 1 - p
 *     d value / d y[o,b] = 1/B q^gamma ( 1 - gamma p log(p)/q ) ( softmax(y[.,b])[o] - (o == label)
 * )
 *
 * gamma 0 is cross entropy. Classes are not weighted (alpha of the paper is 1). q is summed from
 * the other classes' exponentials, so that neither it nor log p = log1p(-q) is lost where p rounds
 * to 1; there log(p)/q goes to -1 and the value to 0.
 *
 * Source: arXiv 1708.02002 eq. 4 and appendix B. */
#include "espalier_plugin.h"

typedef struct focal {
    double gamma;
} focal;

/* What one example's softmax leaves of its label. */
typedef struct share {
    double top, sum; /* of the exponentials, the largest logit taken out */
    double q, log_p;
} share;

static share share_of_label(const esp_batch *batch, int b)
{
    const esp_real *y = batch->logits + b;
    const size_t stride = (size_t)batch->stride;
    const int label = batch->labels[b];
    share out = {.top = y[0]};
    for (int o = 1; o < batch->dims->n_outputs; o++) {
        out.top = fmax(out.top, y[(size_t)o * stride]);
    }
    double others = 0;
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        others += o == label ? 0 : exp(y[(size_t)o * stride] - out.top);
    }
    const double above = y[(size_t)label * stride] - out.top, own = exp(above);
    out.sum = own + others;
    out.q = others / out.sum;
    out.log_p = out.q < 0.5 ? log1p(-out.q) : above - log(out.sum);
    return out;
}

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    const focal *self = (const focal *)state;
    (void)host;
    const int n_examples = batch->n_examples;
    double total = 0;
    for (int b = 0; b < n_examples; b++) {
        const share s = share_of_label(batch, b);
        const double factor = pow(s.q, self->gamma);
        total -= factor * s.log_p;
        if (!d) {
            continue;
        }
        const double ratio = s.q > 0 ? s.log_p / s.q : -1;
        const double slope = factor * (1 - self->gamma * (1 - s.q) * ratio) / n_examples;
        for (int o = 0; o < batch->dims->n_outputs; o++) {
            const size_t at = (size_t)o * batch->stride + b;
            const double part =
                o == batch->labels[b] ? -s.q : exp(batch->logits[at] - s.top) / s.sum;
            d->logits[at] += (esp_real)(slope * part);
        }
    }
    *value = total / n_examples;
    return 0;
}

static const esp_param params[] = {
    {.name = "gamma",
     .help = "how fast well classified examples lose weight; 0: cross entropy",
     .type = ESP_PARAM_REAL,
     .offset = offsetof(focal, gamma),
     .default_value = 2,
     .minimum = 0,
     .maximum = 10},
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
    .name = "focal",
    .version = "1",
    .summary =
        "cross entropy that counts well classified examples less, mean over the batch, in nats",
    .source = "arXiv:1708.02002, eq. 4",
    .cost = "O(B O), two exps an element; a pow and a log an example",
    .state_size = sizeof(focal),
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .loss = &ops,
};
