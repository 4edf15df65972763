/* What the page of a study asks for, again and again while it runs. */
#include <inttypes.h>
#include <stdlib.h>

#include "core/status.h"
#include "report/palette.h"
#include "report/status_sql.h"
#include "serve/data.h"
#include "serve/json_out.h"
#include "store/lock.h"

/* ---- all studies ----------------------------------------------------------------------------- */

#define RUNNING_COLUMNS                                                                            \
    "state, study, cell, seed, trial_id, host, process, started_at, phase, epoch, epochs,"         \
    " rate AS epochs_per_second, seconds_left FROM left_over "
#define RUNNING_ORDER "ORDER BY state DESC, started_at, trial_id"

int esp_serve_studies(FILE *out, esp_store *store, const esp_request *request)
{
    const esp_data_values none = {0};
    fputs("{\"database\": ", out);
    esp_json_put_text(out, request->database);
    fprintf(out, ", \"runner\": %s,\n", esp_store_has_runner(request->database) ? "true" : "false");
    ESP_TRY(esp_data_table(out, "studies", store, ESP_STUDIES_SQL, &none));
    fputs(",\n", out);
    ESP_TRY(esp_data_table(out, "running", store,
                           ESP_RUNNING_SQL "SELECT " RUNNING_COLUMNS RUNNING_ORDER, &none));
    fputs("}\n", out);
    return ESP_OK;
}

/* ---- a study --------------------------------------------------------------------------------- */

static const char cells_sql[] = "SELECT cell_key AS key, variant, cell AS label FROM study_cell"
                                " WHERE study = :study AND latest = 1 ORDER BY ordinal";

static const char swept_sql[] = "SELECT c.cell_key AS cell, s.key, s.value FROM study_cell c"
                                " CROSS JOIN cell_swept s ON s.cell = c.cell_key"
                                " WHERE c.study = :study AND c.latest = 1"
                                " ORDER BY s.key, c.ordinal";

/* Metrics of each cell's first trial that has any, at its last epoch. */
static const char metrics_sql[] =
    "WITH sample AS MATERIALIZED (SELECT trial, (SELECT max(epoch) FROM epoch e"
    "  WHERE e.trial = p.trial) AS epoch FROM (SELECT (SELECT ct.trial FROM cell_trial ct"
    "   WHERE ct.cell = c.cell_key AND EXISTS (SELECT 1 FROM epoch e WHERE e.trial = ct.trial)"
    "   LIMIT 1) AS trial FROM study_cell c WHERE c.study = :study AND c.latest = 1) p)"
    " SELECT v.split || '.' || v.metric AS metric FROM sample s CROSS JOIN wide_value v"
    "  ON v.trial = s.trial AND v.epoch = s.epoch WHERE v.value IS NOT NULL"
    " UNION SELECT v.split || '.' || v.metric FROM sample s CROSS JOIN tall_value v"
    "  ON v.trial = s.trial AND v.epoch = s.epoch ORDER BY metric";

static const char ats_sql[] =
    "SELECT at, group_concat(DISTINCT nullif(monitor, '')) AS monitor FROM"
    " (SELECT DISTINCT s.at, s.monitor FROM study_trial t CROSS JOIN selection s"
    "  ON s.trial = t.trial_key WHERE t.study = :study AND t.latest = 1)"
    " GROUP BY at ORDER BY at LIKE 'selected%' DESC, at";

/* value: at the epoch asked for, NULL where the trial has not ended. */
static const char trials_sql[] =
    "SELECT t.trial_id, t.cell_key AS cell, t.seed, CASE WHEN t.status = 'running' AND NOT"
    "  " ESP_TRIAL_LIVES_SQL " THEN 'cut off' ELSE t.status END AS status,"
    " (SELECT max(epoch) FROM epoch e WHERE e.trial = t.trial_key) AS epochs,"
    " (SELECT sum(seconds) FROM attempt a WHERE a.trial = t.trial_key) AS seconds, s.epoch,"
    " coalesce((SELECT v.value FROM wide_value v WHERE v.trial = s.trial AND v.epoch = s.epoch"
    "   AND v.split = :split AND v.metric = :metric),"
    "  (SELECT v.value FROM tall_value v WHERE v.trial = s.trial AND v.epoch = s.epoch"
    "   AND v.split = :split AND v.metric = :metric)) AS value,"
    " CASE WHEN t.status = 'failed' THEN (SELECT a.message FROM attempt a"
    "  WHERE a.trial = t.trial_key ORDER BY a.number DESC LIMIT 1) END AS message"
    " FROM study_trial t CROSS JOIN cell c ON c.id = t.cell_key"
    " LEFT JOIN selection s ON s.trial = t.trial_key AND s.at = :at AND t.status <> 'running'"
    " WHERE t.study = :study AND t.latest = 1"
    " ORDER BY c.ordinal, t.seed_init, t.seed_order, t.seed_noise";

static void put_styles(FILE *out, int n)
{
    fputs("\"styles\": [", out);
    for (int i = 0; i < n; i++) {
        const esp_style style = esp_palette_style(i);
        fprintf(out, "%s{\"color\": \"%s\", \"dash\": \"%s\"}", i > 0 ? ", " : "", style.color,
                esp_palette_dash(style.dash));
    }
    fputs("],\n", out);
}

static int put_heading(FILE *out, esp_store *store, const esp_request *request,
                       const esp_data_values *v)
{
    static const char *const names[] = {"study", "title", "source", "last_run"};
    esp_rows *rows = NULL;
    bool found = false;
    int status = esp_data_open(&rows, store,
                               "SELECT s.name, r.title, r.source, r.last_run_at, r.number,"
                               " json(r.variants), json_array_length(r.variants)"
                               " FROM study s JOIN revision r ON r.id = s.current_revision"
                               " WHERE s.name = :study",
                               v);
    if (status == ESP_OK) {
        status = esp_rows_step(rows, &found);
    }
    if (status == ESP_OK && !found) {
        status = esp_fail(ESP_NOT_FOUND, "there is no study of this name in the database");
    }
    if (status == ESP_OK) {
        fputc('{', out);
        for (int i = 0; i < 4; i++) {
            fprintf(out, "\"%s\": ", names[i]);
            esp_json_put_text(out, i == 0 ? request->asked : esp_rows_text(rows, i));
            fputs(",\n", out);
        }
        fprintf(out, "\"revision\": %" PRId64 ", \"variants\": %s,\n", esp_rows_integer(rows, 4),
                esp_rows_text(rows, 5));
        put_styles(out, (int)esp_rows_integer(rows, 6));
    }
    esp_rows_close(rows);
    return status;
}

int esp_serve_study(FILE *out, esp_store *store, const esp_request *request)
{
    static const struct {
        const char *name, *sql;
    } tables[] = {{"cells", cells_sql},
                  {"swept", swept_sql},
                  {"metrics", metrics_sql},
                  {"ats", ats_sql},
                  {"trials", trials_sql}};
    const char *at = esp_request_value(request, "at");
    esp_data_values v = {.study = request->study, .at = at != NULL ? at : "selected"};
    char *metric = NULL;
    int status = esp_data_metric(&metric, &v, request);
    if (status == ESP_OK) {
        status = put_heading(out, store, request, &v);
    }
    if (status == ESP_OK) {
        fputs("\"at\": ", out);
        esp_json_put_text(out, v.at);
    }
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == ESP_OK; i++) {
        fputs(",\n", out);
        status = esp_data_table(out, tables[i].name, store, tables[i].sql, &v);
    }
    fputs("}\n", out);
    free(metric);
    return status;
}

/* ---- what changes while it runs -------------------------------------------------------------- */

/* Epochs of all trials that are behind us and that are planned at most: a trial that ended counts
 * whole, however early it stopped. Phases that count steps have no epochs, and are not counted. */
static const char epochs_sql[] =
    "WITH planned AS MATERIALIZED (SELECT c.cell_key, (SELECT sum(json_extract(p.value,"
    "  '$.epochs')) FROM json_each(k.config, '$.phases') p) AS epochs"
    "  FROM study_cell c JOIN cell k ON k.id = c.cell_key WHERE c.study = :study AND c.latest = 1)"
    " SELECT sum(CASE WHEN t.status IN ('done', 'failed') THEN n.epochs ELSE min(n.epochs,"
    "  coalesce((SELECT max(epoch) FROM epoch e WHERE e.trial = t.id), 0)) END) AS spent,"
    " sum(n.epochs) AS planned, (SELECT max(id) FROM attempt) AS attempt,"
    " max(t.status = 'running' AND (SELECT max(epoch) FROM epoch e"
    "  WHERE e.trial = t.id) > 0) AS trained"
    " FROM planned n CROSS JOIN cell_trial ct ON ct.cell = n.cell_key"
    " CROSS JOIN trial t ON t.id = ct.trial";

int esp_serve_live(FILE *out, esp_store *store, const esp_request *request)
{
    const esp_data_values v = {.study = request->study};
    fputc('{', out);
    ESP_TRY(esp_data_table(out, "states", store,
                           "SELECT" ESP_STATES_SQL " FROM study_trial t WHERE t.study = :study"
                           " AND t.latest = 1",
                           &v));
    fputs(",\n", out);
    ESP_TRY(esp_data_table(out, "epochs", store, epochs_sql, &v));
    fputs(",\n", out);
    ESP_TRY(esp_data_table(out, "running", store,
                           ESP_RUNNING_SQL
                           "SELECT " RUNNING_COLUMNS "WHERE trial_key IN (SELECT trial_key FROM"
                           " study_trial WHERE study = :study AND latest = 1) " RUNNING_ORDER,
                           &v));
    fputs("}\n", out);
    return ESP_OK;
}
