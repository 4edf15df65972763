/* Part of check_real.c: loss terms. */
#ifndef ESP_PLUGIN_CHECK_REAL_LOSS_H
#define ESP_PLUGIN_CHECK_REAL_LOSS_H

#include "plugin/check_real_gradient.h"

static bool needs(const bench *b, uint32_t view)
{
    return (b->plugin->loss->needs & view) != 0;
}

static bool holds(const bench *b, uint32_t view)
{
    return (b->plugin->loss->held_fixed & view) != 0;
}

/* ---- arrays ------------------------------------------------------------------------------- */

static esp_real *view_of(bench *b, uint32_t view, const char *label, int rows)
{
    return needs(b, view) ? take_constant(b, label, sizeof(esp_real), rows, b->model->n_examples,
                                          b->model->stride)
                          : NULL;
}

static esp_real *gradient_of(bench *b, uint32_t view, const char *label, int rows)
{
    return needs(b, view)
               ? take_rows(b, label, sizeof(esp_real), rows, b->model->n_examples, b->model->stride)
               : NULL;
}

static void make_routing(bench *b)
{
    const esp_dims *dims = &b->model->dims;
    const int n_examples = b->model->n_examples, stride = b->model->stride;
    if (dims->routing == ESP_ROUTING_NONE) {
        return;
    }
    bool has_mixture = dims->routing != ESP_ROUTING_NODES;
    int rows = dims->routing == ESP_ROUTING_GATE ? dims->n_leaves : dims->n_nodes;
    b->scores = add_variable(b, "the routing scores", rows, n_examples, stride);
    b->scores->is_free = needs(b, ESP_SCORES | ESP_PROBABILITIES | ESP_MIXTURE);
    b->scores->view = view_of(b, ESP_SCORES, "scores", rows);
    b->scores->gradient = gradient_of(b, ESP_SCORES, "the gradient of scores", rows);
    if (dims->routing == ESP_ROUTING_TREE) {
        b->probabilities = view_of(b, ESP_PROBABILITIES, "probabilities", rows);
        b->d_probabilities =
            gradient_of(b, ESP_PROBABILITIES, "the gradient of probabilities", rows);
    }
    if (has_mixture) {
        b->mixture = view_of(b, ESP_MIXTURE, "mixture", dims->n_leaves);
        b->d_mixture = gradient_of(b, ESP_MIXTURE, "the gradient of mixture", dims->n_leaves);
    }
    b->choices = take_constant(b, "choices", sizeof(int32_t), dims->n_choices, n_examples, stride);
    if (dims->routing == ESP_ROUTING_GATE && needs(b, ESP_LOAD)) {
        variable *load = add_variable(b, "load", 1, dims->n_leaves, dims->n_leaves);
        b->load = load;
        load->view = take_constant(b, "load", sizeof(esp_real), 1, load->columns, load->columns);
        load->gradient =
            take_rows(b, "the gradient of load", sizeof(esp_real), 1, load->columns, load->columns);
        load->is_free = !holds(b, ESP_LOAD);
        b->batch.load = load->view;
        b->gradients.load = load->gradient;
    }
}

static void make_spans(bench *b)
{
    const esp_dims *dims = &b->model->dims;
    const struct {
        const char *label;
        esp_group group;
        int is_bias, count;
    } groups[] = {
        {"parameters of nodes", ESP_GROUP_NODES, 0, dims->n_nodes * dims->n_features},
        {"biases of nodes", ESP_GROUP_NODES, 1, dims->n_nodes},
        {"parameters of leaves", ESP_GROUP_LEAVES, 0, 5 * dims->n_features},
        {"biases of leaves", ESP_GROUP_LEAVES, 1, 5},
    };
    for (int i = 0; i < 4; i++) {
        if (groups[i].count == 0) {
            continue;
        }
        variable *v = add_variable(b, groups[i].label, 1, groups[i].count, groups[i].count);
        v->view = take_constant(b, v->label, sizeof(esp_real), 1, v->columns, v->columns);
        v->gradient =
            take_rows(b, "the gradient of parameters", sizeof(esp_real), 1, v->columns, v->columns);
        v->is_free = !holds(b, ESP_PARAMETERS);
        int n = b->batch.n_spans++;
        b->spans[n] = (esp_span){groups[i].group, groups[i].is_bias, groups[i].count, v->view};
        b->span_gradients[n] = v->gradient;
    }
    b->batch.spans = b->spans;
    b->gradients.spans = b->span_gradients;
}

static bench *make_loss_bench(const esp_plugin *plugin, const model *on, const setting *with,
                              esp_check_progress *progress)
{
    bench *b = make_bench(plugin, on, with, progress);
    const esp_dims *dims = &on->dims;
    b->labels = take_constant(b, "labels", sizeof(int32_t), 1, on->n_examples, on->stride);
    variable *y = add_variable(b, "logits", dims->n_outputs, on->n_examples, on->stride);
    y->view = view_of(b, ESP_LOGITS, "logits", dims->n_outputs);
    y->gradient = gradient_of(b, ESP_LOGITS, "the gradient of logits", dims->n_outputs);
    y->is_free = needs(b, ESP_LOGITS) && !holds(b, ESP_LOGITS);
    b->batch = (esp_batch){.struct_size = sizeof b->batch,
                           .mode = ESP_TRAINING,
                           .n_examples = on->n_examples,
                           .stride = on->stride,
                           .epoch = 1,
                           .dims = dims,
                           .labels = b->labels,
                           .logits = y->view};
    b->gradients = (esp_gradients){.struct_size = sizeof b->gradients, .logits = y->gradient};
    make_routing(b);
    if (b->scores) {
        b->batch.scores = b->scores->view;
        b->gradients.scores = b->scores->gradient;
    }
    b->batch.probabilities = b->probabilities;
    b->batch.mixture = b->mixture;
    b->batch.choices = needs(b, ESP_CHOICES) ? b->choices : NULL;
    b->gradients.probabilities = b->d_probabilities;
    b->gradients.mixture = b->d_mixture;
    if (needs(b, ESP_PARAMETERS)) {
        make_spans(b);
    }
    if (plugin->loss->after_step) {
        b->counts = take_constant(b, "counts", sizeof(int64_t), 1, dims->n_leaves, dims->n_leaves);
        b->routing_bias =
            take_rows(b, "the routing bias", sizeof(esp_real), 1, dims->n_leaves, dims->n_leaves);
    }
    return b;
}

/* ---- routing, written as plainly as possible ---------------------------------------------- */

static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

static double score(const bench *b, int node, int example)
{
    return b->scores->values[(size_t)node * b->model->n_examples + example];
}

/* The weight of the branch at `level` on the way to a leaf, and the node there. */
static double branch(const bench *b, int leaf, int level, int example, int *node, int *is_right)
{
    int depth = b->model->dims.depth;
    *node = (1 << level) - 1 + (leaf >> (depth - level));
    *is_right = (leaf >> (depth - level - 1)) & 1;
    double p = sigmoid(score(b, *node, example));
    return *is_right ? p : 1 - p;
}

static double tree_weight(const bench *b, int leaf, int example, int without_level)
{
    double weight = 1;
    for (int level = 0; level < b->model->dims.depth; level++) {
        int node, is_right;
        double factor = branch(b, leaf, level, example, &node, &is_right);
        weight *= level == without_level ? 1 : factor;
    }
    return weight;
}

/* Softmax over the experts that were chosen, which stay fixed. */
static double gate_weight(const bench *b, int leaf, int example)
{
    const esp_dims *dims = &b->model->dims;
    double top = -1e300, sum = 0, own = 0;
    for (int k = 0; k < dims->n_choices; k++) {
        top = fmax(top, score(b, b->choices[(size_t)k * b->model->stride + example], example));
    }
    for (int k = 0; k < dims->n_choices; k++) {
        int chosen = b->choices[(size_t)k * b->model->stride + example];
        double weight = exp(score(b, chosen, example) - top);
        sum += weight;
        own += chosen == leaf ? weight : 0;
    }
    return own / sum;
}

static double weight_of(const bench *b, int leaf, int example)
{
    return b->model->dims.routing == ESP_ROUTING_TREE ? tree_weight(b, leaf, example, -1)
                                                      : gate_weight(b, leaf, example);
}

static void choose(bench *b)
{
    const esp_dims *dims = &b->model->dims;
    for (int example = 0; example < b->model->n_examples; example++) {
        int node = 0;
        for (int level = 0; dims->routing == ESP_ROUTING_TREE && level < dims->depth; level++) {
            node = 2 * node + (score(b, node, example) >= 0 ? 2 : 1);
        }
        int first = dims->routing == ESP_ROUTING_TREE ? node - dims->n_nodes : example;
        for (int k = 0; k < dims->n_choices; k++) {
            int slot = dims->routing == ESP_ROUTING_NODES
                           ? k * (1 << dims->depth) + example % (1 << dims->depth)
                           : (first + k) % dims->n_leaves;
            b->choices[(size_t)k * b->model->stride + example] = slot;
        }
    }
}

/* Writes every view from the variables. In a varied call, views that the term holds fixed keep what
 * they had at the base point. */
static void write_views(bench *b, bool is_varied)
{
    const int stride = b->model->stride;
    for (int i = 0; i < b->n_variables; i++) {
        variable *v = &b->variables[i];
        if (!(is_varied && v == b->scores && holds(b, ESP_SCORES))) {
            write_view(v);
        }
    }
    for (int i = 0; b->probabilities && i < b->model->dims.n_nodes; i++) {
        for (int e = 0; e < b->model->n_examples && !(is_varied && holds(b, ESP_PROBABILITIES));
             e++) {
            b->probabilities[(size_t)i * stride + e] = (esp_real)sigmoid(score(b, i, e));
        }
    }
    for (int leaf = 0; b->mixture && leaf < b->model->dims.n_leaves; leaf++) {
        for (int e = 0; e < b->model->n_examples && !(is_varied && holds(b, ESP_MIXTURE)); e++) {
            b->mixture[(size_t)leaf * stride + e] = (esp_real)weight_of(b, leaf, e);
        }
    }
}

/* d value / d z through p and c: total derivative at (node, example). */
static double carried(const bench *b, int node, int example)
{
    const esp_dims *dims = &b->model->dims;
    const size_t stride = (size_t)b->model->stride;
    double total = 0;
    if (dims->routing == ESP_ROUTING_GATE) {
        double own = b->d_mixture ? gate_weight(b, node, example) : 0;
        for (int leaf = 0; b->d_mixture && leaf < dims->n_leaves; leaf++) {
            double weight = gate_weight(b, leaf, example);
            double share = leaf == node ? own * (1 - own) : -own * weight;
            total += b->d_mixture[(size_t)leaf * stride + example] * share;
        }
        return total;
    }
    if (b->d_probabilities) {
        total += b->d_probabilities[(size_t)node * stride + example];
    }
    for (int leaf = 0; b->d_mixture && leaf < dims->n_leaves; leaf++) {
        for (int level = 0; level < dims->depth; level++) {
            int at, is_right;
            branch(b, leaf, level, example, &at, &is_right);
            if (at == node) {
                total += b->d_mixture[(size_t)leaf * stride + example] *
                         tree_weight(b, leaf, example, level) * (is_right ? 1 : -1);
            }
        }
    }
    double p = sigmoid(score(b, node, example));
    return dims->routing == ESP_ROUTING_TREE ? total * p * (1 - p) : 0;
}

static void write_claimed(double *claimed, const bench *b, const variable *v)
{
    for (int row = 0; row < v->rows; row++) {
        for (int column = 0; column < v->columns; column++) {
            double own = v->gradient ? v->gradient[(size_t)row * v->stride + column] : 0;
            claimed[(size_t)row * v->columns + column] =
                own + (v == b->scores ? carried(b, row, column) : 0);
        }
    }
}

/* ---- calls -------------------------------------------------------------------------------- */

static void fill_loss_inputs(bench *b, uint64_t seed)
{
    uint64_t random = seed * 1000003 + 17;
    for (int i = 0; i < b->n_variables; i++) {
        randomize(&b->variables[i], &random);
    }
    for (int e = 0; e < b->model->n_examples; e++) {
        b->labels[e] = (int32_t)(draw(&random) * b->model->dims.n_outputs);
    }
    if (b->load) { /* a number of examples */
        for (int leaf = 0; leaf < b->load->columns; leaf++) {
            b->load->values[leaf] = b->model->n_examples * (0.05 + draw(&random));
        }
    }
    if (b->choices) {
        choose(b);
    }
    for (int leaf = 0; b->counts && leaf < b->model->dims.n_leaves; leaf++) {
        b->counts[leaf] = (int64_t)(draw(&random) * 20);
    }
    write_views(b, false);
}

static bool gradient_is_zero(const esp_real *d, const variable *shape, int rows)
{
    for (int row = 0; d && row < rows; row++) {
        for (int column = 0; column < shape->columns; column++) {
            if (d[(size_t)row * shape->stride + column] != 0) {
                return false;
            }
        }
    }
    return true;
}

static void zero_rows(esp_real *d, int rows, const model *on)
{
    for (int row = 0; d && row < rows; row++) {
        memset(d + (size_t)row * on->stride, 0, sizeof(esp_real) * (size_t)on->n_examples);
    }
}

/* One evaluate() with all that can be checked on any call: finite, in bounds, held views unmoved.
 */
static bool call_loss(bench *b, esp_mode mode, bool with_gradients, double *value)
{
    const esp_dims *dims = &b->model->dims;
    uint64_t random = b->random;
    for (int i = 0; i < b->n_variables; i++) {
        zero_gradient(&b->variables[i]);
    }
    zero_rows(b->d_probabilities, dims->n_nodes, b->model);
    zero_rows(b->d_mixture, dims->n_leaves, b->model);
    b->batch.mode = mode;
    *value = NAN;
    before_call(b, "evaluate");
    int result = b->plugin->loss->evaluate(b->state, &b->host, &b->batch,
                                           with_gradients ? &b->gradients : NULL, value);
    if (!after_call(b, result, "evaluate")) {
        return false;
    }
    b->has_value = b->has_value || *value != 0;
    if (!isfinite(*value)) {
        return refuse(b, "its value is %s, not finite", isnan(*value) ? "NaN" : "infinite");
    }
    for (int i = 0; i < b->n_variables; i++) {
        const variable *v = &b->variables[i];
        if (!rows_are_finite(v->gradient, v->rows, v->columns, v->stride)) {
            return refuse(b, "its gradient of %s is not finite", v->label);
        }
        uint32_t view = v == b->scores ? ESP_SCORES : v == b->variables ? ESP_LOGITS : 0;
        if (holds(b, view) && !gradient_is_zero(v->gradient, v, v->rows)) {
            return refuse(b, "it holds %s fixed but adds to their gradient", v->label);
        }
    }
    if (!rows_are_finite(b->d_probabilities, dims->n_nodes, b->model->n_examples,
                         b->model->stride) ||
        !rows_are_finite(b->d_mixture, dims->n_leaves, b->model->n_examples, b->model->stride)) {
        return refuse(b, "its gradient of probabilities or mixture is not finite");
    }
    if ((holds(b, ESP_PROBABILITIES) &&
         !gradient_is_zero(b->d_probabilities, b->scores, dims->n_nodes)) ||
        (holds(b, ESP_MIXTURE) && !gradient_is_zero(b->d_mixture, b->scores, dims->n_leaves))) {
        return refuse(b, "it holds probabilities or mixture fixed but adds to their gradient");
    }
    if (mode == ESP_EVALUATION && b->random != random) {
        return refuse(b, "it draws random numbers in evaluation, which would make training depend "
                         "on how often a trial is evaluated");
    }
    return true;
}

static bool varied_loss(bench *b, double *value)
{
    write_views(b, true);
    return start_instance(b) == GOOD && call_loss(b, ESP_TRAINING, true, value);
}

/* ---- checks ------------------------------------------------------------------------------- */

static bool check_loss_gradients(bench *b, double *worst)
{
    double value, alone;
    fill_loss_inputs(b, 3);
    if (start_instance(b) != GOOD || !call_loss(b, ESP_TRAINING, false, &alone) ||
        start_instance(b) != GOOD) {
        return false;
    }
    if (!call_loss(b, ESP_TRAINING, true, &value)) {
        return false;
    }
    if (!(fabs(value - alone) <= 64 * EPSILON * (1 + fabs(value)))) {
        return refuse(b, "its value is %.9g with gradients and %.9g without", value, alone);
    }
    double *claimed[MAX_VARIABLES] = {NULL};
    for (int i = 0; i < b->n_variables; i++) {
        const variable *v = &b->variables[i];
        claimed[i] = calloc((size_t)v->rows * (size_t)v->columns + 1, sizeof(double));
        if (!claimed[i]) {
            abort();
        }
        write_claimed(claimed[i], b, v);
    }
    bool good = true;
    for (int i = 0; i < b->n_variables; i++) {
        if (good && b->variables[i].is_free) {
            good = check_gradient(b, &b->variables[i], claimed[i], varied_loss, worst);
            write_views(b, false);
        }
        free(claimed[i]);
    }
    return good;
}

/* Logits and scores so large that exp overflows and p is exactly 0 or 1, and ties at 0. */
static bool check_loss_extremes(bench *b)
{
    double value;
    fill_loss_inputs(b, 4);
    for (int i = 0; i < b->n_variables; i++) {
        variable *v = &b->variables[i];
        for (int e = 0; (v == b->scores || v == b->variables) && e < v->rows * v->columns; e++) {
            v->values[e] = (const double[]){1000, -1000, 0}[(e + e / 3) % 3];
        }
    }
    if (b->choices) {
        choose(b);
    }
    write_views(b, false);
    return start_instance(b) == GOOD && call_loss(b, ESP_TRAINING, true, &value) &&
           call_loss(b, ESP_EVALUATION, false, &value);
}

/* One training step on inputs drawn from its number; *digest takes in all that came back. */
static bool step_loss(bench *b, int step, uint64_t *digest)
{
    double value;
    fill_loss_inputs(b, 100 + (uint64_t)step);
    b->batch.step = step;
    b->batch.epoch = 1 + step / 4;
    if (!call_loss(b, ESP_TRAINING, true, &value)) {
        return false;
    }
    *digest = mix_bytes(*digest, &value, sizeof value);
    for (int i = 0; i < b->n_variables; i++) {
        const variable *v = &b->variables[i];
        *digest = mix_rows(*digest, v->gradient, v->rows, v->columns, v->stride);
    }
    *digest = mix_rows(*digest, b->d_probabilities, b->model->dims.n_nodes, b->model->n_examples,
                       b->model->stride);
    *digest = mix_rows(*digest, b->d_mixture, b->model->dims.n_leaves, b->model->n_examples,
                       b->model->stride);
    if (b->plugin->loss->after_step) {
        before_call(b, "after_step");
        int result = b->plugin->loss->after_step(b->state, &b->host, b->counts, b->routing_bias);
        if (!after_call(b, result, "after_step")) {
            return false;
        }
        if (!rows_are_finite(b->routing_bias, 1, b->model->dims.n_leaves, 0)) {
            return refuse(b, "after_step left a routing bias that is not finite");
        }
        *digest = mix_rows(*digest, b->routing_bias, 1, b->model->dims.n_leaves, 0);
    }
    *digest = mix_bytes(*digest, b->sums, sizeof b->sums);
    return true;
}

static bool evaluate_loss(bench *b)
{
    double value;
    fill_loss_inputs(b, 5);
    return call_loss(b, ESP_EVALUATION, false, &value);
}

#endif
