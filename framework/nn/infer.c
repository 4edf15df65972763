#include "nn/infer.h"

#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "nn/activation.h"
#include "nn/blas.h"
#include "nn/descent.h"
#include "nn/row_products.h"

enum {
    BLOCK = ESP_MOST_ROW_EXAMPLES,
    TILE = 256,       /* examples whose features stay in the cache together */
    TREES_TILE = 128, /* where several trees take turns at them and their outputs */
    GATE_TILE = 256,  /* examples whose gate logits are there at a time */
    MOST_LEVELS = 32,
    MOST_CACHED = 8 << 20 /* bytes of outputs: with more, they go past the cache */
};

struct esp_inference {
    esp_model_config model;
    esp_inference_weights weights;
    int n_features, n_outputs, most_examples;
    int n_levels;     /* of a path; 0 without a tree */
    int hidden_width; /* hidden units an example has at a time: of its leaf, or on its path */
    int32_t *order, *node, *spare, *starts;
    esp_real *hidden;       /* [B x hidden_width] of fff_nodes, else [BLOCK x], of ff [TILE x] */
    esp_real *gate_logits;  /* [GATE_TILE x E] */
    esp_real *gate_weights; /* (B) of the chosen expert */
    const esp_real **rows;  /* (hidden_width) */
    esp_arena arena;

    /* of one call */
    const esp_real *x;
    esp_real *outputs;
    bool bypasses_cache;
};

static const esp_real *example(const esp_inference *s, int32_t index)
{
    return s->x + (ptrdiff_t)index * s->n_features;
}

/* ---- memory ------------------------------------------------------------------------------------
 */

static void take_arrays(esp_inference *s, esp_arena *arena)
{
    const size_t n = (size_t)s->most_examples, width = (size_t)s->hidden_width;
    const esp_model_config *model = &s->model;
    const bool moe = model->kind == ESP_MODEL_MOE;
    const size_t at_once = model->kind == ESP_MODEL_FFF_NODES ? n
                           : model->kind == ESP_MODEL_FF      ? TILE
                                                              : BLOCK;
    s->order = ESP_TAKE(arena, int32_t, n);
    s->node = ESP_TAKE(arena, int32_t, n);
    s->spare = ESP_TAKE(arena, int32_t, n);
    s->starts = ESP_TAKE(arena, int32_t, (moe ? (size_t)model->n_leaves : n) + 2);
    s->hidden = ESP_TAKE(arena, esp_real, at_once * width + 16); /* activations go in 16s */
    s->gate_logits = ESP_TAKE(arena, esp_real, moe ? GATE_TILE * (size_t)model->n_leaves : 0);
    s->gate_weights = moe ? ESP_TAKE(arena, esp_real, n) : NULL;
    s->rows = ESP_TAKE(arena, const esp_real *, width);
}

int esp_inference_create(esp_inference **out, const esp_model_config *model, int n_features,
                         int n_outputs, int most_examples, const esp_inference_weights *weights)
{
    if (model->kind == ESP_MODEL_MOE && model->top_k > 1) {
        return esp_fail(ESP_USAGE, "hard inference is of one expert, and top_k is %d",
                        model->top_k);
    }
    ESP_TRY(esp_blas_prepare());
    esp_inference *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for inference");
    }
    s->model = *model;
    s->weights = *weights;
    s->n_features = n_features;
    s->n_outputs = n_outputs;
    s->most_examples = most_examples;
    s->n_levels = model->kind == ESP_MODEL_FFF_NODES ? model->depth + 1 : model->depth;
    s->hidden_width = model->kind == ESP_MODEL_FFF_NODES ? s->n_levels : model->leaf_width;
    esp_arena measure = {0};
    take_arrays(s, &measure);
    int status = esp_arena_create(&s->arena, measure.used);
    if (status != ESP_OK) {
        free(s);
        return status;
    }
    take_arrays(s, &s->arena);
    *out = s;
    return ESP_OK;
}

void esp_inference_destroy(esp_inference *inference)
{
    if (inference != NULL) {
        esp_arena_destroy(&inference->arena);
        free(inference);
    }
}

static const esp_real *values_of(const esp_network *network, int which)
{
    const esp_tensor *tensor = esp_own_tensor(network, which);
    return tensor->count > 0 ? network->parameters + tensor->offset : NULL;
}

esp_inference_weights esp_inference_weights_of(const esp_network *network)
{
    const bool moe = network->config.model.kind == ESP_MODEL_MOE;
    return (esp_inference_weights){.router = values_of(network, ESP_NODE_WEIGHTS),
                                   .router_biases =
                                       moe ? NULL : values_of(network, ESP_NODE_BIASES),
                                   .first = values_of(network, ESP_W1),
                                   .first_biases = values_of(network, ESP_B1),
                                   .second = values_of(network, ESP_W2),
                                   .second_biases = values_of(network, ESP_B2),
                                   .routing_bias = values_of(network, ESP_ROUTING_BIAS)};
}

/* ---- one leaf ----------------------------------------------------------------------------------
 */

/* In whole vectors, so that each value is computed the same way wherever it stands. */
static void activate(esp_real *hidden, int count, esp_activation activation)
{
    for (int i = 0; i < count; i += 16) {
        for (int k = i; k < i + 16; k++) {
            const esp_real h = hidden[k];
            hidden[k] = activation == ESP_GELU ? h * esp_normal_cdf(h)
                        : h > 0                ? h
                        : h <= 0               ? 0
                                               : h; /* NaN stays NaN */
        }
    }
}

/* The hidden units of up to BLOCK examples at one leaf, with biases. */
static void project_block(esp_inference *s, int first_unit, const esp_real *const *x,
                          const esp_real *const *ahead, int n)
{
    const int width = s->hidden_width;
    for (int unit = 0; unit < width; unit += ESP_MOST_ROWS) {
        const int n_rows = width - unit < ESP_MOST_ROWS ? width - unit : ESP_MOST_ROWS;
        const esp_real *rows[ESP_MOST_ROWS];
        for (int i = 0; i < n_rows; i++) {
            rows[i] = s->weights.first + (ptrdiff_t)(first_unit + unit + i) * s->n_features;
        }
        esp_score_rows(s->hidden + unit, width, rows, n_rows, x, ahead, n, s->n_features);
    }
    for (int i = 0; i < n; i++) {
        for (int unit = 0; unit < width; unit++) {
            s->hidden[(ptrdiff_t)i * width + unit] += s->weights.first_biases[first_unit + unit];
        }
    }
}

/* Outputs of examples that share a leaf or an expert. left: what is in order from the first on. */
static void evaluate_leaf(esp_inference *s, int leaf, const int32_t *order, int count, int left)
{
    const int width = s->hidden_width, first_unit = leaf * width;
    for (int unit = 0; unit < width; unit++) {
        s->rows[unit] = s->weights.second + (ptrdiff_t)(first_unit + unit) * s->n_outputs;
    }
    for (int b = 0; b < count; b += BLOCK) {
        const int n = count - b < BLOCK ? count - b : BLOCK;
        const esp_real *x[BLOCK], *ahead[BLOCK];
        esp_real *out[BLOCK], weights[BLOCK];
        for (int i = 0; i < n; i++) {
            x[i] = example(s, order[b + i]);
            ahead[i] = example(s, order[b + n + i < left ? b + n + i : b + i]);
            out[i] = s->outputs + (ptrdiff_t)order[b + i] * s->n_outputs;
        }
        project_block(s, first_unit, x, ahead, n);
        activate(s->hidden, n * width, s->model.activation);
        for (int i = 0; s->gate_weights != NULL && i < n; i++) {
            weights[i] = s->gate_weights[order[b + i]];
            for (int unit = 0; unit < width; unit++) {
                s->hidden[(ptrdiff_t)i * width + unit] *= weights[i];
            }
        }
        esp_combine_rows(
            &(esp_combination){.out = out,
                               .weights = s->hidden,
                               .stride = width,
                               .rows = s->rows,
                               .n_rows = width,
                               .base = s->weights.second_biases + (ptrdiff_t)leaf * s->n_outputs,
                               .base_weights = s->gate_weights != NULL ? weights : NULL,
                               .bypasses_cache = s->bypasses_cache,
                               .n_examples = n,
                               .n_outputs = s->n_outputs});
    }
}

/* Outputs of examples sorted by leaf. */
static void evaluate_leaves(esp_inference *s, const int32_t *order, int count)
{
    for (int begin = 0, end; begin < count; begin = end) {
        const int32_t leaf = s->node[order[begin]];
        for (end = begin + 1; end < count && s->node[order[end]] == leaf; end++) {
        }
        evaluate_leaf(s, leaf, order + begin, end - begin, count - begin);
    }
}

/* ---- trees -------------------------------------------------------------------------------------
 */

/* Adds a tree's path to the outputs of examples sorted by its leaves. */
static void combine_paths(esp_inference *s, int tree, const int32_t *order, int count)
{
    const int depth = s->model.depth, levels = s->n_levels;
    const ptrdiff_t first = (ptrdiff_t)tree * ((2 << depth) - 1);
    for (int begin = 0, end; begin < count; begin = end) {
        const int32_t leaf = s->node[order[begin]];
        for (int level = 0; level < levels; level++) {
            const ptrdiff_t node = (1 << level) - 1 + (leaf >> (depth - level));
            s->rows[level] = s->weights.second + (first + node) * s->n_outputs;
        }
        esp_real *out[BLOCK], weights[BLOCK * MOST_LEVELS];
        for (end = begin; end < count && end < begin + BLOCK && s->node[order[end]] == leaf;
             end++) {
            out[end - begin] = s->outputs + (ptrdiff_t)order[end] * s->n_outputs;
            memcpy(weights + (ptrdiff_t)(end - begin) * levels,
                   s->hidden + (ptrdiff_t)order[end] * levels, sizeof *weights * (size_t)levels);
        }
        activate(weights, (end - begin) * levels, s->model.activation);
        esp_combine_rows(
            &(esp_combination){.out = out,
                               .weights = weights,
                               .stride = levels,
                               .rows = s->rows,
                               .n_rows = levels,
                               .adds = tree > 0,
                               .bypasses_cache = s->bypasses_cache && s->model.n_trees == 1,
                               .n_examples = end - begin,
                               .n_outputs = s->n_outputs});
    }
}

/* Down the tree from level `from`, and out of its leaves. */
static void finish(esp_inference *s, const esp_descent *descent, int tree, int32_t *order,
                   int count, int from)
{
    esp_descend_levels(descent, order, count, from, descent->n_levels);
    if (!descent->neurons) {
        evaluate_leaves(s, order, count);
        return;
    }
    combine_paths(s, tree, order, count);
}

/* Sorts order [n] by node < n_nodes; starts [n_nodes + 1] is where each one's examples begin. */
static void sort_by_node(esp_inference *s, int n, int n_nodes)
{
    memset(s->starts, 0, sizeof *s->starts * ((size_t)n_nodes + 2));
    for (int b = 0; b < n; b++) {
        s->starts[s->node[b] + 2]++;
    }
    for (int i = 2; i <= n_nodes; i++) {
        s->starts[i] += s->starts[i - 1];
    }
    for (int b = 0; b < n; b++) {
        s->order[s->starts[s->node[b] + 1]++] = b;
    }
}

/* The levels that are descended tile by tile, before all examples are grouped: as many as leave
 * about a tile at each node. */
static int split_level(const esp_inference *s, int n)
{
    int level = 0;
    while (level + 2 <= s->model.depth && n >> level > TILE) {
        level += 2;
    }
    return level;
}

static void infer_tree(esp_inference *s, int32_t *choices, int tree, int n)
{
    const esp_model_config *model = &s->model;
    const bool neurons = model->kind == ESP_MODEL_FFF_NODES;
    const ptrdiff_t first = neurons ? (ptrdiff_t)tree * ((2 << model->depth) - 1) : 0;
    const esp_descent descent = {
        .rows = (neurons ? s->weights.first : s->weights.router) + first * s->n_features,
        .biases = (neurons ? s->weights.first_biases : s->weights.router_biases) + first,
        .n_features = s->n_features,
        .depth = model->depth,
        .n_levels = s->n_levels,
        .neurons = neurons,
        .x = s->x,
        .node = s->node,
        .scores = neurons ? s->hidden : NULL,
        .spare = s->spare};
    const int split = split_level(s, n);
    memset(s->node, 0, sizeof *s->node * (size_t)n);
    for (int b = 0; b < n; b++) {
        s->order[b] = b;
    }
    if (split == 0) {
        finish(s, &descent, tree, s->order, n, 0);
    } else {
        for (int b = 0; b < n; b += TILE) {
            esp_descend_levels(&descent, s->order + b, n - b < TILE ? n - b : TILE, 0, split);
        }
        sort_by_node(s, n, 1 << split);
        for (int node = 0; node < 1 << split; node++) {
            finish(s, &descent, tree, s->order + s->starts[node],
                   s->starts[node + 1] - s->starts[node], split);
        }
    }
    const int n_trees = neurons ? model->n_trees : 1;
    for (int b = 0; b < n; b++) {
        choices[(ptrdiff_t)b * n_trees + tree] = (tree << model->depth) + s->node[b];
    }
}

/* Several small trees take the examples tile by tile, so that features and outputs stay in the
 * cache from tree to tree; large ones one after another, so that their weights are read once. */
static void infer_trees(esp_inference *s, int32_t *choices, int n)
{
    const bool tiles = s->model.n_trees > 1 && 2 << s->model.depth <= 4 * TREES_TILE;
    const int tile = tiles ? TREES_TILE : n;
    const esp_real *x = s->x;
    esp_real *outputs = s->outputs;
    for (int b = 0; b < n; b += tile) {
        s->x = x + (ptrdiff_t)b * s->n_features;
        s->outputs = outputs + (ptrdiff_t)b * s->n_outputs;
        for (int tree = 0; tree < s->model.n_trees; tree++) {
            infer_tree(s, choices + (ptrdiff_t)b * s->model.n_trees, tree,
                       n - b < tile ? n - b : tile);
        }
    }
}

/* ---- gate and dense layer ----------------------------------------------------------------------
 */

/* logits [n x E] of examples b to b + n. */
static void score_experts(esp_inference *s, int b, int n)
{
    const int experts = s->model.n_leaves;
    if (n > BLOCK) {
        esp_matmul(s->gate_logits, experts, false, example(s, b), s->n_features, true,
                   s->weights.router, s->n_features, 0, n, experts, s->n_features);
        return;
    }
    const esp_real *x[BLOCK];
    for (int i = 0; i < n; i++) {
        x[i] = example(s, b + i);
    }
    for (int e = 0; e < experts; e += ESP_MOST_ROWS) {
        const int n_rows = experts - e < ESP_MOST_ROWS ? experts - e : ESP_MOST_ROWS;
        const esp_real *rows[ESP_MOST_ROWS];
        for (int i = 0; i < n_rows; i++) {
            rows[i] = s->weights.router + (ptrdiff_t)(e + i) * s->n_features;
        }
        esp_score_rows(s->gate_logits + e, experts, rows, n_rows, x, x, n, s->n_features);
    }
}

/* The expert of the greatest logit, with the bias that moves choices; ties go to the lower index.
 */
static int choose_expert(const esp_inference *s, const esp_real *logits)
{
    const esp_real *bias = s->weights.routing_bias;
    int best = 0;
    for (int e = 1; e < s->model.n_leaves; e++) {
        if (logits[e] + (bias ? bias[e] : 0) > logits[best] + (bias ? bias[best] : 0)) {
            best = e;
        }
    }
    return best;
}

/* What weighs the output of the chosen expert: of a switch gate its share of the softmax over all.
 */
static esp_real weight_of(const esp_inference *s, const esp_real *logits, int chosen)
{
    const int experts = s->model.n_leaves, whole = experts / 16 * 16;
    esp_real sums[16] = {0}, sum = 0;
    if (s->model.gate != ESP_GATE_SWITCH) {
        return 1;
    }
    for (int e = 0; e < whole; e += 16) {
        for (int i = 0; i < 16; i++) {
            sums[i] += esp_exp(logits[e + i] - logits[chosen]);
        }
    }
    for (int e = whole; e < experts; e++) {
        sum += esp_exp(logits[e] - logits[chosen]);
    }
    for (int i = 0; i < 16; i++) {
        sum += sums[i];
    }
    return 1 / sum;
}

static void infer_gate(esp_inference *s, int32_t *choices, int n)
{
    for (int b = 0; b < n; b += GATE_TILE) {
        const int tile = n - b < GATE_TILE ? n - b : GATE_TILE;
        score_experts(s, b, tile);
        for (int i = 0; i < tile; i++) {
            const esp_real *logits = s->gate_logits + (ptrdiff_t)i * s->model.n_leaves;
            choices[b + i] = s->node[b + i] = choose_expert(s, logits);
            s->gate_weights[b + i] = weight_of(s, logits, s->node[b + i]);
        }
    }
    sort_by_node(s, n, s->model.n_leaves);
    evaluate_leaves(s, s->order, n);
}

static void infer_dense_example(esp_inference *s)
{
    const int width = s->hidden_width;
    esp_matvec(s->hidden, false, s->weights.first, s->x, width, s->n_features);
    for (int unit = 0; unit < width; unit++) {
        s->hidden[unit] += s->weights.first_biases[unit];
    }
    activate(s->hidden, width, s->model.activation);
    esp_matvec(s->outputs, true, s->weights.second, s->hidden, width, s->n_outputs);
    for (int o = 0; o < s->n_outputs; o++) {
        s->outputs[o] += s->weights.second_biases[o];
    }
}

/* All hidden units: two matrix products by BLAS. */
static void infer_dense(esp_inference *s, int n)
{
    const int width = s->hidden_width, outputs = s->n_outputs;
    for (int b = 0; b < n; b += TILE) {
        const int tile = n - b < TILE ? n - b : TILE;
        esp_real *out = s->outputs + (ptrdiff_t)b * outputs;
        esp_matmul(s->hidden, width, false, example(s, b), s->n_features, true, s->weights.first,
                   s->n_features, 0, tile, width, s->n_features);
        for (int i = 0; i < tile; i++) {
            for (int unit = 0; unit < width; unit++) {
                s->hidden[(ptrdiff_t)i * width + unit] += s->weights.first_biases[unit];
            }
            memcpy(out + (ptrdiff_t)i * outputs, s->weights.second_biases,
                   sizeof *out * (size_t)outputs);
        }
        activate(s->hidden, tile * width, s->model.activation);
        esp_matmul(out, outputs, false, s->hidden, width, false, s->weights.second, outputs, 1,
                   tile, outputs, width);
    }
}

void esp_infer(esp_real *outputs, int32_t *choices, esp_inference *inference, const esp_real *x,
               int n_examples)
{
    const esp_model_config *model = &inference->model;
    const size_t row = sizeof *outputs * (size_t)inference->n_outputs;
    inference->x = x;
    inference->outputs = outputs;
    inference->bypasses_cache = (uintptr_t)outputs % ESP_ALIGNMENT == 0 &&
                                row % ESP_ALIGNMENT == 0 && (size_t)n_examples * row > MOST_CACHED;
    switch (model->kind) {
    case ESP_MODEL_FFF:
        infer_tree(inference, choices, 0, n_examples);
        break;
    case ESP_MODEL_FFF_NODES:
        infer_trees(inference, choices, n_examples);
        break;
    case ESP_MODEL_MOE:
        infer_gate(inference, choices, n_examples);
        break;
    case ESP_MODEL_FF:
        if (n_examples == 1) {
            infer_dense_example(inference);
        } else {
            infer_dense(inference, n_examples);
        }
        break;
    }
    if (inference->bypasses_cache) {
        esp_combine_end();
    }
}
