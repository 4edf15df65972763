/* Part of check_real.c: heads. */
#ifndef ESP_PLUGIN_CHECK_REAL_HEAD_H
#define ESP_PLUGIN_CHECK_REAL_HEAD_H

#include "plugin/check_real_gradient.h"

/* Declared sizes beyond the first are not tried at all; gradients are compared up to the second: a
 * very wide head is varied on the small batches only. */
enum { MOST_ELEMENTS = 1 << 21, MOST_VARIED = 100000 };

/* ---- what it declares --------------------------------------------------------------------- */

static size_t elements_of(const esp_tensor_decl *tensor)
{
    size_t count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        count *= (size_t)tensor->shape[i];
    }
    return count;
}

static bool tensor_is_sound(bench *b, int index)
{
    const esp_tensor_decl *tensor = &b->decl.tensors[index];
    if (!is_name(tensor->name)) {
        return refuse(b, "declared tensor %d has a name that is not " ESP_NAME_RULE, index);
    }
    for (int i = 0; i < index; i++) {
        if (strcmp(b->decl.tensors[i].name, tensor->name) == 0) {
            return refuse(b, "declared tensor '%s' twice", tensor->name);
        }
    }
    if (tensor->rank < 0 || tensor->rank > 4) {
        return refuse(b, "declared tensor '%s' with rank %d", tensor->name, (int)tensor->rank);
    }
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] < 1) {
            return refuse(b, "declared tensor '%s' with an extent of %d", tensor->name,
                          (int)tensor->shape[i]);
        }
    }
    if (!isfinite(tensor->center) || !(tensor->bound >= 0 && isfinite(tensor->bound))) {
        return refuse(b, "declared tensor '%s' with initial values %g +- %g", tensor->name,
                      tensor->center, tensor->bound);
    }
    return true;
}

static bool decl_is_sound(bench *b)
{
    const esp_head_decl *decl = &b->decl;
    if (decl->n_hidden < 0 || decl->n_tensors < 0 || decl->n_tensors > ESP_MAX_TENSORS) {
        return refuse(b, "declared %d hidden units and %d tensors", (int)decl->n_hidden,
                      (int)decl->n_tensors);
    }
    if (decl->n_hidden > 0 &&
        (!is_name(decl->projection_weight_name) || !is_name(decl->projection_bias_name))) {
        return refuse(b, "declared projections without names of " ESP_NAME_RULE);
    }
    if (!(decl->inference_macs >= 0 && isfinite(decl->inference_macs))) {
        return refuse(b, "declared an inference cost of %g", decl->inference_macs);
    }
    for (int i = 0; i < decl->n_tensors; i++) {
        if (!tensor_is_sound(b, i)) {
            return false;
        }
    }
    return true;
}

static outcome start_head(bench *b)
{
    outcome result = start_instance(b);
    if (result != GOOD) {
        return result;
    }
    b->decl = (esp_head_decl){.struct_size = sizeof b->decl};
    before_call(b, "declare");
    int status = b->plugin->head->declare(b->state, &b->host, &b->model->dims, &b->decl);
    return after_call(b, status, "declare") && decl_is_sound(b) ? GOOD : BAD;
}

static size_t count_elements(const bench *b)
{
    size_t count = (size_t)b->decl.n_hidden * (size_t)b->model->stride;
    for (int i = 0; i < b->decl.n_tensors; i++) {
        count += elements_of(&b->decl.tensors[i]);
    }
    return count;
}

/* ---- arrays ------------------------------------------------------------------------------- */

static variable *add_head_variable(bench *b, const char *label, int rows, int columns, int stride)
{
    variable *v = add_variable(b, label, rows, columns, stride);
    v->view = take_constant(b, label, sizeof(esp_real), rows, columns, stride);
    v->gradient = take_rows(b, "a gradient", sizeof(esp_real), rows, columns, stride);
    v->is_free = true;
    return v;
}

/* DECLINED also where the declared sizes are too large to try. */
static outcome make_head_bench(bench **out, const esp_plugin *plugin, const model *on,
                               const setting *with, esp_check_progress *progress)
{
    bench *b = *out = make_bench(plugin, on, with, progress);
    outcome result = start_head(b);
    if (result != GOOD) {
        return result;
    }
    if (count_elements(b) > MOST_ELEMENTS) {
        return DECLINED;
    }
    const int n_outputs = on->dims.n_outputs;
    b->labels = take_constant(b, "labels", sizeof(int32_t), 1, on->n_examples, on->stride);
    variable *hidden = add_head_variable(b, "hidden", b->decl.n_hidden, on->n_examples, on->stride);
    variable *input = add_head_variable(b, "input", n_outputs, on->n_examples, on->stride);
    b->head_gradients = (esp_head_gradients){.struct_size = sizeof b->head_gradients,
                                             .input = input->gradient,
                                             .hidden = hidden->gradient,
                                             .tensors = b->tensor_gradients};
    for (int i = 0; i < b->decl.n_tensors; i++) {
        const esp_tensor_decl *tensor = &b->decl.tensors[i];
        int count = (int)elements_of(tensor);
        variable *v = add_head_variable(b, tensor->name, 1, count, count);
        v->is_free = tensor->trainable != 0;
        b->tensors[i] = v->view;
        b->tensor_gradients[i] = v->gradient;
    }
    b->output = take_rows(b, "its output", sizeof(esp_real), n_outputs, on->n_examples, on->stride);
    b->d_output = take_constant(b, "the gradient at its output", sizeof(esp_real), n_outputs,
                                on->n_examples, on->stride);
    b->head_gradients.output = b->d_output;
    b->head_batch = (esp_head_batch){.struct_size = sizeof b->head_batch,
                                     .mode = ESP_TRAINING,
                                     .n_examples = on->n_examples,
                                     .stride = on->stride,
                                     .dims = &on->dims,
                                     .labels = b->labels,
                                     .hidden = hidden->view,
                                     .input = input->view,
                                     .tensors = b->tensors,
                                     .input_macs = 1000};
    return GOOD;
}

static void fill_head_inputs(bench *b, uint64_t seed)
{
    uint64_t random = seed * 1000003 + 29;
    for (int i = 0; i < b->n_variables; i++) {
        randomize(&b->variables[i], &random);
        write_view(&b->variables[i]);
    }
    for (int e = 0; e < b->model->n_examples; e++) {
        b->labels[e] = (int32_t)(draw(&random) * b->model->dims.n_outputs);
        for (int o = 0; o < b->model->dims.n_outputs; o++) {
            b->d_output[(size_t)o * b->model->stride + e] = (esp_real)(2 * draw(&random) - 1);
        }
    }
}

static void fill_rows(esp_real *data, int rows, const model *on, esp_real value)
{
    for (int row = 0; row < rows; row++) {
        for (int e = 0; e < on->n_examples; e++) {
            data[(size_t)row * on->stride + e] = value;
        }
    }
}

/* ---- calls -------------------------------------------------------------------------------- */

static bool call_forward(bench *b, esp_mode mode)
{
    const model *on = b->model;
    uint64_t random = b->random;
    b->head_batch.mode = mode;
    fill_rows(b->output, on->dims.n_outputs, on, (esp_real)NAN); /* forward overwrites */
    before_call(b, "forward");
    int result = b->plugin->head->forward(b->state, &b->host, &b->head_batch, b->output);
    if (!after_call(b, result, "forward")) {
        return false;
    }
    if (mode == ESP_EVALUATION && b->random != random) {
        return refuse(b, "it draws random numbers in evaluation, which would make training depend "
                         "on how often a trial is evaluated");
    }
    return rows_are_finite(b->output, on->dims.n_outputs, on->n_examples, on->stride) ||
           refuse(b, "forward leaves output that is not finite, or not overwritten");
}

/* Gradients of the input are to be overwritten, those of tensors added to `start`. */
static bool call_backward(bench *b, esp_real start)
{
    const model *on = b->model;
    fill_rows(b->head_gradients.hidden, b->decl.n_hidden, on, (esp_real)NAN);
    fill_rows(b->head_gradients.input, on->dims.n_outputs, on, (esp_real)NAN);
    for (int i = 0; i < b->decl.n_tensors; i++) {
        size_t count = elements_of(&b->decl.tensors[i]);
        for (size_t j = 0; j < count; j++) {
            b->tensor_gradients[i][j] = start;
        }
    }
    before_call(b, "backward");
    int result = b->plugin->head->backward(b->state, &b->host, &b->head_batch, &b->head_gradients);
    if (!after_call(b, result, "backward")) {
        return false;
    }
    for (int i = 0; i < b->n_variables; i++) {
        const variable *v = &b->variables[i];
        if (!rows_are_finite(v->gradient, v->rows, v->columns, v->stride)) {
            return refuse(b, "its gradient of %s is not finite%s", v->label,
                          i < 2 ? ", or not overwritten" : "");
        }
    }
    return true;
}

/* The sum over all outputs of output times a fixed random weight: its gradient is backward's. */
static bool varied_head(bench *b, double *value)
{
    for (int i = 0; i < b->n_variables; i++) {
        write_view(&b->variables[i]);
    }
    if (start_head(b) != GOOD || !call_forward(b, ESP_TRAINING)) {
        return false;
    }
    *value = 0;
    for (int o = 0; o < b->model->dims.n_outputs; o++) {
        for (int e = 0; e < b->model->n_examples; e++) {
            size_t at = (size_t)o * b->model->stride + e;
            *value += (double)b->output[at] * b->d_output[at];
        }
    }
    return true;
}

/* ---- checks ------------------------------------------------------------------------------- */

static bool check_adding(bench *b, double *const *claimed)
{
    if (start_head(b) != GOOD || !call_forward(b, ESP_TRAINING) || !call_backward(b, 1)) {
        return false;
    }
    for (int i = 2; i < b->n_variables; i++) {
        const variable *v = &b->variables[i];
        for (int j = 0; j < v->columns; j++) {
            double sum = 1 + claimed[i][j];
            if (!(fabs(v->gradient[j] - sum) <= 64 * EPSILON * (2 + fabs(sum)))) {
                return refuse(b, "backward does not add to the gradient of tensor %s", v->label);
            }
        }
    }
    return true;
}

static bool check_head_gradients(bench *b, double *worst)
{
    fill_head_inputs(b, 3);
    if (start_head(b) != GOOD || !call_forward(b, ESP_TRAINING) || !call_backward(b, 0)) {
        return false;
    }
    double *claimed[MAX_VARIABLES] = {NULL};
    for (int i = 0; i < b->n_variables; i++) {
        const variable *v = &b->variables[i];
        claimed[i] = calloc((size_t)v->rows * (size_t)v->columns + 1, sizeof(double));
        if (!claimed[i]) {
            abort();
        }
        for (int row = 0; row < v->rows; row++) {
            for (int column = 0; column < v->columns; column++) {
                claimed[i][(size_t)row * v->columns + column] =
                    v->gradient[(size_t)row * v->stride + column];
            }
        }
    }
    bool good = check_adding(b, claimed), is_small = count_elements(b) <= MOST_VARIED;
    for (int i = 0; i < b->n_variables; i++) {
        if (good && is_small && b->variables[i].is_free) {
            good = check_gradient(b, &b->variables[i], claimed[i], varied_head, worst);
        }
        free(claimed[i]);
    }
    return good;
}

static bool evaluate_head(bench *b)
{
    fill_head_inputs(b, 5);
    if (!call_forward(b, ESP_EVALUATION) || !b->plugin->head->evaluate) {
        return b->reason[0] == '\0';
    }
    uint64_t random = b->random;
    before_call(b, "evaluate");
    int result = b->plugin->head->evaluate(b->state, &b->host, &b->head_batch, b->output);
    return after_call(b, result, "evaluate") &&
           (b->random == random || refuse(b, "it draws random numbers in evaluation"));
}

static bool check_head_extremes(bench *b)
{
    fill_head_inputs(b, 4);
    for (int i = 0; i < 2; i++) { /* hidden and input */
        variable *v = &b->variables[i];
        for (int e = 0; e < v->rows * v->columns; e++) {
            v->values[e] = (const double[]){1000, -1000, 0}[(e + e / 3) % 3];
        }
        write_view(v);
    }
    return start_head(b) == GOOD && call_forward(b, ESP_TRAINING) && call_backward(b, 0) &&
           evaluate_head(b);
}

static bool step_head(bench *b, int step, uint64_t *digest)
{
    fill_head_inputs(b, 100 + (uint64_t)step);
    if (!call_forward(b, ESP_TRAINING)) {
        return false;
    }
    *digest = mix_rows(*digest, b->output, b->model->dims.n_outputs, b->model->n_examples,
                       b->model->stride);
    if (!call_backward(b, 0)) {
        return false;
    }
    for (int i = 0; i < b->n_variables; i++) {
        const variable *v = &b->variables[i];
        *digest = mix_rows(*digest, v->gradient, v->rows, v->columns, v->stride);
    }
    *digest = mix_bytes(*digest, b->sums, sizeof b->sums);
    return true;
}

#endif
