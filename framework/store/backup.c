#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/new_file.h"
#include "core/status.h"
#include "core/text.h"
#include "store/internal.h"

/* What a copy is made for, in words. */
typedef struct purpose {
    const char *path, *subject; /* subject follows the path of a message that it cannot be made */
    const char *way_out;
} purpose;

static int copy_failed(sqlite3 *copy, const purpose *of)
{
    const int code = sqlite3_errcode(copy), system = sqlite3_system_errno(copy);
    return esp_fail(ESP_STORE,
                    "%s: %s: %s%s%s%s; make room for it (disk, quota, `ulimit -f`) and "
                    "do it again, or %s",
                    of->path, of->subject, sqlite3_errstr(code), system != 0 ? " (" : "",
                    system != 0 ? strerror(system) : "", system != 0 ? ")" : "", of->way_out);
}

static int is_there(const char *path)
{
    return esp_fail(ESP_STORE, "%s: exists, and a backup replaces nothing; name another file",
                    path);
}

static int copy_into(sqlite3 *copy, const purpose *of, esp_store *store)
{
    sqlite3_backup *backup = sqlite3_backup_init(copy, "main", store->db, "main");
    if (backup == NULL) {
        return copy_failed(copy, of);
    }
    /* In one step: what others write meanwhile would start a copy in parts again. */
    sqlite3_backup_step(backup, -1);
    if (sqlite3_backup_finish(backup) != SQLITE_OK) {
        return copy_failed(copy, of);
    }
    /* One file in itself, made without shared memory, so on a network too; opening it for writing
     * brings the log back. */
    if (sqlite3_exec(copy, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE", NULL,
                     NULL, NULL) != SQLITE_OK) {
        return copy_failed(copy, of);
    }
    /* What is wrong with the copy is wrong with what was copied. */
    esp_store sound = {.db = copy, .path = store->path};
    return esp_sql_check_all(&sound);
}

/* With what a full disk kept SQLite from tidying up. */
static void remove_copy(const char *temporary)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *name = esp_text_format("%s%s", temporary, suffixes[i]);
        if (name != NULL) {
            remove(name);
        }
        free(name);
    }
}

/* An empty file that nobody else has, whose mode is by the umask. */
static int make_temporary(char **temporary, const purpose *of)
{
    enum { MOST_TRIES = 100 };
    int file = -1;
    *temporary = NULL;
    for (int i = 0; file < 0 && i < MOST_TRIES; i++) {
        free(*temporary);
        *temporary = esp_new_file_beside(of->path);
        if (*temporary == NULL) {
            return esp_fail(ESP_MEMORY, "%s: no memory", of->path);
        }
        file = open(*temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
        if (file < 0 && errno != EEXIST) {
            break;
        }
    }
    if (file < 0 || close(file) != 0) { /* SQLite would not say why */
        return esp_fail(ESP_STORE, "%s: %s: %s; %s", of->path, of->subject, strerror(errno),
                        of->way_out);
    }
    return ESP_OK;
}

/* *temporary: the copy, beside the path that it is for; NULL after an error. */
static int make_copy(char **temporary, const purpose *of, esp_store *store)
{
    sqlite3 *copy = NULL;
    int status = make_temporary(temporary, of);
    char *name = status == ESP_OK ? esp_sql_name(*temporary) : NULL;
    if (status == ESP_OK && name == NULL) {
        status = esp_fail(ESP_MEMORY, "%s: no memory", of->path);
    }
    if (status == ESP_OK) {
        status = sqlite3_open_v2(name, &copy, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK
                     ? copy_into(copy, of, store)
                     : copy_failed(copy, of);
        sqlite3_close(copy);
        if (status != ESP_OK) {
            remove_copy(*temporary);
        }
    }
    if (status != ESP_OK) {
        free(*temporary);
        *temporary = NULL;
    }
    free(name);
    return status;
}

/* replaces: a file that is there gives way. */
static int copy_to(const char *path, esp_store *store, bool replaces)
{
    const purpose of = {path, "cannot be written", "name another file"};
    char *temporary = NULL;
    ESP_TRY(make_copy(&temporary, &of, store));
    int status = ESP_OK;
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, replaces ? 0 : RENAME_NOREPLACE) != 0 &&
        (errno != EINVAL || replaces || rename(temporary, path) != 0)) {
        status = errno == EEXIST
                     ? is_there(path)
                     : esp_fail(ESP_STORE, "%s: %s; name another file", path, strerror(errno));
        remove_copy(temporary);
    }
    free(temporary);
    return status;
}

int esp_store_copy(const char *path, esp_store *store)
{
    return copy_to(path, store, true);
}

int esp_store_back_up(const char *path, esp_store *store)
{
    struct stat found;
    return lstat(path, &found) == 0 ? is_there(path) : copy_to(path, store, false);
}

int esp_store_copy_beside(char **copy, const char *path, esp_store *store)
{
    const purpose of = {path, "nothing can be written beside it",
                        "name another database with --db"};
    return make_copy(copy, &of, store);
}
