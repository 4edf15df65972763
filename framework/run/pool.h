/* The worker threads of a run: each takes the next trial until none is left. */
#ifndef ESP_RUN_POOL_H
#define ESP_RUN_POOL_H

#include "run/supervisor.h"
#include "run/trial.h"

/* Runs the trials todo [n_todo] on so many threads and waits for them; *n_failed of them failed.
 * When the run is asked to stop, epochs get two seconds to end, batches three more; a worker that
 * is stuck in a plugin then ends the process with 130, its trial recorded as interrupted. Errors:
 * ESP_STORE, ESP_MEMORY, ESP_FAILED; a trial's own failure is none. Thread: one. */
int esp_pool_run(int *n_failed, const esp_trial_context *context, esp_shared *shared,
                 const int *todo, int n_todo, int jobs);

#endif
