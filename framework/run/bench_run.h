/* A study and all that its trials need, for benchmarks that train as a run does. */
#ifndef ESP_RUN_BENCH_RUN_H
#define ESP_RUN_BENCH_RUN_H

#include <stdio.h>

#include "plugin/registry.h"
#include "run/progress.h"
#include "run/record.h"

typedef struct esp_bench_run {
    char *path, *database, *checkpoints, *environment;
    esp_study *study; /* all cells of one data set and split */
    esp_dataset *data;
    esp_partition partition;
    esp_store_study record;
    esp_writer *writer;
    esp_progress *progress; /* shown to nobody */
    FILE *nowhere;
} esp_bench_run;

/* Loads a study from its text, opens its data, registers it in <folder>/bench.db and starts the
 * writer. Errors: as those of a run; close it then too. Thread: one. */
int esp_bench_run_open(esp_bench_run *out, const char *text, const char *folder,
                       const esp_registry *registry);

/* Returns status, or, where that is ESP_OK, what the writer failed with. */
int esp_bench_run_close(esp_bench_run *run, int status);

#endif
