/* The worker threads of a run: each takes the next trial until none is left. */
#ifndef ESP_RUN_POOL_H
#define ESP_RUN_POOL_H

#include "run/claim.h"
#include "run/supervisor.h"
#include "run/trial.h"

/* When failed trials end a run: never; soon: what runs is finished, no other trial is begun; now:
 * what runs is cut off, resumable. After so many failed trials, or percent of those to train. What
 * a crash beside it cut off still runs: the next child finishes it. */
typedef enum esp_halt_when { ESP_HALT_NEVER, ESP_HALT_SOON, ESP_HALT_NOW } esp_halt_when;

typedef struct esp_halt {
    esp_halt_when when;
    int count;
    bool percent;
} esp_halt;

/* Runs the trials todo [n_todo], begun in this order, on `jobs` threads and waits for them. A
 * trial that another run holds is left to it; where nothing else is left to train, the pool waits
 * for what others hold, and trains what they give up. A trial that fails is tried again where its
 * study's limits.retries allow. When the run is asked to stop, epochs get two seconds to end,
 * batches three more; a worker that is stuck in a plugin then ends the process with 130, its trial
 * recorded as interrupted. Errors: ESP_STORE, ESP_MEMORY, ESP_FAILED; a trial's own failure is
 * none. Thread: one. */
int esp_pool_run(const esp_trial_context *context, esp_claims *claims, esp_shared *shared,
                 const int *todo, int n_todo, int jobs, const esp_halt *halt);

#endif
