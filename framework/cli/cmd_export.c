/* espalier export: what the results database holds, for other programs. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/print_rows.h"
#include "core/log.h"
#include "core/new_file.h"
#include "core/status.h"
#include "core/text.h"
#include "report/export.h"
#include "report/study_names.h"

enum { MAX_METRICS = 64, OPTION_WHAT = 256, OPTION_FORMAT, OPTION_METRIC, OPTION_REVISION };

typedef enum export_format { FORMAT_CSV, FORMAT_JSONL, FORMAT_NPY } export_format;

typedef struct arguments {
    const char *database, *output;
    esp_export_request request;
    export_format format;
    const char *metrics[MAX_METRICS];
} arguments;

static const struct argp_option options[] = {
    {"what", OPTION_WHAT, "WHAT", 0, "runs (default), metrics or leaf_load", 0},
    {"format", OPTION_FORMAT, "FORMAT", 0, "csv (default), jsonl or npy", 0},
    {"metric", OPTION_METRIC, "SPLIT.METRIC", 0,
     "only this one, such as test.hard_accuracy; more than once for several", 0},
    {"revision", OPTION_REVISION, "N", 0, "an earlier revision than the one run last", 0},
    {"output", 'o', "FILE", 0,
     "a file in place of standard output, or for npy a new folder; whole or not at all", 0},
    {0}};

static int parse_format(export_format *out, const char *name)
{
    static const char *const names[] = {"csv", "jsonl", "npy"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (export_format)i;
            return ESP_OK;
        }
    }
    const char *meant = esp_text_suggest(name, names, 3);
    return esp_fail(ESP_USAGE, "unknown format '%s'%s%s%s: csv, jsonl or npy", name,
                    meant ? ", did you mean '" : "", meant ? meant : "", meant ? "'" : "");
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->database;
        return 0;
    case OPTION_WHAT:
        if (esp_export_what_parse(&given->request.what, value) != ESP_OK) {
            argp_error(state, "%s", esp_message());
        }
        return 0;
    case OPTION_FORMAT:
        if (parse_format(&given->format, value) != ESP_OK) {
            argp_error(state, "%s", esp_message());
        }
        return 0;
    case OPTION_METRIC:
        if (given->request.n_metrics == MAX_METRICS) {
            argp_error(state, "more than %d --metric", MAX_METRICS);
        }
        given->metrics[given->request.n_metrics++] = value;
        return 0;
    case OPTION_REVISION:
        given->request.revision = esp_option_count(state, "--revision", value, 1000000000);
        return 0;
    case 'o':
        given->output = value;
        return 0;
    case ARGP_KEY_ARG:
        if (given->request.study != NULL) {
            argp_error(state, "one study at a time, or none for all; found '%s' too", value);
        }
        given->request.study = value;
        return 0;
    case ARGP_KEY_END:
        if (given->request.revision > 0 && given->request.study == NULL) {
            argp_error(state, "--revision is of a study: name it");
        }
        if (given->format == FORMAT_NPY && given->output == NULL) {
            argp_error(state, "npy writes a folder: name it with -o");
        }
        if (given->request.n_metrics > 0 && given->request.what == ESP_EXPORT_LEAF_LOAD) {
            argp_error(state,
                       "--metric chooses among runs' and epochs' metrics; leaf_load has none");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child shared[] = {{&esp_database_argp, 0, NULL, 0}, {0}};

static const struct argp parser = {
    .options = options,
    .parser = parse,
    .children = shared,
    .args_doc = "[STUDY[@REVISION]]",
    .doc = "Writes what the results database holds, of one study or all, for other programs.\v"
           "runs: a row a trial, with its seeds, how it ended, its configuration, and its metrics "
           "at the selected and the last epoch (selected.test.hard_accuracy). metrics: a row for "
           "each trial, epoch and metric. leaf_load: a row for each trial, epoch, split and leaf; "
           "train counts are running.\n\n"
           "csv leaves empty, and jsonl has null for, what was not measured or is not a number; "
           "infinities are inf and \"Infinity\". npy makes a folder with an array for each cell, "
           "[trials, epochs from 0, metrics], NaN where not measured, or for each cell and split, "
           "[trials, epochs, leaves], -1 where a trial has no such epoch; index.csv and "
           "metrics.csv name what is where. Losses are nats, accuracies fractions.\n\n"
           "examples:\n"
           "  espalier export table1 -o runs.csv\n"
           "  espalier export table1@1 -o first.csv\n"
           "  espalier export table1 --what metrics --metric test.hard_accuracy\n"
           "  espalier export --what leaf_load --format jsonl -o loads.jsonl\n"
           "  espalier export table1 --what metrics --format npy -o curves"};

/* STUDY@REVISION, or STUDY and --revision. *name is owned by the caller. */
static int choose_study(char **name, arguments *given, esp_store *store)
{
    char *text = given->request.revision > 0
                     ? esp_text_format("%s@%d", given->request.study, given->request.revision)
                     : esp_text_format("%s", given->request.study);
    if (text == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a name");
    }
    int status = esp_study_read(name, &given->request.revision, store, text);
    given->request.study = *name;
    free(text);
    return status;
}

static int write_rows(const arguments *given, esp_store *store)
{
    esp_rows *rows = NULL;
    esp_new_file file = {0};
    size_t n_rows = 0;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_export_rows(&rows, store, &given->request));
    if (given->output != NULL) {
        ESP_TRY_OUT(esp_new_file_open(&file, given->output));
    }
    ESP_TRY_OUT(esp_print_rows(&n_rows, rows,
                               given->format == FORMAT_CSV ? ESP_ROWS_CSV : ESP_ROWS_JSON_LINES, 0,
                               given->output != NULL ? file.out : stdout));
    if (given->output != NULL) {
        ESP_TRY_OUT(esp_new_file_keep(&file));
        esp_log_note("%s: %zu row%s", given->output, n_rows, n_rows == 1 ? "" : "s");
    } else if (n_rows == 0) {
        fflush(stdout);
        esp_log_note("(no rows)");
    }
out:
    esp_new_file_drop(&file);
    esp_rows_close(rows);
    return status;
}

static int write_arrays(const arguments *given, esp_store *store)
{
    int n_arrays = 0;
    ESP_TRY(esp_export_arrays(&n_arrays, given->output, store, &given->request));
    esp_log_note("%s: %d array%s", given->output, n_arrays, n_arrays == 1 ? "" : "s");
    return ESP_OK;
}

static int run(int argc, char **argv)
{
    arguments given = {0};
    given.request.metrics = given.metrics;
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier export --help` shows how it is used");
    }
    esp_store *store = NULL;
    char *name = NULL;
    esp_inputs inputs = {0};
    int status = ESP_OK;
    const char *database = esp_store_default_path(given.database);
    esp_store_inputs(&inputs, database);
    ESP_TRY_OUT(esp_inputs_spare(&inputs, given.output));
    ESP_TRY_OUT(esp_store_open(&store, database, ESP_STORE_READ));
    if (given.request.study != NULL) {
        ESP_TRY_OUT(choose_study(&name, &given, store));
    }
    ESP_TRY_OUT(esp_export_check_metrics(store, &given.request));
    status = (given.format == FORMAT_NPY ? write_arrays : write_rows)(&given, store);
out:
    esp_store_close(store);
    free(name);
    esp_inputs_free(&inputs);
    return status;
}

const esp_command esp_cmd_export = {
    "export", "trials, their metrics and leaf loads as CSV, JSON lines or NumPy arrays", run};
