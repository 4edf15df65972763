/* Planning: studies, revisions, cells and the trials they share. */
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/status.h"
#include "store/internal.h"
#include "store/published.h"

#define NOW "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

/* Every statement of one registration, prepared once. */
typedef struct registration {
    esp_store *store;
    const esp_store_study *study;
    int64_t revision;
    int64_t *cell_keys; /* [n_cells] */
    sqlite3_stmt *add_cell, *add_key, *add_swept, *set_reference;
    sqlite3_stmt *add_trial, *find_trial, *drop_namesake, *add_to_cell;
} registration;

static int begin_writing(esp_store *store)
{
    if (store->mode != ESP_STORE_WRITE) {
        return esp_fail(ESP_STORE, "%s: open for reading only", store->path);
    }
    return esp_sql_run(store, "BEGIN IMMEDIATE");
}

static int hash_revision(char hex[ESP_SHA256_HEX], const esp_store_study *study)
{
    esp_digest *digest = NULL;
    ESP_TRY(esp_digest_create(&digest));
    esp_digest_add(digest, study->text, strlen(study->text) + 1);
    esp_digest_add(digest, study->overrides, strlen(study->overrides) + 1);
    esp_digest_finish(digest, hex);
    return ESP_OK;
}

/* Finds or makes the study and its revision, and makes that the one run last. */
static int put_revision(registration *work)
{
    const esp_store_study *study = work->study;
    char hash[ESP_SHA256_HEX];
    ESP_TRY(hash_revision(hash, study));
    int status = ESP_OK;
    sqlite3_stmt *add_study = NULL, *add = NULL, *point = NULL;
    ESP_TRY_OUT(esp_sql_prepare(&add_study, work->store,
                                "INSERT INTO study (name) VALUES (?1) ON CONFLICT DO NOTHING"));
    esp_sql_bind_text(add_study, 1, study->name);
    ESP_TRY_OUT(esp_sql_step(work->store, add_study, NULL));
    /* The same text may resolve to more under a newer program: what follows from it is renewed. */
    ESP_TRY_OUT(esp_sql_prepare(
        &add, work->store,
        "INSERT INTO revision (study, number, hash, title, source, text, overrides, report,"
        " variants, created_at, last_run_at)"
        " SELECT s.id, 1 + (SELECT count(*) FROM revision r WHERE r.study = s.id), ?2, ?3, ?4, ?5,"
        " ?6, ?7, ?8, " NOW ", " NOW " FROM study s WHERE s.name = ?1"
        " ON CONFLICT (study, hash) DO UPDATE SET last_run_at = excluded.last_run_at,"
        " title = excluded.title, source = excluded.source, report = excluded.report,"
        " variants = excluded.variants RETURNING id"));
    const char *const texts[] = {study->name,   hash,           study->title,
                                 study->source, study->text,    study->overrides,
                                 study->report, study->variants};
    for (int i = 0; i < (int)(sizeof texts / sizeof *texts); i++) {
        esp_sql_bind_text(add, i + 1, texts[i]);
    }
    bool has_row = false;
    ESP_TRY_OUT(esp_sql_step(work->store, add, &has_row));
    work->revision = sqlite3_column_int64(add, 0);
    sqlite3_reset(add);
    ESP_TRY_OUT(esp_sql_prepare(&point, work->store,
                                "UPDATE study SET current_revision = ?2 WHERE name = ?1"));
    esp_sql_bind_text(point, 1, study->name);
    sqlite3_bind_int64(point, 2, work->revision);
    ESP_TRY_OUT(esp_sql_step(work->store, point, NULL));
out:
    sqlite3_finalize(add_study);
    sqlite3_finalize(add);
    sqlite3_finalize(point);
    return status;
}

static int run_on_revision(registration *work, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    ESP_TRY(esp_sql_prepare(&statement, work->store, sql));
    sqlite3_bind_int64(statement, 1, work->revision);
    int status = esp_sql_step(work->store, statement, NULL);
    sqlite3_finalize(statement);
    return status;
}

/* The trials that the revision's cells hold so far, found by seeds: each trial that is put asks
 * whether another identity stands in its place. A cell may have thousands. */
static const char hold_sql[] =
    "CREATE TEMP TABLE held (cell INTEGER, seed_init INTEGER, seed_order INTEGER,"
    " seed_noise INTEGER, trial INTEGER, PRIMARY KEY (cell, seed_init, seed_order, seed_noise,"
    " trial)) WITHOUT ROWID";
static const char fill_held_sql[] =
    "INSERT INTO temp.held SELECT c.id, t.seed_init, t.seed_order, t.seed_noise, t.id FROM cell c"
    " JOIN cell_trial ct ON ct.cell = c.id JOIN trial t ON t.id = ct.trial WHERE c.revision = ?1";
static const char release_sql[] = "DROP TABLE IF EXISTS temp.held";

static int prepare_all(registration *work)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&work->add_cell,
         "INSERT INTO cell (revision, ordinal, variant, label, config, identity)"
         " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (revision, label) DO UPDATE SET"
         " ordinal = excluded.ordinal, variant = excluded.variant, config = excluded.config,"
         " identity = excluded.identity RETURNING id"},
        {&work->add_key, "INSERT INTO cell_key (cell, key, value) VALUES (?1, ?2, ?3)"},
        {&work->add_swept, "INSERT INTO cell_swept (cell, key, value) VALUES (?1, ?2, ?3)"},
        {&work->set_reference, "UPDATE cell SET reference = ?2 WHERE id = ?1"},
        {&work->add_trial,
         "INSERT INTO trial (trial_id, status, seed_init, seed_order, seed_noise, created_at)"
         " VALUES (?1, 'planned', ?2, ?3, ?4, " NOW ") ON CONFLICT (trial_id) DO NOTHING"},
        {&work->find_trial,
         "SELECT t.id, t.status, (SELECT max(epoch) FROM epoch e WHERE e.trial = t.id),"
         " (SELECT max(a.id) FROM attempt a WHERE a.trial = t.id)"
         " FROM trial t WHERE t.trial_id = ?1"},
        /* Another identity for the same cell and seeds: what a newer program trains instead.
         * `+cell` keeps newer SQLite from going through all trials of the cell each time. */
        {&work->drop_namesake,
         "DELETE FROM cell_trial WHERE +cell = ?1 AND trial IN (SELECT trial FROM temp.held"
         " WHERE cell = ?1 AND trial <> ?2 AND seed_init = ?3 AND seed_order = ?4"
         " AND seed_noise = ?5)"
         " RETURNING EXISTS (SELECT 1 FROM epoch e WHERE e.trial = cell_trial.trial)"},
        {&work->add_to_cell,
         "INSERT INTO cell_trial (cell, ordinal, trial, seed) VALUES (?1,"
         " (SELECT coalesce(max(ordinal) + 1, 0) FROM cell_trial WHERE cell = ?1), ?2, ?3)"
         " ON CONFLICT (cell, trial) DO UPDATE SET seed = excluded.seed"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ESP_TRY(esp_sql_prepare(all[i].statement, work->store, all[i].sql));
    }
    return ESP_OK;
}

int esp_store_has_unasked(bool *there, esp_store *store)
{
    int64_t n = 0;
    int status = esp_sql_integer(&n, store,
                                 "SELECT (SELECT count(*) FROM sqlite_master WHERE name ="
                                 " 'unasked_cell') + (SELECT count(*) FROM sqlite_temp_master"
                                 " WHERE name = 'unasked_cell')",
                                 0);
    *there = n > 0;
    return status;
}

/* Notes the new cells that this run asks nothing of, and forgets those that it does ask for. */
static int put_unasked(registration *work)
{
    const esp_store_study *study = work->study;
    bool any = false;
    for (int i = 0; i < study->n_cells; i++) {
        any = any || study->cells[i].unasked;
    }
    if (any) {
        ESP_TRY(esp_sql_run(work->store, ESP_UNASKED_SQL));
    } else {
        ESP_TRY(esp_store_has_unasked(&any, work->store));
    }
    sqlite3_stmt *add = NULL, *drop = NULL;
    int status = ESP_OK;
    if (!any) {
        return ESP_OK;
    }
    ESP_TRY_OUT(esp_sql_prepare(&add, work->store,
                                "INSERT INTO unasked_cell SELECT ?1 WHERE NOT EXISTS"
                                " (SELECT 1 FROM temp.held WHERE cell = ?1)"
                                " ON CONFLICT DO NOTHING"));
    ESP_TRY_OUT(esp_sql_prepare(&drop, work->store, "DELETE FROM unasked_cell WHERE cell = ?1"));
    for (int i = 0; i < study->n_cells; i++) {
        sqlite3_stmt *statement = study->cells[i].unasked ? add : drop;
        sqlite3_bind_int64(statement, 1, work->cell_keys[i]);
        ESP_TRY_OUT(esp_sql_step(work->store, statement, NULL));
    }
out:
    sqlite3_finalize(add);
    sqlite3_finalize(drop);
    return status;
}

static int put_params(registration *work, sqlite3_stmt *add, int64_t cell,
                      const esp_store_param *params, int n_params)
{
    for (int i = 0; i < n_params; i++) {
        sqlite3_bind_int64(add, 1, cell);
        esp_sql_bind_text(add, 2, params[i].key);
        esp_sql_bind_text(add, 3, params[i].value);
        ESP_TRY(esp_sql_step(work->store, add, NULL));
    }
    return ESP_OK;
}

static int put_cells(registration *work)
{
    const esp_store_study *study = work->study;
    /* Ordinals make room first; cells left without one are no longer part of the revision. */
    ESP_TRY(run_on_revision(work, "UPDATE cell SET ordinal = -1 - ordinal, reference = NULL"
                                  " WHERE revision = ?1"));
    ESP_TRY(run_on_revision(work, "DELETE FROM cell_key WHERE cell IN"
                                  " (SELECT id FROM cell WHERE revision = ?1)"));
    ESP_TRY(run_on_revision(work, "DELETE FROM cell_swept WHERE cell IN"
                                  " (SELECT id FROM cell WHERE revision = ?1)"));
    for (int i = 0; i < study->n_cells; i++) {
        const esp_store_cell *cell = &study->cells[i];
        sqlite3_bind_int64(work->add_cell, 1, work->revision);
        sqlite3_bind_int(work->add_cell, 2, i);
        esp_sql_bind_text(work->add_cell, 3, cell->variant);
        esp_sql_bind_text(work->add_cell, 4, cell->label);
        esp_sql_bind_text(work->add_cell, 5, cell->config);
        esp_sql_bind_text(work->add_cell, 6, cell->identity);
        bool has_row = false;
        ESP_TRY(esp_sql_step(work->store, work->add_cell, &has_row));
        work->cell_keys[i] = sqlite3_column_int64(work->add_cell, 0);
        sqlite3_reset(work->add_cell);
        ESP_TRY(put_params(work, work->add_key, work->cell_keys[i], cell->params, cell->n_params));
        ESP_TRY(put_params(work, work->add_swept, work->cell_keys[i], cell->swept, cell->n_swept));
    }
    for (int i = 0; i < study->n_cells; i++) {
        int reference = study->cells[i].reference;
        if (reference >= 0 && reference < study->n_cells) {
            sqlite3_bind_int64(work->set_reference, 1, work->cell_keys[i]);
            sqlite3_bind_int64(work->set_reference, 2, work->cell_keys[reference]);
            ESP_TRY(esp_sql_step(work->store, work->set_reference, NULL));
        }
    }
    ESP_TRY(run_on_revision(work, "DELETE FROM published WHERE cell IN"
                                  " (SELECT id FROM cell WHERE revision = ?1 AND ordinal < 0)"));
    ESP_TRY(run_on_revision(work, "DELETE FROM cell_trial WHERE cell IN"
                                  " (SELECT id FROM cell WHERE revision = ?1 AND ordinal < 0)"));
    return run_on_revision(work, "DELETE FROM cell WHERE revision = ?1 AND ordinal < 0");
}

static esp_trial_status status_of(const char *name)
{
    for (int i = ESP_TRIAL_PLANNED; i <= ESP_TRIAL_INTERRUPTED; i++) {
        if (strcmp(name, esp_trial_status_name((esp_trial_status)i)) == 0) {
            return (esp_trial_status)i;
        }
    }
    return ESP_TRIAL_PLANNED;
}

static int read_trial(esp_store *store, sqlite3_stmt *find, esp_store_trial *trial)
{
    bool has_row = false;
    esp_sql_bind_text(find, 1, trial->id);
    ESP_TRY(esp_sql_step(store, find, &has_row));
    trial->key = has_row ? sqlite3_column_int64(find, 0) : 0;
    trial->status =
        has_row ? status_of((const char *)sqlite3_column_text(find, 1)) : ESP_TRIAL_PLANNED;
    trial->epochs_done = has_row ? sqlite3_column_int(find, 2) : 0;
    trial->latest_attempt = has_row ? sqlite3_column_int64(find, 3) : 0;
    sqlite3_reset(find);
    return ESP_OK;
}

static int put_trial(registration *work, esp_store_trial *trial)
{
    int64_t cell = work->cell_keys[trial->cell];
    const int64_t seeds[] = {(int64_t)trial->seed_init, (int64_t)trial->seed_order,
                             (int64_t)trial->seed_noise};
    esp_sql_bind_text(work->add_trial, 1, trial->id);
    for (int i = 0; i < 3; i++) {
        sqlite3_bind_int64(work->add_trial, 2 + i, seeds[i]);
        sqlite3_bind_int64(work->drop_namesake, 3 + i, seeds[i]);
    }
    ESP_TRY(esp_sql_step(work->store, work->add_trial, NULL));
    ESP_TRY(read_trial(work->store, work->find_trial, trial));
    sqlite3_bind_int64(work->drop_namesake, 1, cell);
    sqlite3_bind_int64(work->drop_namesake, 2, trial->key);
    bool dropped = false;
    ESP_TRY(esp_sql_step(work->store, work->drop_namesake, &dropped));
    trial->displaces = dropped && sqlite3_column_int(work->drop_namesake, 0) != 0;
    sqlite3_reset(work->drop_namesake);
    sqlite3_bind_int64(work->add_to_cell, 1, cell);
    sqlite3_bind_int64(work->add_to_cell, 2, trial->key);
    esp_sql_bind_text(work->add_to_cell, 3, trial->seed);
    return esp_sql_step(work->store, work->add_to_cell, NULL);
}

static int put_study(registration *work, esp_store_trial *trials)
{
    ESP_TRY(put_revision(work));
    ESP_TRY(esp_sql_run(work->store, hold_sql));
    ESP_TRY(run_on_revision(work, fill_held_sql));
    ESP_TRY(prepare_all(work));
    ESP_TRY(put_cells(work));
    ESP_TRY(put_unasked(work));
    for (int i = 0; i < work->study->n_trials; i++) {
        ESP_TRY(put_trial(work, &trials[i]));
    }
    return ESP_OK;
}

int esp_store_register(esp_store *store, esp_store_study *study)
{
    registration work = {.store = store, .study = study};
    work.cell_keys = calloc((size_t)study->n_cells + 1, sizeof *work.cell_keys);
    if (work.cell_keys == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for %d cells", study->name, study->n_cells);
    }
    int status = begin_writing(store);
    if (status == ESP_OK) {
        status = put_study(&work, study->trials);
        /* A statement that is still open would hold the transaction back. */
        sqlite3_finalize(work.add_cell);
        sqlite3_finalize(work.add_key);
        sqlite3_finalize(work.add_swept);
        sqlite3_finalize(work.set_reference);
        sqlite3_finalize(work.add_trial);
        sqlite3_finalize(work.find_trial);
        sqlite3_finalize(work.drop_namesake);
        sqlite3_finalize(work.add_to_cell);
        sqlite3_exec(store->db, release_sql, NULL, NULL, NULL);
        status = esp_sql_end(store, status);
    }
    free(work.cell_keys);
    return status;
}

int esp_store_lookup(esp_store *store, esp_store_trial *trials, int n_trials)
{
    sqlite3_stmt *find = NULL;
    ESP_TRY(esp_sql_prepare(&find, store,
                            "SELECT t.id, t.status, (SELECT max(epoch) FROM epoch e WHERE"
                            " e.trial = t.id),"
                            " (SELECT max(a.id) FROM attempt a WHERE a.trial = t.id)"
                            " FROM trial t WHERE t.trial_id = ?1"));
    int status = ESP_OK;
    for (int i = 0; i < n_trials && status == ESP_OK; i++) {
        status = read_trial(store, find, &trials[i]);
    }
    sqlite3_finalize(find);
    return status;
}

/* ---- published figures -------------------------------------------------------------------------
 */

static void bind_published(sqlite3_stmt *statement, const char *study,
                           const esp_store_published *row)
{
    const char *const texts[] = {study,      row->variant, row->cell,
                                 row->split, row->metric,  row->routing};
    for (int i = 0; i < 6; i++) {
        esp_sql_bind_text(statement, i + 1, texts[i]);
    }
    esp_sql_bind_real(statement, 7, row->best);
    esp_sql_bind_real(statement, 8, row->spread);
    esp_sql_bind_text(statement, 9, row->spread_is);
    sqlite3_bind_int(statement, 10, row->runs);
    esp_sql_bind_text(statement, 11, row->source);
}

static int put_published(esp_store *store, const char *study, const esp_store_published *rows,
                         int n)
{
    int status = ESP_OK;
    sqlite3_stmt *clear = NULL, *add = NULL;
    ESP_TRY_OUT(esp_sql_prepare(&clear, store,
                                "DELETE FROM published WHERE revision ="
                                " (SELECT current_revision FROM study WHERE name = ?1)"));
    esp_sql_bind_text(clear, 1, study);
    ESP_TRY_OUT(esp_sql_step(store, clear, NULL));
    ESP_TRY_OUT(esp_sql_prepare(
        &add, store,
        "INSERT INTO published SELECT c.revision, c.id, ?4, ?5, ?6, ?7, ?8, ?9, nullif(?10, 0), ?11"
        " FROM study s JOIN cell c ON c.revision = s.current_revision"
        " WHERE s.name = ?1 AND c.variant = ?2 AND c.label = ?3"));
    for (int i = 0; i < n; i++) {
        const esp_store_published *row = &rows[i];
        bind_published(add, study, row);
        ESP_TRY_OUT(esp_sql_step(store, add, NULL));
        if (sqlite3_changes(store->db) == 0) {
            status = esp_fail(ESP_NOT_FOUND, "%s: study '%s' has no cell '%s' of variant '%s'",
                              store->path, study, row->cell, row->variant);
            goto out;
        }
    }
out:
    sqlite3_finalize(clear);
    sqlite3_finalize(add);
    return status;
}

int esp_store_set_published(esp_store *store, const char *study, const esp_store_published *rows,
                            int n)
{
    ESP_TRY(begin_writing(store));
    return esp_sql_end(store, put_published(store, study, rows, n));
}

int esp_store_published_stands(bool *stands, esp_store *store, const char *study,
                               const esp_store_published *rows, int n)
{
    int status = ESP_OK;
    sqlite3_stmt *count = NULL, *find = NULL;
    bool has_row = false;
    ESP_TRY_OUT(esp_sql_prepare(&count, store,
                                "SELECT count(*) FROM published WHERE revision ="
                                " (SELECT current_revision FROM study WHERE name = ?1)"));
    esp_sql_bind_text(count, 1, study);
    ESP_TRY_OUT(esp_sql_step(store, count, &has_row));
    *stands = has_row && sqlite3_column_int(count, 0) == n;
    ESP_TRY_OUT(esp_sql_prepare(
        &find, store,
        "SELECT 1 FROM study s JOIN cell c ON c.revision = s.current_revision AND c.label = ?3"
        " JOIN published p ON p.revision = c.revision AND p.cell = c.id WHERE s.name = ?1"
        " AND c.variant = ?2 AND p.split = ?4 AND p.metric = ?5 AND p.routing = ?6"
        " AND p.published_best IS ?7 AND p.published_spread IS ?8 AND p.spread_is IS ?9"
        " AND p.runs IS nullif(?10, 0) AND p.source = ?11"));
    for (int i = 0; i < n && *stands; i++) {
        bind_published(find, study, &rows[i]);
        ESP_TRY_OUT(esp_sql_step(store, find, stands));
        sqlite3_reset(find);
    }
out:
    sqlite3_finalize(count);
    sqlite3_finalize(find);
    return status;
}
