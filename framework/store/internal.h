/* What the files of store/ share. Nothing outside this folder (and its tests) includes it. */
#ifndef ESP_STORE_INTERNAL_H
#define ESP_STORE_INTERNAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

/* 'ESPA': tells an espalier database from any other SQLite file. */
enum { ESP_STORE_APPLICATION_ID = 0x45535041 };

struct esp_store {
    sqlite3 *db;
    char *path;
    esp_store_mode mode;
    bool log_is_large; /* and was warned about */
    double deadline;   /* of a confined connection, by esp_clock_seconds */
};

/* The name by which SQLite opens just this file: it takes file:.., :memory: and an empty name for
 * something else. Owned by the caller; NULL without memory. */
char *esp_sql_name(const char *path);

/* ---- SQL with statuses; every failure is ESP_STORE with path, reason and what to do -----------
 */

/* The failure the connection just had. */
int esp_sql_fail(const esp_store *store);
/* Runs one or more statements without results. */
int esp_sql_run(esp_store *store, const char *sql);
/* *statement is NULL on failure; the caller finalizes. */
int esp_sql_prepare(sqlite3_stmt **statement, esp_store *store, const char *sql);
/* One step; *has_row may be NULL where no row is expected. A finished statement is reset. */
int esp_sql_step(esp_store *store, sqlite3_stmt *statement, bool *has_row);
/* First column of the first row; absent where there is none. */
int esp_sql_integer(int64_t *value, esp_store *store, const char *sql, int64_t absent);
/* Text NULL binds NULL; the text must outlive the next step. */
void esp_sql_bind_text(sqlite3_stmt *statement, int index, const char *text);
/* NaN binds NULL. */
void esp_sql_bind_real(sqlite3_stmt *statement, int index, double value);
/* Goes through all pages. Errors: ESP_STORE, saying what is damaged. */
int esp_sql_check_all(esp_store *store);
/* Ends a transaction: commits where status is ESP_OK, else rolls back and keeps the message. */
int esp_sql_end(esp_store *store, int status);

/* Whether the file is still the one under its name. Where not, all that was committed is in the
 * file that was moved, and its log is emptied, which would damage what took its place. Errors:
 * ESP_STORE.
 */
int esp_store_check_place(esp_store *store);

/* Cells that a revision plans and no run has asked for (esp_store_has_unasked). Made by the first
 * run that asks for a part of its cells: a database of the same version may lack it. */
#define ESP_UNASKED_SQL                                                                            \
    "CREATE TABLE IF NOT EXISTS unasked_cell (cell INTEGER PRIMARY KEY REFERENCES cell (id)"       \
    " ON DELETE CASCADE) STRICT"

/* ---- migrations --------------------------------------------------------------------------------
 */

typedef struct esp_migration {
    int version; /* ascending; the last is the version this program writes */
    const char *sql;
} esp_migration;

/* The steps of this program. */
const esp_migration *esp_store_migrations(int *count);

/* Version of the file, 0 for a new and empty one. Refuses foreign, newer and damaged files. */
int esp_store_check(int *version, esp_store *store, const esp_migration *migrations, int count);

/* Applies the steps the file lacks in one exclusive transaction, after a backup to
 * <path>.before-v<N> where the file already held a version. */
int esp_store_migrate(esp_store *store, const esp_migration *migrations, int count);

/* Copies what is committed to `path`, replacing a file there (backup.h). */
int esp_store_copy(const char *path, esp_store *store);

/* Opens a file of any version that the steps know, and tells which; 0: new, to be migrated. A
 * refused file is not changed, and neither is this one: closing brings nothing of the log into it.
 * Errors: as esp_store_open. */
int esp_store_connect(esp_store **out, int *version, const char *path, esp_store_mode mode,
                      const esp_migration *migrations, int count);

/* esp_store_open with other steps (tests), and without the checks of the whole file and its file
 * system (the writer, which opens right after a store did). */
int esp_store_open_with(esp_store **out, const char *path, esp_store_mode mode,
                        const esp_migration *migrations, int count, bool check_all);

#endif
