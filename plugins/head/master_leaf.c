/* master_leaf: one small network that every example visits, mixed with the tree's logits.
 *
 *     y  = k tree + (1-k) ML(x),  k = sigmoid(raw)
 *     ML = relu(h) W2 + b2,       h = x W1 + b1 (the host's fused projection)
 *     d / d raw = k (1-k) sum dy (tree - ML)
 *
 * k is one trained number, as published; with `k_trainable: false` it stays as it starts, with
 * `k_per_class: true` each output o has a k_o (and raw_o) of its own.
 *
 * Evaluation logs on hard logits what the paper does not report:
 *   tree_accuracy  of the tree alone, what `eval --ablate master_leaf` gives
 *   head_accuracy  of (1-k) ML alone, what `eval --ablate tree` gives
 *   tree_norm, head_norm  mean L2 norm of k tree and of (1-k) ML; k's own scale says little, since
 *                         W2 absorbs it
 *   k              mean over outputs
 *
 * The paper states 0 < k < 1 and no more; parametrization and initial values are the published
 * code's: W2, b2 uniform +-1/sqrt(leaf width of the tree), raw = 0.5, and k multiplies the tree.
 * "Tree" is whatever stands below this head.
 * Source: arXiv 2405.16836 section 3.4. */
#include "espalier_plugin.h"

#include <string.h>

typedef struct master_leaf {
    int64_t width; /* H */
    double k;
    int32_t k_trainable, k_per_class;
} master_leaf;

enum { W2, B2, K, LANES = 16 };

static esp_real k_of(const master_leaf *self, const esp_head_batch *batch, int output)
{
    const esp_real raw = batch->tensors[K][self->k_per_class ? output : 0];
    return (esp_real)(1 / (1 + exp(-(double)raw)));
}

static inline esp_real relu(esp_real h)
{
    return h > 0 ? h : 0;
}

static int declare(void *state, const esp_host *host, const esp_dims *dims, esp_head_decl *decl)
{
    (void)host;
    const master_leaf *self = (const master_leaf *)state;
    const int32_t n_hidden = (int32_t)self->width, n_outputs = dims->n_outputs;
    const double bound = 1 / sqrt(dims->leaf_width > 0 ? dims->leaf_width : 1);
    decl->n_hidden = n_hidden;
    decl->projection_weight_name = "magic_w1";
    decl->projection_bias_name = "magic_b1";
    decl->n_tensors = 3;
    decl->tensors[W2] = (esp_tensor_decl){.name = "magic_w2",
                                          .rank = 3,
                                          .shape = {1, n_hidden, n_outputs},
                                          .bound = bound,
                                          .trainable = 1};
    decl->tensors[B2] = (esp_tensor_decl){
        .name = "magic_b2", .rank = 2, .shape = {1, n_outputs}, .bound = bound, .trainable = 1};
    decl->tensors[K] = (esp_tensor_decl){.name = "k",
                                         .rank = self->k_per_class ? 1 : 0,
                                         .shape = {n_outputs},
                                         .center = log(self->k / (1 - self->k)),
                                         .trainable = self->k_trainable};
    /* W1, W2, and the two products of the mix */
    decl->inference_macs =
        (double)dims->n_features * n_hidden + (double)n_hidden * n_outputs + 2.0 * n_outputs;
    /* a host of the first release knows no biases of heads */
    if (decl->struct_size >= offsetof(esp_head_decl, biases) + sizeof decl->biases) {
        decl->biases = 1u << B2;
    }
    return 0;
}

static int forward(void *state, const esp_host *host, const esp_head_batch *batch, esp_real *output)
{
    (void)host;
    const master_leaf *self = (const master_leaf *)state;
    const int n_hidden = (int)self->width;
    const int n_outputs = batch->dims->n_outputs, n_examples = batch->n_examples;
    const size_t stride = (size_t)batch->stride;
    for (int o = 0; o < n_outputs; o++) {
        const esp_real k = k_of(self, batch, o);
        const esp_real *restrict tree = batch->input + (size_t)o * stride;
        const esp_real bias = batch->tensors[B2][o];
        esp_real *restrict y = output + (size_t)o * stride;
        for (int b = 0; b < n_examples; b++) {
            y[b] = bias;
        }
        for (int j = 0; j < n_hidden; j++) {
            const esp_real *restrict h = batch->hidden + (size_t)j * stride;
            const esp_real w = batch->tensors[W2][(size_t)j * n_outputs + o];
            for (int b = 0; b < n_examples; b++) {
                y[b] += relu(h[b]) * w;
            }
        }
        for (int b = 0; b < n_examples; b++) {
            y[b] = k * tree[b] + (1 - k) * y[b];
        }
    }
    return 0;
}

/* sum_b a[b] g[b], or of relu(a) where rectify; in LANES parts, so that the loop runs as vectors
 * in a fixed order. */
static esp_real dot(const esp_real *a, const esp_real *g, int count, int rectify)
{
    esp_real lanes[LANES] = {0};
    int b = 0;
    for (; b + LANES <= count; b += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            const esp_real value = a[b + lane];
            lanes[lane] += (rectify && !(value > 0) ? 0 : value) * g[b + lane];
        }
    }
    double total = 0;
    for (int lane = 0; lane < LANES; lane++) {
        total += lanes[lane];
    }
    for (; b < count; b++) {
        total += (double)(rectify ? relu(a[b]) : a[b]) * g[b];
    }
    return (esp_real)total;
}

static double sum_row(const esp_real *row, int count)
{
    double total = 0;
    for (int b = 0; b < count; b++) {
        total += row[b];
    }
    return total;
}

static void backward_hidden(esp_real *dhidden, const master_leaf *self, const esp_head_batch *batch,
                            const esp_real *dy)
{
    const int n_outputs = batch->dims->n_outputs, n_hidden = (int)self->width;
    const size_t stride = (size_t)batch->stride;
    for (int j = 0; j < n_hidden; j++) {
        const esp_real *restrict h = batch->hidden + (size_t)j * stride;
        esp_real *restrict dh = dhidden + (size_t)j * stride;
        for (int b = 0; b < batch->n_examples; b++) {
            dh[b] = 0;
        }
        for (int o = 0; o < n_outputs; o++) {
            const esp_real *restrict g = dy + (size_t)o * stride;
            const esp_real scale = 1 - k_of(self, batch, o);
            const esp_real w = scale * batch->tensors[W2][(size_t)j * n_outputs + o];
            for (int b = 0; b < batch->n_examples; b++) {
                dh[b] += w * g[b];
            }
        }
        for (int b = 0; b < batch->n_examples; b++) {
            dh[b] = h[b] > 0 ? dh[b] : 0;
        }
    }
}

static int backward(void *state, const esp_host *host, const esp_head_batch *batch,
                    const esp_head_gradients *d)
{
    (void)host;
    const master_leaf *self = (const master_leaf *)state;
    const int n_hidden = (int)self->width;
    const int n_outputs = batch->dims->n_outputs, n_examples = batch->n_examples;
    const size_t stride = (size_t)batch->stride;
    double slope = 0; /* sum dy (tree - ML); the products with ML reuse those of dW2 and db2 */
    for (int o = 0; o < n_outputs; o++) {
        const esp_real k = k_of(self, batch, o);
        const esp_real *restrict g = d->output + (size_t)o * stride;
        esp_real *restrict dtree = d->input + (size_t)o * stride;
        for (int b = 0; b < n_examples; b++) {
            dtree[b] = k * g[b];
        }
        slope += dot(batch->input + (size_t)o * stride, g, n_examples, 0);
        const double sum = sum_row(g, n_examples);
        slope -= sum * batch->tensors[B2][o];
        d->tensors[B2][o] += (esp_real)((1 - k) * sum);
        for (int j = 0; j < n_hidden; j++) {
            const size_t element = (size_t)j * n_outputs + o;
            const esp_real product = dot(batch->hidden + (size_t)j * stride, g, n_examples, 1);
            slope -= (double)product * batch->tensors[W2][element];
            d->tensors[W2][element] += (1 - k) * product;
        }
        if (self->k_per_class || o == n_outputs - 1) {
            d->tensors[K][self->k_per_class ? o : 0] += (esp_real)(slope * k * (1 - k));
            slope = 0;
        }
    }
    backward_hidden(d->hidden, self, batch, d->output);
    return 0;
}

/* The examples whose label has the greatest logit; the first of equals wins. */
static int count_correct(const esp_head_batch *batch, const esp_real *logits)
{
    const size_t stride = (size_t)batch->stride;
    int correct = 0;
    for (int b = 0; b < batch->n_examples; b++) {
        int best = 0;
        for (int o = 1; o < batch->dims->n_outputs; o++) {
            best = logits[o * stride + b] > logits[best * stride + b] ? o : best;
        }
        correct += best == batch->labels[b];
    }
    return correct;
}

static int evaluate(void *state, const esp_host *host, const esp_head_batch *batch,
                    const esp_real *output)
{
    const master_leaf *self = (const master_leaf *)state;
    const int n_outputs = batch->dims->n_outputs, n_examples = batch->n_examples;
    const size_t count = (size_t)n_outputs * (size_t)batch->stride;
    esp_real *none = (esp_real *)host->scratch(host, sizeof *none * count);
    esp_real *alone = (esp_real *)host->scratch(host, sizeof *alone * count);
    double *k = (double *)host->scratch(host, sizeof *k * (size_t)n_outputs);
    if (!none || !alone || !k) {
        return host->fail(host, "no memory");
    }
    memset(none, 0, sizeof *none * count);
    esp_head_batch without_tree = *batch;
    without_tree.input = none;
    forward(state, host, &without_tree, alone);
    double tree_norm = 0, head_norm = 0, k_sum = 0;
    for (int o = 0; o < n_outputs; o++) {
        k[o] = (double)k_of(self, batch, o);
        k_sum += k[o];
    }
    for (int b = 0; b < n_examples; b++) {
        double tree = 0, head = 0;
        for (int o = 0; o < n_outputs; o++) {
            const size_t element = (size_t)o * batch->stride + b;
            const double part = k[o] * batch->input[element];
            tree += part * part;
            head += (output[element] - part) * (output[element] - part);
        }
        tree_norm += sqrt(tree);
        head_norm += sqrt(head);
    }
    host->log(host, "k", k_sum / n_outputs * n_examples, n_examples);
    host->log(host, "tree_norm", tree_norm, n_examples);
    host->log(host, "head_norm", head_norm, n_examples);
    host->log(host, "tree_accuracy", count_correct(batch, batch->input), n_examples);
    host->log(host, "head_accuracy", count_correct(batch, alone), n_examples);
    return 0;
}

static const esp_param params[] = {
    {.name = "width",
     .help = "hidden units of the master leaf",
     .type = ESP_PARAM_INTEGER,
     .offset = offsetof(master_leaf, width),
     .default_value = 8,
     .minimum = 1,
     .maximum = 4096},
    {.name = "k",
     .help = "initial share of the tree in the output; the default is sigmoid(0.5)",
     .type = ESP_PARAM_REAL,
     .offset = offsetof(master_leaf, k),
     .default_value = 0.6224593312018546,
     .minimum = 1e-6,
     .maximum = 1 - 1e-6},
    {.name = "k_trainable",
     .help = "whether k is trained or stays as it starts",
     .type = ESP_PARAM_BOOLEAN,
     .offset = offsetof(master_leaf, k_trainable),
     .default_value = 1},
    {.name = "k_per_class",
     .help = "whether each output has a k of its own",
     .type = ESP_PARAM_BOOLEAN,
     .offset = offsetof(master_leaf, k_per_class),
     .default_value = 0},
};

static const esp_head_ops ops = {
    .struct_size = sizeof ops,
    .declare = declare,
    .forward = forward,
    .backward = backward,
    .evaluate = evaluate,
};

ESP_EXPORT const esp_plugin espalier_plugin = {
    ESP_PLUGIN_HEADER,
    .kind = ESP_HEAD,
    .role = ESP_TASK,
    .name = "master_leaf",
    .version = "1",
    .summary = "one leaf that every example visits, mixed with the tree by a trained share k",
    .source = "arXiv:2405.16836, section 3.4",
    .cost = "F H + H O + 2 O multiply-adds an example at inference, H = width",
    .state_size = sizeof(master_leaf),
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .head = &ops,
};
