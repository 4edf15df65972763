#include "store/check_database.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/status.h"
#include "core/text.h"
#include "store/internal.h"

typedef struct look {
    esp_store *store;
    const char *checkpoints;
    esp_store_finding *tell;
    void *context;
} look;

/* Each row of a query is a finding, its first column the words. */
static int tell_rows(int *n_told, const look *at, bool broken, const char *what, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    bool has_row = false;
    ESP_TRY(esp_sql_prepare(&statement, at->store, sql));
    int status = ESP_OK;
    while ((status = esp_sql_step(at->store, statement, &has_row)) == ESP_OK && has_row) {
        const char *words = (const char *)sqlite3_column_text(statement, 0);
        at->tell(at->context, broken, what, words != NULL ? words : "?");
        *n_told += 1;
    }
    sqlite3_finalize(statement);
    return status;
}

/* The file itself; where it is not sound, other questions would only fail. */
static int check_integrity(bool *sound, const look *at)
{
    int n_told = 0;
    int status = tell_rows(&n_told, at, true, "integrity",
                           "SELECT replace(integrity_check, char(10), ' ') FROM"
                           " pragma_integrity_check WHERE integrity_check <> 'ok'");
    if (status != ESP_OK && (sqlite3_errcode(at->store->db) & 0xff) == SQLITE_CORRUPT) {
        at->tell(at->context, true, "integrity", esp_message());
        n_told++;
        status = ESP_OK;
    }
    *sound = n_told == 0;
    return status;
}

/* What the CHECKs of schema.sql demand: SQLite passes them by on a connection that only reads. */
static const struct {
    const char *table, *column, *sound;
} demands[] = {
    {"revision", "overrides", "json_valid(overrides)"},
    {"revision", "report", "json_valid(report)"},
    {"revision", "variants", "json_valid(variants)"},
    {"cell", "config", "json_valid(config)"},
    {"cell", "identity", "json_valid(identity)"},
    {"trial", "status", "status IN ('planned', 'running', 'done', 'failed', 'interrupted')"},
    {"environment", "content", "json_valid(content)"},
    {"attempt", "status", "status IN ('running', 'done', 'failed', 'interrupted')"},
    {"metric", "split", "split IN ('train', 'validation', 'test')"},
};

static int check_values(const look *at)
{
    for (size_t i = 0; i < sizeof demands / sizeof *demands; i++) {
        int n_told = 0;
        char *sql = esp_text_format(
            "SELECT printf('%s of %s: %%d of %%d rows hold what cannot be there', sum(NOT (%s)),"
            " count(*)) FROM %s HAVING sum(NOT (%s)) > 0",
            demands[i].column, demands[i].table, demands[i].sound, demands[i].table,
            demands[i].sound);
        int status = sql != NULL ? tell_rows(&n_told, at, true, "values", sql)
                                 : esp_fail(ESP_MEMORY, "no memory for SQL");
        free(sql);
        ESP_TRY(status);
    }
    return ESP_OK;
}

static int check_rows(const look *at)
{
    int n_told = 0;
    ESP_TRY(check_values(at));
    ESP_TRY(tell_rows(&n_told, at, true, "foreign key",
                      "SELECT printf('a row of %s has no parent in %s', \"table\", parent)"
                      " FROM pragma_foreign_key_check"));
    ESP_TRY(
        tell_rows(&n_told, at, true, "epochs",
                  "SELECT printf('trial %s: %d epochs are stored from %d to %d: some are missing',"
                  " t.trial_id, count(*), min(e.epoch), max(e.epoch)) FROM epoch e JOIN trial t"
                  " ON t.id = e.trial GROUP BY e.trial"
                  " HAVING min(e.epoch) > 1 OR count(*) <> max(e.epoch) - min(e.epoch) + 1"));
    ESP_TRY(tell_rows(&n_told, at, true, "selection",
                      "SELECT printf('trial %s: %s is epoch %d, which is not stored', t.trial_id,"
                      " s.at, s.epoch) FROM selection s JOIN trial t ON t.id = s.trial"
                      " WHERE NOT EXISTS (SELECT 1 FROM epoch e WHERE e.trial = s.trial"
                      " AND e.epoch = s.epoch)"));
    ESP_TRY(tell_rows(&n_told, at, true, "selection",
                      "SELECT printf('trial %s is done and names no last epoch', t.trial_id)"
                      " FROM trial t WHERE t.status = 'done' AND NOT EXISTS"
                      " (SELECT 1 FROM selection s WHERE s.trial = t.id AND s.at = 'last')"));
    return tell_rows(&n_told, at, false, "digest",
                     "SELECT printf('trial %s, epoch %d: trained again, it came out differently"
                     " (%.12s, then %.12s)', t.trial_id, m.epoch, m.stored, m.found)"
                     " FROM digest_mismatch m JOIN trial t ON t.id = m.trial");
}

/* What is wrong with the last network of a done trial, or "". */
static int check_network(char words[256], const look *at, const char *trial, const char *digest)
{
    words[0] = '\0';
    char found[ESP_SHA256_HEX] = "";
    char *path = esp_text_format("%s/%s/last.safetensors", at->checkpoints, trial);
    if (path == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a path");
    }
    int status = ESP_OK;
    if (access(path, F_OK) != 0) {
        snprintf(words, 256, "trial %s is done and its last.safetensors is not there", trial);
    } else if (digest != NULL && *digest != '\0') {
        status = esp_sha256_file(found, path);
        if (status == ESP_OK && strcmp(found, digest) != 0) {
            snprintf(words, 256, "trial %s: last.safetensors is not the file that was written",
                     trial);
        }
    }
    free(path);
    return status;
}

static int check_networks(const look *at)
{
    sqlite3_stmt *done = NULL;
    bool has_row = false;
    char words[256];
    ESP_TRY(esp_sql_prepare(&done, at->store,
                            "SELECT t.trial_id, a.checkpoint_digest FROM trial t LEFT JOIN attempt"
                            " a ON a.trial = t.id AND a.number = (SELECT max(number) FROM attempt b"
                            " WHERE b.trial = t.id) WHERE t.status = 'done' ORDER BY t.id"));
    int status = ESP_OK;
    while ((status = esp_sql_step(at->store, done, &has_row)) == ESP_OK && has_row) {
        status = check_network(words, at, (const char *)sqlite3_column_text(done, 0),
                               (const char *)sqlite3_column_text(done, 1));
        if (status != ESP_OK) {
            break;
        }
        if (*words != '\0') {
            at->tell(at->context, true, "checkpoint", words);
        }
    }
    sqlite3_finalize(done);
    return status;
}

static int check_folders(const look *at)
{
    sqlite3_stmt *find = NULL;
    struct dirent *entry = NULL;
    DIR *folder = opendir(at->checkpoints);
    if (folder == NULL) {
        return errno == ENOENT ? ESP_OK
                               : esp_fail(ESP_IO, "%s: %s: look at its permissions",
                                          at->checkpoints, strerror(errno));
    }
    int status = esp_sql_prepare(&find, at->store, "SELECT 1 FROM trial WHERE trial_id = ?1");
    while (status == ESP_OK && (entry = readdir(folder)) != NULL) {
        bool has_row = false;
        if (entry->d_name[0] == '.') {
            continue;
        }
        esp_sql_bind_text(find, 1, entry->d_name);
        status = esp_sql_step(at->store, find, &has_row);
        sqlite3_reset(find);
        if (status == ESP_OK && !has_row) {
            char words[512];
            snprintf(words, sizeof words, "%s/%s belongs to no trial of the database",
                     at->checkpoints, entry->d_name);
            at->tell(at->context, false, "checkpoint", words);
        }
    }
    sqlite3_finalize(find);
    closedir(folder);
    return status;
}

int esp_store_look_over(esp_store *store, const char *checkpoints, esp_store_finding *tell,
                        void *context)
{
    const look at = {store, checkpoints, tell, context};
    /* One view of it all, though a run goes on writing. */
    ESP_TRY(esp_sql_run(store, "BEGIN"));
    bool sound = false;
    int status = check_integrity(&sound, &at);
    if (status == ESP_OK && sound) {
        status = check_rows(&at);
    }
    if (status == ESP_OK && sound) {
        status = check_networks(&at);
    }
    if (status == ESP_OK && sound) {
        status = check_folders(&at);
    }
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL); /* nothing was written */
    return status;
}

int esp_store_version(int *version, int *newest, const char *path)
{
    int count = 0;
    esp_store *store = NULL;
    const esp_migration *migrations = esp_store_migrations(&count);
    *newest = migrations[count - 1].version;
    int status = esp_store_connect(&store, version, path, ESP_STORE_READ, migrations, count);
    esp_store_close(store);
    return status;
}
