/* The SQL behind the writer: records of a run into tables. The caller holds the transaction. */
#ifndef ESP_STORE_RECORDER_H
#define ESP_STORE_RECORDER_H

#include "store/internal.h"

typedef struct esp_recorder esp_recorder;

/* Prepares its statements on a store open for writing, which it does not own. Errors: ESP_STORE,
 * ESP_MEMORY. Thread: the store's, as all below. */
int esp_recorder_create(esp_recorder **out, esp_store *store);
void esp_recorder_destroy(esp_recorder *recorder);

int esp_recorder_begin(int64_t *attempt_key, esp_recorder *recorder,
                       const esp_begin_record *record);
int esp_recorder_epoch(esp_recorder *recorder, const esp_epoch_record *record);
int esp_recorder_end(esp_recorder *recorder, const esp_end_record *record);

#endif
