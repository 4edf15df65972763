/* What `espalier bench` can measure: one file each, listed in cmd_bench.c. */
#ifndef ESP_CLI_BENCH_H
#define ESP_CLI_BENCH_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/command.h"
#include "plugin/registry.h"

typedef struct esp_bench_subject {
    esp_command command;       /* `espalier bench <name>` */
    const struct argp *parser; /* its options, for the help of all */
} esp_bench_subject;

extern const esp_bench_subject esp_bench_store, esp_bench_training, esp_bench_trials,
    esp_bench_inference_subject;

/* A temporary folder below TMPDIR, and away with it and all in it ("" is no folder). Errors:
 * ESP_IO. Thread: one. */
enum { ESP_BENCH_FOLDER = 256 };
int esp_bench_make_folder(char folder[ESP_BENCH_FOLDER]);
void esp_bench_remove_folder(const char *folder);

/* Adds to a result what measured: "machine" (and build), "commit" and "dirty", out of provenance
 * (run/environment.h). */
void esp_bench_describe_program(json_t *result, const char *environment);

/* Runs this program with words [NULL-terminated, ESP_BENCH_WORDS at most], its output nowhere;
 * *seconds from fork to end. Errors: ESP_FAILED. Thread: one. */
enum { ESP_BENCH_WORDS = 15 };
int esp_bench_run_program(double *seconds, const char *const *words);

/* The first value that a query finds, which the caller frees, or NULL. Errors: ESP_STORE. */
int esp_bench_ask(char **out, const char *database, const char *sql);

/* --against: the entries of result[list], known by their keys [NULL-terminated], must not be more
 * than 15 % worse by their figure than in the earlier result of path. Says each that is. Errors:
 * ESP_FAILED where one is; ESP_DATA: not such a file, of other data, or it has no entry of these.
 * Thread: one. */
typedef struct esp_bench_comparison {
    const char *list, *const *keys, *figure;
    bool more_is_better;
} esp_bench_comparison;
int esp_bench_compare(const json_t *result, const char *path, const esp_bench_comparison *what);

/* Whether path (or NULL) can be compared with, asked before minutes are spent on measuring. Errors:
 * ESP_DATA. */
int esp_bench_check_against(const char *path);

/* What was measured so far: JSON goes out as it is found, so that a bench that is cut off keeps it.
 */
typedef struct esp_bench_output esp_bench_output;

/* The list that the subject describes has grown by what was just measured. Errors: ESP_INTERRUPTED
 * once SIGINT or SIGTERM asked to stop: what there is makes a whole result. Thread: one. */
int esp_bench_found(esp_bench_output *output);

/* What a subject measures and how it shows it, for esp_bench_report. */
typedef struct esp_bench_frame {
    const char *format_name, *against; /* of --format and --against, or NULL */
    void *bench;                       /* handed to the functions */
    int (*measure)(void *bench, const char *folder, const esp_registry *registry,
                   esp_bench_output *output);
    void (*print)(const void *bench);
    /* All but the program, owned by the caller; the list of what was measured so far comes last. */
    json_t *(*describe)(const void *bench);
    const char *list;
    const esp_bench_comparison *comparisons;
    int n_comparisons;
} esp_bench_frame;

/* Prepares BLAS, plugins and a temporary folder, measures, prints as text or JSON, compares.
 * Errors: ESP_USAGE: another format; those of measuring and comparing. Thread: one. */
int esp_bench_report(const esp_bench_frame *frame);

#endif
