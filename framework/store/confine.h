/* A connection for queries that come from elsewhere, such as a page: nothing is written, nothing
 * else is opened, and it ends in time. */
#ifndef ESP_STORE_CONFINE_H
#define ESP_STORE_CONFINE_H

#include "store/store.h"

typedef struct esp_confinement {
    int milliseconds; /* for all queries from now on */
    int value_bytes;  /* the longest text or blob that is read or made */
} esp_confinement;

/* From now on the connection answers SELECTs over this one file alone: no ATTACH, no PRAGMA, no
 * temporary files, no function that reaches outside. A query that
 * takes longer fails with ESP_USAGE. Errors: ESP_STORE. Thread: the store's. */
int esp_store_confine(esp_store *store, const esp_confinement *confinement);

/* The memory that SQLite may have in this process; past it queries fail with ESP_MEMORY. Thread:
 * one, before any connection is opened. */
void esp_store_limit_memory(int64_t bytes);

#endif
