/* Rows for other programs: one SELECT each, so that SQLite streams them. */
#include "report/export.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "core/text_pool.h"
#include "report/export_sql.h"

static const char *const names[] = {"runs", "metrics", "leaf_load"};
enum { N_NAMES = sizeof names / sizeof *names };

int esp_export_what_parse(esp_export_what *out, const char *name)
{
    for (int i = 0; i < N_NAMES; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (esp_export_what)i;
            return ESP_OK;
        }
    }
    const char *meant = esp_text_suggest(name, names, N_NAMES);
    return esp_fail(ESP_USAGE, "--what '%s'%s%s%s: runs, metrics or leaf_load", name,
                    meant ? ", did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

/* ---- parameters that all of them share --------------------------------------------------------
 */

/* The metrics asked for, as JSON. Owned by the caller, NULL without memory. */
static char *metrics_json(const esp_export_request *request)
{
    json_t *array = json_array();
    for (int i = 0; i < request->n_metrics; i++) {
        json_array_append_new(array, json_string(request->metrics[i]));
    }
    char *text = json_dumps(array, 0);
    json_decref(array);
    return text;
}

int esp_export_ask(esp_rows **out, esp_store *store, const esp_export_request *request,
                   const char *sql)
{
    *out = NULL;
    char *metrics = request->n_metrics > 0 ? metrics_json(request) : NULL;
    int status = request->n_metrics > 0 && metrics == NULL
                     ? esp_fail(ESP_MEMORY, "no memory for the metrics")
                     : esp_rows_open(out, store, sql);
    if (status == ESP_OK) {
        status = esp_rows_bind_text(*out, ":study", request->study);
    }
    if (status == ESP_OK) {
        status = esp_rows_bind_text(*out, ":metrics", metrics);
    }
    if (status == ESP_OK && request->revision > 0) {
        status = esp_rows_bind_integer(*out, ":revision", request->revision);
    }
    if (status != ESP_OK) {
        esp_rows_close(*out);
        *out = NULL;
    }
    free(metrics);
    return status;
}

int esp_export_check_metrics(esp_store *store, const esp_export_request *request)
{
    esp_text_pool pool = {0};
    const char *known[512];
    size_t n = 0;
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT split || '.' || name FROM metric ORDER BY id LIMIT 512"));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        known[n++] = esp_pool_format(&pool, "%s", esp_rows_text(rows, 0));
    }
    for (int i = 0; i < request->n_metrics; i++) {
        const char *meant = esp_text_suggest(request->metrics[i], known, n);
        if (meant == NULL || strcmp(meant, request->metrics[i]) != 0) {
            status = esp_fail(ESP_USAGE, "no metric '%s' is recorded%s%s%s", request->metrics[i],
                              meant ? "; did you mean '" : "; write SPLIT.METRIC, as in ",
                              meant ? meant : "test.hard_accuracy", meant ? "'?" : "");
            goto out;
        }
    }
    status = esp_pool_status(&pool);
out:
    esp_rows_close(rows);
    esp_pool_free(&pool);
    return status;
}

/* ---- metrics and leaf loads -------------------------------------------------------------------
 */

#define IDENTITY                                                                                   \
    "t.study, t.revision, t.variant, t.cell, t.seed, t.seed_init, t.seed_order, t.seed_noise,"     \
    " t.trial_id, t.status"

/* Epoch by epoch: what the view learning_curve unites comes table by table. */
static const char metrics_sql[] =
    "WITH m AS MATERIALIZED (SELECT m.id, m.split, m.name FROM metric m WHERE " ESP_EXPORT_METRIC
    " ORDER BY m.id) SELECT study, revision, variant, cell, seed, seed_init, seed_order, "
    "seed_noise, trial_id,"
    " status, epoch, phase, phase_epoch, split, metric, value FROM (SELECT " IDENTITY
    ", e.epoch, e.phase, e.phase_epoch, m.split, m.name AS metric, CASE WHEN m.id <= 14 THEN"
    " (SELECT v.value FROM wide_value v WHERE v.trial = e.trial AND v.epoch = e.epoch"
    " AND v.split = m.split AND v.metric = m.name)"
    " ELSE (SELECT x.value FROM epoch_metric x WHERE x.trial = e.trial AND x.epoch = e.epoch"
    " AND x.metric = m.id) END AS value"
    " FROM study_trial t CROSS JOIN epoch e ON e.trial = t.trial_key CROSS JOIN m"
    " WHERE " ESP_EXPORT_TRIALS ") WHERE value IS NOT NULL";

static const char leaf_load_sql[] =
    "SELECT " IDENTITY ", e.epoch, e.phase, e.phase_epoch, s.column2 AS split, j.key AS leaf,"
    " j.value AS count FROM study_trial t CROSS JOIN epoch e ON e.trial = t.trial_key"
    " CROSS JOIN (VALUES (1, 'train'), (2, 'validation'), (3, 'test')) s"
    " CROSS JOIN json_each(CASE s.column1 WHEN 1 THEN e.train_leaf_counts"
    " WHEN 2 THEN e.validation_leaf_counts ELSE e.test_leaf_counts END) j"
    " WHERE " ESP_EXPORT_TRIALS;

/* ---- runs: a column for each key and each metric ----------------------------------------------
 */

/* A growing text. */
typedef struct sql_text {
    char *text;
    size_t length;
    FILE *out;
} sql_text;

/* text between quotes, which are doubled inside. */
static void quoted(FILE *out, char quote, const char *text)
{
    fputc(quote, out);
    for (; *text != '\0'; text++) {
        fputc(*text, out);
        if (*text == quote) {
            fputc(quote, out);
        }
    }
    fputc(quote, out);
}

/* Numbers as numbers, as far as the text is one. */
/* The value of a key, a number where it is one; nothing where it is an empty map. heads: the names
 * of a cell's heads, whose own keys are columns of theirs. */
static void add_key(FILE *out, const char *key)
{
    if (strcmp(key, "heads") == 0) {
        fputs(", (SELECT group_concat(h.name, ' ') FROM (SELECT DISTINCT"
              " substr(k.key, 7, instr(substr(k.key, 7) || '.', '.') - 1) AS name FROM cell_key k"
              " WHERE k.cell = t.cell_key AND k.key LIKE 'heads._%' ORDER BY 1) h) AS heads",
              out);
        return;
    }
    fputs(", (SELECT CASE WHEN k.value = '{}' THEN NULL WHEN json_valid(k.value) AND "
          "json_type(k.value) IN ('integer', 'real')"
          " THEN json_extract(k.value, '$') ELSE k.value END FROM cell_key k"
          " WHERE k.cell = t.cell_key AND k.key = ",
          out);
    quoted(out, '\'', key);
    fputs(") AS ", out);
    quoted(out, '"', key);
}

static int add_keys(FILE *out, esp_store *store, const esp_export_request *request)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_export_ask(&rows, store, request,
                               "SELECT DISTINCT k.key FROM study_cell t CROSS JOIN cell_key k"
                               " ON k.cell = t.cell_key WHERE " ESP_EXPORT_TRIALS
                               " UNION SELECT 'heads' ORDER BY 1"));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        add_key(out, esp_rows_text(rows, 0));
    }
out:
    esp_rows_close(rows);
    return status;
}

/* Columns to out, joins to joins: for each `at` its epoch, what chose it, and its metrics. */
static int add_metrics(FILE *out, FILE *joins, esp_store *store, const esp_export_request *request)
{
    esp_rows *rows = NULL;
    esp_text_pool pool = {0};
    const char *last = NULL;
    bool has_row = false;
    int n_ats = 0, status = ESP_OK;
    ESP_TRY_OUT(esp_export_ask(
        &rows, store, request,
        "SELECT DISTINCT t.at, m.id, m.split, m.name FROM trial_final_all t"
        " JOIN metric m ON m.split = t.split AND m.name = t.metric WHERE " ESP_EXPORT_TRIALS
        " AND " ESP_EXPORT_METRIC " ORDER BY t.at = 'last', t.at, m.id"));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        const char *at = esp_rows_text(rows, 0);
        if (last == NULL || strcmp(at, last) != 0) {
            n_ats++;
            fprintf(joins,
                    " LEFT JOIN selection s%d ON s%d.trial = t.trial_key AND s%d.at = ", n_ats,
                    n_ats, n_ats);
            quoted(joins, '\'', at);
            fputs(" AND t.status IN ('done', 'failed', 'interrupted')", joins);
            last = esp_pool_format(&pool, "%s", at);
            fprintf(out, ", s%d.epoch AS ", n_ats);
            quoted(out, '"', esp_pool_format(&pool, "%s.epoch", at));
            if (strcmp(at, "last") != 0) {
                fprintf(out, ", s%d.monitor AS ", n_ats);
                quoted(out, '"', esp_pool_format(&pool, "%s.monitor", at));
            }
        }
        fprintf(out,
                esp_rows_integer(rows, 1) <= 14
                    ? ", (SELECT v.value FROM wide_value v JOIN metric m ON m.split = v.split"
                      " AND m.name = v.metric WHERE v.trial = s%d.trial AND v.epoch = s%d.epoch"
                      " AND m.id = %d) AS "
                    : ", (SELECT x.value FROM epoch_metric x WHERE x.trial = s%d.trial"
                      " AND x.epoch = s%d.epoch AND x.metric = %d) AS ",
                n_ats, n_ats, (int)esp_rows_integer(rows, 1));
        quoted(
            out, '"',
            esp_pool_format(&pool, "%s.%s.%s", at, esp_rows_text(rows, 2), esp_rows_text(rows, 3)));
    }
    status = esp_pool_status(&pool);
out:
    esp_rows_close(rows);
    esp_pool_free(&pool);
    return status;
}

/* The SELECT for runs; owned by the caller. */
static int write_runs_sql(char **sql, esp_store *store, const esp_export_request *request)
{
    sql_text columns = {0}, joins = {0};
    int status = ESP_OK;
    columns.out = open_memstream(&columns.text, &columns.length);
    joins.out = open_memstream(&joins.text, &joins.length);
    if (columns.out == NULL || joins.out == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for a query");
        goto out;
    }
    fputs("SELECT " IDENTITY
          ", (SELECT max(e.epoch) FROM epoch e WHERE e.trial = t.trial_key) AS epochs,"
          " (SELECT count(*) FROM attempt a WHERE a.trial = t.trial_key) AS attempts,"
          " (SELECT sum(a.seconds) FROM attempt a WHERE a.trial = t.trial_key) AS seconds,"
          " l.started_at, l.ended_at, l.host, l.message",
          columns.out);
    fputs(" FROM study_trial t LEFT JOIN attempt l ON l.id ="
          " (SELECT max(a.id) FROM attempt a WHERE a.trial = t.trial_key)",
          joins.out);
    ESP_TRY_OUT(add_keys(columns.out, store, request));
    ESP_TRY_OUT(add_metrics(columns.out, joins.out, store, request));
    fputs(" WHERE " ESP_EXPORT_TRIALS, joins.out);
    if (fflush(columns.out) != 0 || fflush(joins.out) != 0 ||
        (*sql = esp_text_format("%s%s", columns.text, joins.text)) == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for a query");
    }
out:
    if (columns.out != NULL) {
        fclose(columns.out);
    }
    if (joins.out != NULL) {
        fclose(joins.out);
    }
    free(columns.text);
    free(joins.text);
    return status;
}

int esp_export_rows(esp_rows **out, esp_store *store, const esp_export_request *request)
{
    if (request->what != ESP_EXPORT_RUNS) {
        return esp_export_ask(out, store, request,
                              request->what == ESP_EXPORT_METRICS ? metrics_sql : leaf_load_sql);
    }
    char *sql = NULL;
    int status = write_runs_sql(&sql, store, request);
    if (status == ESP_OK) {
        status = esp_export_ask(out, store, request, sql);
    }
    free(sql);
    return status;
}
