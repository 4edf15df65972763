/* The trials of a report's revision, one by one. */
#ifndef ESP_REPORT_REPORT_TRIALS_H
#define ESP_REPORT_REPORT_TRIALS_H

#include "report/report.h"

typedef struct esp_report_trial {
    int cell; /* index into the report's cells */
    int64_t key;
    const char *id, *seed, *status;
    int attempts, epochs; /* epochs: the last one stored, 0 where none */
    double seconds;       /* of all attempts; NaN where none has ended */
    const char *host;     /* of the last attempt; "" without one */
    const char *message;  /* why the last attempt failed, or "" */
} esp_report_trial;

typedef struct esp_report_trials {
    int n; /* in the study's order: by cell, then seed as written */
    esp_report_trial *at;
} esp_report_trials;

/* Lives in the report's pool. Errors: ESP_MEMORY, ESP_STORE. Thread: the report's. */
int esp_report_trials_load(esp_report_trials *out, esp_report *report);

#endif
