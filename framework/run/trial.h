/* One trial from its first epoch, or its last checkpoint, to its end: phases, early stopping,
 * selection, checkpoints, and every epoch to the store. */
#ifndef ESP_RUN_TRIAL_H
#define ESP_RUN_TRIAL_H

#include <limits.h>
#include <stdatomic.h>

#include "run/progress.h"
#include "run/training.h"
#include "store/store.h"

/* What the trials of a run share; outlives them. */
typedef struct esp_trial_context {
    const esp_study *study;
    const esp_store_trial *stored;          /* by trial: keys, what the database has of them */
    const bool *anew;                       /* by trial: not from its checkpoint */
    const esp_dataset *const *data;         /* by cell */
    const esp_partition *const *partitions; /* by cell */
    const char *checkpoints;                /* folder */
    const char *environment;                /* provenance, JSON */
    const char *host;
    esp_writer *writer;
    esp_progress *progress;
} esp_trial_context;

/* What passes between a running trial and whoever watches it. */
typedef struct esp_trial_control {
    const atomic_int *stop;    /* not 0: finish the epoch, then stop */
    const atomic_int *abandon; /* not 0: stop within the epoch */
    /* esp_clock_working, in milliseconds, of the last finished epoch; ESP_RESTING while the trial
     * waits for the database or the disk, which is nobody's epoch */
    atomic_llong *beat;
    atomic_int *failures; /* counted before the failure is stored, lest a crash come between */
} esp_trial_control;

#define ESP_RESTING (LLONG_MAX / 2)

/* Runs a trial; slot is its place in the progress display. Returns ESP_OK, ESP_INTERRUPTED,
 * ESP_STORE (results or checkpoints cannot be kept: the run must end) or the trial's own failure,
 * which is recorded. Thread: a worker. */
int esp_trial_run(const esp_trial_context *context, int trial, int slot,
                  const esp_trial_control *control);

#endif
