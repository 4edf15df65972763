/* Records of a run into tables. */
#include "store/recorder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/log.h"
#include "core/status.h"
#include "core/text.h"

#define NOW "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

typedef struct known_metric {
    esp_split split;
    char *name;
    int64_t id;
} known_metric;

struct esp_recorder {
    esp_store *store;
    sqlite3_stmt *add_environment, *abandon, *add_attempt, *set_trial;
    sqlite3_stmt *stored_digest, *add_mismatch, *drop_metrics, *drop_epoch, *put_epoch;
    sqlite3_stmt *add_metric, *put_metric;
    sqlite3_stmt *end_attempt, *drop_selections, *add_selection, *drop_metrics_past,
        *drop_epochs_past;
    int n_metrics;
    known_metric *metrics; /* ids seen so far, so that an epoch costs no lookups */
    size_t json_capacity[ESP_N_SPLITS];
    char *json[ESP_N_SPLITS];
};

typedef struct statement_text {
    sqlite3_stmt **statement;
    const char *sql;
} statement_text;

static int prepare_all(esp_recorder *recorder)
{
    const statement_text all[] = {
        {&recorder->add_environment, "INSERT INTO environment (hash, content) VALUES (?1, ?2)"
                                     " ON CONFLICT (hash) DO UPDATE SET hash = hash RETURNING id"},
        /* Attempts whose runner died without a word. */
        {&recorder->abandon,
         "UPDATE attempt SET status = 'interrupted', message = 'the runner ended without a word'"
         " WHERE trial = ?1 AND status = 'running'"},
        {&recorder->add_attempt,
         "INSERT INTO attempt (trial, number, status, environment, host, process, first_epoch,"
         " started_at) VALUES (?1, 1 + (SELECT coalesce(max(number), 0) FROM attempt WHERE"
         " trial = ?1), 'running', ?2, ?3, ?4, ?5, " NOW ")"},
        {&recorder->set_trial, "UPDATE trial SET status = ?2 WHERE id = ?1"},
        {&recorder->stored_digest,
         "SELECT e.digest, t.trial_id, EXISTS (SELECT 1 FROM digest_mismatch m WHERE"
         " m.trial = ?1 AND m.attempt = ?3) FROM epoch e JOIN trial t ON t.id = e.trial"
         " WHERE e.trial = ?1 AND e.epoch = ?2"},
        {&recorder->add_mismatch,
         "INSERT INTO digest_mismatch (trial, epoch, stored, found, attempt, at)"
         " VALUES (?1, ?2, ?3, ?4, ?5, " NOW ")"},
        {&recorder->drop_metrics, "DELETE FROM epoch_metric WHERE trial = ?1 AND epoch = ?2"},
        {&recorder->drop_epoch, "DELETE FROM epoch WHERE trial = ?1 AND epoch = ?2"},
        {&recorder->add_metric,
         "INSERT INTO metric (split, name) VALUES (?1, ?2)"
         " ON CONFLICT (split, name) DO UPDATE SET name = name RETURNING id"},
        {&recorder->put_metric,
         "INSERT INTO epoch_metric (trial, epoch, metric, value) VALUES (?1, ?2, ?3, ?4)"
         " ON CONFLICT (trial, epoch, metric) DO NOTHING"},
        {&recorder->end_attempt,
         "UPDATE attempt SET status = ?3, ended_at = " NOW ", seconds = ?4, epochs = ?5,"
         " message = nullif(?6, ''), peak_memory = ?7, checkpoint_digest = nullif(?8, '')"
         " WHERE trial = ?1 AND id = coalesce(nullif(?2, 0),"
         " (SELECT max(id) FROM attempt WHERE trial = ?1))"},
        {&recorder->drop_selections, "DELETE FROM selection WHERE trial = ?1"},
        {&recorder->add_selection,
         "INSERT INTO selection (trial, at, epoch, monitor) VALUES (?1, ?2, ?3, ?4)"},
        /* What an earlier attempt stored past the end of this one. */
        {&recorder->drop_metrics_past, "DELETE FROM epoch_metric WHERE trial = ?1 AND epoch > ?2"},
        {&recorder->drop_epochs_past, "DELETE FROM epoch WHERE trial = ?1 AND epoch > ?2"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ESP_TRY(esp_sql_prepare(all[i].statement, recorder->store, all[i].sql));
    }
    return ESP_OK;
}

/* The columns of epoch that may be absent and be added later, in the order they are bound. */
enum { FIRST_KEPT = 6, N_KEPT = 3 + 2 + ESP_N_SPLITS * ESP_N_METRICS + ESP_N_SPLITS };

static int prepare_put_epoch(esp_recorder *recorder)
{
    char names[N_KEPT][40];
    int n = 0;
    snprintf(names[n++], sizeof *names, "learning_rate");
    snprintf(names[n++], sizeof *names, "seconds");
    snprintf(names[n++], sizeof *names, "digest");
    snprintf(names[n++], sizeof *names, "train_running_loss");
    snprintf(names[n++], sizeof *names, "train_running_soft_accuracy");
    for (int split = 0; split < ESP_N_SPLITS; split++) {
        for (int metric = 0; metric < ESP_N_METRICS; metric++) {
            snprintf(names[n++], sizeof *names, "%s_%s", esp_split_name((esp_split)split),
                     esp_metric_name((esp_metric)metric));
        }
    }
    for (int split = 0; split < ESP_N_SPLITS; split++) {
        snprintf(names[n++], sizeof *names, "%s_leaf_counts", esp_split_name((esp_split)split));
    }
    sqlite3_str *sql = sqlite3_str_new(recorder->store->db);
    sqlite3_str_appendall(sql, "INSERT INTO epoch (trial, epoch, phase, phase_epoch, attempt");
    for (int i = 0; i < n; i++) {
        sqlite3_str_appendf(sql, ", %s", names[i]);
    }
    sqlite3_str_appendall(sql, ") VALUES (?1, ?2, ?3, ?4, ?5");
    for (int i = 0; i < n; i++) {
        sqlite3_str_appendf(sql, ", ?%d", FIRST_KEPT + i);
    }
    sqlite3_str_appendall(sql, ") ON CONFLICT (trial, epoch) DO UPDATE SET");
    for (int i = 0; i < n; i++) {
        sqlite3_str_appendf(sql, "%s %s = coalesce(%s, excluded.%s)", i > 0 ? "," : "", names[i],
                            names[i], names[i]);
    }
    char *text = sqlite3_str_finish(sql);
    if (text == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a statement");
    }
    int status = esp_sql_prepare(&recorder->put_epoch, recorder->store, text);
    sqlite3_free(text);
    return status;
}

int esp_recorder_create(esp_recorder **out, esp_store *store)
{
    esp_recorder *recorder = calloc(1, sizeof *recorder);
    *out = NULL;
    if (recorder == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the writer");
    }
    recorder->store = store;
    int status = prepare_all(recorder);
    if (status == ESP_OK) {
        status = prepare_put_epoch(recorder);
    }
    if (status != ESP_OK) {
        esp_recorder_destroy(recorder);
        return status;
    }
    *out = recorder;
    return ESP_OK;
}

void esp_recorder_destroy(esp_recorder *recorder)
{
    if (recorder == NULL) {
        return;
    }
    sqlite3_stmt *const all[] = {
        recorder->add_environment, recorder->abandon,       recorder->add_attempt,
        recorder->set_trial,       recorder->stored_digest, recorder->add_mismatch,
        recorder->drop_metrics,    recorder->drop_epoch,    recorder->put_epoch,
        recorder->add_metric,      recorder->put_metric,    recorder->end_attempt,
        recorder->drop_selections, recorder->add_selection, recorder->drop_metrics_past,
        recorder->drop_epochs_past};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        sqlite3_finalize(all[i]);
    }
    for (int i = 0; i < recorder->n_metrics; i++) {
        free(recorder->metrics[i].name);
    }
    for (int i = 0; i < ESP_N_SPLITS; i++) {
        free(recorder->json[i]);
    }
    free(recorder->metrics);
    free(recorder);
}

static int set_trial(esp_recorder *recorder, int64_t trial, esp_trial_status trial_status)
{
    sqlite3_bind_int64(recorder->set_trial, 1, trial);
    esp_sql_bind_text(recorder->set_trial, 2, esp_trial_status_name(trial_status));
    ESP_TRY(esp_sql_step(recorder->store, recorder->set_trial, NULL));
    if (sqlite3_changes(recorder->store->db) == 0) {
        return esp_fail(ESP_STORE, "%s: no trial with key %" PRId64, recorder->store->path, trial);
    }
    return ESP_OK;
}

int esp_recorder_begin(int64_t *attempt_key, esp_recorder *recorder, const esp_begin_record *record)
{
    esp_store *store = recorder->store;
    char hash[ESP_SHA256_HEX];
    ESP_TRY(esp_sha256(hash, record->environment, strlen(record->environment)));
    esp_sql_bind_text(recorder->add_environment, 1, hash);
    esp_sql_bind_text(recorder->add_environment, 2, record->environment);
    bool has_row = false;
    ESP_TRY(esp_sql_step(store, recorder->add_environment, &has_row));
    int64_t environment = sqlite3_column_int64(recorder->add_environment, 0);
    sqlite3_reset(recorder->add_environment);
    ESP_TRY(set_trial(recorder, record->trial_key, ESP_TRIAL_RUNNING));
    sqlite3_bind_int64(recorder->abandon, 1, record->trial_key);
    ESP_TRY(esp_sql_step(store, recorder->abandon, NULL));
    sqlite3_stmt *add = recorder->add_attempt;
    sqlite3_bind_int64(add, 1, record->trial_key);
    sqlite3_bind_int64(add, 2, environment);
    esp_sql_bind_text(add, 3, record->host);
    sqlite3_bind_int64(add, 4, record->process);
    sqlite3_bind_int(add, 5, record->first_epoch);
    ESP_TRY(esp_sql_step(store, add, NULL));
    *attempt_key = sqlite3_last_insert_rowid(store->db);
    return ESP_OK;
}

/* ---- epochs ------------------------------------------------------------------------------------
 */

static int note_mismatch(esp_recorder *recorder, const esp_epoch_record *record, const char *stored,
                         const char *trial_id, bool noted)
{
    /* Once an attempt: every later epoch differs too. */
    if (!noted) {
        esp_log_warning("trial %s, epoch %d: trained again, it came out differently (digest %.12s "
                        "was stored, %.12s found); the new rows are kept, table digest_mismatch "
                        "has the list",
                        trial_id, record->epoch, stored, record->digest);
    }
    sqlite3_stmt *add = recorder->add_mismatch;
    sqlite3_bind_int64(add, 1, record->trial_key);
    sqlite3_bind_int(add, 2, record->epoch);
    sqlite3_bind_text(add, 3, stored, -1, SQLITE_TRANSIENT);
    esp_sql_bind_text(add, 4, record->digest);
    sqlite3_bind_int64(add, 5, record->attempt_key);
    return esp_sql_step(recorder->store, add, NULL);
}

/* Takes an epoch that was stored before it was trained again away: nothing of it may stay beside
 * the new one. Where it came out differently, that is noted. */
static int drop_stored(esp_recorder *recorder, const esp_epoch_record *record)
{
    sqlite3_stmt *find = recorder->stored_digest;
    sqlite3_bind_int64(find, 1, record->trial_key);
    sqlite3_bind_int(find, 2, record->epoch);
    sqlite3_bind_int64(find, 3, record->attempt_key);
    bool has_row = false;
    ESP_TRY(esp_sql_step(recorder->store, find, &has_row));
    const char *stored = has_row ? (const char *)sqlite3_column_text(find, 0) : NULL;
    const bool has_digest = record->digest != NULL && *record->digest != '\0';
    int status = ESP_OK;
    if (stored != NULL && has_digest && strcmp(stored, record->digest) != 0) {
        status = note_mismatch(recorder, record, stored, (const char *)sqlite3_column_text(find, 1),
                               sqlite3_column_int(find, 2) != 0);
    }
    sqlite3_reset(find);
    sqlite3_stmt *const drops[] = {recorder->drop_metrics, recorder->drop_epoch};
    for (int i = 0; i < 2 && has_row && status == ESP_OK; i++) {
        sqlite3_bind_int64(drops[i], 1, record->trial_key);
        sqlite3_bind_int(drops[i], 2, record->epoch);
        status = esp_sql_step(recorder->store, drops[i], NULL);
    }
    return status;
}

/* counts [n] as a JSON array, in a buffer of the recorder. */
static int write_counts(esp_recorder *recorder, esp_split split, const int64_t *counts, int n)
{
    size_t needed = (size_t)n * 21 + 3;
    if (needed > recorder->json_capacity[split]) {
        char *larger = realloc(recorder->json[split], needed);
        if (larger == NULL) {
            return esp_fail(ESP_MEMORY, "no memory for the counts of %d leaves", n);
        }
        recorder->json[split] = larger;
        recorder->json_capacity[split] = needed;
    }
    char *next = recorder->json[split];
    *next++ = '[';
    for (int i = 0; i < n; i++) {
        next += sprintf(next, "%s%" PRId64, i > 0 ? "," : "", counts[i]);
    }
    strcpy(next, "]");
    return ESP_OK;
}

static int put_epoch(esp_recorder *recorder, const esp_epoch_record *record)
{
    sqlite3_stmt *put = recorder->put_epoch;
    sqlite3_bind_int64(put, 1, record->trial_key);
    sqlite3_bind_int(put, 2, record->epoch);
    esp_sql_bind_text(put, 3, record->phase != NULL ? record->phase : "");
    sqlite3_bind_int(put, 4, record->phase_epoch);
    sqlite3_bind_int64(put, 5, record->attempt_key);
    int next = FIRST_KEPT;
    esp_sql_bind_real(put, next++, record->learning_rate);
    esp_sql_bind_real(put, next++, record->seconds);
    bool has_digest = record->digest != NULL && *record->digest != '\0';
    esp_sql_bind_text(put, next++, has_digest ? record->digest : NULL);
    esp_sql_bind_real(put, next++, record->running_loss);
    esp_sql_bind_real(put, next++, record->running_soft_accuracy);
    for (int split = 0; split < ESP_N_SPLITS; split++) {
        for (int metric = 0; metric < ESP_N_METRICS; metric++) {
            esp_sql_bind_real(put, next++, record->metrics[split][metric]);
        }
    }
    for (int split = 0; split < ESP_N_SPLITS; split++) {
        const int64_t *counts = record->n_leaves > 0 ? record->leaf_counts[split] : NULL;
        if (counts != NULL) {
            ESP_TRY(write_counts(recorder, (esp_split)split, counts, record->n_leaves));
        }
        esp_sql_bind_text(put, next++, counts != NULL ? recorder->json[split] : NULL);
    }
    return esp_sql_step(recorder->store, put, NULL);
}

static int metric_id(int64_t *id, esp_recorder *recorder, esp_split split, const char *name)
{
    for (int i = 0; i < recorder->n_metrics; i++) {
        const known_metric *known = &recorder->metrics[i];
        if (known->split == split && strcmp(known->name, name) == 0) {
            *id = known->id;
            return ESP_OK;
        }
    }
    esp_sql_bind_text(recorder->add_metric, 1, esp_split_name(split));
    esp_sql_bind_text(recorder->add_metric, 2, name);
    bool has_row = false;
    ESP_TRY(esp_sql_step(recorder->store, recorder->add_metric, &has_row));
    *id = sqlite3_column_int64(recorder->add_metric, 0);
    sqlite3_reset(recorder->add_metric);
    known_metric *larger =
        realloc(recorder->metrics, sizeof *larger * (size_t)(recorder->n_metrics + 1));
    if (larger != NULL) {
        recorder->metrics = larger;
    }
    char *copy = larger != NULL ? esp_text_format("%s", name) : NULL;
    if (copy == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for metric '%s'", name);
    }
    recorder->metrics[recorder->n_metrics++] =
        (known_metric){.split = split, .name = copy, .id = *id};
    return ESP_OK;
}

int esp_recorder_epoch(esp_recorder *recorder, const esp_epoch_record *record)
{
    if (!record->supplements) {
        ESP_TRY(drop_stored(recorder, record));
    }
    ESP_TRY(put_epoch(recorder, record));
    for (int i = 0; i < record->n_extra; i++) {
        const esp_extra_metric *extra = &record->extra[i];
        int64_t id = 0;
        if (isnan(extra->value)) {
            continue;
        }
        ESP_TRY(metric_id(&id, recorder, extra->split, extra->name));
        sqlite3_stmt *put = recorder->put_metric;
        sqlite3_bind_int64(put, 1, record->trial_key);
        sqlite3_bind_int(put, 2, record->epoch);
        sqlite3_bind_int64(put, 3, id);
        sqlite3_bind_double(put, 4, extra->value);
        ESP_TRY(esp_sql_step(recorder->store, put, NULL));
    }
    return ESP_OK;
}

/* ---- ends --------------------------------------------------------------------------------------
 */

static int drop_epochs_past(esp_recorder *recorder, int64_t trial, int last)
{
    sqlite3_stmt *const drops[] = {recorder->drop_metrics_past, recorder->drop_epochs_past};
    for (int i = 0; i < 2; i++) {
        sqlite3_bind_int64(drops[i], 1, trial);
        sqlite3_bind_int(drops[i], 2, last);
        ESP_TRY(esp_sql_step(recorder->store, drops[i], NULL));
    }
    return ESP_OK;
}

int esp_recorder_end(esp_recorder *recorder, const esp_end_record *record)
{
    esp_store *store = recorder->store;
    ESP_TRY(set_trial(recorder, record->trial_key, record->status));
    sqlite3_stmt *end = recorder->end_attempt;
    sqlite3_bind_int64(end, 1, record->trial_key);
    sqlite3_bind_int64(end, 2, record->attempt_key);
    esp_sql_bind_text(end, 3, esp_trial_status_name(record->status));
    esp_sql_bind_real(end, 4, record->seconds);
    sqlite3_bind_int(end, 5, record->epochs);
    esp_sql_bind_text(end, 6, record->message);
    sqlite3_bind_int64(end, 7, record->peak_memory);
    esp_sql_bind_text(end, 8, record->checkpoint_digest);
    ESP_TRY(esp_sql_step(store, end, NULL));
    if (record->attempt_key != 0 && sqlite3_changes(store->db) == 0) {
        return esp_fail(ESP_STORE, "%s: no attempt with key %" PRId64, store->path,
                        record->attempt_key);
    }
    sqlite3_bind_int64(recorder->drop_selections, 1, record->trial_key);
    ESP_TRY(esp_sql_step(store, recorder->drop_selections, NULL));
    for (int i = 0; i < record->n_selections; i++) {
        const esp_selection_record *selection = &record->selections[i];
        sqlite3_bind_int64(recorder->add_selection, 1, record->trial_key);
        esp_sql_bind_text(recorder->add_selection, 2, selection->at);
        sqlite3_bind_int(recorder->add_selection, 3, selection->epoch);
        esp_sql_bind_text(recorder->add_selection, 4, selection->monitor);
        ESP_TRY(esp_sql_step(store, recorder->add_selection, NULL));
        if (record->status == ESP_TRIAL_DONE && strcmp(selection->at, "last") == 0) {
            ESP_TRY(drop_epochs_past(recorder, record->trial_key, selection->epoch));
        }
    }
    return ESP_OK;
}
