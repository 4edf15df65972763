/* Reading a study from its file to its trials. */
#include "study/study.h"
#include "study/missing_file.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/status.h"
#include "study/reading.h"

/* ---- top of the file ------------------------------------------------------------------------ */

static char *top_text(esp_reading *r, const char *name)
{
    const esp_node *node = esp_node_get(r->root, name);
    json_t *value = NULL;
    esp_schema_value(&value, r->problems, &(esp_key_ref){.key = esp_schema_key(name)}, name, node);
    char *text = strdup(json_is_string(value) ? json_string_value(value) : "");
    json_decref(value);
    return text;
}

static void check_top(esp_reading *r)
{
    for (int i = 0; i < r->root->n; i++) {
        bool known = false;
        for (const esp_key *key = esp_keys; key->path != NULL; key++) {
            known = known || (key->flags & ESP_KEY_OF_STUDY && strchr(key->path, '.') == NULL &&
                              strcmp(key->path, r->root->keys[i]) == 0);
        }
        known = known || strcmp(r->root->keys[i], "report") == 0;
        if (!known) {
            esp_schema_unknown(r->problems, r->registry, r->root->key_marks[i], r->root->keys[i],
                               true);
        }
    }
    for (const esp_key *key = esp_keys; key->path != NULL; key++) {
        bool needed = key->flags & ESP_KEY_REQUIRED && key->flags & ESP_KEY_OF_STUDY &&
                      strchr(key->path, '.') == NULL;
        if (needed && esp_node_get(r->root, key->path) == NULL &&
            !esp_problems_excused(r->problems, key->path)) {
            esp_problem(r->problems, ESP_ERROR, (esp_mark){ESP_IN_FILE, 1, 1}, "%s is required",
                        key->path);
        }
    }
}

/* ---- cells ---------------------------------------------------------------------------------- */

typedef struct named_cell {
    const char *text;
    int cell;
} named_cell;

static int compare_named(const void *left, const void *right)
{
    const named_cell *a = left, *b = right;
    int order = strcmp(a->text, b->text);
    return order != 0 ? order : a->cell - b->cell;
}

static bool sweeps_the_same(const esp_cell *a, const esp_cell *b)
{
    bool same = a->n_swept == b->n_swept;
    for (int i = 0; same && i < a->n_swept; i++) {
        same = strcmp(a->swept[i].key, b->swept[i].key) == 0;
    }
    return same;
}

/* A cell's values of the keys that another sweeps, by its own configuration; NULL where it lacks
 * one of them. */
static const char *values_of(esp_tree_pool *pool, const esp_cell *cell, const esp_cell *other)
{
    const char *text = "";
    for (int i = 0; i < other->n_swept; i++) {
        const char *value = NULL;
        for (int k = 0; k < cell->n_swept; k++) {
            if (strcmp(cell->swept[k].key, other->swept[i].key) == 0) {
                value = cell->swept[k].value;
            }
        }
        value = value != NULL ? value : esp_cell_param(cell, other->swept[i].key);
        if (value == NULL) {
            return NULL;
        }
        text = esp_tree_pool_format(pool, "%s%zu:%s", text, strlen(value), value);
    }
    return text;
}

/* The first of sorted cells with that text; -1: none. */
static int find_named(const named_cell *sorted, int n, const char *text)
{
    int low = 0, high = n;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (strcmp(sorted[middle].text, text) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < n && strcmp(sorted[low].text, text) == 0 ? sorted[low].cell : -1;
}

/* Of each cell the first reference that it shares all swept keys with. References that sweep the
 * same keys are sorted by their values: a study may have thousands. */
static void find_references(esp_study *study, const esp_reading *r)
{
    const size_t n = (size_t)study->n_cells;
    named_cell *sorted = esp_tree_pool_take(r->pool, sizeof *sorted * (n + 1));
    bool *is_sorted = esp_tree_pool_take(r->pool, sizeof *is_sorted * (n + 1));
    for (int first = 0; first < study->n_cells; first++) {
        int n_sorted = 0;
        if (!r->drafts[first].variant->reference || is_sorted[first]) {
            continue;
        }
        for (int k = first; k < study->n_cells; k++) {
            if (r->drafts[k].variant->reference &&
                sweeps_the_same(&study->cells[k], &study->cells[first])) {
                is_sorted[k] = true;
                sorted[n_sorted++] =
                    (named_cell){values_of(r->pool, &study->cells[k], &study->cells[k]), k};
            }
        }
        qsort(sorted, (size_t)n_sorted, sizeof *sorted, compare_named);
        for (int i = 0; i < study->n_cells; i++) {
            const char *text = r->drafts[i].variant->reference
                                   ? NULL
                                   : values_of(r->pool, &study->cells[i], &study->cells[first]);
            const int found = text != NULL ? find_named(sorted, n_sorted, text) : -1;
            int *reference = &study->cells[i].reference;
            if (found >= 0 && (*reference < 0 || found < *reference)) {
                *reference = found;
            }
        }
    }
}

/* Two cells of one label could not be told apart; two of one identity share their trials. */
static void check_twins(esp_study *study, esp_reading *r)
{
    size_t n = (size_t)study->n_cells;
    named_cell *order = esp_tree_pool_take(r->pool, sizeof *order * (n + 1));
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < study->n_cells; i++) {
            const esp_cell *cell = &study->cells[i];
            order[i] = (named_cell){pass == 0 ? cell->label : cell->identity, i};
        }
        qsort(order, n, sizeof *order, compare_named);
        for (int i = 1; i < study->n_cells; i++) {
            if (strcmp(order[i].text, order[i - 1].text) != 0) {
                continue;
            }
            const esp_cell *first = &study->cells[order[i - 1].cell];
            const esp_cell *second = &study->cells[order[i].cell];
            if (pass == 0) {
                esp_problem(r->problems, ESP_ERROR, r->drafts[order[i].cell].variant->mark,
                            "two cells are '%s'", second->label);
            } else {
                esp_problem(r->problems, ESP_NOTE, r->drafts[order[i].cell].variant->mark,
                            "cells '%s' and '%s' are the same configuration and share their trials",
                            first->label, second->label);
            }
        }
    }
}

static bool begins_by_test(const esp_cell *cell, const esp_phase_config *phase)
{
    return phase->start_from == ESP_START_BEST && cell->n_monitors > 0 &&
           cell->monitors[0].split == ESP_TEST;
}

bool esp_cell_trains_by_test(const esp_cell *cell)
{
    for (int k = 0; k < cell->n_phases; k++) {
        const esp_phase_config *phase = &cell->phases[k];
        const esp_monitor *plateau = &phase->optimizer.monitor;
        if ((phase->early_stopping.enabled && phase->early_stopping.monitor.split == ESP_TEST) ||
            (plateau->name != NULL && plateau->split == ESP_TEST) || begins_by_test(cell, phase)) {
            return true;
        }
    }
    return false;
}

static void note_test_selection(esp_reading *r, const esp_study *study)
{
    for (int i = 0; i < study->n_cells; i++) {
        const esp_cell *cell = &study->cells[i];
        for (int k = 0; k < cell->n_monitors; k++) {
            if (cell->monitors[k].split == ESP_TEST) {
                esp_problem(r->problems, ESP_NOTE,
                            esp_node_mark(r->drafts[i].tree, "selection.monitor"),
                            "epochs are selected by %s: what is reported at the selected epoch has "
                            "seen the test set",
                            cell->monitors[k].name);
            }
        }
        for (int k = 0; k < cell->n_phases; k++) {
            const esp_phase_config *phase = &cell->phases[k];
            if (phase->early_stopping.enabled && phase->early_stopping.monitor.split == ESP_TEST) {
                esp_problem(r->problems, ESP_NOTE,
                            esp_node_mark(r->drafts[i].tree, "early_stopping.monitor"),
                            "phase '%s' ends early by %s: what is reported at any epoch has seen "
                            "the test set",
                            phase->name, phase->early_stopping.monitor.name);
            }
            const esp_monitor *plateau = &phase->optimizer.monitor;
            if (plateau->name != NULL && plateau->split == ESP_TEST) {
                esp_problem(r->problems, ESP_NOTE,
                            esp_node_mark(r->drafts[i].tree, "optimizer.schedule.monitor"),
                            "phase '%s' changes its learning rate by %s: what is reported at any "
                            "epoch has seen the test set",
                            phase->name, plateau->name);
            }
            if (begins_by_test(cell, phase)) {
                esp_problem(r->problems, ESP_NOTE, esp_node_mark(r->drafts[i].tree, "phases"),
                            "phase '%s' begins with the epoch best by %s: what is reported at any "
                            "epoch has seen the test set",
                            phase->name, cell->monitors[0].name);
            }
        }
    }
}

static void build_cells(esp_study *study, esp_reading *r)
{
    study->cells = calloc((size_t)r->n_drafts + 1, sizeof *study->cells);
    if (study->cells == NULL) {
        esp_problem(r->problems, ESP_ERROR, r->defaults_mark, "out of memory");
        return;
    }
    r->cells_sound = r->n_drafts > 0;
    for (int i = 0; i < r->n_drafts; i++) {
        r->cells_sound = esp_cell_build(&study->cells[i], r, &r->drafts[i]) && r->cells_sound;
        study->n_cells++;
    }
}

/* ---- trials --------------------------------------------------------------------------------- */

static void add_trial(esp_study *study, esp_reading *r, int cell, const esp_seed *seed,
                      bool asked_for)
{
    esp_trial *trial = &study->trials[study->n_trials++];
    *trial = (esp_trial){.cell = cell,
                         .seed_init = seed->init,
                         .seed_order = seed->order,
                         .seed_noise = seed->noise,
                         .asked_for = asked_for};
    if (seed->mapped) {
        snprintf(trial->seed, sizeof trial->seed, "init=%llu,order=%llu,noise=%llu",
                 (unsigned long long)seed->init, (unsigned long long)seed->order,
                 (unsigned long long)seed->noise);
    } else {
        snprintf(trial->seed, sizeof trial->seed, "%llu", (unsigned long long)seed->init);
    }
    if (esp_trial_identify(trial, &study->cells[cell], study->cells[cell].data.digest) != ESP_OK) {
        esp_problem(r->problems, ESP_ERROR, r->defaults_mark, "%s", esp_message());
    }
}

typedef struct seed_plan {
    esp_seed *planned, *asked, *joining; /* of the file; of --seeds; of --seeds alone */
    int n_planned, n_asked, n_joining;
} seed_plan;

static void know_seeds(esp_reading *r, const seed_plan *plan)
{
    r->n_seeds = plan->n_planned + plan->n_joining;
    r->seeds = esp_tree_pool_take(r->pool, sizeof *r->seeds * (size_t)(r->n_seeds + 1));
    for (int i = 0; i < r->n_seeds; i++) {
        r->seeds[i] = i < plan->n_planned ? plan->planned[i] : plan->joining[i - plan->n_planned];
    }
}

static void plan_seeds(seed_plan *out, esp_reading *r, const char *option)
{
    const esp_node *node = esp_node_get(r->root, "seeds");
    if (node != NULL) {
        esp_seeds_read(&out->planned, &out->n_planned, r, node);
    }
    if (option == NULL) {
        return;
    }
    esp_mark mark = {ESP_IN_SEEDS, 1, 1};
    esp_node *asked = NULL;
    bool structured = option[strspn(option, " ")] == '{' || option[strspn(option, " ")] == '[';
    if (structured) {
        esp_yaml_read(&asked, r->pool, r->problems, option, strlen(option), ESP_IN_SEEDS);
    } else {
        asked = esp_node_scalar(r->pool, option, mark);
    }
    if (asked != NULL) {
        esp_seeds_read(&out->asked, &out->n_asked, r, asked);
    }
    /* A quadratic search is fine for seeds people write; thousands of both are not. */
    if ((double)out->n_asked * out->n_planned > 1e8) {
        esp_problem(r->problems, ESP_ERROR, mark, "too many seeds");
        out->n_asked = 0;
    }
    out->joining = esp_tree_pool_take(r->pool, sizeof *out->joining * (size_t)(out->n_asked + 1));
    for (int i = 0; i < out->n_asked; i++) {
        if (!esp_seed_in(&out->asked[i], out->planned, out->n_planned)) {
            out->joining[out->n_joining++] = out->asked[i];
        }
    }
}

static void make_trials(esp_study *study, esp_reading *r, const esp_study_options *options,
                        const seed_plan *seeds)
{
    double count = (double)r->n_drafts * r->n_seeds;
    if (count > ESP_MAX_TRIALS) {
        esp_problem(r->problems, ESP_ERROR, r->root->mark,
                    "%d cells x %d seeds are %.0f trials; a study has at most %d", r->n_drafts,
                    r->n_seeds, count, ESP_MAX_TRIALS);
    }
    if (esp_problems_errors(r->problems) > 0) {
        return;
    }
    bool *asked = esp_tree_pool_take(r->pool, sizeof *asked * (size_t)(seeds->n_planned + 1));
    for (int i = 0; i < seeds->n_planned; i++) {
        asked[i] =
            options->seeds == NULL || esp_seed_in(&seeds->planned[i], seeds->asked, seeds->n_asked);
    }
    study->trials = calloc((size_t)count + 1, sizeof *study->trials);
    bool *wanted = esp_tree_pool_take(r->pool, sizeof *wanted * (size_t)(study->n_cells + 1));
    memset(wanted, true, (size_t)study->n_cells);
    if (options->only != NULL) {
        esp_only_apply(wanted, r, study, options->only);
    }
    for (int c = 0; study->trials != NULL && c < study->n_cells; c++) {
        for (int i = 0; i < seeds->n_planned; i++) {
            add_trial(study, r, c, &seeds->planned[i], wanted[c] && asked[i]);
        }
        for (int i = 0; wanted[c] && i < seeds->n_joining; i++) {
            add_trial(study, r, c, &seeds->joining[i], true);
        }
    }
}

/* ---- all ------------------------------------------------------------------------------------ */

static char *variants_text(const esp_reading *r)
{
    json_t *names = json_array();
    for (int i = 0; i < r->n_variants; i++) {
        json_array_append_new(names, json_string(r->variants[i].name));
    }
    char *text = esp_json_text(names);
    json_decref(names);
    return text;
}

static void read_sets(esp_study *study, esp_reading *r, const esp_study_options *options)
{
    r->sets = esp_tree_pool_take(r->pool, sizeof *r->sets * (size_t)(options->n_sets + 1));
    study->sets = calloc((size_t)options->n_sets + 1, sizeof *study->sets);
    for (int i = 0; study->sets != NULL && i < options->n_sets; i++) {
        study->sets[study->n_sets++] = strdup(options->sets[i]);
        r->n_sets += esp_override_read(&r->sets[r->n_sets], r, options->sets[i], i + 1);
    }
}

static void read_study(esp_study *study, esp_reading *r, const esp_study_options *options)
{
    check_top(r);
    study->name = top_text(r, "study");
    study->title = top_text(r, "title");
    study->source = top_text(r, "source");
    read_sets(study, r, options);
    esp_sweep_read(r);
    if (esp_node_get(r->root, "defaults") != NULL) {
        esp_sweep_expand(r);
        build_cells(study, r);
    }
    seed_plan seeds = {0};
    plan_seeds(&seeds, r, options->seeds);
    know_seeds(r, &seeds);
    study->report =
        options->without_report ? NULL : esp_report_read(r, study->cells, study->n_cells);
    study->variants = variants_text(r);
    make_trials(study, r, options, &seeds);
    if (esp_problems_errors(r->problems) == 0) {
        check_twins(study, r);
        find_references(study, r);
        note_test_selection(r, study);
    }
}

int esp_study_load(esp_study **out, const char *path, const esp_study_options *options,
                   const esp_registry *registry, FILE *errors)
{
    *out = NULL;
    esp_study *study = calloc(1, sizeof *study);
    esp_reading r = {.registry = registry, .path = path};
    esp_node *root = NULL;
    size_t count = 0;
    int status = study != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "out of memory");
    if (status == ESP_OK) {
        status = esp_file_read(&study->text, &count, path);
    }
    if (status == ESP_NOT_FOUND) {
        status = esp_study_file_missing(path);
    }
    ESP_TRY_OUT(status);
    if (count >= 3 && memcmp(study->text, "\xef\xbb\xbf", 3) == 0) { /* a byte-order mark */
        memmove(study->text, study->text + 3, count - 2);
        count -= 3;
    }
    study->path = strdup(path);
    ESP_TRY_OUT(esp_tree_pool_create(&r.pool));
    ESP_TRY_OUT(esp_problems_create(&r.problems, path));
    esp_yaml_read(&root, r.pool, r.problems, study->text, count, ESP_IN_FILE);
    r.root = root;
    if (root != NULL && root->type == ESP_NODE_MAP) {
        read_study(study, &r, options);
    } else if (esp_problems_errors(r.problems) == 0) {
        esp_problem(r.problems, ESP_ERROR, (esp_mark){ESP_IN_FILE, 1, 1},
                    "not a study; it needs at least study, seeds and defaults");
    }
    esp_problems_print(r.problems, errors);
    if (esp_problems_errors(r.problems) > 0) {
        /* All is said already. */
        status = esp_fail(ESP_STUDY, "%s", "");
    }
out:
    for (int i = 0; i < r.n_described; i++) {
        free(r.described[i].is.class_names);
    }
    esp_problems_destroy(r.problems);
    esp_tree_pool_destroy(r.pool);
    if (status != ESP_OK) {
        esp_study_free(study);
        study = NULL;
    }
    *out = study;
    return status;
}

void esp_study_free(esp_study *study)
{
    if (study == NULL) {
        return;
    }
    for (int i = 0; i < study->n_cells; i++) {
        esp_cell_free(&study->cells[i]);
    }
    for (int i = 0; i < study->n_sets; i++) {
        free(study->sets[i]);
    }
    free(study->cells);
    free(study->trials);
    free(study->sets);
    free(study->path);
    free(study->name);
    free(study->title);
    free(study->source);
    free(study->text);
    free(study->report);
    free(study->variants);
    free(study);
}
