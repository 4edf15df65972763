/* The resolved configuration into the structs that the trainer reads, and the checks that need
 * several keys at once. */
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "plugin/instance.h"
#include "study/build.h"
#include "study/size.h"

static double real_at(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static int integer_at(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

void esp_fill_complain(builder *b, const char *path, const char *text)
{
    esp_problem(b->r->problems, ESP_ERROR, esp_node_mark(b->draft->tree, path), "%s", text);
    b->sound = false;
}

/* ---- plugins -------------------------------------------------------------------------------- */

static void fill_params(esp_params *out, const esp_plugin *plugin, const json_t *values)
{
    esp_params_default(out, plugin);
    for (uint32_t i = 0; i < plugin->n_params; i++) {
        const json_t *value = json_object_get(values, plugin->params[i].name);
        if (json_is_boolean(value)) {
            out->values[i] = json_is_true(value);
        } else if (json_is_number(value)) {
            out->values[i] = json_number_value(value);
        } else if (json_is_string(value)) {
            for (int k = 0; plugin->params[i].choices[k] != NULL; k++) {
                if (strcmp(plugin->params[i].choices[k], json_string_value(value)) == 0) {
                    out->values[i] = k;
                }
            }
        }
    }
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Terms go by name, not as written, so that the order of two keys cannot change a sum's last bit.
 */
static void fill_terms(builder *b, esp_phase_config *out, const json_t *losses,
                       double routing_scale)
{
    const char *names[ESP_MAX_TERMS];
    const char *name = NULL;
    json_t *term = NULL;
    int n = 0;
    json_object_foreach((json_t *)losses, name, term)
    {
        if (n == ESP_MAX_TERMS) {
            esp_fill_complain(b, "losses", "more than 8 loss terms");
            break;
        }
        names[n++] = name;
    }
    qsort(names, (size_t)n, sizeof *names, compare_names);
    out->n_terms = n;
    for (int i = 0; i < n; i++) {
        term = json_object_get(losses, names[i]);
        esp_term_config *it = &out->terms[i];
        it->plugin = esp_registry_find(b->r->registry, ESP_LOSS, names[i]);
        esp_fill_weight(it, json_object_get(term, "weight"),
                        it->plugin != NULL && it->plugin->role == ESP_ROUTING ? routing_scale : 1);
        it->monitor = json_is_true(json_object_get(term, "monitor"));
        fill_params(&it->params, it->plugin, term);
        if (routing_scale == 0 && it->plugin != NULL && it->plugin->role == ESP_ROUTING &&
            json_is_object(json_object_get(term, "weight"))) {
            const char *scale =
                esp_tree_pool_format(b->r->pool, "phases.%s.routing_scale", out->name);
            esp_problem(b->r->problems, ESP_NOTE, esp_node_mark(b->draft->tree, scale),
                        "routing_scale 0 turns off %s in phase '%s', though its weight has a "
                        "schedule",
                        names[i], out->name);
        }
    }
}

static void fill_heads(builder *b, const json_t *heads)
{
    const char *name = NULL;
    json_t *head = NULL;
    json_object_foreach((json_t *)heads, name, head)
    {
        if (b->cell->n_heads == ESP_MAX_HEADS) {
            esp_fill_complain(b, "heads", "more than 4 heads");
            return;
        }
        esp_head_config *it = &b->cell->heads[b->cell->n_heads++];
        it->plugin = esp_registry_find(b->r->registry, ESP_HEAD, name);
        fill_params(&it->params, it->plugin, head);
    }
}

/* ---- metrics -------------------------------------------------------------------------------- */

/* path: where it is written, for messages. */
static void fill_monitor(builder *b, esp_monitor *out, const char *name, const char *path)
{
    out->name = strdup(name);
    out->metric = strchr(out->name, '.') + 1;
    out->split = *name == 'v' ? ESP_VALIDATION : name[1] == 'r' ? ESP_TRAIN : ESP_TEST;
    out->maximize = esp_metric_is_accuracy(name);
    if (out->split == ESP_VALIDATION && !(b->cell->data.partition.validation > 0) &&
        !esp_problems_excused(b->r->problems, "data.validation")) {
        esp_fill_complain(
            b, path,
            esp_tree_pool_format(b->r->pool,
                                 "'%s' needs a validation split; set data.validation, such as 0.1",
                                 name));
    }
    const char *dot = strchr(out->metric, '.');
    if (dot == NULL || !b->plugins_known || b->cell->n_phases == 0) {
        return;
    }
    bool of_term = strncmp(out->metric, "loss.", 5) == 0;
    const char *plugin =
        of_term ? dot + 1
                : esp_tree_pool_format(b->r->pool, "%.*s", (int)(dot - out->metric), out->metric);
    const char *known = "";
    for (int i = 0; i < b->cell->phases[0].n_terms; i++) {
        known = esp_tree_pool_format(b->r->pool, "%s%s%s", known, *known ? " " : "",
                                     b->cell->phases[0].terms[i].plugin->name);
    }
    for (int i = 0; !of_term && i < b->cell->n_heads; i++) {
        known = esp_tree_pool_format(b->r->pool, "%s %s", known, b->cell->heads[i].plugin->name);
    }
    if (!esp_word_in(known, plugin)) {
        esp_fill_complain(b, path,
                          esp_tree_pool_format(b->r->pool, "'%s': no term%s '%s' here%s", name,
                                               of_term ? "" : " or head", plugin,
                                               esp_word_hint(b->r->pool, plugin, known)));
    }
}

/* Where the monitor of that number is written. */
static esp_mark monitor_mark(builder *b, int index)
{
    const esp_node *list = esp_node_find(b->draft->tree, "selection.monitor");
    return list != NULL && list->type == ESP_NODE_LIST && index < list->n
               ? list->items[index]->mark
               : esp_node_mark(b->draft->tree, "selection.monitor");
}

static void fill_selection(builder *b)
{
    json_t *selection = json_object_get(b->config, "selection");
    const json_t *monitors = json_object_get(selection, "monitor");
    for (size_t i = 0; i < json_array_size(monitors); i++) {
        const char *name = json_string_value(json_array_get(monitors, i));
        if (i == ESP_MAX_MONITORS) {
            esp_fill_complain(b, "selection.monitor", "more than 8 monitors");
            break;
        }
        if (name == NULL) {
            continue;
        }
        for (int k = 0; k < b->cell->n_monitors; k++) {
            if (strcmp(b->cell->monitors[k].name, name) == 0) {
                esp_problem(b->r->problems, ESP_ERROR, monitor_mark(b, (int)i),
                            "'%s' is listed twice in selection.monitor", name);
                b->sound = false;
            }
        }
        fill_monitor(b, &b->cell->monitors[b->cell->n_monitors++], name, "selection.monitor");
    }
    /* In the phases' own order whatever is written, so that it is one configuration. */
    bool chosen[ESP_MAX_PHASES] = {false};
    const json_t *phases = json_object_get(selection, "phases");
    for (size_t i = 0; i < json_array_size(phases); i++) {
        const char *name = json_string_value(json_array_get(phases, i));
        const char *known = "";
        int index = -1;
        for (int k = 0; name != NULL && k < b->n_phases; k++) {
            index = strcmp(b->phase_names[k], name) == 0 ? k : index;
            known =
                esp_tree_pool_format(b->r->pool, "%s%s%s", known, k ? " " : "", b->phase_names[k]);
        }
        if (name != NULL && index < 0) {
            esp_fill_complain(b, "selection.phases",
                              esp_tree_pool_format(b->r->pool, "selection.phases: no phase '%s'%s",
                                                   name, esp_word_hint(b->r->pool, name, known)));
        } else if (name != NULL) {
            chosen[index] = true;
        }
    }
    json_t *sorted = json_array();
    for (int k = 0; k < b->n_phases; k++) {
        if (chosen[k]) {
            b->cell->selection_phases[b->cell->n_selection_phases++] = k;
            json_array_append_new(sorted, json_string(b->phase_names[k]));
        }
    }
    json_object_set_new(selection, "phases", sorted);
}

/* ---- phases --------------------------------------------------------------------------------- */

/* The first key of a phase's set that lies below a path, or that covers it; or NULL. */
static const char *key_of_set(const builder *b, const char *phase, const char *path, bool below)
{
    const esp_node *set =
        esp_node_find(b->draft->tree, esp_tree_pool_format(b->r->pool, "phases.%s.set", phase));
    for (int i = 0; set != NULL && set->type == ESP_NODE_MAP && i < set->n; i++) {
        if (below ? esp_path_covers(path, set->keys[i]) : esp_path_covers(set->keys[i], path)) {
            return esp_tree_pool_format(b->r->pool, "phases.%s.set.%s", phase, set->keys[i]);
        }
    }
    return NULL;
}

/* Where a phase's value is written: in its own set, where that may hold a map that it was left out
 * of, or for all phases. */
const char *esp_fill_written_at(builder *b, const char *phase, const char *path)
{
    const char *own = esp_tree_pool_format(b->r->pool, "phases.%s.set.%s", phase, path);
    if (esp_node_find(b->draft->tree, own) == NULL) {
        own = key_of_set(b, phase, path, false);
    }
    return own != NULL ? own : path;
}

static bool selects_in(const esp_cell *cell, int first, int last)
{
    for (int i = 0; i < cell->n_selection_phases; i++) {
        if (cell->selection_phases[i] >= first && cell->selection_phases[i] <= last) {
            return true;
        }
    }
    return cell->n_selection_phases == 0;
}

/* Why a term's plugin will not be made for this model with these parameters; NULL: it will. */
static const char *refusal_with(const builder *b, const esp_phase_config *phase,
                                const esp_term_config *term, const esp_params *params)
{
    esp_dims dims;
    esp_instance instance;
    esp_rng noise = esp_rng_make(0, "noise", 0);
    esp_cell_dims(&dims, b->cell, (int)(phase - b->cell->phases), b->data.n_features,
                  b->data.n_classes);
    if (esp_instance_create(&instance, term->plugin, params, &dims, &noise) != ESP_OK) {
        return esp_message();
    }
    esp_instance_destroy(&instance);
    return NULL;
}

static const char *refusal(const builder *b, const esp_phase_config *phase,
                           const esp_term_config *term)
{
    return refusal_with(b, phase, term, &term->params);
}

/* What a phase watches but never measures would be watched in vain. */
static void check_measured(builder *b, const esp_phase_config *phase, const esp_monitor *monitor,
                           esp_mark mark)
{
    const char *why = NULL;
    const char *name = strncmp(monitor->metric, "loss.", 5) == 0 ? monitor->metric + 5 : "";
    uint32_t missing = esp_fill_missing_views(b, esp_metric_views(monitor->metric));
    bool silent = false;
    for (int i = 0; i < phase->n_terms; i++) {
        const esp_term_config *term = &phase->terms[i];
        if (term->plugin != NULL && strcmp(term->plugin->name, name) == 0) {
            missing = esp_fill_missing_views(b, term->plugin->loss->needs);
            silent = term->weight == 0 && !term->monitor;
            why = missing == 0 && b->sound ? refusal(b, phase, term) : NULL;
        }
    }
    if (why != NULL) {
        esp_problem(b->r->problems, ESP_ERROR, mark, "'%s' is never measured: %s", monitor->name,
                    why);
    } else if (missing != 0) {
        esp_problem(b->r->problems, ESP_ERROR, mark,
                    "'%s' is never measured: it needs %s, and model kind '%s' has none",
                    monitor->name, esp_view_names(b->r->pool, missing),
                    esp_model_kind_name(b->cell->model.kind));
    } else if (silent) {
        esp_problem(b->r->problems, ESP_ERROR, mark,
                    "'%s' is not measured in phase '%s', where %s has weight 0 and monitor: "
                    "false; set losses.%s.monitor: true",
                    monitor->name, phase->name, name, name);
    }
    b->sound = b->sound && why == NULL && missing == 0 && !silent;
}

static void check_phase(builder *b, const esp_phase_config *phase, int index)
{
    bool task = false;
    for (int i = 0; i < phase->n_terms; i++) {
        const esp_term_config *term = &phase->terms[i];
        task = task || (term->plugin->role == ESP_TASK && term->weight > 0);
        if (term->weight != 0) {
            esp_fill_check_term(b, phase, term);
        }
    }
    if (!task && b->plugins_known) {
        const char *part = key_of_set(b, phase->name, "losses", true);
        esp_fill_complain(
            b, part != NULL ? part : "losses",
            esp_tree_pool_format(b->r->pool,
                                 "phase '%s' of variant '%s' learns no task; losses needs a task "
                                 "term such as cross_entropy with a weight above 0",
                                 phase->name, b->draft->variant->name));
    }
    const char *start = esp_tree_pool_format(b->r->pool, "phases.%s.start_from", phase->name);
    if (phase->start_from == ESP_START_BEST && index == 0) {
        esp_fill_complain(b, start, "the first phase has no best epoch to start from");
    } else if (phase->start_from == ESP_START_BEST && b->cell->n_monitors == 0) {
        esp_fill_complain(b, start, "start_from: best needs selection.monitor to say what is best");
    }
    if (phase->start_from == ESP_START_BEST && index > 0 && b->cell->n_monitors > 0 &&
        !selects_in(b->cell, 0, index - 1)) {
        esp_fill_complain(
            b, start,
            "start_from: best has no best epoch to start from: selection.phases names no "
            "earlier phase");
    }
    for (int i = 0; i < b->cell->n_monitors && selects_in(b->cell, index, index); i++) {
        check_measured(b, phase, &b->cell->monitors[i], monitor_mark(b, i));
    }
    if (phase->early_stopping.enabled) {
        const char *path = esp_fill_written_at(b, phase->name, "early_stopping.monitor");
        check_measured(b, phase, &phase->early_stopping.monitor,
                       esp_node_mark(b->draft->tree, path));
    }
    if (phase->optimizer.monitor.name != NULL) {
        const char *path = esp_fill_written_at(b, phase->name, "optimizer.schedule.monitor");
        check_measured(b, phase, &phase->optimizer.monitor, esp_node_mark(b->draft->tree, path));
    }
    if (phase->drop_last && b->data_known && phase->batch_size > esp_data_section_n_train(b)) {
        esp_fill_complain(
            b, esp_fill_written_at(b, phase->name, "batch_size"),
            "batch_size is larger than the training split, and drop_last leaves nothing");
    }
}

static void fill_phase(builder *b, esp_phase_config *out, const char *name)
{
    json_t *phase = json_object_get(json_object_get(b->config, "phases"), name);
    const json_t *optimizer = json_object_get(phase, "optimizer");
    out->name = strdup(name);
    out->start_from =
        strcmp(text_at(phase, "start_from"), "best") == 0 ? ESP_START_BEST : ESP_START_LAST;
    out->reset_optimizer = json_is_true(json_object_get(phase, "reset_optimizer"));
    out->batch_size = integer_at(phase, "batch_size");
    out->drop_last = json_is_true(json_object_get(phase, "drop_last"));
    esp_fill_optimizer(&out->optimizer, optimizer);
    esp_fill_budget(b, out, phase);
    fill_terms(b, out, json_object_get(phase, "losses"), real_at(phase, "routing_scale"));
    const json_t *stopping = json_object_get(phase, "early_stopping");
    const char *monitor = json_string_value(json_object_get(stopping, "monitor"));
    if (monitor != NULL) {
        out->early_stopping.enabled = true;
        out->early_stopping.patience = integer_at(stopping, "patience");
        out->early_stopping.min_delta = real_at(stopping, "min_delta");
    }
}

/* Whether some phase calls a term in training. */
static bool is_called(const esp_cell *cell, int term)
{
    for (int p = 0; p < cell->n_phases; p++) {
        if (cell->phases[p].terms[term].weight != 0) {
            return true;
        }
    }
    return false;
}

/* Where a phase itself sets a parameter of a term, or NULL. */
static const char *own_param(const builder *b, const esp_phase_config *phase,
                             const esp_term_config *term, uint32_t param)
{
    const char *path = esp_tree_pool_format(b->r->pool, "phases.%s.set.losses.%s.%s", phase->name,
                                            term->plugin->name, term->plugin->params[param].name);
    return esp_node_find(b->draft->tree, path) != NULL ? path : NULL;
}

/* The value of a parameter where no phase sets it, or its default. */
static double usual_param(const builder *b, int term, uint32_t param)
{
    for (int p = 0; p < b->cell->n_phases; p++) {
        const esp_phase_config *phase = &b->cell->phases[p];
        if (own_param(b, phase, &phase->terms[term], param) == NULL) {
            return phase->terms[term].params.values[param];
        }
    }
    return b->cell->phases[0].terms[term].plugin->params[param].default_value;
}

/* Of the parameters that a phase sets, the one to blame for a refusal: without it the plugin would
 * be made; else the first. NULL where it sets none. */
static const char *blamed_param(const builder *b, const esp_phase_config *phase, int index)
{
    const esp_term_config *term = &phase->terms[index];
    const char *first = NULL;
    for (uint32_t i = 0; i < term->plugin->n_params; i++) {
        const char *path = own_param(b, phase, term, i);
        esp_params without = term->params;
        if (path == NULL) {
            continue;
        }
        first = first != NULL ? first : path;
        without.values[i] = usual_param(b, index, i);
        if (refusal_with(b, phase, term, &without) == NULL) {
            return path;
        }
    }
    return first;
}

/* Whether a phase in which a term is silent is refused for the parameters, and with the words, of
 * one that calls it, which is told: a phase that does not name the term has that one's. */
static bool repeats_another(const builder *b, int index, int term, const char *why)
{
    const esp_term_config *own = &b->cell->phases[index].terms[term];
    const size_t bytes = own->plugin->n_params * sizeof *own->params.values;
    for (int p = 0; own->weight == 0 && p < b->cell->n_phases; p++) {
        const esp_term_config *other = &b->cell->phases[p].terms[term];
        if (other->weight != 0 && memcmp(own->params.values, other->params.values, bytes) == 0) {
            const char *its = refusal(b, &b->cell->phases[p], other);
            if (its != NULL && strcmp(its, why) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Lets every plugin that will be called look at its parameters together. */
static void check_creation(builder *b)
{
    const bool is_sound = b->sound; /* a mistake of one phase hides none of the next */
    for (int p = 0; p < b->cell->n_phases && is_sound; p++) {
        esp_phase_config *phase = &b->cell->phases[p];
        for (int i = 0; i < phase->n_terms; i++) {
            esp_term_config *term = &phase->terms[i];
            term->called = is_called(b->cell, i);
            const char *why = term->called ? refusal(b, phase, term) : NULL;
            if (why == NULL) {
                continue;
            }
            why = esp_tree_pool_format(b->r->pool, "%s", why);
            if (repeats_another(b, p, i, why)) {
                continue;
            }
            esp_params usual;
            esp_params_default(&usual, term->plugin);
            if (refusal_with(b, phase, term, &usual) != NULL) {
                esp_fill_complain_of_term(b, phase, term, "", why); /* whatever its parameters */
            } else {
                const char *path =
                    esp_tree_pool_format(b->r->pool, "losses.%s", term->plugin->name);
                const char *own = blamed_param(b, phase, i);
                esp_fill_complain(b, own != NULL ? own : esp_fill_written_at(b, phase->name, path),
                                  why);
            }
        }
    }
}

void esp_cell_fill(builder *b)
{
    esp_cell *cell = b->cell;
    esp_data_section_fill(b);
    cell->evaluate_every = integer_at(json_object_get(b->config, "evaluation"), "train_every");
    cell->checkpoint_seconds = real_at(json_object_get(b->config, "checkpoint"), "seconds");
    cell->checkpoint_epochs = integer_at(json_object_get(b->config, "checkpoint"), "epochs");
    cell->retries = integer_at(json_object_get(b->config, "limits"), "retries");
    cell->epoch_seconds = real_at(json_object_get(b->config, "limits"), "epoch_seconds");
    fill_heads(b, json_object_get(b->config, "heads"));
    cell->phases = calloc((size_t)b->n_phases + 1, sizeof *cell->phases);
    if (cell->phases == NULL) {
        b->sound = false;
        return;
    }
    cell->n_phases = b->n_phases;
    for (int i = 0; i < b->n_phases; i++) {
        fill_phase(b, &cell->phases[i], b->phase_names[i]);
    }
    fill_selection(b);
    for (int i = 0; i < b->n_phases; i++) {
        esp_phase_config *phase = &cell->phases[i];
        const json_t *config = json_object_get(json_object_get(b->config, "phases"), phase->name);
        const char *monitor = text_at(json_object_get(config, "early_stopping"), "monitor");
        if (phase->early_stopping.enabled) {
            fill_monitor(b, &phase->early_stopping.monitor, monitor,
                         esp_fill_written_at(b, phase->name, "early_stopping.monitor"));
        }
        const json_t *schedule = json_object_get(json_object_get(config, "optimizer"), "schedule");
        if (phase->optimizer.schedule.kind == ESP_SCHEDULE_PLATEAU &&
            *text_at(schedule, "monitor")) {
            fill_monitor(b, &phase->optimizer.monitor, text_at(schedule, "monitor"),
                         esp_fill_written_at(b, phase->name, "optimizer.schedule.monitor"));
            phase->optimizer.schedule.maximize = phase->optimizer.monitor.maximize;
        }
        check_phase(b, phase, i);
        esp_fill_check_optimizer(b, phase);
    }
    check_creation(b);
}

void esp_cell_free(esp_cell *cell)
{
    for (int i = 0; i < cell->n_phases; i++) {
        free(cell->phases[i].name);
        free(cell->phases[i].early_stopping.monitor.name);
        free(cell->phases[i].optimizer.monitor.name);
    }
    for (int i = 0; i < cell->n_monitors; i++) {
        free(cell->monitors[i].name);
    }
    for (int i = 0; i < cell->n_swept; i++) {
        free(cell->swept[i].key);
        free(cell->swept[i].value);
    }
    for (int i = 0; i < cell->n_params; i++) {
        free(cell->params[i].key);
        free(cell->params[i].value);
    }
    free(cell->phases);
    free(cell->swept);
    free(cell->params);
    free(cell->variant);
    free(cell->label);
    free(cell->data.name);
    free((void *)(uintptr_t)cell->data.partition.keep);
    free(cell->config);
    free(cell->identity);
    *cell = (esp_cell){.reference = -1};
}
