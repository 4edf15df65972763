/* Opening and refusing results databases. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "core/status.h"
#include "core/text.h"
#include "store/filesystem.h"
#include "store/internal.h"
#include "store/lock.h"

/* How long to wait for somebody else's lock, in milliseconds. */
enum { READ_TIMEOUT = 3000, WRITE_TIMEOUT = 30000 };

const char *esp_store_default_path(const char *option)
{
    if (option != NULL) {
        return option;
    }
    const char *variable = getenv("ESPALIER_DB");
    return variable != NULL && *variable != '\0' ? variable : "results/espalier.db";
}

char *esp_store_beside(const char *path, const char *suffix)
{
    struct stat information;
    const bool is_link = lstat(path, &information) == 0 && S_ISLNK(information.st_mode);
    char *real = is_link ? realpath(path, NULL) : NULL;
    char *name = esp_text_format("%s%s", real != NULL ? real : path, suffix);
    free(real);
    return name;
}

/* What SQLite and espalier make beside a database, other than checkpoints. */
static const char *const parts[] = {"-wal", "-shm", "-journal", ".lock"};
enum { N_PARTS = sizeof parts / sizeof *parts };

int esp_store_spare_beside(const esp_inputs *inputs, const char *path)
{
    int status = ESP_OK;
    for (int i = 0; i < N_PARTS && status == ESP_OK; i++) {
        char *name = esp_store_beside(path, parts[i]);
        status = name != NULL ? esp_inputs_spare(inputs, name)
                              : esp_fail(ESP_MEMORY, "%s: no memory", path);
        free(name);
    }
    return status;
}

void esp_store_inputs(esp_inputs *inputs, const char *path)
{
    esp_inputs_add(inputs, path, "the results database");
    for (int i = 0; i < N_PARTS; i++) {
        char *name = esp_store_beside(path, parts[i]);
        esp_inputs_add(inputs, name, "a part of the results database");
        free(name);
    }
    char *checkpoints = esp_store_beside(path, ".checkpoints");
    esp_inputs_add_folder(inputs, checkpoints, "the checkpoints of the results database");
    free(checkpoints);
}

const char *esp_store_path(const esp_store *store)
{
    return store->path;
}

const char *esp_trial_status_name(esp_trial_status status)
{
    static const char *const names[] = {"planned", "running", "done", "failed", "interrupted"};
    return names[status];
}

const char *esp_metric_name(esp_metric metric)
{
    static const char *const names[] = {"soft_loss", "hard_loss", "soft_accuracy", "hard_accuracy"};
    return names[metric];
}

void esp_store_close(esp_store *store)
{
    if (store == NULL) {
        return;
    }
    sqlite3_close(store->db);
    free(store->path);
    free(store);
}

/* Words for what can be seen without SQLite. *empty: nothing there to read. */
static int look_at_file(const char *path, esp_store_mode mode, bool *empty)
{
    struct stat information;
    *empty = true;
    if (*path == '\0') {
        return esp_fail(ESP_USAGE, "the name of the database is empty");
    }
    if (stat(path, &information) != 0) {
        if (errno != ENOENT) {
            return esp_fail(ESP_STORE, "%s: %s; name another with --db", path, strerror(errno));
        }
        if (lstat(path, &information) == 0 && S_ISLNK(information.st_mode)) {
            return esp_fail(ESP_STORE,
                            "%s: a symbolic link to a file that is not there; make that, empty, or "
                            "name another with --db",
                            path);
        }
        if (mode == ESP_STORE_READ) {
            return esp_fail(ESP_NOT_FOUND,
                            "%s: no results database there; `espalier run STUDY.yaml` makes one, "
                            "--db or ESPALIER_DB name another",
                            path);
        }
        return ESP_OK;
    }
    if (!S_ISREG(information.st_mode)) {
        return esp_fail(ESP_STORE, "%s: not a file; name another with --db", path);
    }
    *empty = information.st_size == 0;
    if (mode == ESP_STORE_READ && *empty) {
        return esp_fail(ESP_NOT_FOUND, "%s: empty: nothing has been run yet", path);
    }
    if (access(path, mode == ESP_STORE_READ ? R_OK : R_OK | W_OK) != 0) {
        return esp_fail(ESP_STORE, "%s: no permission to %s it (%s); name another with --db", path,
                        mode == ESP_STORE_READ ? "read" : "write", strerror(errno));
    }
    return ESP_OK;
}

/* A reader of a file that may not be written leaves a log that may not be written either. */
static int look_at_log(const char *path)
{
    int status = ESP_OK;
    for (int i = 0; i < 2 && status == ESP_OK; i++) {
        char *name = esp_store_beside(path, parts[i]);
        if (name == NULL) {
            status = esp_fail(ESP_MEMORY, "%s: no memory", path);
        } else if (access(name, R_OK | W_OK) != 0 && errno != ENOENT) {
            status = esp_fail(ESP_STORE,
                              "%s: no permission to read and write it (%s): give it those of %s, "
                              "or name another with --db",
                              name, strerror(errno), path);
        }
        free(name);
    }
    return status;
}

static int make_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return ESP_OK;
    }
    char *folder = esp_text_format("%.*s", (int)(slash - path), path);
    if (folder == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    int status = esp_file_make_directories(folder);
    if (status != ESP_OK) {
        status = esp_fail(ESP_STORE, "%s: cannot make its folder: %s; name another with --db", path,
                          esp_message());
    }
    free(folder);
    return status;
}

char *esp_sql_name(const char *path)
{
    return esp_text_format("%s%s", *path == '/' ? "" : "./", path);
}

/* file:PATH?immutable=1, for a database in a folder where no lock file can be made. After file: and
 * two slashes comes a host: none. */
static char *immutable_uri(const char *path)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/";
    char *uri = malloc(3 * strlen(path) + 32);
    if (uri == NULL) {
        return NULL;
    }
    char *next = uri + sprintf(uri, "file:%s", *path == '/' ? "//" : "./");
    for (; *path != '\0'; path++) {
        next += strchr(plain, *path) != NULL ? sprintf(next, "%c", *path)
                                             : sprintf(next, "%%%02X", (unsigned char)*path);
    }
    strcpy(next, "?immutable=1");
    return uri;
}

/* trial_is_held(key): whether a run holds the trial, for queries that show what runs. */
static void trial_is_held(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    const esp_store *store = sqlite3_user_data(context);
    sqlite3_result_int(context, esp_trial_is_held(store->path, sqlite3_value_int64(*values)));
}

/* trial_is_wanted(key): whether a run holds it or means to. */
static void trial_is_wanted(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    const esp_store *store = sqlite3_user_data(context);
    sqlite3_result_int(context, esp_trial_is_wanted(store->path, sqlite3_value_int64(*values)));
}

static int connect_to(esp_store *store, const char *name, int flags)
{
    sqlite3_close(store->db);
    store->db = NULL;
    int code = sqlite3_open_v2(name, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (store->db == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", store->path);
    }
    sqlite3_extended_result_codes(store->db, 1);
    if (code != SQLITE_OK) {
        return esp_sql_fail(store);
    }
    sqlite3_busy_timeout(store->db, store->mode == ESP_STORE_READ ? READ_TIMEOUT : WRITE_TIMEOUT);
    sqlite3_create_function(store->db, "trial_is_held", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, store,
                            trial_is_held, NULL, NULL);
    sqlite3_create_function(store->db, "trial_is_wanted", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, store,
                            trial_is_wanted, NULL, NULL);
    /* A file that is refused must not even be tidied up by closing it. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return ESP_OK;
}

static int connect_to_path(esp_store *store, int flags)
{
    char *name = esp_sql_name(store->path);
    const int status = name != NULL ? connect_to(store, name, flags)
                                    : esp_fail(ESP_MEMORY, "%s: no memory", store->path);
    free(name);
    return status;
}

/* SQLite would let its owner alone write it. Of an empty file it makes a database, and gives its
 * mode to what lies beside it. One that is there is not opened: closing it would drop the locks
 * that this process has on it. */
static int make_file(const char *path)
{
    const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 && errno == EEXIST) {
        return ESP_OK;
    }
    if (file < 0) {
        return esp_fail(ESP_STORE,
                        "%s: %s; look at the permissions of its folder, or name another "
                        "with --db",
                        path, strerror(errno));
    }
    close(file);
    return ESP_OK;
}

/* Whether SQLite left nothing beside the file that belongs to it. */
static bool is_at_rest(const char *path)
{
    static const char *const logs[] = {"-wal", "-journal"};
    bool at_rest = true;
    for (int i = 0; i < 2; i++) {
        struct stat information = {0};
        char *name = esp_store_beside(path, logs[i]);
        at_rest = at_rest && name != NULL &&
                  (stat(name, &information) != 0 ? errno == ENOENT : information.st_size == 0);
        free(name);
    }
    return at_rest;
}

/* Even a reader makes a file, the index of the log. Where it cannot, in a folder it may not write
 * to or on a full disk, the file is read as it is, if that is all there is. */
static int open_for_reading(esp_store *store)
{
    ESP_TRY(connect_to_path(store, SQLITE_OPEN_READONLY));
    sqlite3_stmt *probe = NULL;
    int code =
        sqlite3_prepare_v2(store->db, "SELECT count(*) FROM sqlite_master", -1, &probe, NULL) &
        0xff;
    sqlite3_finalize(probe);
    if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY && code != SQLITE_IOERR &&
        code != SQLITE_FULL) {
        return ESP_OK;
    }
    if (!is_at_rest(store->path)) {
        esp_sql_fail(store);
        return esp_fail_prefix(ESP_STORE,
                               "%s-wal holds results too, and to read them takes the right and the "
                               "room to write beside it; give it, or copy both files elsewhere",
                               store->path);
    }
    char *uri = immutable_uri(store->path);
    if (uri == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", store->path);
    }
    int status = connect_to(store, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    free(uri);
    return status;
}

/* The log is brought into the file every so many pages. It starts over, and shrinks to its limit,
 * when no reader looks at an earlier state: one that looks for hours lets it grow. */
enum { PAGES_PER_CHECKPOINT = 1000, LARGE_LOG_PAGES = 1 << 18 };
static const char log_limit_sql[] = "PRAGMA journal_size_limit = 67108864";

static int after_commit(void *context, sqlite3 *db, const char *schema, int pages)
{
    esp_store *store = context;
    if (pages >= PAGES_PER_CHECKPOINT) {
        sqlite3_wal_checkpoint_v2(db, schema, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    if (pages < PAGES_PER_CHECKPOINT) {
        store->log_is_large = false;
    } else if (pages >= LARGE_LOG_PAGES && !store->log_is_large) {
        store->log_is_large = true;
        esp_log_warning("%s-wal has grown to a gigabyte, since a reader has kept a query open for "
                        "long: end it (a `query` in a pager, an sqlite3 shell?)",
                        store->path);
    }
    return SQLITE_OK; /* a checkpoint that fails now is made later: the commit stands */
}

int esp_store_check_place(esp_store *store)
{
    int moved = 0;
    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (!moved) {
        return ESP_OK;
    }
    sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return esp_fail(
        ESP_STORE,
        "%s: was moved, replaced or removed while this run wrote to it. Finished epochs "
        "are in the file that was moved: put it back, or move %s.checkpoints along and "
        "name it with --db; then the same command goes on",
        store->path, store->path);
}

static int use_log(esp_store *store)
{
    sqlite3_stmt *statement = NULL;
    bool has_row = false;
    ESP_TRY(esp_sql_prepare(&statement, store, "PRAGMA journal_mode = WAL"));
    int status = esp_sql_step(store, statement, &has_row);
    /* Of two that switch to the log at once SQLite turns one away, without waiting. */
    for (int waited = 0; status != ESP_OK && waited < WRITE_TIMEOUT &&
                         (sqlite3_errcode(store->db) & 0xff) == SQLITE_BUSY;
         waited += 10) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        status = esp_sql_step(store, statement, &has_row);
    }
    if (status == ESP_OK && strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0) {
        status = esp_fail(ESP_STORE,
                          "%s: its file system gives no shared memory, which SQLite's write-ahead "
                          "log needs; name another with --db",
                          store->path);
    }
    sqlite3_finalize(statement);
    return status;
}

/* Reading 256 MB takes a second or two; of a larger file `db check` finds what is damaged. */
static bool is_soon_checked(const esp_store *store)
{
    struct stat information;
    return stat(store->path, &information) == 0 && information.st_size <= 256 << 20;
}

static int prepare_for_writing(esp_store *store, int version, const esp_migration *migrations,
                               int count, bool check_all)
{
    if (sqlite3_db_readonly(store->db, "main") == 1) {
        return esp_fail(ESP_STORE, "%s: no permission to write it; name another with --db",
                        store->path);
    }
    if (version > 0 && check_all && is_soon_checked(store)) {
        ESP_TRY(esp_sql_check_all(store));
    }
    if (version > 0) {
        ESP_TRY(use_log(store)); /* a migration's backup reads beside it */
    }
    if (version < migrations[count - 1].version) {
        ESP_TRY(esp_store_migrate(store, migrations, count));
    }
    ESP_TRY(use_log(store));
    ESP_TRY(esp_sql_run(store, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"));
    ESP_TRY(esp_sql_run(store, log_limit_sql));
    sqlite3_wal_hook(store->db, after_commit, store);
    return ESP_OK;
}

int esp_store_connect(esp_store **out, int *version, const char *path, esp_store_mode mode,
                      const esp_migration *migrations, int count)
{
    bool empty = false;
    *out = NULL;
    ESP_TRY(look_at_file(path, mode, &empty));
    if (mode == ESP_STORE_WRITE) {
        ESP_TRY(empty ? make_folder_of(path) : look_at_log(path));
    }
    int status = ESP_OK;
    esp_store *store = calloc(1, sizeof *store);
    if (store == NULL || (store->path = esp_text_format("%s", path)) == NULL) {
        status = esp_fail(ESP_MEMORY, "%s: no memory", path);
        goto out;
    }
    store->mode = mode;
    if (mode == ESP_STORE_READ) {
        ESP_TRY_OUT(open_for_reading(store));
    } else {
        ESP_TRY_OUT(make_file(path));
        ESP_TRY_OUT(connect_to_path(store, SQLITE_OPEN_READWRITE));
    }
    ESP_TRY_OUT(esp_store_check(version, store, migrations, count));
    if (mode == ESP_STORE_READ && *version == 0) {
        status = esp_fail(ESP_NOT_FOUND, "%s: empty: nothing has been run yet", path);
        goto out;
    }
    *out = store;
    store = NULL;
out:
    esp_store_close(store);
    return status;
}

int esp_store_open_with(esp_store **out, const char *path, esp_store_mode mode,
                        const esp_migration *migrations, int count, bool check_all)
{
    int version = 0;
    int status = ESP_OK;
    esp_store *store = NULL;
    *out = NULL;
    if (mode == ESP_STORE_WRITE && check_all) {
        ESP_TRY_OUT(esp_filesystem_check(path));
    }
    ESP_TRY_OUT(esp_store_connect(&store, &version, path, mode, migrations, count));
    if (mode == ESP_STORE_WRITE) {
        ESP_TRY_OUT(prepare_for_writing(store, version, migrations, count, check_all));
    } else if (version < migrations[count - 1].version) {
        status = esp_fail(ESP_STORE,
                          "%s: written by an older espalier (schema version %d, this program reads "
                          "%d): `espalier db migrate` brings it up to date, after a backup",
                          path, version, migrations[count - 1].version);
        goto out;
    }
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    *out = store;
    store = NULL;
out:
    esp_store_close(store);
    return status;
}

int esp_store_open(esp_store **out, const char *path, esp_store_mode mode)
{
    int count = 0;
    const esp_migration *migrations = esp_store_migrations(&count);
    return esp_store_open_with(out, path, mode, migrations, count, true);
}
