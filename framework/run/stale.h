/* Whether a trial that is done was done by other code than this. */
#ifndef ESP_RUN_STALE_H
#define ESP_RUN_STALE_H

#include <stdbool.h>

#include "store/store.h"
#include "study/study.h"

/* *stale: the last finished attempt of the trial was made by another executable, or by another file
 * of a plugin that the cell uses. environment: this program's, as esp_environment_describe or
 * esp_environment_describe_code writes it. Errors: ESP_STORE, ESP_MEMORY. Thread: the store's. */
int esp_stale_check(bool *stale, esp_store *store, int64_t trial_key, const esp_cell *cell,
                    const char *environment);

#endif
