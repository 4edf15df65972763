/* B examples, O outputs, N nodes, L leaves. */
#include "run/loss_sum.h"

#include <math.h>
#include <string.h>

#include "core/status.h"
#include "run/divergence.h"
#include "run/evaluate.h"

static bool is_usable(const esp_plugin *plugin, const esp_network *network)
{
    const bool has_bias = network->own[ESP_ROUTING_BIAS] >= 0;
    return !(plugin->loss->needs & ~esp_model_views(network->config.model.kind)) &&
           (plugin->loss->after_step == NULL || has_bias);
}

static bool any_needs_parameters(const esp_loss_sum *sum)
{
    for (int i = 0; i < sum->n_terms; i++) {
        if (sum->usable[i] && sum->terms[i].plugin->loss->needs & ESP_PARAMETERS) {
            return true;
        }
    }
    return false;
}

static bool acts_after_step(const esp_loss_sum *sum, int term)
{
    return sum->usable[term] && sum->terms[term].plugin->loss->after_step != NULL;
}

static bool any_acts_after_step(const esp_loss_sum *sum)
{
    for (int i = 0; i < sum->n_terms; i++) {
        if (acts_after_step(sum, i)) {
            return true;
        }
    }
    return false;
}

static int take_arrays(esp_loss_sum *sum, const esp_network *network)
{
    const size_t stride = (size_t)network->stride;
    for (int real = 0; real < 2; real++) {
        esp_arena measure = {0};
        esp_arena *arena = real ? &sum->arena : &measure;
        sum->d_logits =
            ESP_TAKE_GUARDED(arena, esp_real, stride * (size_t)network->config.n_outputs);
        sum->d_scores = ESP_TAKE_GUARDED(arena, esp_real, stride * (size_t)network->n_nodes);
        sum->d_probabilities = ESP_TAKE_GUARDED(arena, esp_real, stride * (size_t)network->n_nodes);
        sum->d_mixture = ESP_TAKE_GUARDED(arena, esp_real, stride * (size_t)network->n_leaves);
        sum->d_load = ESP_TAKE_GUARDED(arena, esp_real, (size_t)network->n_leaves);
        if (any_needs_parameters(sum)) {
            sum->d_parameters = ESP_TAKE_GUARDED(arena, esp_real, network->n_parameters);
            sum->d_parameters_sum = ESP_TAKE(arena, esp_real, network->n_parameters);
        }
        if (any_acts_after_step(sum)) {
            sum->counts = ESP_TAKE(arena, int64_t, network->n_leaves);
            sum->routing_bias = ESP_TAKE_GUARDED(arena, esp_real, (size_t)network->n_leaves);
        }
        if (!real) {
            ESP_TRY(esp_arena_create(&sum->arena, measure.used));
        }
    }
    return ESP_OK;
}

static void list_spans(esp_loss_sum *sum, const esp_network *network)
{
    for (int i = 0; i < network->n_tensors; i++) {
        const esp_tensor *tensor = &network->tensors[i];
        if (!tensor->trainable || tensor->count == 0) {
            continue;
        }
        sum->spans[sum->n_spans] = (esp_span){.group = tensor->group,
                                              .is_bias = tensor->is_bias,
                                              .count = (int64_t)tensor->count,
                                              .values = network->parameters + tensor->offset};
        sum->span_gradients[sum->n_spans] =
            sum->d_parameters ? sum->d_parameters + tensor->offset : NULL;
        sum->n_spans++;
    }
}

int esp_loss_sum_create(esp_loss_sum *out, const esp_phase_config *phase,
                        const esp_network *network, esp_rng *noise)
{
    memset(out, 0, sizeof *out);
    int status = ESP_OK;
    for (int i = 0; i < phase->n_terms; i++) {
        const esp_term_config *term = &phase->terms[i];
        out->usable[i] = is_usable(term->plugin, network);
        if (out->usable[i]) {
            status = esp_instance_create(&out->terms[i], term->plugin, &term->params,
                                         &network->dims, noise);
            out->usable[i] = status == ESP_OK;
            if (status != ESP_OK && (term->called || term->weight != 0)) {
                goto out;
            }
            status = ESP_OK;
        }
        out->n_terms = i + 1;
    }
    ESP_TRY_OUT(take_arrays(out, network));
    list_spans(out, network);
    esp_loss_sum_set_phase(out, phase);
out:
    if (status != ESP_OK) {
        esp_loss_sum_destroy(out);
    }
    return status;
}

void esp_loss_sum_destroy(esp_loss_sum *sum)
{
    for (int i = 0; i < sum->n_terms; i++) {
        if (sum->usable[i]) {
            esp_instance_destroy(&sum->terms[i]);
        }
    }
    esp_arena_destroy(&sum->arena);
    memset(sum, 0, sizeof *sum);
}

void esp_loss_sum_set_phase(esp_loss_sum *sum, const esp_phase_config *phase)
{
    for (int i = 0; i < sum->n_terms; i++) {
        sum->scheduled[i] = phase->terms[i].ramp.kind != ESP_SCHEDULE_CONSTANT;
        sum->monitored[i] = phase->terms[i].monitor;
        if (sum->usable[i]) {
            esp_instance_set_params(&sum->terms[i], &phase->terms[i].params);
        }
    }
    esp_loss_sum_set_time(sum, phase, (esp_phase_time){0});
}

void esp_loss_sum_set_time(esp_loss_sum *sum, const esp_phase_config *phase, esp_phase_time time)
{
    for (int i = 0; i < sum->n_terms; i++) {
        const esp_term_config *term = &phase->terms[i];
        sum->weights[i] = sum->scheduled[i] ? esp_ramp_at(&term->ramp, time) : term->weight;
    }
}

bool esp_loss_sum_trains(const esp_loss_sum *sum, int term)
{
    return sum->usable[term] && (sum->weights[term] != 0 || sum->scheduled[term]);
}

/* A term is given what it declares to need and nothing else. */
static esp_batch make_batch(const esp_loss_sum *sum, const esp_plugin *plugin,
                            const esp_network *network, const esp_real *logits, esp_mode mode,
                            esp_position position)
{
    const uint32_t needs = plugin->loss->needs;
    return (esp_batch){.struct_size = sizeof(esp_batch),
                       .mode = mode,
                       .n_examples = network->n_examples,
                       .stride = network->stride,
                       .epoch = position.epoch,
                       .step = position.step,
                       .dims = &network->dims,
                       .labels = network->labels,
                       .logits = needs & ESP_LOGITS ? logits : NULL,
                       .scores = needs & ESP_SCORES ? network->scores : NULL,
                       .probabilities = needs & ESP_PROBABILITIES ? network->probabilities : NULL,
                       .mixture = needs & ESP_MIXTURE ? network->mixture : NULL,
                       .choices = needs & ESP_CHOICES ? network->choices : NULL,
                       .load = needs & ESP_LOAD ? network->load : NULL,
                       .n_spans = needs & ESP_PARAMETERS ? sum->n_spans : 0,
                       .spans = needs & ESP_PARAMETERS ? sum->spans : NULL};
}

/* total += weight * part; returns whether part held a value that is not finite. */
static int accumulate(esp_real *restrict total, const esp_real *restrict part, esp_real weight,
                      size_t count)
{
    int bad = 0;
    for (size_t i = 0; i < count; i++) {
        total[i] += weight * part[i];
        bad |= !(part[i] - part[i] == 0);
    }
    return bad;
}

/* A view's derivatives: where they are taken from a term and where they go. */
typedef struct view {
    uint32_t bit;
    const char *name;
    esp_real *part, *total;
    size_t count;
} view;

static int list_views(view *views, const esp_loss_sum *sum, const esp_network *network)
{
    const size_t stride = (size_t)network->stride, nodes = (size_t)network->n_nodes * stride;
    int n = 0;
    views[n++] = (view){ESP_LOGITS, "logits", sum->d_logits, network->d_logits,
                        (size_t)network->config.n_outputs * stride};
    views[n++] = (view){ESP_SCORES, "scores", sum->d_scores, network->d_scores, nodes};
    if (network->d_probabilities != NULL) {
        views[n++] = (view){ESP_PROBABILITIES, "probabilities", sum->d_probabilities,
                            network->d_probabilities, nodes};
    }
    if (network->d_mixture != NULL) {
        views[n++] = (view){ESP_MIXTURE, "mixture", sum->d_mixture, network->d_mixture,
                            (size_t)network->n_leaves * stride};
    }
    if (network->d_load != NULL) {
        views[n++] =
            (view){ESP_LOAD, "load", sum->d_load, network->d_load, (size_t)network->n_leaves};
    }
    if (sum->d_parameters != NULL) {
        views[n++] = (view){ESP_PARAMETERS, "parameters", sum->d_parameters, sum->d_parameters_sum,
                            network->n_parameters};
    }
    return n;
}

/* A term's result is not finite: says whether the model or the term is to blame. */
static int report_not_finite(const esp_loss_sum *sum, int index, const char *what,
                             const esp_network *network, esp_position position)
{
    const char *name = sum->terms[index].plugin->name;
    char culprit[96];
    if (esp_divergence_of_network(culprit, network)) {
        return esp_fail(ESP_FAILED,
                        "diverged at epoch %d, batch %d: %s not finite (seen at loss term '%s'); a "
                        "smaller learning rate may help",
                        position.epoch, position.batch, culprit, name);
    }
    return esp_fail(ESP_FAILED, "loss term '%s' gave a %s that is not finite at epoch %d, batch %d",
                    name, what, position.epoch, position.batch);
}

static int call_term(esp_loss_sum *sum, int index, double *value, const esp_batch *batch,
                     const esp_gradients *gradients, esp_position position)
{
    esp_instance *term = &sum->terms[index];
    esp_instance_begin(term, batch->mode);
    int result = term->plugin->loss->evaluate(term->state, &term->host, batch, gradients, value);
    if (esp_instance_end(term, result) != ESP_OK) {
        return esp_fail(ESP_FAILED, "%s (epoch %d, batch %d)", esp_message(), position.epoch,
                        position.batch);
    }
    return ESP_OK;
}

static int check_guards(const view *views, int n_views, const char *name, esp_position position)
{
    for (int v = 0; v < n_views; v++) {
        if (!esp_is_guarded(views[v].part, sizeof(esp_real) * views[v].count)) {
            return esp_fail(ESP_FAILED,
                            "plugin '%s' wrote outside its derivatives by %s at epoch %d, batch "
                            "%d; `espalier plugins check` says more",
                            name, views[v].name, position.epoch, position.batch);
        }
    }
    return ESP_OK;
}

int esp_loss_sum_differentiate(esp_loss_sum *sum, double *total, double *values,
                               esp_network *network, esp_position position)
{
    view views[6];
    const int n_views = list_views(views, sum, network);
    esp_network_zero_view_gradients(network);
    if (sum->d_parameters_sum != NULL) {
        memset(sum->d_parameters_sum, 0, sizeof(esp_real) * network->n_parameters);
    }
    if (sum->counts != NULL) {
        esp_count_choices(sum->counts, network);
    }
    *total = 0;
    for (int i = 0; i < sum->n_terms; i++) {
        values[i] = NAN;
        if (!esp_loss_sum_trains(sum, i)) {
            continue;
        }
        /* where a schedule is at 0 the term is only measured: what it adapts must wait until the
         * network can answer */
        const bool acts = sum->weights[i] != 0;
        const uint32_t needs = sum->terms[i].plugin->loss->needs;
        for (int v = 0; v < n_views && acts; v++) {
            if (needs & views[v].bit) {
                memset(views[v].part, 0, sizeof(esp_real) * views[v].count);
            }
        }
        esp_batch batch = make_batch(sum, sum->terms[i].plugin, network, network->logits,
                                     acts ? ESP_TRAINING : ESP_EVALUATION, position);
        esp_gradients d = {.struct_size = sizeof d,
                           .logits = needs & ESP_LOGITS ? sum->d_logits : NULL,
                           .scores = needs & ESP_SCORES ? sum->d_scores : NULL,
                           .probabilities = needs & ESP_PROBABILITIES ? sum->d_probabilities : NULL,
                           .mixture = needs & ESP_MIXTURE ? sum->d_mixture : NULL,
                           .load = needs & ESP_LOAD ? sum->d_load : NULL,
                           .spans = needs & ESP_PARAMETERS ? sum->span_gradients : NULL};
        ESP_TRY(call_term(sum, i, &values[i], &batch, acts ? &d : NULL, position));
        ESP_TRY(check_guards(views, n_views, sum->terms[i].plugin->name, position));
        if (!isfinite(values[i])) {
            return report_not_finite(sum, i, "value", network, position);
        }
        for (int v = 0; v < n_views && acts; v++) {
            if ((needs & views[v].bit) && accumulate(views[v].total, views[v].part,
                                                     (esp_real)sum->weights[i], views[v].count)) {
                return report_not_finite(sum, i, "gradient", network, position);
            }
        }
        *total += sum->weights[i] * values[i];
    }
    return ESP_OK;
}

static int move_bias(esp_loss_sum *sum, int index, esp_network *network, esp_position position)
{
    esp_instance *term = &sum->terms[index];
    const size_t bytes = sizeof(esp_real) * (size_t)network->n_leaves;
    memcpy(sum->routing_bias, esp_network_routing_bias(network), bytes);
    esp_instance_begin(term, ESP_TRAINING);
    int result =
        term->plugin->loss->after_step(term->state, &term->host, sum->counts, sum->routing_bias);
    if (esp_instance_end(term, result) != ESP_OK) {
        return esp_fail(ESP_FAILED, "%s (epoch %d, batch %d)", esp_message(), position.epoch,
                        position.batch);
    }
    bool good = esp_is_guarded(sum->routing_bias, bytes);
    for (int leaf = 0; leaf < network->n_leaves; leaf++) {
        good = good && isfinite((double)sum->routing_bias[leaf]);
    }
    if (!good) {
        return esp_fail(ESP_FAILED,
                        "loss term '%s' left a routing bias that is not finite, or wrote outside "
                        "it, at epoch %d, batch %d",
                        term->plugin->name, position.epoch, position.batch);
    }
    memcpy(esp_network_routing_bias(network), sum->routing_bias, bytes);
    return ESP_OK;
}

int esp_loss_sum_after_step(esp_loss_sum *sum, esp_network *network, esp_position position)
{
    if (sum->counts == NULL) {
        return ESP_OK;
    }
    for (int i = 0; i < sum->n_terms; i++) {
        if (acts_after_step(sum, i) && sum->weights[i] != 0) {
            ESP_TRY(move_bias(sum, i, network, position));
        }
    }
    memset(sum->counts, 0, sizeof *sum->counts * (size_t)network->n_leaves);
    return ESP_OK;
}

void esp_loss_sum_add_parameter_gradients(esp_loss_sum *sum, esp_network *network)
{
    for (size_t i = 0; sum->d_parameters_sum != NULL && i < network->n_parameters; i++) {
        network->gradients[i] += sum->d_parameters_sum[i];
    }
}

bool esp_loss_sum_evaluates(const esp_loss_sum *sum, int term)
{
    return esp_loss_sum_trains(sum, term) || (sum->usable[term] && sum->monitored[term]);
}

int esp_loss_sum_evaluate(esp_loss_sum *sum, double *values, esp_role role,
                          const esp_network *network, const esp_real *logits, esp_position position)
{
    const bool hard = logits == network->hard_logits;
    for (int i = 0; i < sum->n_terms; i++) {
        esp_instance *term = &sum->terms[i];
        if (!esp_loss_sum_evaluates(sum, i) || term->plugin->role != role) {
            continue;
        }
        esp_logged logged[ESP_MAX_LOGGED];
        const int n_logged = term->n_logged;
        memcpy(logged, term->logged, sizeof logged);
        esp_batch batch = make_batch(sum, term->plugin, network, logits, ESP_EVALUATION, position);
        ESP_TRY(call_term(sum, i, &values[i], &batch, NULL, position));
        if (hard) {
            memcpy(term->logged, logged, sizeof logged);
            term->n_logged = n_logged;
        }
    }
    return ESP_OK;
}
