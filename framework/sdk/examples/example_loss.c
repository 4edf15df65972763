/* example_loss: keeps logits within a margin; half the squared excess, mean over the batch.
 *
 *     e = max(0, |y| - margin)        value = 1/(2B) sum e^2
 *                                     d value / d y = sign(y) e / B
 * Source: none. Make it yours, in this order: the equation above and its derivative; what is read
 * (`needs` below); evaluate(); the parameters; what the descriptor at the end says of it. `version`
 * is part of a trial's identity: raise it when results change.
 *
 * Views, the EXAMPLE INDEX FASTEST, element (j, b) at [j * batch->stride + b], b < B = n_examples:
 * logits (O, B), scores and probabilities (N, B), mixture (L, B), choices (K, B), labels (B); sizes
 * are in batch->dims. espalier_plugin.h says what each is. What `needs` does not name and what a
 * kind of model does not have is NULL: see create().
 *
 * Build it, check it against finite differences, and train with it:
 *     $ cc -std=c11 -O3 -shared -fPIC -fvisibility=hidden $(pkg-config --cflags espalier-plugin) \
 *     $     example_loss.c -o example_loss.so -lm
 *     $ espalier plugins check ./example_loss.so
 *     $ ESPALIER_PLUGIN_PATH=. espalier run STUDY.yaml --set losses.example_loss.weight=0.01
 * In a study it is   losses: {cross_entropy: {weight: 1}, example_loss: {weight: 0.01, margin: 5}}
 */
#include "espalier_plugin.h"

typedef struct settings {
    double margin; /* the host fills it from the study: see params */
} settings;

/* Declines a model that lacks what is read; logits and labels are always there. With ESP_MIXTURE it
 * would be: if (dims->routing != ESP_ROUTING_TREE && dims->routing != ESP_ROUTING_GATE) {
 *               return host->fail(host, "needs a model that mixes leaves or experts"); } */
static int create(void *state, const esp_host *host, const esp_dims *dims)
{
    (void)state;
    (void)host;
    (void)dims;
    return 0;
}

static int evaluate(void *state, const esp_host *host, const esp_batch *batch,
                    const esp_gradients *d, double *value)
{
    (void)host; /* offers log, fail, scratch memory and random numbers */
    const double margin = ((const settings *)state)->margin;
    double sum = 0;
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        const size_t row = (size_t)o * (size_t)batch->stride;
        for (int b = 0; b < batch->n_examples; b++) {
            const double y = (double)batch->logits[row + (size_t)b];
            const double excess = fmax(0, fabs(y) - margin);
            sum += excess * excess;
            if (d) { /* else only the value is wanted; ADD, the weight is the host's */
                d->logits[row + (size_t)b] += (esp_real)(copysign(excess, y) / batch->n_examples);
            }
        }
    }
    *value = sum / (2 * batch->n_examples);
    return 0;
}

static const esp_param params[] = {{.name = "margin",
                                    .help = "logits up to this size cost nothing",
                                    .type = ESP_PARAM_REAL,
                                    .offset = offsetof(settings, margin),
                                    .default_value = 5,
                                    .minimum = 0,
                                    .maximum = INFINITY}};

static const esp_loss_ops ops = {
    .struct_size = sizeof ops, .needs = ESP_LOGITS, .evaluate = evaluate};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_LOSS,
    /* ESP_TASK: it is (part of) the task, and counts in soft_loss and hard_loss. ESP_ROUTING: it
     * shapes how examples are sent to leaves. ESP_PENALTY: it keeps parameters or logits small.
     * Terms of the last two are trained on too, but soft_loss and hard_loss leave them out, so that
     * these stay comparable with variants that lack the term. */
    .role = ESP_PENALTY,
    .name = "example_loss",
    .version = "1",
    .summary = "half the squared excess of the logits over a margin",
    .source = "none",
    .cost = "O(B O)",
    .state_size = sizeof(settings),
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .loss = &ops,
    .create = create,
};
