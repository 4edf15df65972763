/* espalier plan: what a run would do. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/plan.h"
#include "cli/plan_power.h"
#include "core/status.h"
#include "core/text.h"
#include "plugin/registry.h"
#include "run/environment.h"
#include "run/stale.h"

static const char doc[] =
    "Shows what `espalier run` would do with the same arguments: cells with their sizes and costs, "
    "phases with each term's weight, seeds, which trials the database holds already, and how long "
    "the rest takes. With --power, what its seeds can find. Nothing is run or written.\v"
    "Examples:\n"
    "  espalier plan experiments/quickstart.yaml\n"
    "  espalier plan table1.yaml --set phases.harden.epochs=30 --seeds 0..1\n"
    "  espalier plan table1.yaml --only 'balanced data.name=mnist' --format json\n"
    "  espalier plan table1.yaml --power        # differences that its seeds find\n"
    "  espalier plan table1.yaml --power=0.2%   # how many seeds this one needs\n";

enum { OPTION_POWER = 256 };

static const struct argp_option own_options[] = {
    {"jobs", 'j', "N", 0, "trials at a time (default: all cores that the CPU quota allows)", 0},
    {"power", OPTION_POWER, "DIFFERENCE", OPTION_ARG_OPTIONAL,
     "what the seeds can find, in place of the plan; seeds for a difference of 0.002, 0.2% or "
     "0.5sd",
     0},
    {"format", 'f', "text|md|json", 0, "text (default), md or json", 0},
    {0},
};

typedef struct options {
    esp_study_arguments study;
    const char *path, *database, *format;
    int jobs;
    bool power; /* in place of the plan */
    esp_power_wish wish;
} options;

static error_t parse(int key, char *argument, struct argp_state *state)
{
    static const char *const formats[] = {"text", "md", "json"};
    options *o = state->input;
    char *end = NULL;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->study;
        state->child_inputs[1] = &o->database;
        return 0;
    case 'j':
        o->jobs = (int)strtol(argument, &end, 10);
        if (*end != '\0' || o->jobs < 1 || o->jobs > 4096) {
            argp_error(state, "--jobs takes a number from 1, not '%s'", argument);
        }
        return 0;
    case OPTION_POWER:
        o->power = true;
        if (argument != NULL && esp_power_wish_parse(&o->wish, argument) != ESP_OK) {
            argp_error(state, "%s", esp_message());
        }
        return 0;
    case 'f':
        for (int i = 0; i < 3; i++) {
            if (strcmp(argument, formats[i]) == 0) {
                o->format = argument;
                return 0;
            }
        }
        end = (char *)esp_text_suggest(argument, formats, 3);
        argp_error(state, "no format '%s'%s%s%s; text, md or json", argument,
                   end ? "; did you mean '" : "", end ? end : "", end ? "'?" : "");
        return 0;
    case ARGP_KEY_ARG:
        if (o->path != NULL) {
            argp_error(state, "one study at a time, found '%s' too%s", argument,
                       o->power ? "; a difference is written --power=0.5%" : "");
        }
        o->path = argument;
        return 0;
    case ARGP_KEY_END:
        if (o->path == NULL) {
            argp_error(state, "which study? name its file, such as experiments/quickstart.yaml");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int by_id(const void *left, const void *right)
{
    return strcmp((*(esp_store_trial *const *)left)->id, (*(esp_store_trial *const *)right)->id);
}

/* Counts what is asked for, a trial that several cells share once, and adds up its time. */
static int sum_up(esp_plan *plan)
{
    const esp_study *study = plan->study;
    esp_store_trial **asked = calloc((size_t)study->n_trials + 1, sizeof *asked);
    if (asked == NULL) {
        return esp_fail(ESP_MEMORY, "out of memory");
    }
    int n = 0;
    for (int i = 0; i < study->n_trials; i++) {
        if (study->trials[i].asked_for) {
            asked[n++] = &plan->trials[i];
        }
    }
    plan->n_asked = n;
    qsort(asked, (size_t)n, sizeof *asked, by_id);
    double seconds = 0, longest = 0;
    for (int i = 0; i < n; i++) {
        const esp_store_trial *trial = asked[i];
        bool shared = i > 0 && strcmp(asked[i - 1]->id, trial->id) == 0;
        if (shared || trial->status == ESP_TRIAL_DONE || trial->status == ESP_TRIAL_FAILED) {
            continue;
        }
        const esp_cell *cell = &study->cells[trial->cell];
        const double left = 1 - (double)trial->epochs_done / esp_cell_epochs(cell);
        const double passes = left > 0 ? left * esp_cell_passes(cell) : 0;
        double one = passes * plan->cells[trial->cell].epoch_seconds;
        longest = one > longest ? one : longest;
        seconds += one;
        plan->n_to_run++;
    }
    plan->seconds = seconds / plan->jobs > longest ? seconds / plan->jobs : longest;
    free(asked);
    return ESP_OK;
}

/* Counts what `run --strict-code` would train again, and what run will not go on without a word on.
 */
static int count_stale(esp_plan *plan, esp_store *store, const esp_registry *registry)
{
    const esp_study *study = plan->study;
    char *environment = NULL;
    ESP_TRY(esp_environment_describe_code(&environment, study, registry));
    int status = ESP_OK;
    for (int i = 0; i < study->n_trials; i++) {
        const esp_store_trial *trial = &plan->trials[i];
        const bool is_done = trial->status == ESP_TRIAL_DONE;
        esp_stale stale = {0};
        if (study->trials[i].asked_for && (is_done || trial->epochs_done > 0)) {
            ESP_TRY_OUT(esp_stale_check(&stale, store, trial->key, &study->cells[trial->cell],
                                        environment));
        }
        plan->n_stale += is_done && stale.other_code;
        if (stale.changed != NULL && trial->status != ESP_TRIAL_FAILED) {
            plan->n_undecided++;
            plan->changed = stale.changed->name;
        }
    }
out:
    free(environment);
    return status;
}

/* The study's cells and trials, and what the database holds of them. */
static int look_up(esp_plan *plan, esp_store *store)
{
    const esp_study *study = plan->study;
    plan->cells = calloc((size_t)study->n_cells + 1, sizeof *plan->cells);
    plan->trials = calloc((size_t)study->n_trials + 1, sizeof *plan->trials);
    if (plan->cells == NULL || plan->trials == NULL) {
        return esp_fail(ESP_MEMORY, "out of memory");
    }
    for (int i = study->n_trials - 1; i >= 0; i--) {
        const esp_trial *trial = &study->trials[i];
        plan->cells[trial->cell].first_trial = i;
        plan->cells[trial->cell].n_trials++;
        plan->trials[i] = (esp_store_trial){.cell = trial->cell,
                                            .id = trial->id,
                                            .seed = trial->seed,
                                            .seed_init = trial->seed_init,
                                            .seed_order = trial->seed_order,
                                            .seed_noise = trial->seed_noise};
    }
    return store != NULL ? esp_store_lookup(store, plan->trials, study->n_trials) : ESP_OK;
}

static int gather(esp_plan *plan, esp_store *store, const esp_registry *registry)
{
    for (int i = 0; i < plan->study->n_cells; i++) {
        ESP_TRY(esp_size_of_cell(&plan->cells[i].size, &plan->study->cells[i]));
    }
    if (store != NULL) {
        ESP_TRY(count_stale(plan, store, registry));
    }
    ESP_TRY(esp_plan_estimate(plan, store));
    return sum_up(plan);
}

static int print_power(const esp_plan *plan, esp_store *store, const options *o)
{
    esp_power power = {0};
    int status = ESP_OK;
    ESP_TRY_OUT(esp_power_make(&power, plan->study, plan->trials, store, plan->database, &o->wish));
    if (strcmp(o->format, "json") == 0) {
        status = esp_power_print_json(stdout, &power);
    } else {
        status = esp_power_print_text(stdout, &power, strcmp(o->format, "md") == 0);
    }
out:
    esp_power_free(&power);
    return status;
}

static int run(int argc, char **argv)
{
    options o = {.format = "text"};
    esp_registry *registry = NULL;
    esp_study *study = NULL;
    esp_store *store = NULL;
    esp_plan plan = {0};
    int status = ESP_OK;
    static const struct argp_child shared[] = {
        {&esp_study_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {.options = own_options,
                                     .parser = parse,
                                     .args_doc = "STUDY.yaml",
                                     .doc = doc,
                                     .children = shared};
    esp_argp_parse(&argp, argc, argv, &o);
    ESP_TRY_OUT(esp_registry_create(&registry));
    ESP_TRY_OUT(esp_study_load(&study, o.path, &o.study.options, registry, stderr));
    const char *database = esp_store_default_path(o.database);
    status = esp_store_open(&store, database, ESP_STORE_READ);
    if (status != ESP_NOT_FOUND) {
        ESP_TRY_OUT(status);
        plan.database = database;
    }
    plan.study = study;
    plan.jobs = o.jobs > 0 ? o.jobs : esp_default_jobs();
    ESP_TRY_OUT(look_up(&plan, store));
    if (o.power) {
        status = print_power(&plan, store, &o);
        goto out;
    }
    ESP_TRY_OUT(gather(&plan, store, registry));
    if (strcmp(o.format, "json") == 0) {
        status = esp_plan_print_json(stdout, &plan);
    } else {
        status = esp_plan_print_text(stdout, &plan, strcmp(o.format, "md") == 0);
    }
out:
    free(plan.cells);
    free(plan.trials);
    esp_store_close(store);
    esp_study_free(study);
    esp_registry_destroy(registry);
    return status;
}

const esp_command esp_cmd_plan = {"plan", "show what a run would do, and what is done already",
                                  run};
