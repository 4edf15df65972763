/* What a person sees while a study runs: on a terminal a line for each running trial and one for
 * the whole, redrawn; elsewhere plain lines. */
#ifndef ESP_RUN_PROGRESS_H
#define ESP_RUN_PROGRESS_H

#include <stdio.h>

#include "run/training.h"
#include "store/store.h"

typedef struct esp_progress esp_progress;

/* n_slots: trials that may run at once. work: multiply-adds of all that is to be trained, for the
 * time left; n_trials how many. Starts the thread that draws to out. Errors: ESP_MEMORY.
 * Thread: one. */
int esp_progress_start(esp_progress **out, FILE *stream, int n_slots, int n_trials, double work);

/* Draws for the last time and stops. Thread: one. */
void esp_progress_stop(esp_progress *progress);

/* A line of words among the progress. Thread: any. */
void esp_progress_note(esp_progress *progress, const char *line);

/* A trial enters a slot; epochs > 0 where it continues after so many, of work multiply-adds each.
 * Thread: any, each with its own slot. */
void esp_progress_begin(esp_progress *progress, int slot, const esp_cell *cell,
                        const esp_trial *trial, int epochs, double work);

/* An epoch was finished; work: its multiply-adds. Thread: the slot's. */
void esp_progress_epoch(esp_progress *progress, int slot, const esp_training *training,
                        double work);

/* Another run has done a trial, or tried it; work: its multiply-adds. Thread: any. */
void esp_progress_elsewhere(esp_progress *progress, const esp_cell *cell, const esp_trial *trial,
                            esp_trial_status status, double work);

/* The trial left the slot; message: why it failed. unspent: work that early stopping saved.
 * Thread: the slot's. */
void esp_progress_end(esp_progress *progress, int slot, esp_trial_status status,
                      const char *message, double unspent);

#endif
