/* What `espalier plan` gathers before it prints. */
#ifndef ESP_CLI_PLAN_H
#define ESP_CLI_PLAN_H

#include <stdio.h>

#include "store/store.h"
#include "study/size.h"
#include "study/study.h"

typedef struct esp_plan_cell {
    esp_size size;
    double epoch_seconds; /* of one trial on one core */
    bool measured;        /* from epochs in the database; else from a few steps */
    int first_trial, n_trials;
} esp_plan_cell;

typedef struct esp_plan {
    const esp_study *study;
    esp_plan_cell *cells;    /* [study->n_cells] */
    esp_store_trial *trials; /* [study->n_trials] */
    const char *database;    /* path; NULL: there is none yet */
    int jobs;
    int n_asked, n_to_run; /* trials, each counted once however many cells share it */
    int n_stale;           /* of those done: by another build of espalier or of a plugin */
    int n_undecided;       /* trained by another build of the user's own plugin `changed` */
    const char *changed;
    double seconds; /* of a run, at most */
} esp_plan;

/* "done", "failed", "interrupted", "running" or "missing". */
const char *esp_plan_status(const esp_store_trial *trial);

/* Fills epoch_seconds of every cell. store may be NULL. Errors: those of store and data. */
int esp_plan_estimate(esp_plan *plan, esp_store *store);

/* Errors: ESP_MEMORY; ESP_IO where out does not take it. */
int esp_plan_print_text(FILE *out, const esp_plan *plan, bool markdown);
/* Errors: the same. */
int esp_plan_print_json(FILE *out, const esp_plan *plan);

#endif
