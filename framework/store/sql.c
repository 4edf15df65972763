/* SQLite with statuses and messages. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "store/internal.h"

/* What to do about it, by primary result code and errno. */
static const char *advice(int code, int system)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return "; free some space and start again: what was committed is kept";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "; another process is writing to it: wait for it to end, or name another with --db";
    case SQLITE_IOERR:
        return system == ENOSPC || system == EDQUOT
                   ? "; free some space and start again: what was committed is kept"
               : system == EFBIG
                   ? "; raise the limit of file sizes (`ulimit -f`) and start again: what was "
                     "committed is kept"
                   : "; look at the disk, its room and `ulimit -f`, then start again: what was "
                     "committed is kept";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "; the file is damaged: restore a copy, or save what is left with "
               "`sqlite3 FILE .recover`";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return "; look at the permissions of the file and its folder, or name another with --db";
    default:
        return "";
    }
}

int esp_sql_fail(const esp_store *store)
{
    int code = sqlite3_extended_errcode(store->db);
    int system = sqlite3_system_errno(store->db);
    bool told = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
    return esp_fail(ESP_STORE, "%s: %s%s%s%s%s", store->path, sqlite3_errmsg(store->db),
                    told && system ? " (" : "", told && system ? strerror(system) : "",
                    told && system ? ")" : "", advice(code, system));
}

int esp_sql_run(esp_store *store, const char *sql)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return esp_sql_fail(store);
    }
    return ESP_OK;
}

int esp_sql_prepare(sqlite3_stmt **statement, esp_store *store, const char *sql)
{
    *statement = NULL;
    if (sqlite3_prepare_v2(store->db, sql, -1, statement, NULL) != SQLITE_OK) {
        return esp_sql_fail(store);
    }
    return ESP_OK;
}

int esp_sql_step(esp_store *store, sqlite3_stmt *statement, bool *has_row)
{
    int code = sqlite3_step(statement);
    if (has_row != NULL) {
        *has_row = code == SQLITE_ROW;
    }
    if (code == SQLITE_ROW && has_row != NULL) {
        return ESP_OK;
    }
    int status = code == SQLITE_DONE || code == SQLITE_ROW ? ESP_OK : esp_sql_fail(store);
    sqlite3_reset(statement);
    return status;
}

int esp_sql_integer(int64_t *value, esp_store *store, const char *sql, int64_t absent)
{
    sqlite3_stmt *statement = NULL;
    ESP_TRY(esp_sql_prepare(&statement, store, sql));
    bool has_row = false;
    int status = esp_sql_step(store, statement, &has_row);
    *value = has_row ? sqlite3_column_int64(statement, 0) : absent;
    sqlite3_finalize(statement);
    return status;
}

void esp_sql_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

void esp_sql_bind_real(sqlite3_stmt *statement, int index, double value)
{
    if (isnan(value)) {
        sqlite3_bind_null(statement, index);
    } else {
        sqlite3_bind_double(statement, index, value);
    }
}

int esp_sql_check_all(esp_store *store)
{
    sqlite3_stmt *statement = NULL;
    /* A statement: to newer SQLite, the argument of pragma_quick_check(1) is a table. */
    ESP_TRY(esp_sql_prepare(&statement, store, "PRAGMA quick_check(1)"));
    bool has_row = false;
    int status = esp_sql_step(store, statement, &has_row);
    char found[256] = "ok";
    if (has_row) {
        snprintf(found, sizeof found, "%s", (const char *)sqlite3_column_text(statement, 0));
    }
    for (char *end = strchr(found, '\n'); end != NULL; end = strchr(end, '\n')) {
        *end = ' ';
    }
    if (status == ESP_OK && strcmp(found, "ok") != 0) {
        status = esp_fail(ESP_STORE,
                          "%s: damaged (%s): it is left as it is; restore a copy, or save what is "
                          "left with `sqlite3 FILE .recover`",
                          store->path, found);
    }
    sqlite3_finalize(statement);
    return status;
}

int esp_sql_end(esp_store *store, int status)
{
    if (status == ESP_OK) {
        status = esp_sql_run(store, "COMMIT");
    }
    /* SQLite rolls some failures back by itself. */
    if (status != ESP_OK && !sqlite3_get_autocommit(store->db)) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}
