/* A copy of a results database, taken while a run may be writing to it. */
#ifndef ESP_STORE_BACKUP_H
#define ESP_STORE_BACKUP_H

#include "store/store.h"

/* Copies what is committed into a new file, which appears whole or not at all, is sound (checked
 * through), and needs no other file beside it. Never replaces one. Errors: ESP_STORE with path,
 * reason and what to do, also where what is copied is damaged. Thread: the store's. */
int esp_store_back_up(const char *path, esp_store *store);

/* The same under a hidden name of its own beside path, a database. *copy: that name, owned by the
 * caller, who removes the file; NULL after an error. Errors name path. */
int esp_store_copy_beside(char **copy, const char *path, esp_store *store);

#endif
