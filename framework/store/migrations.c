/* From one version of the schema to the next. A version that was released is never edited: a change
 * is a new step at the end of the table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "schema_sql.h" /* made from schema.sql by the build */
#include "store/internal.h"

static const esp_migration migrations_of_this_program[] = {
    {1, schema_sql},
};

const esp_migration *esp_store_migrations(int *count)
{
    *count = (int)(sizeof migrations_of_this_program / sizeof *migrations_of_this_program);
    return migrations_of_this_program;
}

typedef struct head {
    int64_t objects, application, version;
} head;

/* In one statement, so as of one moment: another program may be making the database. */
static int read_head(head *out, esp_store *store)
{
    sqlite3_stmt *read = NULL;
    bool has_row = false;
    ESP_TRY(esp_sql_prepare(&read, store,
                            "SELECT (SELECT count(*) FROM sqlite_master),"
                            " (SELECT application_id FROM pragma_application_id),"
                            " (SELECT user_version FROM pragma_user_version)"));
    int status = esp_sql_step(store, read, &has_row);
    *out = (head){sqlite3_column_int64(read, 0), sqlite3_column_int64(read, 1),
                  sqlite3_column_int64(read, 2)};
    sqlite3_finalize(read);
    return status;
}

int esp_store_check(int *version, esp_store *store, const esp_migration *migrations, int count)
{
    head found = {0};
    int status = read_head(&found, store);
    if (status != ESP_OK) {
        if (sqlite3_errcode(store->db) == SQLITE_NOTADB) {
            return esp_fail(ESP_STORE,
                            "%s: not an espalier database: this is no SQLite file, or its head is "
                            "damaged; restore a copy, or name another with --db",
                            store->path);
        }
        return status;
    }
    *version = (int)found.version;
    if (found.application == 0 && found.version == 0 && found.objects == 0) {
        return ESP_OK;
    }
    if (found.application != ESP_STORE_APPLICATION_ID) {
        return esp_fail(ESP_STORE,
                        "%s: not an espalier database (application_id %lld, ours is %d): it is "
                        "left as it is; name another with --db",
                        store->path, (long long)found.application, ESP_STORE_APPLICATION_ID);
    }
    int newest = migrations[count - 1].version;
    if (found.version > newest || found.version < 1) {
        return esp_fail(ESP_STORE,
                        "%s: written by a newer espalier (schema version %lld, this program knows "
                        "up to %d): it is left as it is; update espalier, or name another with "
                        "--db",
                        store->path, (long long)found.version, newest);
    }
    return ESP_OK;
}

/* Copies the database to <path>.before-v<N>. SQLite copies nothing for a connection that holds the
 * lock for writing, so another one reads: in WAL mode it may. An earlier copy is of a migration
 * that failed, and left the database as it was. */
static int back_up(const esp_store *store, int version)
{
    esp_store source = {.path = store->path, .mode = ESP_STORE_READ};
    char *copy = esp_text_format("%s.before-v%d", store->path, version);
    char *name = esp_sql_name(store->path);
    int status =
        copy != NULL && name != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "%s: no memory", store->path);
    if (status == ESP_OK) {
        status = sqlite3_open_v2(name, &source.db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK
                     ? esp_store_copy(copy, &source)
                     : esp_sql_fail(&source);
    }
    if (status != ESP_OK) {
        esp_fail_prefix(status, "backup before migrating");
    }
    sqlite3_close(source.db);
    free(name);
    free(copy);
    return status;
}

static int apply(esp_store *store, const esp_migration *migrations, int count)
{
    int version = 0;
    /* Again, now that nobody else can change it: another process may have been first. */
    ESP_TRY(esp_store_check(&version, store, migrations, count));
    int newest = migrations[count - 1].version;
    if (version == newest) {
        return ESP_OK;
    }
    if (version > 0) {
        ESP_TRY(back_up(store, newest));
    }
    for (int i = 0; i < count; i++) {
        if (migrations[i].version > version && esp_sql_run(store, migrations[i].sql) != ESP_OK) {
            return esp_fail_prefix(ESP_STORE, "schema version %d", migrations[i].version);
        }
    }
    int64_t orphans = 0;
    ESP_TRY(esp_sql_integer(&orphans, store, "SELECT count(*) FROM pragma_foreign_key_check", 0));
    if (orphans > 0) {
        return esp_fail(ESP_STORE, "%s: %lld rows without their parents after migrating to %d",
                        store->path, (long long)orphans, newest);
    }
    char text[96];
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             ESP_STORE_APPLICATION_ID, newest);
    return esp_sql_run(store, text);
}

int esp_store_migrate(esp_store *store, const esp_migration *migrations, int count)
{
    ESP_TRY(esp_sql_run(store, "PRAGMA foreign_keys = OFF; BEGIN EXCLUSIVE"));
    return esp_sql_end(store, apply(store, migrations, count));
}
