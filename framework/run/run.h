/* A whole run: a study's trials on a number of threads, into one database. */
#ifndef ESP_RUN_RUN_H
#define ESP_RUN_RUN_H

#include <stdbool.h>

#include "plugin/registry.h"
#include "run/pool.h"
#include "study/study.h"

typedef struct esp_run_options {
    const char *database;
    int jobs; /* 0: esp_processors_usable */
    bool retry_failed;
    esp_halt halt;
    bool strict_code; /* trials done by other code are trained again */
    bool reuse_stale; /* those of another build of a plugin that espalier does not ship count */
    bool unchecked;   /* such plugins were not checked: recorded */
} esp_run_options;

/* Trains what was asked for and is not done yet. Data sets are opened and BLAS checked before the
 * database is touched. Where another build of a plugin that espalier does not ship trained some of
 * it, strict_code or reuse_stale must say which is meant, else nothing runs and the result is
 * ESP_USAGE. Plugins that espalier does not ship are checked
 * first (plugin/verdict.h), unless unchecked. Takes the database's lock, forks (see supervisor.h)
 * and waits. Words go to stderr. Returns ESP_OK; ESP_FAILED where trials failed; ESP_STORE;
 * ESP_INTERRUPTED; ESP_DATA or ESP_NOT_FOUND for data sets. Thread: one, no others may exist. */
int esp_run(const esp_study *study, const esp_registry *registry, const esp_run_options *options);

/* <database>.checkpoints; owned by the caller. */
char *esp_run_checkpoints(const char *database);

#endif
