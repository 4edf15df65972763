#include "store/backup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"
#include "core/text.h"
#include "store/internal.h"

static int copy_into(esp_store *copy, esp_store *store)
{
    if (sqlite3_open(copy->path, &copy->db) != SQLITE_OK) {
        return esp_sql_fail(copy);
    }
    sqlite3_backup *backup = sqlite3_backup_init(copy->db, "main", store->db, "main");
    if (backup == NULL) {
        return esp_sql_fail(copy);
    }
    /* In one step: what others write meanwhile would start a copy in parts again. */
    sqlite3_backup_step(backup, -1);
    if (sqlite3_backup_finish(backup) != SQLITE_OK) {
        return esp_sql_fail(copy);
    }
    /* One file in itself; opening it for writing brings the log back. */
    return esp_sql_run(copy, "PRAGMA journal_mode = DELETE");
}

int esp_store_back_up(const char *path, esp_store *store)
{
    if (access(path, F_OK) == 0) {
        return esp_fail(ESP_STORE, "%s: exists, and a backup replaces nothing; name another file",
                        path);
    }
    esp_store copy = {.path = esp_text_format("%s.%ld.tmp", path, (long)getpid())};
    if (copy.path == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    remove(copy.path);
    int status = copy_into(&copy, store);
    sqlite3_close(copy.db);
    if (status == ESP_OK && rename(copy.path, path) != 0) {
        status = esp_fail(ESP_STORE, "%s: %s; name another file", path, strerror(errno));
    }
    if (status != ESP_OK) {
        remove(copy.path);
    }
    free(copy.path);
    return status;
}
