/* Reading: one statement, read-only, row by row. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "store/internal.h"

struct esp_rows {
    esp_store *store;
    sqlite3_stmt *statement;
};

/* Whether the text holds more than spaces, semicolons and comments. */
static bool holds_sql(const char *text)
{
    while (*text != '\0') {
        if (isspace((unsigned char)*text) || *text == ';') {
            text++;
        } else if (strncmp(text, "--", 2) == 0) {
            text += strcspn(text, "\n");
        } else if (strncmp(text, "/*", 2) == 0) {
            const char *end = strstr(text + 2, "*/");
            text = end ? end + 2 : text + strlen(text);
        } else {
            return true;
        }
    }
    return false;
}

/* What only the text of the query can be blamed for is the asker's mistake; the rest is the
 * database's. */
static int query_failed(const esp_store *store)
{
    switch (sqlite3_errcode(store->db) & 0xff) {
    case SQLITE_ERROR:
    case SQLITE_AUTH:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
        return esp_fail(ESP_USAGE, "SQL: %s", sqlite3_errmsg(store->db));
    case SQLITE_INTERRUPT:
        return esp_fail(ESP_USAGE, "SQL: the query was ended, since it took longer than it may");
    case SQLITE_NOMEM:
        return esp_fail(ESP_MEMORY, "SQL: %s", sqlite3_errmsg(store->db));
    default:
        return esp_sql_fail(store);
    }
}

int esp_rows_open(esp_rows **out, esp_store *store, const char *sql)
{
    *out = NULL;
    esp_rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a query");
    }
    int status = ESP_OK;
    const char *tail = "";
    rows->store = store;
    if (sqlite3_prepare_v2(store->db, sql, -1, &rows->statement, &tail) != SQLITE_OK) {
        status = query_failed(store);
    } else if (rows->statement == NULL) {
        status = esp_fail(ESP_USAGE, "no SQL in the query");
    } else if (!sqlite3_stmt_readonly(rows->statement) ||
               sqlite3_column_count(rows->statement) == 0) {
        /* ATTACH and BEGIN count as read-only for SQLite, but give no columns. */
        status = esp_fail(ESP_USAGE, "only queries are allowed: results are never changed by hand");
    } else if (holds_sql(tail)) {
        status = esp_fail(ESP_USAGE, "one statement at a time; a second begins at '%.40s'",
                          tail + strspn(tail, " \t\r\n;"));
    }
    if (status != ESP_OK) {
        esp_rows_close(rows);
        return status;
    }
    *out = rows;
    return ESP_OK;
}

void esp_rows_close(esp_rows *rows)
{
    if (rows != NULL) {
        sqlite3_finalize(rows->statement);
        free(rows);
    }
}

int esp_rows_parameters(const esp_rows *rows)
{
    return sqlite3_bind_parameter_count(rows->statement);
}

const char *esp_rows_parameter_name(const esp_rows *rows, int index)
{
    const char *name = sqlite3_bind_parameter_name(rows->statement, index + 1);
    return name != NULL ? name : "?";
}

static int bind_result(esp_rows *rows, int code)
{
    return code == SQLITE_OK ? ESP_OK : query_failed(rows->store);
}

int esp_rows_bind_text(esp_rows *rows, const char *name, const char *text)
{
    int index = sqlite3_bind_parameter_index(rows->statement, name);
    return index == 0 ? ESP_OK
                      : bind_result(rows, sqlite3_bind_text(rows->statement, index, text, -1,
                                                            SQLITE_TRANSIENT));
}

int esp_rows_bind_integer(esp_rows *rows, const char *name, int64_t value)
{
    int index = sqlite3_bind_parameter_index(rows->statement, name);
    return index == 0 ? ESP_OK
                      : bind_result(rows, sqlite3_bind_int64(rows->statement, index, value));
}

int esp_rows_bind_real(esp_rows *rows, const char *name, double value)
{
    int index = sqlite3_bind_parameter_index(rows->statement, name);
    return index == 0 ? ESP_OK
                      : bind_result(rows, sqlite3_bind_double(rows->statement, index, value));
}

int esp_rows_step(esp_rows *rows, bool *has_row)
{
    int code = sqlite3_step(rows->statement);
    *has_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        return ESP_OK;
    }
    int status = query_failed(rows->store);
    sqlite3_reset(rows->statement);
    return status;
}

int esp_rows_columns(const esp_rows *rows)
{
    return sqlite3_column_count(rows->statement);
}

const char *esp_rows_column_name(const esp_rows *rows, int column)
{
    return sqlite3_column_name(rows->statement, column);
}

char esp_rows_type(esp_rows *rows, int column)
{
    switch (sqlite3_column_type(rows->statement, column)) {
    case SQLITE_INTEGER:
        return 'i';
    case SQLITE_FLOAT:
        return 'r';
    case SQLITE_NULL:
        return 'n';
    case SQLITE_BLOB:
        return 'b';
    default:
        return 't';
    }
}

const char *esp_rows_text(esp_rows *rows, int column)
{
    return (const char *)sqlite3_column_text(rows->statement, column);
}

const unsigned char *esp_rows_bytes(size_t *count, esp_rows *rows, int column)
{
    const unsigned char *bytes = sqlite3_column_blob(rows->statement, column);
    *count = (size_t)sqlite3_column_bytes(rows->statement, column);
    return bytes;
}

int64_t esp_rows_integer(esp_rows *rows, int column)
{
    return sqlite3_column_int64(rows->statement, column);
}

double esp_rows_real(esp_rows *rows, int column)
{
    return esp_rows_type(rows, column) == 'n' ? NAN
                                              : sqlite3_column_double(rows->statement, column);
}
