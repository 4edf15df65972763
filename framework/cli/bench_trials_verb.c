/* espalier bench trials: trials side by side against one alone, and the memory of a whole run. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench.h"
#include "cli/options.h"
#include "core/file.h"
#include "core/status.h"
#include "core/terminal.h"
#include "run/bench_trials.h"

enum { KEY_JOBS = 3200, KEY_ROUNDS, KEY_WIDTH, KEY_LEAF_WIDTH, KEY_DATA, KEY_AGAINST };
enum { MOST_SHAPES = 4 };

typedef struct arguments {
    const char *format_name, *data, *against;
    int n_jobs, n_rounds, width, leaf_width;
} arguments;

typedef struct trials_shape {
    int training_width, leaf_width;
    esp_bench_side_by_side times;
    double bytes[2]; /* the most that a run's process held: --jobs 1, --jobs N */
} trials_shape;

typedef struct bench {
    const arguments *given;
    trials_shape shapes[MOST_SHAPES];
    int n;
} bench;

/* What a run takes beyond its trials, and for each of them. */
static double trial_megabytes(const trials_shape *s, int n_jobs)
{
    return 1e-6 * (s->bytes[1] - s->bytes[0]) / (n_jobs - 1);
}

static double base_megabytes(const trials_shape *s, int n_jobs)
{
    return 1e-6 * s->bytes[0] - trial_megabytes(s, n_jobs);
}

/* ---- measuring --------------------------------------------------------------------------------
 */

/* The memory of an `espalier run` of the folder's study, of so many trials at once. All of a trial
 * is in it: its best network, the checkpoints at its end. */
static int measure_memory(double *bytes, const char *folder, int n_trials)
{
    char study[ESP_BENCH_FOLDER + 16], place[ESP_BENCH_FOLDER + 16], jobs[16], seeds[24];
    char database[ESP_BENCH_FOLDER + 32];
    char *text = NULL;
    double seconds;
    int status = ESP_OK;
    snprintf(study, sizeof study, "%s/bench.yaml", folder);
    snprintf(place, sizeof place, "%s/results", folder);
    snprintf(database, sizeof database, "%s/trials.db", place);
    snprintf(jobs, sizeof jobs, "%d", n_trials);
    snprintf(seeds, sizeof seeds, "0..%d", n_trials - 1);
    const char *const words[] = {
        "run",     study, "--jobs", jobs,     "--set", "phases.train.epochs=2",
        "--seeds", seeds, "--db",   database, NULL};
    ESP_TRY(esp_file_make_directories(place));
    ESP_TRY_OUT(esp_bench_run_program(&seconds, words));
    ESP_TRY_OUT(esp_bench_ask(&text, database, "SELECT max(peak_memory) FROM attempt"));
    *bytes = text != NULL ? strtod(text, NULL) : 0;
out:
    free(text);
    esp_bench_remove_folder(place);
    return status;
}

static int measure_shape(trials_shape *shape, const arguments *given, const char *folder,
                         const esp_registry *registry)
{
    ESP_TRY(esp_bench_trials_measure(&shape->times, shape->training_width, shape->leaf_width,
                                     given->data, folder, registry, given->n_jobs,
                                     given->n_rounds));
    ESP_TRY(measure_memory(&shape->bytes[0], folder, 1));
    return measure_memory(&shape->bytes[1], folder, given->n_jobs);
}

/* ---- results ----------------------------------------------------------------------------------
 */

static void print_text(const void *context)
{
    const bench *b = context;
    const arguments *given = b->given;
    printf("%s, %d trials at once against one, medians of %d rounds, seconds an epoch\n\n",
           given->data, given->n_jobs, given->n_rounds);
    printf("%14s %10s %8s %8s %6s %8s %9s %9s\n", "training width", "leaf width", "alone",
           "at once", "ratio", "machine", "base, MB", "trial, MB");
    for (int i = 0; i < b->n; i++) {
        const trials_shape *s = &b->shapes[i];
        printf("%14d %10d %8.4f %8.4f %6.2f %8.2f %9.1f %9.1f\n", s->training_width, s->leaf_width,
               s->times.alone_seconds, s->times.at_once_seconds, s->times.ratio,
               s->times.machine_ratio, base_megabytes(s, given->n_jobs),
               trial_megabytes(s, given->n_jobs));
    }
    puts(
        "\nratio: of an epoch, its evaluation and its record. machine: of a loop in registers; no "
        "trial can\nbeat it. Memory is the most that the process of a whole run held: each trial's "
        "share, and the rest.");
}

static json_t *describe(const void *context)
{
    const bench *b = context;
    const arguments *given = b->given;
    json_t *root = json_object(), *list = json_array();
    for (int i = 0; i < b->n; i++) {
        const trials_shape *s = &b->shapes[i];
        json_array_append_new(
            list,
            json_pack("{s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f}", "training_width",
                      s->training_width, "leaf_width", s->leaf_width, "jobs", given->n_jobs,
                      "alone_s", s->times.alone_seconds, "at_once_s", s->times.at_once_seconds,
                      "ratio", s->times.ratio, "machine_ratio", s->times.machine_ratio,
                      "base_megabytes", base_megabytes(s, given->n_jobs), "trial_megabytes",
                      trial_megabytes(s, given->n_jobs)));
    }
    json_object_set_new(root, "data", json_string(given->data));
    json_object_set_new(root, "rounds", json_integer(given->n_rounds));
    json_object_set_new(root, "shapes", list);
    return root;
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

static int measure_all(void *context, const char *folder, const esp_registry *registry,
                       esp_bench_output *output)
{
    bench *b = context;
    const int n = b->n;
    for (b->n = 0; b->n < n;) {
        esp_terminal_step(b->n + 1 == n, "shape %d of %d", b->n + 1, n);
        ESP_TRY(measure_shape(&b->shapes[b->n], b->given, folder, registry));
        b->n++;
        ESP_TRY(esp_bench_found(output));
    }
    return ESP_OK;
}

static error_t parse_trials(int key, char *value, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        return 0;
    case KEY_JOBS:
        given->n_jobs = esp_option_count(state, "--jobs", value, ESP_BENCH_TRIALS);
        return 0;
    case KEY_ROUNDS:
        given->n_rounds = esp_option_count(state, "--rounds", value, ESP_BENCH_ROUNDS);
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
    {"rounds", KEY_ROUNDS, "N", 0, "of one alone, then all at once (default 31)", 0},
    {"width", KEY_WIDTH, "N", 0, "only shapes of this training width", 0},
    {"leaf-width", KEY_LEAF_WIDTH, "N", 0, "only this leaf width (of training width 16)", 0},
    {"data", KEY_DATA, "NAME", 0, "data set (default mnist)", 0},
    {"against", KEY_AGAINST, "FILE", 0,
     "an earlier result in JSON: a ratio or memory that grew by more than 15 % fails", 0},
    {0}};
static const struct argp_child shared[] = {{&esp_text_or_json_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse_trials,
    .children = shared,
    .doc = "Measures trials side by side, each on a core, against one alone, and the memory of a "
           "whole run.\v"
           "Threads train as those of a run do: a few epochs of one trial alone, then of all at "
           "once, round by round; the ratio is the median over the rounds of the time until the "
           "last is done over that of the one. Where cores share units or a clock, a loop in "
           "registers too is slower at "
           "once: the machine's own ratio. Memory is that of runs of the program with --jobs 1 and "
           "--jobs N.\n\n"
           "examples:\n"
           "  espalier bench trials\n"
           "  espalier bench trials --width 128 --leaf-width 8 --jobs 4\n"
           "  espalier bench trials --against analysis/bench/trials.json"};

static int run_trials_verb(int argc, char **argv)
{
    arguments given = {.n_jobs = 2, .n_rounds = 31, .data = "mnist"};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier bench --help` shows how it is used");
    }
    if (given.n_jobs < 2) {
        return esp_fail(ESP_USAGE,
                        "--jobs: one trial is what several are compared with; 2 or more");
    }
    bench b = {.given = &given};
    ESP_TRY(choose_shapes(b.shapes, &b.n, &given));
    static const char *const keys[] = {"training_width", "leaf_width", "jobs", NULL};
    static const esp_bench_comparison comparisons[] = {
        {.list = "shapes", .keys = keys, .figure = "ratio"},
        {.list = "shapes", .keys = keys, .figure = "base_megabytes"},
        {.list = "shapes", .keys = keys, .figure = "trial_megabytes"}};
    return esp_bench_report(&(esp_bench_frame){.format_name = given.format_name,
                                               .against = given.against,
                                               .bench = &b,
                                               .measure = measure_all,
                                               .print = print_text,
                                               .describe = describe,
                                               .list = "shapes",
                                               .comparisons = comparisons,
                                               .n_comparisons = 3});
}

const esp_bench_subject esp_bench_trials = {
    {"trials", "trials side by side against one alone, and the memory of a run", run_trials_verb},
    &parser};
