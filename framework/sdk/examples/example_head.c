/* example_head: a linear classifier beside the model, mixed in by a trained scale.
 *
 *     y = input + s h,  h = x W + b (H = O projections of the input, made by the host)
 *     d / d input = dy,  d / d h = s dy,  d / d s = sum dy h
 * Source: none. Make it yours, in this order: the equations above; declare(), which says how many
 * projections and which tensors there are; forward() and backward(); the parameters; what the
 * descriptor at the end says of it. `version` is part of a trial's identity: raise it when results
 * change.
 *
 * Views, the EXAMPLE INDEX FASTEST, element (j, b) at [j * batch->stride + b], b < B = n_examples:
 * hidden (H, B) before any activation, input (O, B), labels (B); sizes are in batch->dims.
 * forward() is called on soft and on hard logits. The host initializes, trains and checkpoints W, b
 * and what declare() names. espalier_plugin.h says the rest; a larger head is
 * plugins/head/master_leaf.c in espalier's own tree.
 *
 * Build it, check it against finite differences, and train with it:
 *     $ cc -std=c11 -O3 -shared -fPIC -fvisibility=hidden $(pkg-config --cflags espalier-plugin) \
 *     $     example_head.c -o example_head.so -lm
 *     $ espalier plugins check ./example_head.so
 *     $ ESPALIER_PLUGIN_PATH=. espalier run STUDY.yaml --set heads.example_head.scale=0.1
 * In a study it is   heads: {example_head: {scale: 0.1}} */
#include "espalier_plugin.h"

typedef struct settings {
    double scale; /* the host fills it from the study: see params */
} settings;

enum { SCALE, N_TENSORS };

/* Tensor names stand in checkpoints: no other head may have the same. */
static int declare(void *state, const esp_host *host, const esp_dims *dims, esp_head_decl *decl)
{
    (void)host;
    decl->n_hidden = dims->n_outputs;
    decl->projection_weight_name = "example_head_w";
    decl->projection_bias_name = "example_head_b";
    decl->n_tensors = N_TENSORS;
    decl->tensors[SCALE].name = "example_head_scale"; /* rank 0: one number */
    decl->tensors[SCALE].center = ((const settings *)state)->scale;
    decl->tensors[SCALE].trainable = 1;
    decl->inference_macs = ((double)dims->n_features + 1) * dims->n_outputs;
    return 0;
}

static int forward(void *state, const esp_host *host, const esp_head_batch *batch, esp_real *output)
{
    (void)state;
    (void)host;
    const esp_real scale = batch->tensors[SCALE][0];
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        const size_t row = (size_t)o * (size_t)batch->stride;
        for (int b = 0; b < batch->n_examples; b++) {
            const size_t at = row + (size_t)b;
            output[at] = batch->input[at] + scale * batch->hidden[at];
        }
    }
    return 0;
}

static int backward(void *state, const esp_host *host, const esp_head_batch *batch,
                    const esp_head_gradients *d)
{
    (void)state;
    (void)host;
    const esp_real scale = batch->tensors[SCALE][0];
    double slope = 0;
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        const size_t row = (size_t)o * (size_t)batch->stride;
        for (int b = 0; b < batch->n_examples; b++) {
            const size_t at = row + (size_t)b;
            d->input[at] = d->output[at]; /* overwrite input and hidden */
            d->hidden[at] = scale * d->output[at];
            slope += (double)d->output[at] * (double)batch->hidden[at];
        }
    }
    d->tensors[SCALE][0] += (esp_real)slope; /* add to tensors */
    return 0;
}

static const esp_param params[] = {{.name = "scale",
                                    .help = "initial scale of the classifier in the output",
                                    .type = ESP_PARAM_REAL,
                                    .offset = offsetof(settings, scale),
                                    .default_value = 0.1,
                                    .minimum = -10,
                                    .maximum = 10}};

static const esp_head_ops ops = {
    .struct_size = sizeof ops, .declare = declare, .forward = forward, .backward = backward};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_HEAD,
    .role = ESP_TASK,
    .name = "example_head",
    .version = "1",
    .summary = "a linear classifier beside the model, mixed in by a trained scale",
    .source = "none",
    .cost = "(F + 1) O multiply-adds an example at inference",
    .state_size = sizeof(settings),
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .head = &ops,
};
