/* Whether a trial was trained by other code than this. */
#ifndef ESP_RUN_STALE_H
#define ESP_RUN_STALE_H

#include <stdbool.h>

#include "store/store.h"
#include "study/study.h"

typedef struct esp_stale {
    bool other_code; /* another executable, or another file of a plugin that the cell uses */
    /* A plugin that espalier does not ship, now or then, whose file is another; NULL: none. Its
     * declared version says too little: nobody but its author knows whether results changed. */
    const esp_plugin *changed;
} esp_stale;

/* What made the trial that far: its last finished attempt, or where none is finished the last one,
 * whose checkpoint a run goes on from. All false where that was this code. environment: this
 * program's, as esp_environment_describe or esp_environment_describe_code writes it. Errors:
 * ESP_STORE, ESP_MEMORY. Thread: the store's. */
int esp_stale_check(esp_stale *out, esp_store *store, int64_t trial_key, const esp_cell *cell,
                    const char *environment);

#endif
