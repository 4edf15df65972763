/* Names of studies and ids of trials in a results database. */
#ifndef ESP_CLI_STUDY_NAMES_H
#define ESP_CLI_STUDY_NAMES_H

#include <stdbool.h>

#include "store/store.h"

/* Errors: ESP_STORE. Thread: the store's, as below. */
int esp_study_exists(bool *exists, esp_store *store, const char *study);

/* ESP_NOT_FOUND that names the study that could have been meant, or those there are. what: "study",
 * or "study or trial". */
int esp_study_not_found(esp_store *store, const char *what, const char *name);

/* ESP_OK where there is such a study, else esp_study_not_found. */
int esp_study_must_exist(esp_store *store, const char *study);

/* The one trial whose id begins with prefix: id [17] out. Errors: ESP_NOT_FOUND with what could
 * have been meant; ESP_USAGE where several begin so. */
int esp_trial_find(char id[17], esp_store *store, const char *prefix);

#endif
