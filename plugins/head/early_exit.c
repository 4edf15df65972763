/* early_exit: a small network beside the tree that answers alone where it is sure, so that the tree
 * is not evaluated; elsewhere it is mixed with the tree.
 *
 *     ML = relu(h) W2 + b2, h = x W1 + b1     confidence = greatest softmax probability of ML
 *     exit(y) = ML                            mixed(y) = k tree + (1-k) ML,  k = sigmoid(raw)
 *
 * Evaluation, on soft and on hard logits alike: ML where confidence > threshold, else mixed. The
 * same examples exit in both, since ML does not depend on how the tree routes; 1 lets none exit.
 *
 * Training: threshold plays no part. Of each batch a share `alone` of the examples, spread evenly
 * over its places, is answered by ML alone, the others by the mix:
 *     y[b] = a[b] tree + (1-a[b]) ML,         a[b] = 0 where alone, else k
 * Batches are drawn in random order, so the expected loss is
 *     alone * loss(ML) + (1-alone) * loss(mixed):
 * ML learns to answer alone, on hard examples too, without which its confidence would mean little;
 * the tree is trained on the mix, where what ML does well leaves it little gradient, and so learns
 * the rest. Gradients are those of y as computed; a does not depend on the weights but for k:
 *     dtree = a dy, dML = (1-a) dy, draw = k (1-k) sum over those mixed of dy (tree - ML)
 * running_loss and running_soft_accuracy are of these y: some of ML alone, some of the mix.
 *
 * Evaluation logs, on hard logits: exited (share), exited_accuracy and kept_accuracy (of those that
 * exit and of those that do not), cost (mean multiply-adds an example as far as this head; a head's
 * declared cost is for no exit), tree_accuracy, head_accuracy, mixed_accuracy (if each answered
 * everything), k; and, for thresholds of 50 to 99 percent, exited_at_50, accuracy_at_50, cost_at_50
 * and so on: one run draws the whole curve.
 *
 * After Royer et al., "Revisiting single-gated mixtures of experts", arXiv 2304.05497: a base model
 * exits early where its confidence passes a threshold and joins in the answer elsewhere. There it
 * is trained before its experts; training both at once as above is ours. */
#include "espalier_plugin.h"

typedef struct early_exit {
    int64_t width; /* H */
    double threshold, alone, k;
} early_exit;

enum { W2, B2, K, LANES = 16 };

static const struct grid_point {
    double threshold;
    const char *exited, *accuracy, *cost;
} grid[] = {
    {0.50, "exited_at_50", "accuracy_at_50", "cost_at_50"},
    {0.60, "exited_at_60", "accuracy_at_60", "cost_at_60"},
    {0.70, "exited_at_70", "accuracy_at_70", "cost_at_70"},
    {0.80, "exited_at_80", "accuracy_at_80", "cost_at_80"},
    {0.90, "exited_at_90", "accuracy_at_90", "cost_at_90"},
    {0.95, "exited_at_95", "accuracy_at_95", "cost_at_95"},
    {0.99, "exited_at_99", "accuracy_at_99", "cost_at_99"},
};
enum { N_GRID = sizeof grid / sizeof *grid };

static int declare(void *state, const esp_host *host, const esp_dims *dims, esp_head_decl *decl)
{
    (void)host;
    const early_exit *self = (const early_exit *)state;
    const int32_t n_hidden = (int32_t)self->width, n_outputs = dims->n_outputs;
    const double bound = 1 / sqrt((double)n_hidden);
    decl->n_hidden = n_hidden;
    decl->projection_weight_name = "exit_w1";
    decl->projection_bias_name = "exit_b1";
    decl->n_tensors = 3;
    decl->tensors[W2] = (esp_tensor_decl){.name = "exit_w2",
                                          .rank = 3,
                                          .shape = {1, n_hidden, n_outputs},
                                          .bound = bound,
                                          .trainable = 1};
    decl->tensors[B2] = (esp_tensor_decl){
        .name = "exit_b2", .rank = 2, .shape = {1, n_outputs}, .bound = bound, .trainable = 1};
    decl->tensors[K] =
        (esp_tensor_decl){.name = "exit_k", .center = log(self->k / (1 - self->k)), .trainable = 1};
    /* W1, W2, and the two products of the mix */
    decl->inference_macs =
        (double)dims->n_features * n_hidden + (double)n_hidden * n_outputs + 2.0 * n_outputs;
    /* a host of the first release knows no biases of heads */
    if (decl->struct_size >= offsetof(esp_head_decl, biases) + sizeof decl->biases) {
        decl->biases = 1u << B2;
    }
    return 0;
}

static inline esp_real relu(esp_real h)
{
    return h > 0 ? h : 0;
}

static esp_real k_of(const esp_head_batch *batch)
{
    return (esp_real)(1 / (1 + exp(-(double)batch->tensors[K][0])));
}

/* ml (O, B) */
static void answer_alone(esp_real *ml, const early_exit *self, const esp_head_batch *batch)
{
    const int n_outputs = batch->dims->n_outputs, n_examples = batch->n_examples;
    const size_t stride = (size_t)batch->stride;
    for (int o = 0; o < n_outputs; o++) {
        esp_real *restrict y = ml + (size_t)o * stride;
        for (int b = 0; b < n_examples; b++) {
            y[b] = batch->tensors[B2][o];
        }
        for (int j = 0; j < (int)self->width; j++) {
            const esp_real *restrict h = batch->hidden + (size_t)j * stride;
            const esp_real w = batch->tensors[W2][(size_t)j * n_outputs + o];
            for (int b = 0; b < n_examples; b++) {
                y[b] += relu(h[b]) * w;
            }
        }
    }
}

/* The greatest softmax probability of each example's ML. */
static void measure_confidence(esp_real *confidence, const esp_real *ml,
                               const esp_head_batch *batch)
{
    const size_t stride = (size_t)batch->stride;
    for (int b = 0; b < batch->n_examples; b++) {
        esp_real greatest = ml[b], sum = 0;
        for (int o = 1; o < batch->dims->n_outputs; o++) {
            greatest = ml[o * stride + b] > greatest ? ml[o * stride + b] : greatest;
        }
        for (int o = 0; o < batch->dims->n_outputs; o++) {
            sum += esp_exp(ml[o * stride + b] - greatest);
        }
        confidence[b] = 1 / sum;
    }
}

/* share (B) of the tree in training: 0 or k. */
static void share_out(esp_real *share, const early_exit *self, const esp_head_batch *batch)
{
    const esp_real k = k_of(batch);
    for (int b = 0; b < batch->n_examples; b++) {
        share[b] = floor((b + 1) * self->alone) > floor(b * self->alone) ? 0 : k;
    }
}

static int forward(void *state, const esp_host *host, const esp_head_batch *batch, esp_real *output)
{
    const early_exit *self = (const early_exit *)state;
    const size_t stride = (size_t)batch->stride;
    esp_real *share = (esp_real *)host->scratch(host, sizeof *share * stride);
    if (!share) {
        return host->fail(host, "no memory");
    }
    answer_alone(output, self, batch);
    if (batch->mode == ESP_TRAINING) {
        share_out(share, self, batch);
    } else {
        const esp_real k = k_of(batch);
        measure_confidence(share, output, batch);
        for (int b = 0; b < batch->n_examples; b++) {
            share[b] = (double)share[b] > self->threshold ? 0 : k;
        }
    }
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        const esp_real *restrict tree = batch->input + (size_t)o * stride;
        esp_real *restrict y = output + (size_t)o * stride;
        for (int b = 0; b < batch->n_examples; b++) {
            y[b] = share[b] > 0 ? share[b] * tree[b] + (1 - share[b]) * y[b] : y[b];
        }
    }
    return 0;
}

/* sum_b a[b] g[b] in LANES parts, so that the loop runs as vectors in a fixed order. */
static double dot(const esp_real *a, const esp_real *g, int count)
{
    esp_real lanes[LANES] = {0};
    int b = 0;
    for (; b + LANES <= count; b += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            lanes[lane] += relu(a[b + lane]) * g[b + lane];
        }
    }
    double total = 0;
    for (int lane = 0; lane < LANES; lane++) {
        total += (double)lanes[lane];
    }
    for (; b < count; b++) {
        total += (double)relu(a[b]) * g[b];
    }
    return total;
}

/* From dML (O, B) to W2, b2 and the hidden units. */
static void leaf_backward(const esp_head_gradients *d, const early_exit *self,
                          const esp_head_batch *batch, const esp_real *dml)
{
    const int n_outputs = batch->dims->n_outputs, n_examples = batch->n_examples;
    const size_t stride = (size_t)batch->stride;
    for (int o = 0; o < n_outputs; o++) {
        double sum = 0;
        for (int b = 0; b < n_examples; b++) {
            sum += dml[o * stride + b];
        }
        d->tensors[B2][o] += (esp_real)sum;
    }
    for (int j = 0; j < (int)self->width; j++) {
        const esp_real *restrict h = batch->hidden + (size_t)j * stride;
        esp_real *restrict dh = d->hidden + (size_t)j * stride;
        for (int b = 0; b < n_examples; b++) {
            dh[b] = 0;
        }
        for (int o = 0; o < n_outputs; o++) {
            const esp_real *restrict g = dml + (size_t)o * stride;
            const size_t element = (size_t)j * n_outputs + o;
            const esp_real w = batch->tensors[W2][element];
            d->tensors[W2][element] += (esp_real)dot(h, g, n_examples);
            for (int b = 0; b < n_examples; b++) {
                dh[b] += w * g[b];
            }
        }
        for (int b = 0; b < n_examples; b++) {
            dh[b] = h[b] > 0 ? dh[b] : 0;
        }
    }
}

static int backward(void *state, const esp_host *host, const esp_head_batch *batch,
                    const esp_head_gradients *d)
{
    const early_exit *self = (const early_exit *)state;
    const int n_outputs = batch->dims->n_outputs, n_examples = batch->n_examples;
    const size_t stride = (size_t)batch->stride, count = (size_t)n_outputs * stride;
    esp_real *share = (esp_real *)host->scratch(host, sizeof *share * stride);
    esp_real *ml = (esp_real *)host->scratch(host, sizeof *ml * count);
    if (!share || !ml) {
        return host->fail(host, "no memory");
    }
    share_out(share, self, batch);
    answer_alone(ml, self, batch);
    const double k = (double)k_of(batch);
    double slope = 0; /* sum over those mixed of dy (tree - ML) */
    for (int o = 0; o < n_outputs; o++) {
        const esp_real *restrict tree = batch->input + (size_t)o * stride;
        const esp_real *restrict g = d->output + (size_t)o * stride;
        esp_real *restrict dtree = d->input + (size_t)o * stride;
        esp_real *restrict y = ml + (size_t)o * stride; /* becomes dML */
        for (int b = 0; b < n_examples; b++) {
            slope += share[b] > 0 ? (double)g[b] * (tree[b] - y[b]) : 0;
            dtree[b] = share[b] * g[b];
            y[b] = (1 - share[b]) * g[b];
        }
    }
    d->tensors[K][0] += (esp_real)(slope * k * (1 - k));
    leaf_backward(d, self, batch, ml);
    return 0;
}

/* ---- evaluation ---------------------------------------------------------------------------- */

/* What exiting above a threshold does to a batch. */
typedef struct outcome {
    int exited, exited_right, kept_right;
} outcome;

typedef struct answers {
    const esp_real *confidence;
    const unsigned char *right, *mixed_right; /* (B) whether ML and the mix are right */
} answers;

static outcome exit_above(double threshold, const answers *from, int n_examples)
{
    outcome found = {0, 0, 0};
    for (int b = 0; b < n_examples; b++) {
        const int exits = (double)from->confidence[b] > threshold;
        found.exited += exits;
        found.exited_right += exits && from->right[b];
        found.kept_right += !exits && from->mixed_right[b];
    }
    return found;
}

/* right (B): whether the label has the greatest logit, the first of equals; returns how many. */
static int find_right(unsigned char *right, const esp_head_batch *batch, const esp_real *logits)
{
    const size_t stride = (size_t)batch->stride;
    int count = 0;
    for (int b = 0; b < batch->n_examples; b++) {
        int best = 0;
        for (int o = 1; o < batch->dims->n_outputs; o++) {
            best = logits[o * stride + b] > logits[best * stride + b] ? o : best;
        }
        right[b] = best == batch->labels[b];
        count += right[b];
    }
    return count;
}

/* Multiply-adds of the batch: W1 and W2 for all, the tree and the mix for those that do not exit.
 */
static double cost_of(const early_exit *self, const esp_head_batch *batch, int exited)
{
    const double n_outputs = batch->dims->n_outputs;
    const double own = (double)self->width * (batch->dims->n_features + n_outputs);
    return batch->n_examples * own +
           (batch->n_examples - exited) * (batch->input_macs + 2 * n_outputs);
}

static void log_outcomes(const early_exit *self, const esp_host *host, const esp_head_batch *batch,
                         const answers *from)
{
    const int n = batch->n_examples;
    const outcome found = exit_above(self->threshold, from, n);
    /* a host of the first release does not say what the tree costs */
    const int has_cost =
        batch->struct_size >= offsetof(esp_head_batch, input_macs) + sizeof batch->input_macs;
    host->log(host, "exited", found.exited, n);
    if (found.exited > 0) {
        host->log(host, "exited_accuracy", found.exited_right, found.exited);
    }
    if (found.exited < n) {
        host->log(host, "kept_accuracy", found.kept_right, n - found.exited);
    }
    if (has_cost) {
        host->log(host, "cost", cost_of(self, batch, found.exited), n);
    }
    for (int i = 0; i < N_GRID; i++) {
        const outcome at = exit_above(grid[i].threshold, from, n);
        host->log(host, grid[i].exited, at.exited, n);
        host->log(host, grid[i].accuracy, at.exited_right + at.kept_right, n);
        if (has_cost) {
            host->log(host, grid[i].cost, cost_of(self, batch, at.exited), n);
        }
    }
}

static int evaluate(void *state, const esp_host *host, const esp_head_batch *batch,
                    const esp_real *output)
{
    (void)output;
    const early_exit *self = (const early_exit *)state;
    const size_t stride = (size_t)batch->stride, count = (size_t)batch->dims->n_outputs * stride;
    const int n = batch->n_examples;
    esp_real *confidence = (esp_real *)host->scratch(host, sizeof *confidence * stride);
    esp_real *ml = (esp_real *)host->scratch(host, sizeof *ml * count);
    unsigned char *right = (unsigned char *)host->scratch(host, 2 * stride);
    if (!confidence || !ml || !right) {
        return host->fail(host, "no memory");
    }
    unsigned char *mixed_right = right + stride;
    const esp_real k = k_of(batch);
    answer_alone(ml, self, batch);
    measure_confidence(confidence, ml, batch);
    host->log(host, "tree_accuracy", find_right(right, batch, batch->input), n);
    host->log(host, "head_accuracy", find_right(right, batch, ml), n);
    for (int o = 0; o < batch->dims->n_outputs; o++) {
        for (int b = 0; b < n; b++) {
            const size_t element = o * stride + b;
            ml[element] = k * batch->input[element] + (1 - k) * ml[element];
        }
    }
    host->log(host, "mixed_accuracy", find_right(mixed_right, batch, ml), n);
    host->log(host, "k", (double)k * n, n);
    const answers from = {confidence, right, mixed_right};
    log_outcomes(self, host, batch, &from);
    return 0;
}

static const esp_param params[] = {
    {.name = "width",
     .help = "hidden units of the network that may answer alone",
     .type = ESP_PARAM_INTEGER,
     .offset = offsetof(early_exit, width),
     .default_value = 8,
     .minimum = 1,
     .maximum = 4096},
    {.name = "threshold",
     .help = "confidence above which it answers alone in evaluation; a probability",
     .type = ESP_PARAM_REAL,
     .offset = offsetof(early_exit, threshold),
     .default_value = 0.9,
     .minimum = 0,
     .maximum = 1},
    {.name = "alone",
     .help = "share of each training batch that it answers alone; rounded down to whole examples",
     .type = ESP_PARAM_REAL,
     .offset = offsetof(early_exit, alone),
     .default_value = 0.5,
     .minimum = 0,
     .maximum = 1},
    {.name = "k",
     .help = "initial share of the tree where both answer; trained",
     .type = ESP_PARAM_REAL,
     .offset = offsetof(early_exit, k),
     .default_value = 0.5,
     .minimum = 1e-6,
     .maximum = 1 - 1e-6},
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
    .name = "early_exit",
    .version = "1",
    .summary = "a small network that answers alone where it is sure, else is mixed with the tree",
    .source = "after arXiv:2304.05497 (Royer et al.); its joint training is ours",
    .cost = "F H + H O multiply-adds an example at inference, the tree and 2 O more without exit",
    .state_size = sizeof(early_exit),
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .head = &ops,
};
