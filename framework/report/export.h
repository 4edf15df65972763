/* What a results database holds, for other programs: its trials, their metrics by epoch, their leaf
 * loads. As rows, which stream whatever their number, or as arrays. */
#ifndef ESP_REPORT_EXPORT_H
#define ESP_REPORT_EXPORT_H

#include "store/store.h"

typedef enum esp_export_what {
    ESP_EXPORT_RUNS,     /* a row a trial: identity, how it ended, configuration, chosen metrics */
    ESP_EXPORT_METRICS,  /* a row a trial, epoch and metric */
    ESP_EXPORT_LEAF_LOAD /* a row a trial, epoch, split and leaf */
} esp_export_what;

typedef struct esp_export_request {
    esp_export_what what;
    const char *study; /* NULL: all */
    int revision;      /* 0: the one run last */
    int n_metrics;     /* "test.hard_accuracy"; 0: all */
    const char *const *metrics;
} esp_export_request;

/* "runs", "metrics" or "leaf_load". Errors: ESP_USAGE with what could have been meant. Thread: any.
 */
int esp_export_what_parse(esp_export_what *out, const char *name);

/* Refuses metrics that nothing has recorded. Errors: ESP_USAGE with what could have been meant;
 * ESP_STORE. Thread: the store's, as all below. */
int esp_export_check_metrics(esp_store *store, const esp_export_request *request);

/* The rows, as of one moment, ordered by study, cell, seed and epoch. A trial that two cells plan
 * is in both. NULL: not measured, or not a number. Errors: ESP_STORE, ESP_MEMORY. */
int esp_export_rows(esp_rows **out, esp_store *store, const esp_export_request *request);

/* Makes a folder, which appears whole or not at all: for each cell an array of NumPy's format,
 * 64-bit integers [trials x epochs x leaves] for each split, -1 where a trial has no such epoch, or
 * doubles [trials x epochs x metrics], NaN where not measured; epochs count from 0. index.csv names
 * the trial of each place of each array, metrics.csv the metrics. The order of bytes is the
 * machine's, as the array says. *n_arrays may be NULL. Errors: ESP_USAGE where the folder is there
 * already and for what holds text; ESP_IO, ESP_STORE, ESP_MEMORY. */
int esp_export_arrays(int *n_arrays, const char *folder, esp_store *store,
                      const esp_export_request *request);

#endif
