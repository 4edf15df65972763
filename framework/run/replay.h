/* Training a stored trial again to see whether it comes out the same. */
#ifndef ESP_RUN_REPLAY_H
#define ESP_RUN_REPLAY_H

#include "data/dataset.h"
#include "study/study.h"

/* The digests of a trial's stored epochs, 0 first. */
typedef struct esp_replay_record {
    int n_epochs;
    char (*digests)[65]; /* [n_epochs] */
} esp_replay_record;

/* Trains the trial in memory, epoch by epoch up to those stored, and compares digests of all
 * parameters. *first_different: the first epoch whose digest differs, or -1; *epochs: how many were
 * compared. Nothing is written. step is called after each epoch, for progress, and may be NULL.
 * Errors: those of training and data. Thread: one. */
int esp_replay(int *first_different, int *epochs, const esp_study *study, int trial,
               const esp_replay_record *record, void (*step)(int epoch, int n_epochs));

#endif
