/* What `espalier bench` can measure: one file each, listed in cmd_bench.c. */
#ifndef ESP_CLI_BENCH_H
#define ESP_CLI_BENCH_H

#include <jansson.h>

#include "cli/command.h"

typedef struct esp_bench_subject {
    esp_command command;       /* `espalier bench <name>` */
    const struct argp *parser; /* its options, for the help of all */
} esp_bench_subject;

extern const esp_bench_subject esp_bench_store, esp_bench_training;

/* A temporary folder below TMPDIR, and away with it and all in it ("" is no folder). Errors:
 * ESP_IO. Thread: one. */
enum { ESP_BENCH_FOLDER = 256 };
int esp_bench_make_folder(char folder[ESP_BENCH_FOLDER]);
void esp_bench_remove_folder(const char *folder);

/* Adds to a result what measured: "machine" (and build), "commit" and "dirty", out of provenance
 * (run/environment.h). */
void esp_bench_describe_program(json_t *result, const char *environment);

#endif
