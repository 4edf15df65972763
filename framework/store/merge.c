/* The rows of one results database into another, set by set: all is SQL over an attached copy. */
#include "store/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/status.h"
#include "core/text.h"
#include "store/backup.h"
#include "store/check_database.h"
#include "store/internal.h"
#include "store/lock.h"
#include "store/merge_checkpoints.h"

/* Which revision is the one run last, by what each database knows of the other and by no clock:
 * ours stays unless theirs was run since. That is so where this one has none; where theirs went on
 * from our revision to one that is new here; or where theirs saw our last run of it (the time noted
 * for it is the same, down to the millisecond) and then ran another. Asked before anything is
 * added. */
static const char find_pointers[] =
    "CREATE TEMP TABLE pointer AS SELECT o.name, r.hash, r.last_run_at AS run_at,"
    " s.id AS study, s.current_revision AS ours, 0 AS theirs,"
    " c.id IS NULL OR (c.hash <> r.hash AND k.id IS NOT NULL AND"
    " (k.last_run_at = c.last_run_at OR NOT EXISTS (SELECT 1 FROM main.revision x"
    "  WHERE x.study = s.id AND x.hash = r.hash))) AS moves,"
    " c.id IS NOT NULL AND c.hash <> r.hash AS differs"
    " FROM other.study o JOIN other.revision r ON r.id = o.current_revision"
    " LEFT JOIN main.study s ON s.name = o.name"
    " LEFT JOIN main.revision c ON c.id = s.current_revision"
    " LEFT JOIN other.revision k ON k.study = o.id AND k.hash = c.hash;";

/* Which of ours each of theirs is, after what is new was added. */
static const char add_plans[] =
    "INSERT INTO main.metric (split, name) SELECT split, name FROM other.metric WHERE true"
    " ON CONFLICT DO NOTHING;"
    "INSERT INTO main.environment (hash, content) SELECT hash, content FROM other.environment"
    " WHERE true ORDER BY id ON CONFLICT DO NOTHING;"
    "INSERT INTO main.study (name) SELECT name FROM other.study WHERE true ORDER BY id"
    " ON CONFLICT DO NOTHING;"

    "INSERT INTO main.revision (study, number, hash, title, source, text, overrides, report,"
    " variants, created_at, last_run_at)"
    " SELECT s.id, (SELECT coalesce(max(number), 0) FROM main.revision x WHERE x.study = s.id)"
    " + row_number() OVER (PARTITION BY s.id ORDER BY r.number), r.hash, r.title, r.source,"
    " r.text, r.overrides, r.report, r.variants, r.created_at, r.last_run_at"
    " FROM other.revision r JOIN other.study o ON o.id = r.study"
    " JOIN main.study s ON s.name = o.name WHERE NOT EXISTS"
    " (SELECT 1 FROM main.revision x WHERE x.study = s.id AND x.hash = r.hash);"
    "UPDATE temp.pointer SET study = s.id, theirs = x.id FROM main.study s JOIN main.revision x"
    " ON x.study = s.id WHERE s.name = pointer.name AND x.hash = pointer.hash;"
    "CREATE TEMP TABLE revision_map AS SELECT r.id AS theirs, x.id AS ours"
    " FROM other.revision r JOIN other.study o ON o.id = r.study"
    " JOIN main.study s ON s.name = o.name"
    " JOIN main.revision x ON x.study = s.id AND x.hash = r.hash;"
    "UPDATE main.study SET current_revision = p.theirs FROM temp.pointer p"
    " WHERE p.study = study.id AND p.moves;"
    "UPDATE main.revision SET last_run_at = p.run_at FROM temp.pointer p"
    " WHERE p.theirs = revision.id AND p.moves;"

    "CREATE TEMP TABLE new_cell AS SELECT c.id AS theirs, m.ours AS revision, c.label"
    " FROM other.cell c JOIN temp.revision_map m ON m.theirs = c.revision WHERE NOT EXISTS"
    " (SELECT 1 FROM main.cell x WHERE x.revision = m.ours AND x.label = c.label);"
    "INSERT INTO main.cell (revision, ordinal, variant, label, config, identity)"
    " SELECT n.revision, (SELECT coalesce(max(ordinal), -1) FROM main.cell x"
    " WHERE x.revision = n.revision)"
    " + row_number() OVER (PARTITION BY n.revision ORDER BY c.ordinal),"
    " c.variant, c.label, c.config, c.identity FROM temp.new_cell n"
    " JOIN other.cell c ON c.id = n.theirs;"
    "CREATE TEMP TABLE cell_map AS SELECT c.id AS theirs, x.id AS ours, c.reference,"
    " c.identity = x.identity AS alike FROM other.cell c"
    " JOIN temp.revision_map m ON m.theirs = c.revision"
    " JOIN main.cell x ON x.revision = m.ours AND x.label = c.label;"
    "UPDATE main.cell SET reference = r.ours FROM temp.cell_map m JOIN temp.cell_map r"
    " ON r.theirs = m.reference WHERE m.ours = cell.id"
    " AND m.theirs IN (SELECT theirs FROM temp.new_cell);"
    "INSERT INTO main.cell_key SELECT m.ours, k.key, k.value FROM temp.new_cell n"
    " JOIN temp.cell_map m USING (theirs) JOIN other.cell_key k ON k.cell = n.theirs;"
    "INSERT INTO main.cell_swept SELECT m.ours, k.key, k.value FROM temp.new_cell n"
    " JOIN temp.cell_map m USING (theirs) JOIN other.cell_swept k ON k.cell = n.theirs;"
    "INSERT INTO main.published SELECT r.ours, m.ours, p.split, p.metric, p.routing,"
    " p.published_best, p.published_spread, p.spread_is, p.runs, p.source FROM temp.new_cell n"
    " JOIN temp.cell_map m USING (theirs) JOIN other.published p ON p.cell = n.theirs"
    " JOIN temp.revision_map r ON r.theirs = p.revision;";

/* deed: added, replaced, conflict, same or kept (further here than there). shift: attempts of both
 * are kept, theirs after ours. differs: the first epoch that does. */
static const char add_trials[] =
    "CREATE TEMP TABLE progress (status TEXT PRIMARY KEY, rank INTEGER);"
    "INSERT INTO temp.progress VALUES ('planned', 0), ('running', 1), ('interrupted', 1),"
    " ('failed', 1), ('done', 2);"
    "CREATE TEMP TABLE trial_map (theirs INTEGER PRIMARY KEY, ours INTEGER, deed TEXT,"
    " shift INTEGER, differs INTEGER);"
    "INSERT INTO temp.trial_map SELECT o.id, t.id, CASE WHEN t.id IS NULL THEN 'added'"
    " WHEN p.rank > q.rank THEN 'replaced' WHEN p.rank < q.rank THEN 'kept' ELSE 'same' END,"
    " (SELECT coalesce(max(number), 0) FROM main.attempt a WHERE a.trial = t.id),"
    " (SELECT min(a.epoch) FROM other.epoch a JOIN main.epoch b ON b.trial = t.id"
    "  AND b.epoch = a.epoch WHERE a.trial = o.id AND a.digest <> b.digest)"
    " FROM other.trial o JOIN temp.progress p ON p.status = o.status"
    " LEFT JOIN main.trial t ON t.trial_id = o.trial_id"
    " LEFT JOIN temp.progress q ON q.status = t.status"
    " WHERE o.id IN (SELECT ct.trial FROM other.cell_trial ct"
    "  JOIN temp.cell_map m ON m.theirs = ct.cell WHERE m.alike);"
    "UPDATE temp.trial_map SET deed = 'conflict' WHERE deed IN "
    "('same', 'kept')"
    " AND differs IS NOT NULL;"
    /* No run lives there: what it calls running was cut off. */
    "INSERT INTO main.trial (trial_id, status, seed_init, "
    "seed_order, seed_noise, created_at)"
    " SELECT o.trial_id, replace(o.status, 'running', "
    "'interrupted'), o.seed_init, o.seed_order,"
    " o.seed_noise, o.created_at FROM other.trial o JOIN "
    "temp.trial_map m ON m.theirs = o.id"
    " WHERE m.deed = 'added' ORDER BY o.id;"
    "UPDATE temp.trial_map SET ours = (SELECT t.id FROM main.trial "
    "t JOIN other.trial o"
    " ON o.trial_id = t.trial_id WHERE o.id = theirs) WHERE deed = "
    "'added';"
    "UPDATE main.trial SET status = (SELECT replace(o.status, "
    "'running', 'interrupted')"
    " FROM temp.trial_map m JOIN other.trial o ON o.id = m.theirs "
    "WHERE m.ours = trial.id)"
    " WHERE id IN (SELECT ours FROM temp.trial_map WHERE deed = "
    "'replaced');"
    "INSERT INTO main.cell_trial (cell, ordinal, trial, seed)"
    " SELECT c.ours, (SELECT coalesce(max(ordinal), -1) FROM "
    "main.cell_trial x"
    " WHERE x.cell = c.ours) + row_number() OVER (PARTITION BY "
    "c.ours ORDER BY ct.ordinal),"
    " m.ours, ct.seed FROM other.cell_trial ct JOIN temp.cell_map "
    "c ON c.theirs = ct.cell"
    " JOIN temp.trial_map m ON m.theirs = ct.trial WHERE c.alike "
    "AND NOT EXISTS"
    " (SELECT 1 FROM main.cell_trial x WHERE x.cell = c.ours AND "
    "x.trial = m.ours);"

    "CREATE TEMP TABLE copied AS SELECT * FROM temp.trial_map "
    "WHERE deed IN ('added', 'replaced');"
    "INSERT INTO main.attempt (trial, number, status, environment, "
    "host, process, first_epoch,"
    " started_at, ended_at, seconds, epochs, message, peak_memory, "
    "checkpoint_digest)"
    " SELECT m.ours, a.number + m.shift, replace(a.status, "
    "'running', 'interrupted'), n.id, a.host,"
    " a.process, a.first_epoch, a.started_at, a.ended_at, "
    "a.seconds, a.epochs, a.message,"
    " a.peak_memory, a.checkpoint_digest FROM other.attempt a"
    " JOIN temp.copied m ON m.theirs = a.trial JOIN "
    "other.environment e ON e.id = a.environment"
    " JOIN main.environment n ON n.hash = e.hash ORDER BY a.id;"
    "CREATE TEMP TABLE attempt_map AS SELECT a.id AS theirs, b.id "
    "AS ours FROM other.attempt a"
    " JOIN temp.copied m ON m.theirs = a.trial"
    " JOIN main.attempt b ON b.trial = m.ours AND b.number = "
    "a.number + m.shift;"

    "INSERT INTO main.digest_mismatch (trial, epoch, stored, "
    "found, attempt, at)"
    " SELECT m.ours, a.epoch, b.digest, a.digest, n.ours,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM temp.copied m"
    " JOIN other.epoch a ON a.trial = m.theirs JOIN main.epoch b "
    "ON b.trial = m.ours"
    " AND b.epoch = a.epoch JOIN temp.attempt_map n ON n.theirs = "
    "a.attempt"
    " WHERE a.digest <> b.digest;"
    "DELETE FROM main.epoch_metric WHERE trial IN (SELECT ours "
    "FROM temp.copied);"
    "DELETE FROM main.epoch WHERE trial IN (SELECT ours FROM "
    "temp.copied);"
    "DELETE FROM main.selection WHERE trial IN (SELECT ours FROM "
    "temp.copied);";

static const char add_rows[] =
    "INSERT INTO main.epoch_metric SELECT m.ours, x.epoch, n.id, x.value FROM temp.copied m"
    " JOIN other.epoch_metric x ON x.trial = m.theirs JOIN other.metric o ON o.id = x.metric"
    " JOIN main.metric n ON n.split = o.split AND n.name = o.name;"
    "INSERT INTO main.selection SELECT m.ours, s.at, s.epoch, s.monitor FROM temp.copied m"
    " JOIN other.selection s ON s.trial = m.theirs;"
    "INSERT INTO main.digest_mismatch (trial, epoch, stored, found, attempt, at)"
    " SELECT m.ours, d.epoch, d.stored, d.found, n.ours, d.at FROM temp.copied m"
    " JOIN other.digest_mismatch d ON d.trial = m.theirs"
    " JOIN temp.attempt_map n ON n.theirs = d.attempt ORDER BY d.id;";

/* All columns of an epoch, those of later versions too. */
static int add_epochs(esp_store *store)
{
    sqlite3_stmt *columns = NULL;
    bool has_row = false;
    ESP_TRY(esp_sql_prepare(&columns, store,
                            "SELECT group_concat(name, ', ') FROM pragma_table_info('epoch')"
                            " WHERE name NOT IN ('trial', 'attempt')"));
    int status = esp_sql_step(store, columns, &has_row);
    char *sql = NULL;
    if (status == ESP_OK) {
        const char *names = (const char *)sqlite3_column_text(columns, 0);
        sql = esp_text_format("INSERT INTO main.epoch (trial, attempt, %s) SELECT m.ours, n.ours, "
                              "%s FROM temp.copied m JOIN other.epoch e ON e.trial = m.theirs "
                              "JOIN temp.attempt_map n ON n.theirs = e.attempt",
                              names, names);
    }
    sqlite3_finalize(columns);
    if (status == ESP_OK) {
        status = sql != NULL ? esp_sql_run(store, sql) : esp_fail(ESP_MEMORY, "no memory for SQL");
    }
    free(sql);
    return status;
}

static const char conflicts_sql[] =
    "SELECT printf('study %s, cell %s: resolved to another configuration there; its trials are"
    " left out', s.name, c.label) FROM temp.cell_map m JOIN main.cell c ON c.id = m.ours"
    " JOIN main.revision r ON r.id = c.revision JOIN main.study s ON s.id = r.study"
    " WHERE NOT m.alike"
    " UNION ALL SELECT printf('trial %s: epoch %d differs (%.12s here, %.12s there); kept as it is"
    " here', t.trial_id, m.differs, b.digest, a.digest) FROM temp.trial_map m"
    " JOIN main.trial t ON t.id = m.ours JOIN main.epoch b ON b.trial = m.ours"
    " AND b.epoch = m.differs JOIN other.epoch a ON a.trial = m.theirs"
    " AND a.epoch = m.differs"
    " WHERE m.deed = 'conflict'";

static int tell_conflicts(esp_merge_count *count, esp_store *store, const esp_merge_tell *tell)
{
    sqlite3_stmt *rows = NULL;
    bool has_row = false;
    ESP_TRY(esp_sql_prepare(&rows, store, conflicts_sql));
    int status = ESP_OK;
    while ((status = esp_sql_step(store, rows, &has_row)) == ESP_OK && has_row) {
        tell->conflict(tell->context, (const char *)sqlite3_column_text(rows, 0));
        count->conflicts++;
    }
    sqlite3_finalize(rows);
    return status;
}

static const char pointers_sql[] =
    "SELECT p.name, a.number, b.number, p.moves FROM temp.pointer p"
    " JOIN main.revision a ON a.id = p.ours JOIN main.revision b ON b.id = p.theirs"
    " WHERE p.differs ORDER BY p.study";

static int tell_latest(esp_store *store, const esp_merge_tell *tell)
{
    sqlite3_stmt *rows = NULL;
    bool has_row = false;
    ESP_TRY(esp_sql_prepare(&rows, store, pointers_sql));
    int status = ESP_OK;
    while ((status = esp_sql_step(store, rows, &has_row)) == ESP_OK && has_row) {
        tell->latest(tell->context, (const char *)sqlite3_column_text(rows, 0),
                     sqlite3_column_int(rows, 1), sqlite3_column_int(rows, 2),
                     sqlite3_column_int(rows, 3) != 0);
    }
    sqlite3_finalize(rows);
    return status;
}

static int count_all(esp_merge_count *count, esp_store *store, int64_t revisions)
{
    int64_t now = 0;
    ESP_TRY(esp_sql_integer(&now, store, "SELECT count(*) FROM main.revision", 0));
    count->revisions = now - revisions;
    const struct {
        int64_t *count;
        const char *sql;
    } all[] = {
        {&count->cells, "SELECT count(*) FROM temp.new_cell"},
        {&count->added, "SELECT count(*) FROM temp.trial_map WHERE deed = 'added'"},
        {&count->replaced, "SELECT count(*) FROM temp.trial_map WHERE deed = 'replaced'"},
        {&count->same, "SELECT count(*) FROM temp.trial_map WHERE deed IN ('same', 'kept')"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ESP_TRY(esp_sql_integer(all[i].count, store, all[i].sql, 0));
    }
    return ESP_OK;
}

/* A cell that is new here stays unasked for; one that a run has asked for there is so no more. */
static int merge_unasked(esp_store *store)
{
    int64_t theirs = 0;
    bool ours = false;
    ESP_TRY(esp_sql_integer(
        &theirs, store, "SELECT count(*) FROM other.sqlite_master WHERE name = 'unasked_cell'", 0));
    ESP_TRY(esp_store_has_unasked(&ours, store));
    if (ours && theirs > 0) {
        ESP_TRY(esp_sql_run(store, "DELETE FROM main.unasked_cell WHERE cell IN (SELECT m.ours FROM"
                                   " temp.cell_map m WHERE m.theirs NOT IN (SELECT cell FROM"
                                   " other.unasked_cell))"));
    } else if (ours) {
        ESP_TRY(esp_sql_run(store, "DELETE FROM main.unasked_cell WHERE cell IN"
                                   " (SELECT ours FROM temp.cell_map)"));
    }
    return theirs == 0 ? ESP_OK
                       : esp_sql_run(store, ESP_UNASKED_SQL
                                     ";INSERT INTO main.unasked_cell SELECT m.ours FROM"
                                     " temp.new_cell n JOIN temp.cell_map m USING (theirs)"
                                     " JOIN other.unasked_cell u ON u.cell = n.theirs WHERE true"
                                     " ON CONFLICT DO NOTHING");
}

static int merge_rows(esp_merge_count *count, esp_store *store, const esp_merge_tell *tell)
{
    int64_t revisions = 0;
    ESP_TRY(esp_sql_integer(&revisions, store, "SELECT count(*) FROM main.revision", 0));
    ESP_TRY(esp_sql_run(store, find_pointers));
    ESP_TRY(esp_sql_run(store, add_plans));
    ESP_TRY(esp_sql_run(store, add_trials));
    ESP_TRY(merge_unasked(store));
    ESP_TRY(add_epochs(store));
    ESP_TRY(esp_sql_run(store, add_rows));
    ESP_TRY(tell_latest(store, tell));
    ESP_TRY(tell_conflicts(count, store, tell));
    return count_all(count, store, revisions);
}

/* A last network that was missing here came back from there, where another study may have trained
 * the trial: the same network, in a file that names that study. */
static const char take_digest[] =
    "UPDATE main.attempt SET checkpoint_digest = (SELECT a.checkpoint_digest FROM other.attempt a"
    " JOIN temp.trial_map m ON m.theirs = a.trial WHERE m.ours = ?1 ORDER BY a.number DESC LIMIT 1)"
    " WHERE trial = ?1 AND number = (SELECT max(number) FROM main.attempt b WHERE b.trial = ?1)";

static int take_their_digest(esp_store *store, int64_t trial)
{
    sqlite3_stmt *update = NULL;
    bool has_row = false;
    ESP_TRY(esp_sql_prepare(&update, store, take_digest));
    sqlite3_bind_int64(update, 1, trial);
    int status = esp_sql_step(store, update, &has_row);
    sqlite3_finalize(update);
    return status;
}

/* Before the rows are committed: no trial is ever done without its checkpoints. What a failure
 * leaves of them is a folder of no trial, or is ahead of its trial, which a run then trains anew.
 */
static int merge_checkpoints(esp_store *store, const char *other)
{
    sqlite3_stmt *rows = NULL;
    bool has_row = false;
    ESP_TRY(esp_sql_prepare(&rows, store,
                            "SELECT t.trial_id, m.deed <> 'same', t.id FROM temp.trial_map m"
                            " JOIN main.trial t ON t.id = m.ours"
                            " WHERE m.deed IN ('added', 'replaced', 'same')"));
    int status = ESP_OK;
    while ((status = esp_sql_step(store, rows, &has_row)) == ESP_OK && has_row) {
        bool took_last = false;
        status = esp_merge_checkpoints(&took_last, store->path, other,
                                       (const char *)sqlite3_column_text(rows, 0),
                                       sqlite3_column_int(rows, 1) != 0);
        if (status == ESP_OK && took_last && sqlite3_column_int(rows, 1) == 0) {
            status = take_their_digest(store, sqlite3_column_int64(rows, 2));
        }
        if (status != ESP_OK) {
            break;
        }
    }
    sqlite3_finalize(rows);
    return status == ESP_IO || status == ESP_USAGE
               ? esp_fail(ESP_STORE,
                          "%s; nothing was merged: make it readable or free some space, "
                          "and merge again",
                          esp_message())
               : status;
}

/* A copy is one view of a file that others may use, and works where nothing can be written. */
static int copy_other(char **copy, const char *path, const char *other)
{
    esp_store *from = NULL;
    int status = esp_store_open(&from, other, ESP_STORE_READ);
    if (status != ESP_OK) {
        return status == ESP_STORE ? esp_fail_prefix(status, "merging into %s", path) : status;
    }
    status = esp_store_copy_beside(copy, path, from);
    esp_store_close(from);
    return status;
}

int esp_store_may_merge(const char *path, const char *other)
{
    int version = 0, newest = 0;
    struct stat into, from;
    if (stat(path, &into) == 0 && stat(other, &from) == 0 && into.st_ino == from.st_ino &&
        into.st_dev == from.st_dev) {
        return esp_fail(ESP_USAGE, "%s: is the database that others are merged into (--db)", other);
    }
    esp_inputs inputs = {0};
    esp_store_inputs(&inputs, other);
    int status = esp_inputs_spare(&inputs, path);
    if (status == ESP_OK) {
        status = esp_store_spare_beside(&inputs, path);
    }
    esp_inputs_free(&inputs);
    ESP_TRY(status);
    ESP_TRY(esp_store_version(&version, &newest, other));
    return esp_store_has_runner(other)
               ? esp_fail(ESP_STORE, "%s: a run is writing to it; merge it when that has ended",
                          other)
               : ESP_OK;
}

int esp_store_merge(esp_merge_count *count, esp_store *store, const char *other,
                    const esp_merge_tell *tell)
{
    bool attached = false;
    int64_t n_tables = 0;
    sqlite3_stmt *attach = NULL;
    *count = (esp_merge_count){0};
    char *copy = NULL, *name = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(copy_other(&copy, store->path, other));
    name = esp_sql_name(copy);
    if (name == NULL) {
        status = esp_fail(ESP_MEMORY, "%s: no memory", store->path);
        goto out;
    }
    ESP_TRY_OUT(esp_sql_prepare(&attach, store, "ATTACH ?1 AS other"));
    esp_sql_bind_text(attach, 1, name);
    ESP_TRY_OUT(esp_sql_step(store, attach, NULL));
    attached = true;
    /* Read once it is open, and needs its name no more: nothing is left of a merge that is killed
     * from here on. */
    ESP_TRY_OUT(esp_sql_integer(&n_tables, store, "SELECT count(*) FROM other.sqlite_master", 0));
    remove(copy);
    free(copy);
    copy = NULL;
    ESP_TRY_OUT(esp_sql_run(store, "BEGIN IMMEDIATE"));
    status = merge_rows(count, store, tell);
    if (status == ESP_OK) {
        status = merge_checkpoints(store, other);
    }
    status = esp_sql_end(store, status);
out:
    sqlite3_finalize(attach);
    if (attached) {
        sqlite3_exec(store->db,
                     "DROP TABLE IF EXISTS temp.pointer; DROP TABLE IF EXISTS temp.revision_map;"
                     " DROP TABLE IF EXISTS temp.new_cell;"
                     "DROP TABLE IF EXISTS temp.cell_map; DROP TABLE IF EXISTS temp.progress; DROP "
                     "TABLE IF EXISTS temp.trial_map;"
                     "DROP TABLE IF EXISTS temp.copied; DROP TABLE IF EXISTS temp.attempt_map;"
                     "DETACH other",
                     NULL, NULL, NULL);
    }
    if (copy != NULL) {
        remove(copy);
    }
    free(name);
    free(copy);
    return status;
}
