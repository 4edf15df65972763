/* A study as the store records it. */
#ifndef ESP_RUN_RECORD_H
#define ESP_RUN_RECORD_H

#include "store/store.h"
#include "study/study.h"

/* out's texts point into the study; its own arrays are freed by esp_record_free. Errors:
 * ESP_MEMORY. Thread: any. */
int esp_record_make(esp_store_study *out, const esp_study *study);
void esp_record_free(esp_store_study *record);

/* The --set strings as the store keeps them, a JSON array. Owned by the caller (free); NULL where
 * memory is short. Thread: any. */
char *esp_record_overrides(const esp_study *study);

#endif
