/* What of a training the results database gets at the end of an epoch. */
#ifndef ESP_RUN_EPOCH_RECORD_H
#define ESP_RUN_EPOCH_RECORD_H

#include "run/training.h"
#include "store/store.h"

/* Posts an epoch as it was last trained and evaluated, with the digest of the parameters.
 * selected_later: the exact evaluation of a selected epoch, which adds what is not stored of it.
 * Errors: ESP_STORE. Thread: the trial's. */
int esp_epoch_store(esp_writer *writer, const esp_training *training, int64_t trial_key,
                    int64_t attempt_key, int epoch, bool selected_later);

#endif
