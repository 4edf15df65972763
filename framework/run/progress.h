/* What a person sees while a study runs: on a terminal a line for each running trial and one for
 * the whole, redrawn; elsewhere plain lines. */
#ifndef ESP_RUN_PROGRESS_H
#define ESP_RUN_PROGRESS_H

#include <stdio.h>

#include "run/training.h"
#include "store/store.h"

typedef struct esp_progress esp_progress;

/* What is to be trained: n of the study's trials, in the order in which they begin. */
typedef struct esp_progress_todo {
    const esp_study *study;
    const int *trials; /* [n] indices */
    int n;
    const int *epochs_done; /* [n] of these, by earlier runs; NULL: none */
    const double *work;     /* [study->n_cells] of an epoch, in any unit */
} esp_progress_todo;

/* n_slots: trials that may run at once. Starts the thread that draws to out; the study outlives it.
 * Errors: ESP_MEMORY. Thread: one. */
int esp_progress_start(esp_progress **out, FILE *stream, int n_slots,
                       const esp_progress_todo *todo);

/* Draws for the last time and stops. Thread: one. */
void esp_progress_stop(esp_progress *progress);

/* A line of words among the progress. Thread: any. */
void esp_progress_note(esp_progress *progress, const char *line);

/* A trial of the study enters a slot; it continues after `epochs`, if any. Thread: any,
 * each with its own slot. */
void esp_progress_begin(esp_progress *progress, int slot, int trial, int epochs);

/* An epoch was finished. Thread: the slot's. */
void esp_progress_epoch(esp_progress *progress, int slot, const esp_training *training);

/* Another run has done a trial, or tried it. Thread: any. */
void esp_progress_elsewhere(esp_progress *progress, int trial, esp_trial_status status);

/* The trial left the slot; message: why it failed. Thread: the slot's. */
void esp_progress_end(esp_progress *progress, int slot, esp_trial_status status,
                      const char *message);

#endif
