/* Looking a results database over: what is broken, and what is worth knowing. */
#ifndef ESP_STORE_CHECK_DATABASE_H
#define ESP_STORE_CHECK_DATABASE_H

#include "store/store.h"

/* broken: results cannot be relied on; else it is a note. what: "integrity", "values",
 * "foreign key", "epochs", "selection", "checkpoint" or "digest". The words last for the call only.
 */
typedef void esp_store_finding(void *context, bool broken, const char *what, const char *words);

/* Tells every finding: SQLite's own checks of the file, its values and foreign keys, epochs that do
 * not number without gaps, selections of epochs that are not stored, done trials without their last
 * network in the folder of checkpoints or with another one there, and as notes epochs that came out
 * differently when trained again and checkpoints of no trial. Reads only, while a run writes too.
 * Errors: ESP_STORE, ESP_MEMORY, ESP_IO where it cannot look. Thread: the store's. */
int esp_store_look_over(esp_store *store, const char *checkpoints, esp_store_finding *tell,
                        void *context);

/* Schema version of the file, and the one this program writes. Errors: ESP_NOT_FOUND, ESP_STORE.
 * Thread: any. */
int esp_store_version(int *version, int *newest, const char *path);

#endif
