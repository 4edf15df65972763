/* A plan as text, Markdown or JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/plan.h"
#include "core/status.h"
#include "core/text.h"

const char *esp_plan_status(const esp_store_trial *trial)
{
    return trial->status == ESP_TRIAL_PLANNED ? "missing" : esp_trial_status_name(trial->status);
}

/* ---- text ----------------------------------------------------------------------------------- */

static int total_epochs(const esp_cell *cell)
{
    int epochs = 0;
    for (int i = 0; i < cell->n_phases; i++) {
        epochs += cell->phases[i].epochs;
    }
    return epochs;
}

/* Whether trial i of a cell is within --seeds and --only; what is not is not shown. */
static bool is_asked_for(const esp_plan *plan, const esp_plan_cell *planned, int i)
{
    return plan->study->trials[planned->first_trial + i].asked_for;
}

static bool has_asked_for(const esp_plan *plan, int cell)
{
    const esp_plan_cell *planned = &plan->cells[cell];
    for (int i = 0; i < planned->n_trials; i++) {
        if (is_asked_for(plan, planned, i)) {
            return true;
        }
    }
    return false;
}

/* "0..4,7"; seeds of one source each are written out. */
static void print_seeds(FILE *out, const esp_plan *plan, const esp_plan_cell *planned)
{
    const esp_trial *trials = plan->study->trials + planned->first_trial;
    const char *separator = "";
    for (int i = 0, last = 0; i < planned->n_trials; i = last + 1) {
        last = i;
        if (!is_asked_for(plan, planned, i)) {
            continue;
        }
        bool plain = strchr(trials[i].seed, '=') == NULL;
        while (plain && last + 1 < planned->n_trials && is_asked_for(plan, planned, last + 1) &&
               strchr(trials[last + 1].seed, '=') == NULL &&
               trials[last + 1].seed_init == trials[last].seed_init + 1) {
            last++;
        }
        fprintf(out, "%s%s", separator, trials[i].seed);
        if (last > i) {
            fprintf(out, "%s%s", last > i + 1 ? ".." : ",", trials[last].seed);
        }
        separator = plain ? "," : " ";
    }
}

static void print_statuses(FILE *out, const esp_plan *plan, const esp_plan_cell *planned)
{
    static const char *const names[] = {"done", "failed", "interrupted", "running", "missing"};
    const char *separator = "";
    for (size_t s = 0; s < sizeof names / sizeof *names; s++) {
        int n = 0;
        for (int i = 0; i < planned->n_trials; i++) {
            const esp_store_trial *trial = &plan->trials[planned->first_trial + i];
            n += is_asked_for(plan, planned, i) && strcmp(esp_plan_status(trial), names[s]) == 0;
        }
        if (n > 0) {
            fprintf(out, "%s%d %s", separator, n, names[s]);
            separator = ", ";
        }
    }
}

static void print_cell(FILE *out, const esp_plan *plan, int index, int width, bool markdown)
{
    const esp_cell *cell = &plan->study->cells[index];
    const esp_plan_cell *planned = &plan->cells[index];
    char seconds[32];
    esp_text_duration(seconds, planned->epoch_seconds * esp_cell_passes(cell));
    if (markdown) {
        fprintf(out, "| %s | %d | %d | %d | %d | %.0f | %.0f | %.0f | %d | ", cell->label,
                cell->training_width, cell->model.leaf_width, cell->model.depth,
                cell->inference_width, planned->size.parameters, planned->size.inference_macs,
                planned->size.training_macs, total_epochs(cell));
    } else {
        fprintf(out, "%-*s %5d %4d %3d %5d %10.0f %10.0f %11.0f %6d  ", width, cell->label,
                cell->training_width, cell->model.leaf_width, cell->model.depth,
                cell->inference_width, planned->size.parameters, planned->size.inference_macs,
                planned->size.training_macs, total_epochs(cell));
    }
    fprintf(out, markdown ? "%s | " : "%-12s  ", seconds);
    print_seeds(out, plan, planned);
    fputs(markdown ? " | " : "  ", out);
    print_statuses(out, plan, planned);
    fputs(markdown ? " |\n" : "\n", out);
}

static const char *const schedules[] = {"constant", "linear", "cosine", "step", "plateau"};

static void describe_rate(FILE *out, const esp_optimizer_config *optimizer)
{
    static const char *const kinds[] = {"sgd", "adam", "adamw", "local_sgd", "local_adam"};
    const esp_rate_schedule *schedule = &optimizer->schedule;
    fprintf(out, "%s at %g", kinds[optimizer->kind], optimizer->learning_rate);
    if (schedule->warmup > 0) {
        fprintf(out, " after %lld %ss of warm-up", (long long)schedule->warmup,
                schedule->by_step ? "step" : "epoch");
    }
    if (schedule->kind != ESP_SCHEDULE_CONSTANT) {
        fprintf(out, " (%s)", schedules[schedule->kind]);
    }
    if (optimizer->local_batch_size > 0) {
        fprintf(out, ", a leaf waits for %d examples", optimizer->local_batch_size);
    }
}

static void describe_weight(FILE *out, const esp_term_config *term)
{
    const esp_ramp *ramp = &term->ramp;
    if (ramp->kind == ESP_SCHEDULE_CONSTANT) {
        fprintf(out, " %s %g", term->plugin->name, term->weight);
    } else {
        fprintf(out, " %s %g to %g (%s, %lld %ss)", term->plugin->name, ramp->from, ramp->to,
                schedules[ramp->kind], (long long)ramp->over, ramp->by_step ? "step" : "epoch");
    }
}

static char *describe_phases(const esp_cell *cell)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    for (int i = 0; i < cell->n_phases; i++) {
        const esp_phase_config *phase = &cell->phases[i];
        if (phase->steps > 0) {
            fprintf(out, "  %s: %lld steps (about %.3g epochs)", phase->name,
                    (long long)phase->steps, (double)phase->steps / (double)phase->epoch_steps);
        } else {
            fprintf(out, "  %s: %d epoch%s", phase->name, phase->epochs,
                    phase->epochs == 1 ? "" : "s");
        }
        fprintf(out, ", batch size %d", phase->batch_size);
        if (phase->accumulate > 1) {
            fprintf(out, " x %d", phase->accumulate);
        }
        fputs(", ", out);
        describe_rate(out, &phase->optimizer);
        fputs("; weights", out);
        for (int k = 0; k < phase->n_terms; k++) {
            fputs(k ? "," : "", out);
            describe_weight(out, &phase->terms[k]);
        }
        if (phase->early_stopping.enabled) {
            const int patience = phase->early_stopping.patience;
            fprintf(out, "; may stop after %d epoch%s without a better %s", patience,
                    patience == 1 ? "" : "s", phase->early_stopping.monitor.name);
        }
        fputs("\n", out);
    }
    for (int i = 0; i < cell->n_heads; i++) {
        fprintf(out, "  head: %s\n", cell->heads[i].plugin->name);
    }
    fclose(out);
    return text;
}

/* Whether all cells of a variant that are shown have the same phases: its name says which then. */
static bool is_uniform(const esp_study *study, char *const *texts, int cell)
{
    for (int i = 0; i < study->n_cells; i++) {
        bool same_variant = strcmp(study->cells[i].variant, study->cells[cell].variant) == 0;
        if (texts[i] != NULL && same_variant && strcmp(texts[i], texts[cell]) != 0) {
            return false;
        }
    }
    return true;
}

/* Heads a description with every cell it is of: by variant, or by label where that is not enough.
 */
static void print_heading(FILE *out, const esp_study *study, char *const *texts, int first,
                          bool markdown)
{
    const char *last = "", *variant = "";
    bool by_variant = false; /* the same for all cells of one that are named here */
    fputs(markdown ? "\n**" : "\n", out);
    for (int i = first; i < study->n_cells; i++) {
        if (texts[i] == NULL || strcmp(texts[i], texts[first]) != 0) {
            continue;
        }
        const esp_cell *cell = &study->cells[i];
        if (strcmp(variant, cell->variant) != 0) {
            variant = cell->variant;
            by_variant = is_uniform(study, texts, i);
        }
        const char *name = by_variant ? cell->variant : cell->label;
        if (strcmp(last, name) != 0) {
            fprintf(out, "%s%s", *last ? ", " : "", name);
        }
        last = name;
    }
    fputs(markdown ? "**\n\n" : ":\n", out);
}

/* Cells of the same phases are described once, under their names. */
static void print_phases(FILE *out, const esp_plan *plan, bool markdown)
{
    const esp_study *study = plan->study;
    char **texts = calloc((size_t)study->n_cells + 1, sizeof *texts);
    for (int i = 0; texts != NULL && i < study->n_cells; i++) {
        texts[i] = has_asked_for(plan, i) ? describe_phases(&study->cells[i]) : NULL;
    }
    for (int i = 0; texts != NULL && i < study->n_cells; i++) {
        bool said = texts[i] == NULL;
        for (int k = 0; k < i && !said; k++) {
            said = texts[k] != NULL && strcmp(texts[k], texts[i]) == 0;
        }
        if (!said) {
            print_heading(out, study, texts, i, markdown);
            fputs(texts[i], out);
        }
    }
    for (int i = 0; texts != NULL && i < study->n_cells; i++) {
        free(texts[i]);
    }
    free(texts);
}

/* Whether some cell selects its epochs, or trains, by the test set. */
static bool is_by_test(const esp_plan *plan)
{
    bool by_test = false;
    for (int i = 0; i < plan->study->n_cells; i++) {
        const esp_cell *cell = &plan->study->cells[i];
        by_test = by_test || esp_cell_trains_by_test(cell);
        for (int k = 0; k < cell->n_monitors; k++) {
            by_test = by_test || cell->monitors[k].split == ESP_TEST;
        }
    }
    return by_test;
}

static void print_selection(FILE *out, const esp_plan *plan)
{
    const esp_cell *cell = &plan->study->cells[0];
    fputs("selection: ", out);
    if (cell->n_monitors == 0) {
        fputs("the last epoch", out);
    }
    for (int i = 0; i < cell->n_monitors; i++) {
        fprintf(out, "%s%s", i ? ", also " : "best ", cell->monitors[i].name);
    }
    fputs("\n", out);
    if (is_by_test(plan)) {
        fputs("warning: selection, early stopping or a schedule looks at the test set, so test "
              "figures are "
              "optimistic; data.validation and metrics of validation to monitor are sound\n",
              out);
    }
}

static void print_summary(FILE *out, const esp_plan *plan)
{
    char duration[32];
    int n_measured = 0, n_cells = 0;
    bool may_stop = false;
    for (int i = 0; i < plan->study->n_cells; i++) {
        n_cells += has_asked_for(plan, i);
        may_stop = may_stop || plan->study->cells[i].phases[0].early_stopping.enabled;
        n_measured += has_asked_for(plan, i) && plan->cells[i].measured;
    }
    esp_text_duration(duration, plan->seconds);
    fprintf(out, "\n%d trials, %d to run", plan->n_asked, plan->n_to_run);
    if (plan->n_to_run > 0) {
        fprintf(out, ": %sabout %s with --jobs %d", may_stop ? "at most " : "", duration,
                plan->jobs);
    }
    fputs("\n", out);
    if (plan->n_stale > 0) {
        fprintf(out,
                "%d of those done were done by another build of espalier or of a plugin; `run "
                "--strict-code` trains them again\n",
                plan->n_stale);
    }
    if (plan->n_undecided > 0) {
        fprintf(out,
                "%d trial%s trained by another build of plugin '%s': `run` starts with "
                "--strict-code, which trains them again, or --reuse-stale, which counts them\n",
                plan->n_undecided, plan->n_undecided == 1 ? " was" : "s were", plan->changed);
    }
    if (n_measured > 0) {
        fprintf(out, "times of %d cells: from epochs of that size in %s\n", n_measured,
                plan->database);
    }
    if (n_measured < n_cells) {
        fprintf(out, "times of %d cells: an estimate, from a few steps of training just now\n",
                n_cells - n_measured);
    }
}

static int finish(FILE *out)
{
    return fflush(out) != 0 || ferror(out) ? esp_fail(ESP_IO, "the plan cannot be written")
                                           : ESP_OK;
}

#define LEGEND                                                                                     \
    "\nw training width, l leaf width, d depth, iw inference width: l + d, of moe top_k * l + "    \
    "experts,\nof fff_nodes trees * (d + 1); multiply-adds of one example: at inference, on one "  \
    "path, and in\ntraining, all leaves; a trial: how long one takes on one core; trials by "      \
    "state\n"

int esp_plan_print_text(FILE *out, const esp_plan *plan, bool markdown)
{
    const esp_study *study = plan->study;
    int width = 4;
    for (int i = 0; i < study->n_cells; i++) {
        int length = has_asked_for(plan, i) ? (int)strlen(study->cells[i].label) : 0;
        width = length > width ? length : width;
    }
    fprintf(out, "%s%s%s%s\n", markdown ? "# " : "", study->name, *study->title ? ": " : "",
            study->title);
    for (int i = 0; i < study->n_sets; i++) {
        fprintf(out, "override: --set %s\n", study->sets[i]);
    }
    print_selection(out, plan);
    fputs("\n", out);
    if (markdown) {
        fputs(
            "| cell | w | l | d | iw | parameters | multiply-adds | in training | epochs | a trial "
            "| seeds | trials |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
            out);
    } else {
        fprintf(out, "%-*s %5s %4s %3s %5s %10s %10s %11s %6s  %-12s  %s\n", width, "cell", "w",
                "l", "d", "iw", "parameters", "mult-adds", "in training", "epochs", "a trial",
                "seeds, trials");
    }
    for (int i = 0; i < study->n_cells; i++) {
        if (has_asked_for(plan, i)) {
            print_cell(out, plan, i, width, markdown);
        }
    }
    fputs(LEGEND, out);
    print_phases(out, plan, markdown);
    print_summary(out, plan);
    return finish(out);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *phases_value(const esp_cell *cell)
{
    json_t *phases = json_array();
    for (int i = 0; i < cell->n_phases; i++) {
        const esp_phase_config *phase = &cell->phases[i];
        json_t *weights = json_object();
        for (int k = 0; k < phase->n_terms; k++) {
            json_object_set_new(weights, phase->terms[k].plugin->name,
                                json_real(phase->terms[k].weight));
        }
        json_t *value = json_pack("{s:s,s:i,s:i,s:f,s:o}", "name", phase->name, "epochs",
                                  phase->epochs, "batch_size", phase->batch_size, "learning_rate",
                                  phase->optimizer.learning_rate, "weights", weights);
        if (phase->steps > 0) {
            json_object_set_new(value, "steps", json_integer(phase->steps));
        }
        json_array_append_new(phases, value);
    }
    return phases;
}

static json_t *cell_value(const esp_plan *plan, int index)
{
    const esp_cell *cell = &plan->study->cells[index];
    const esp_plan_cell *planned = &plan->cells[index];
    json_t *trials = json_array(), *heads = json_array();
    for (int i = 0; i < planned->n_trials; i++) {
        const esp_trial *trial = &plan->study->trials[planned->first_trial + i];
        if (!is_asked_for(plan, planned, i)) {
            continue;
        }
        json_array_append_new(
            trials, json_pack("{s:s,s:s,s:s,s:b}", "seed", trial->seed, "id", trial->id, "status",
                              esp_plan_status(&plan->trials[planned->first_trial + i]), "asked_for",
                              trial->asked_for));
    }
    for (int i = 0; i < cell->n_heads; i++) {
        json_array_append_new(heads, json_string(cell->heads[i].plugin->name));
    }
    json_t *value = json_pack(
        "{s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:i,s:I,s:I,s:I,s:o,s:o,s:f,s:s,s:o}", "label", cell->label,
        "variant", cell->variant, "data", cell->data.name, "kind",
        esp_model_kind_name(cell->model.kind), "training_width", cell->training_width, "leaf_width",
        cell->model.leaf_width, "depth", cell->model.depth, "inference_width",
        cell->inference_width, "parameters", (json_int_t)planned->size.parameters, "inference_macs",
        (json_int_t)planned->size.inference_macs, "training_macs",
        (json_int_t)planned->size.training_macs, "heads", heads, "phases", phases_value(cell),
        "epoch_seconds", planned->epoch_seconds, "epoch_seconds_from",
        planned->measured ? "database" : "estimate", "trials", trials);
    json_object_set_new(value, "reference",
                        cell->reference >= 0
                            ? json_string(plan->study->cells[cell->reference].label)
                            : json_null());
    return value;
}

int esp_plan_print_json(FILE *out, const esp_plan *plan)
{
    const esp_study *study = plan->study;
    json_t *cells = json_array(), *overrides = json_array(), *selection = json_array();
    for (int i = 0; i < study->n_cells; i++) {
        if (has_asked_for(plan, i)) {
            json_array_append_new(cells, cell_value(plan, i));
        }
    }
    for (int i = 0; i < study->n_sets; i++) {
        json_array_append_new(overrides, json_string(study->sets[i]));
    }
    for (int i = 0; i < study->cells[0].n_monitors; i++) {
        json_array_append_new(selection, json_string(study->cells[0].monitors[i].name));
    }
    json_t *value = json_pack("{s:s,s:s,s:o,s:o,s:b,s:o,s:i,s:i,s:i,s:i,s:f}", "study", study->name,
                              "title", study->title, "overrides", overrides, "selection", selection,
                              "selects_by_test", is_by_test(plan), "cells", cells, "trials",
                              plan->n_asked, "to_run", plan->n_to_run, "stale", plan->n_stale,
                              "jobs", plan->jobs, "estimated_seconds", plan->seconds);
    if (value == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the plan");
    }
    if (plan->n_undecided > 0) {
        json_object_set_new(value, "stale_by_plugin", json_integer(plan->n_undecided));
        json_object_set_new(value, "changed_plugin", json_string(plan->changed));
    }
    json_dumpf(value, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    json_decref(value);
    fputs("\n", out);
    return finish(out);
}
