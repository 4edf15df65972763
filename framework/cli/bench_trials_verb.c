/* espalier bench trials: trials side by side against one alone, and the memory of a whole run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/options.h"
#include "cli/print_rows.h"
#include "core/file.h"
#include "core/status.h"
#include "core/text.h"
#include "nn/blas.h"
#include "run/bench_cores.h"
#include "run/bench_store.h"

enum { KEY_JOBS = 3200, KEY_EPOCHS, KEY_REPETITIONS, KEY_WIDTH, KEY_LEAF_WIDTH, KEY_DATA };
enum { KEY_AGAINST = KEY_DATA + 1, MOST_SHAPES = 4, MOST_REPETITIONS = 101 };

typedef struct arguments {
    const char *format_name, *data, *against;
    int n_jobs, n_epochs, n_repetitions, width, leaf_width;
} arguments;

/* Medians of one trial alone, [0], and of n_jobs at once, [1]. */
typedef struct trials_shape {
    int training_width, leaf_width;
    double trial_seconds[2]; /* of the trial that took longest, begin to end */
    double epoch_seconds[2]; /* of its epochs, the training alone */
    double bytes[2];         /* the most that the process with the trials held */
    double core_seconds[2];  /* the machine's own: bench_cores.h */
} trials_shape;

static const char study_text[] = "study: trials\n"
                                 "seeds: 0\n"
                                 "defaults:\n"
                                 "  data: {name: %s}\n"
                                 "  model: {kind: fff, training_width: %d, leaf_width: %d}\n"
                                 "  losses:\n"
                                 "    cross_entropy: {weight: 1}\n"
                                 "    hardening: {weight: 1, reduction: mean}\n"
                                 "    balance: {weight: 1}\n"
                                 "  optimizer: {kind: adam, learning_rate: 0.001}\n"
                                 "  phases:\n"
                                 "    train: {epochs: %d}\n"
                                 "  selection: {monitor: test.hard_accuracy}\n";

/* ---- figures ----------------------------------------------------------------------------------
 */

static double trial_ratio(const trials_shape *s)
{
    return s->trial_seconds[1] / s->trial_seconds[0];
}

static double core_ratio(const trials_shape *s)
{
    return s->core_seconds[1] / s->core_seconds[0];
}

static double trial_megabytes(const trials_shape *s, int n_jobs)
{
    return 1e-6 * (s->bytes[1] - s->bytes[0]) / (n_jobs - 1);
}

/* What a run holds before its trials. */
static double base_megabytes(const trials_shape *s, int n_jobs)
{
    return 1e-6 * s->bytes[0] - trial_megabytes(s, n_jobs);
}

/* ---- measuring --------------------------------------------------------------------------------
 */

/* What the database says of the run: a number of its only row. */
static int ask_number(double *out, const char *database, const char *sql)
{
    char *text = NULL;
    ESP_TRY(esp_bench_ask(&text, database, sql));
    *out = text != NULL ? strtod(text, NULL) : 0;
    free(text);
    return *out > 0 ? ESP_OK : esp_fail(ESP_FAILED, "%s: no trial was trained", database);
}

/* One `espalier run` of n_trials at once, into a database of its own. */
static int run_trials(double *trial, double *epoch, double *bytes, const char *folder, int n_trials)
{
    char study[ESP_BENCH_FOLDER + 16], place[ESP_BENCH_FOLDER + 32], jobs[16], seeds[24];
    char database[ESP_BENCH_FOLDER + 48];
    double seconds;
    int status = ESP_OK;
    snprintf(study, sizeof study, "%s/trials.yaml", folder);
    snprintf(place, sizeof place, "%s/results", folder);
    snprintf(database, sizeof database, "%s/trials.db", place);
    snprintf(jobs, sizeof jobs, "%d", n_trials);
    snprintf(seeds, sizeof seeds, "0..%d", n_trials - 1);
    const char *const words[] = {"run", study,  "--jobs", jobs, "--seeds",
                                 seeds, "--db", database, NULL};
    ESP_TRY(esp_file_make_directories(place));
    ESP_TRY_OUT(esp_bench_run_program(&seconds, words));
    ESP_TRY_OUT(ask_number(trial, database, "SELECT max(seconds) FROM attempt"));
    ESP_TRY_OUT(ask_number(epoch, database,
                           "SELECT seconds FROM epoch WHERE epoch > 0 ORDER BY seconds LIMIT 1"
                           " OFFSET (SELECT count(*) / 2 FROM epoch WHERE epoch > 0)"));
    ESP_TRY_OUT(ask_number(bytes, database, "SELECT max(peak_memory) FROM attempt"));
out:
    esp_bench_remove_folder(place);
    return status;
}

static int measure_shape(trials_shape *shape, const arguments *given, const char *folder)
{
    double trial[2][MOST_REPETITIONS], epoch[2][MOST_REPETITIONS], bytes[2][MOST_REPETITIONS];
    double core[2][MOST_REPETITIONS];
    char path[ESP_BENCH_FOLDER + 16];
    const int n = given->n_repetitions, trials[2] = {1, given->n_jobs};
    char *text = esp_text_format(study_text, given->data, shape->training_width, shape->leaf_width,
                                 given->n_epochs);
    if (text == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a study");
    }
    snprintf(path, sizeof path, "%s/trials.yaml", folder);
    const int status = esp_file_write(path, text, strlen(text));
    free(text);
    ESP_TRY(status);
    for (int r = 0; r < n; r++) {
        for (int k = 0; k < 2; k++) {
            ESP_TRY(run_trials(&trial[k][r], &epoch[k][r], &bytes[k][r], folder, trials[k]));
            ESP_TRY(esp_bench_cores(&core[k][r], trials[k]));
        }
    }
    for (int k = 0; k < 2; k++) {
        shape->trial_seconds[k] = esp_bench_median(trial[k], n);
        shape->epoch_seconds[k] = esp_bench_median(epoch[k], n);
        shape->bytes[k] = esp_bench_median(bytes[k], n);
        shape->core_seconds[k] = esp_bench_median(core[k], n);
    }
    return ESP_OK;
}

/* ---- results ----------------------------------------------------------------------------------
 */

static void print_text(const trials_shape *shapes, int n, const arguments *given)
{
    printf("%s, trials of %d epochs in runs of their own, medians of %d\n\n", given->data,
           given->n_epochs, given->n_repetitions);
    printf("%14s %10s %8s %8s %6s %6s %8s %10s %9s\n", "training width", "leaf width", "alone, s",
           "at once", "ratio", "epochs", "machine", "base, MB", "trial, MB");
    for (int i = 0; i < n; i++) {
        const trials_shape *s = &shapes[i];
        printf("%14d %10d %8.3f %8.3f %6.2f %6.2f %8.2f %10.1f %9.1f\n", s->training_width,
               s->leaf_width, s->trial_seconds[0], s->trial_seconds[1], trial_ratio(s),
               s->epoch_seconds[1] / s->epoch_seconds[0], core_ratio(s),
               base_megabytes(s, given->n_jobs), trial_megabytes(s, given->n_jobs));
    }
    printf("\nat once: `espalier run --jobs %d` with as many seeds, begin to end of a trial; "
           "epochs: the ratio of\ntheir training alone; machine: of a loop in registers, which no "
           "trial can beat. Memory is the most\nthat the process with the trials held: what every "
           "further trial adds, and the rest.\n",
           given->n_jobs);
}

static json_t *describe(const trials_shape *shapes, int n, const arguments *given,
                        const char *environment)
{
    json_t *root = json_object(), *list = json_array();
    esp_bench_describe_program(root, environment);
    for (int i = 0; i < n; i++) {
        const trials_shape *s = &shapes[i];
        json_array_append_new(
            list,
            json_pack("{s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "training_width",
                      s->training_width, "leaf_width", s->leaf_width, "jobs", given->n_jobs,
                      "alone_s", s->trial_seconds[0], "at_once_s", s->trial_seconds[1], "ratio",
                      trial_ratio(s), "epoch_alone_s", s->epoch_seconds[0], "epoch_at_once_s",
                      s->epoch_seconds[1], "machine_ratio", core_ratio(s), "base_megabytes",
                      base_megabytes(s, given->n_jobs), "trial_megabytes",
                      trial_megabytes(s, given->n_jobs)));
    }
    json_object_set_new(root, "data", json_string(given->data));
    json_object_set_new(root, "epochs", json_integer(given->n_epochs));
    json_object_set_new(root, "repetitions", json_integer(given->n_repetitions));
    json_object_set_new(root, "shapes", list);
    return root;
}

/* Fails where a ratio or a trial's memory has grown since the file was written. */
static int compare(const json_t *result, const char *path)
{
    static const char *const keys[] = {"training_width", "leaf_width", "jobs", NULL};
    static const esp_bench_comparison whats[] = {
        {.list = "shapes", .keys = keys, .figure = "ratio"},
        {.list = "shapes", .keys = keys, .figure = "base_megabytes"},
        {.list = "shapes", .keys = keys, .figure = "trial_megabytes"}};
    fflush(stdout);
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        ESP_TRY(esp_bench_compare(result, path, &whats[i]));
    }
    return ESP_OK;
}

/* ---- the verb ---------------------------------------------------------------------------------
 */

/* The widest and the narrowest leaves, or what was asked for. */
static int choose_shapes(trials_shape shapes[MOST_SHAPES], int *n, const arguments *given)
{
    static const int all[MOST_SHAPES][2] = {{16, 8}, {16, 1}, {128, 64}, {128, 1}};
    *n = 0;
    for (int i = 0; i < MOST_SHAPES && given->leaf_width == 0; i++) {
        if (given->width == 0 || all[i][0] == given->width) {
            shapes[(*n)++] = (trials_shape){.training_width = all[i][0], .leaf_width = all[i][1]};
        }
    }
    if (given->leaf_width > 0) {
        shapes[(*n)++] = (trials_shape){.training_width = given->width ? given->width : 16,
                                        .leaf_width = given->leaf_width};
    }
    return *n > 0
               ? ESP_OK
               : esp_fail(ESP_USAGE, "the training widths are 16 and 128; %d needs a --leaf-width",
                          given->width);
}

static int measure_all(trials_shape *shapes, int n, const arguments *given, const char *folder)
{
    for (int i = 0; i < n; i++) {
        if (isatty(STDERR_FILENO)) {
            fprintf(stderr, "\rshape %d of %d%s", i + 1, n, i + 1 == n ? "\n" : "");
        }
        ESP_TRY(measure_shape(&shapes[i], given, folder));
    }
    return ESP_OK;
}

static int bench_trials(const arguments *given)
{
    trials_shape shapes[MOST_SHAPES];
    char folder[ESP_BENCH_FOLDER] = "";
    char *environment = NULL;
    esp_registry *registry = NULL;
    json_t *result = NULL;
    esp_row_format format;
    int n = 0, status = ESP_OK;
    ESP_TRY(esp_row_format_parse(&format, given->format_name));
    if (format != ESP_ROWS_TEXT && format != ESP_ROWS_JSON) {
        return esp_fail(ESP_USAGE, "bench has no format '%s': text or json", given->format_name);
    }
    if (given->n_jobs < 2) {
        return esp_fail(ESP_USAGE,
                        "--jobs: one trial is what several are compared with; 2 or more");
    }
    ESP_TRY(choose_shapes(shapes, &n, given));
    ESP_TRY_OUT(esp_blas_prepare());
    ESP_TRY_OUT(esp_registry_create(&registry));
    ESP_TRY_OUT(esp_bench_make_folder(folder));
    ESP_TRY_OUT(esp_bench_describe(&environment, folder, registry));
    ESP_TRY_OUT(measure_all(shapes, n, given, folder));
    result = describe(shapes, n, given, environment);
    if (format == ESP_ROWS_JSON) {
        json_dumpf(result, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else {
        print_text(shapes, n, given);
    }
    if (given->against != NULL) {
        status = compare(result, given->against);
    }
out:
    json_decref(result);
    esp_bench_remove_folder(folder);
    esp_registry_destroy(registry);
    free(environment);
    return status;
}

static error_t parse_trials(int key, char *value, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        return 0;
    case KEY_JOBS:
        given->n_jobs = esp_option_count(state, "--jobs", value, 256);
        return 0;
    case KEY_EPOCHS:
        given->n_epochs = esp_option_count(state, "--epochs", value, 100000);
        return 0;
    case KEY_REPETITIONS:
        given->n_repetitions = esp_option_count(state, "--repetitions", value, MOST_REPETITIONS);
        return 0;
    case KEY_WIDTH:
        given->width = esp_option_count(state, "--width", value, 1 << 20);
        return 0;
    case KEY_LEAF_WIDTH:
        given->leaf_width = esp_option_count(state, "--leaf-width", value, 1 << 20);
        return 0;
    case KEY_DATA:
        given->data = value;
        return 0;
    case KEY_AGAINST:
        given->against = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is taken, and '%s' is one", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"jobs", KEY_JOBS, "N", 0, "trials at once (default 2)", 0},
    {"epochs", KEY_EPOCHS, "N", 0, "of a trial (default 10)", 0},
    {"repetitions", KEY_REPETITIONS, "N", 0, "of each measurement, interleaved (default 5)", 0},
    {"width", KEY_WIDTH, "N", 0, "only shapes of this training width", 0},
    {"leaf-width", KEY_LEAF_WIDTH, "N", 0, "only this leaf width (of training width 16)", 0},
    {"data", KEY_DATA, "NAME", 0, "data set (default mnist)", 0},
    {"against", KEY_AGAINST, "FILE", 0,
     "an earlier result in JSON: a ratio or memory that grew by more than 15 % fails", 0},
    {0}};
static const struct argp_child shared[] = {{&esp_format_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse_trials,
    .children = shared,
    .doc = "Measures trials side by side, each on a core, against one alone, and the memory of a "
           "whole run.\v"
           "Runs the program as a user does, one trial with --jobs 1 and several with --jobs N in "
           "turn, into databases that are removed. Where cores share a clock or units, a loop in "
           "registers is slower at once too: the machine's own ratio is measured between the "
           "runs.\n\n"
           "examples:\n"
           "  espalier bench trials\n"
           "  espalier bench trials --width 128 --leaf-width 8 --jobs 4\n"
           "  espalier bench trials --against analysis/bench/trials.json"};

static int run_trials_verb(int argc, char **argv)
{
    arguments given = {.n_jobs = 2, .n_epochs = 10, .n_repetitions = 5, .data = "mnist"};
    argp_err_exit_status = esp_exit_code(ESP_USAGE);
    if (argp_parse(&parser, argc, argv, 0, NULL, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier bench --help` shows how it is used");
    }
    return bench_trials(&given);
}

const esp_bench_subject esp_bench_trials = {
    {"trials", "trials side by side against one alone, and the memory of a run", run_trials_verb},
    &parser};
