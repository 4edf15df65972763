#include "store/confine.h"

#include <string.h>

#include "core/clock.h"
#include "core/status.h"
#include "store/internal.h"

/* Steps of SQLite's machine between two looks at the clock: well under a millisecond. */
enum { STEPS = 2000 };

static int past_deadline(void *context)
{
    const esp_store *store = context;
    return esp_clock_seconds() > store->deadline;
}

static int authorize(void *context, int action, const char *first, const char *second,
                     const char *database, const char *view)
{
    (void)context;
    (void)database;
    (void)view;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION: /* the others compute, and no more */
        return sqlite3_stricmp(second, "load_extension") == 0 ||
                       sqlite3_stricmp(second, "fts3_tokenizer") == 0
                   ? SQLITE_DENY
                   : SQLITE_OK;
    case SQLITE_UPDATE: /* asked when json_each and its like tell their columns; nothing is changed
                         */
        return strcmp(first, "sqlite_master") == 0 ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

int esp_store_confine(esp_store *store, const esp_confinement *confinement)
{
    /* A sort that found no room in memory would go to a file. */
    ESP_TRY(esp_sql_run(store, "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY"));
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, confinement->value_bytes);
    sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
    /* Matching a pattern of many % takes long without a step of the machine. */
    sqlite3_limit(store->db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200);
    store->deadline = esp_clock_seconds() + confinement->milliseconds / 1000.0;
    sqlite3_progress_handler(store->db, STEPS, past_deadline, store);
    sqlite3_set_authorizer(store->db, authorize, NULL);
    return ESP_OK;
}

void esp_store_limit_memory(int64_t bytes)
{
    sqlite3_hard_heap_limit64(bytes);
}
