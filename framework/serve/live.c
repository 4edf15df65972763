/* What the page of a study asks for, again and again while it runs. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "report/palette.h"
#include "report/status_sql.h"
#include "serve/json_out.h"
#include "serve/request.h"
#include "store/lock.h"

enum { MAX_TRIALS = 100, MAX_POINTS = 2000, MAX_COUNTS = 100000 };

/* Values of a statement's parameters; those a statement lacks are ignored. */
typedef struct values {
    const char *study, *trial, *at, *split, *metric;
} values;

static int open_rows(esp_rows **rows, esp_store *store, const char *sql, const values *v)
{
    ESP_TRY(esp_rows_open(rows, store, sql));
    ESP_TRY(esp_rows_bind_text(*rows, ":study", v->study));
    ESP_TRY(esp_rows_bind_text(*rows, ":trial", v->trial));
    ESP_TRY(esp_rows_bind_text(*rows, ":at", v->at));
    ESP_TRY(esp_rows_bind_text(*rows, ":split", v->split));
    return esp_rows_bind_text(*rows, ":metric", v->metric);
}

/* "name": {"columns": ..., "rows": ...} */
static int put_table(FILE *out, const char *name, esp_store *store, const char *sql,
                     const values *v)
{
    esp_rows *rows = NULL;
    int status = open_rows(&rows, store, sql, v);
    if (status == ESP_OK) {
        fprintf(out, "\"%s\": ", name);
        status = esp_json_put_table(out, rows, NULL);
    }
    esp_rows_close(rows);
    return status;
}

/* ---- all studies ----------------------------------------------------------------------------- */

#define RUNNING_COLUMNS                                                                            \
    "state, study, cell, seed, trial_id, host, process, started_at, phase, epoch, epochs,"         \
    " rate AS epochs_per_second, seconds_left FROM left_over "
#define RUNNING_ORDER "ORDER BY state DESC, started_at, trial_id"

int esp_serve_studies(FILE *out, esp_store *store, const esp_request *request)
{
    const values none = {0};
    fputs("{\"database\": ", out);
    esp_json_put_text(out, request->database);
    fprintf(out, ", \"runner\": %s,\n", esp_store_has_runner(request->database) ? "true" : "false");
    ESP_TRY(put_table(out, "studies", store, ESP_STUDIES_SQL, &none));
    fputs(",\n", out);
    ESP_TRY(put_table(out, "running", store,
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

/* "test.hard_accuracy" in two, in a copy that the caller frees. */
static char *cut_metric(values *v, const esp_request *request)
{
    const char *name = esp_request_value(request, "metric");
    char *copy = strdup(name != NULL && strchr(name, '.') != NULL ? name : "test.hard_accuracy");
    if (copy != NULL) {
        v->split = copy;
        v->metric = strchr(copy, '.') + 1;
        *strchr(copy, '.') = '\0';
    }
    return copy;
}

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

static int put_heading(FILE *out, esp_store *store, const values *v)
{
    static const char *const names[] = {"study", "title", "source", "last_run"};
    esp_rows *rows = NULL;
    bool found = false;
    int status = open_rows(&rows, store,
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
            esp_json_put_text(out, esp_rows_text(rows, i));
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
    values v = {.study = request->study, .at = at != NULL ? at : "selected"};
    char *metric = cut_metric(&v, request);
    int status = metric != NULL ? put_heading(out, store, &v) : ESP_MEMORY;
    if (status == ESP_OK) {
        fputs("\"at\": ", out);
        esp_json_put_text(out, v.at);
    }
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == ESP_OK; i++) {
        fputs(",\n", out);
        status = put_table(out, tables[i].name, store, tables[i].sql, &v);
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
    const values v = {.study = request->study};
    fputc('{', out);
    ESP_TRY(put_table(out, "states", store,
                      "SELECT" ESP_STATES_SQL " FROM study_trial t WHERE t.study = :study"
                      " AND t.latest = 1",
                      &v));
    fputs(",\n", out);
    ESP_TRY(put_table(out, "epochs", store, epochs_sql, &v));
    fputs(",\n", out);
    ESP_TRY(put_table(out, "running", store,
                      ESP_RUNNING_SQL
                      "SELECT " RUNNING_COLUMNS "WHERE trial_key IN (SELECT trial_key FROM"
                      " study_trial WHERE study = :study AND latest = 1) " RUNNING_ORDER,
                      &v));
    fputs("}\n", out);
    return ESP_OK;
}

/* ---- curves ---------------------------------------------------------------------------------- */

/* Every so many epochs and the last: epochs number without gaps, so each is one search. */
#define PICK                                                                                       \
    "WITH RECURSIVE pick (epoch) AS (SELECT 0 UNION SELECT min(epoch + :every, :last) FROM pick"   \
    " WHERE epoch < :last) "

static const char curve_sql[] =
    PICK "SELECT v.epoch, v.phase, v.value FROM pick p CROSS JOIN wide_value v"
         " ON v.trial = :key AND v.epoch = p.epoch AND v.split = :split AND v.metric = :metric"
         " WHERE v.value IS NOT NULL UNION ALL"
         " SELECT v.epoch, v.phase, v.value FROM pick p CROSS JOIN tall_value v"
         " ON v.trial = :key AND v.epoch = p.epoch AND v.split = :split AND v.metric = :metric";

/* Finds a trial and how many epochs it has; *key 0 where there is none. */
static int find_trial(int64_t *key, int64_t *last, esp_store *store, const char *trial)
{
    esp_rows *rows = NULL;
    bool found = false;
    int status = open_rows(&rows, store,
                           "SELECT t.id, coalesce((SELECT max(e.epoch) FROM epoch e"
                           " WHERE e.trial = t.id), 0) FROM trial t WHERE t.trial_id = :trial",
                           &(values){.trial = trial});
    if (status == ESP_OK) {
        status = esp_rows_step(rows, &found);
    }
    *key = found ? esp_rows_integer(rows, 0) : 0;
    *last = found ? esp_rows_integer(rows, 1) : 0;
    esp_rows_close(rows);
    return status;
}

static int bind_pick(esp_rows *rows, int64_t key, int64_t every, int64_t last)
{
    ESP_TRY(esp_rows_bind_integer(rows, ":key", key));
    ESP_TRY(esp_rows_bind_integer(rows, ":every", every));
    return esp_rows_bind_integer(rows, ":last", last);
}

static int put_points(FILE *out, esp_rows *rows)
{
    char phase[128] = "";
    bool has_row = false;
    fputs("\"points\": [", out);
    for (int n = 0;; n++) {
        ESP_TRY(esp_rows_step(rows, &has_row));
        if (!has_row) {
            fputc(']', out);
            return ESP_OK;
        }
        fprintf(out, "%s[%" PRId64 ",", n > 0 ? "," : "", esp_rows_integer(rows, 0));
        const double value = esp_rows_real(rows, 2);
        fprintf(out, isfinite(value) ? "%.7g" : "null", value);
        const char *name = esp_rows_text(rows, 1); /* told where it begins */
        if (name != NULL && strncmp(name, phase, sizeof phase - 1) != 0) {
            snprintf(phase, sizeof phase, "%s", name);
            fputc(',', out);
            esp_json_put_text(out, name);
        }
        fputc(']', out);
    }
}

static int put_curve(FILE *out, esp_store *store, const values *v, int points)
{
    int64_t key = 0, last = 0;
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY(find_trial(&key, &last, store, v->trial));
    const int64_t every = (last + points - 1) / points > 1 ? (last + points - 1) / points : 1;
    fputs("{\"trial\": ", out);
    esp_json_put_text(out, v->trial);
    fprintf(out, ", \"last\": %" PRId64 ", \"every\": %" PRId64 ", ", last, every);
    ESP_TRY_OUT(open_rows(&rows, store, curve_sql, v));
    ESP_TRY_OUT(bind_pick(rows, key, every, last));
    ESP_TRY_OUT(put_points(out, rows));
    fputc('}', out);
out:
    esp_rows_close(rows);
    return status;
}

int esp_serve_curves(FILE *out, esp_store *store, const esp_request *request)
{
    const char *trials = esp_request_value(request, "trials");
    const int points = esp_request_number(request, "points", 400, 2, MAX_POINTS);
    char *list = strdup(trials != NULL ? trials : ""), *rest = NULL;
    values v = {0};
    char *metric = cut_metric(&v, request);
    int status = list != NULL && metric != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory"), n = 0;
    fputs("{\"curves\": [", out);
    for (char *id = list != NULL ? strtok_r(list, ",", &rest) : NULL;
         id != NULL && status == ESP_OK; id = strtok_r(NULL, ",", &rest)) {
        if (n == MAX_TRIALS) {
            status = esp_fail(ESP_USAGE, "more than %d trials at once", MAX_TRIALS);
            break;
        }
        fputs(n++ > 0 ? ",\n" : "\n", out);
        v.trial = id;
        status = put_curve(out, store, &v, points);
    }
    fputs("]}\n", out);
    free(metric);
    free(list);
    return status;
}

/* ---- leaves ---------------------------------------------------------------------------------- */

static int count_leaves(int64_t *leaves, esp_store *store, const values *v)
{
    esp_rows *rows = NULL;
    bool found = false;
    int status = open_rows(&rows, store,
                           "SELECT json_array_length(counts) FROM leaf_counts"
                           " WHERE trial_id = :trial AND split = :split AND counts IS NOT NULL"
                           " LIMIT 1",
                           v);
    if (status == ESP_OK) {
        status = esp_rows_step(rows, &found);
    }
    *leaves = found ? esp_rows_integer(rows, 0) : 0;
    esp_rows_close(rows);
    return status;
}

int esp_serve_leaves(FILE *out, esp_store *store, const esp_request *request)
{
    const char *trial = esp_request_value(request, "trial");
    const char *split = esp_request_value(request, "split");
    const values v = {.trial = trial != NULL ? trial : "", .split = split != NULL ? split : "test"};
    int64_t key = 0, last = 0, leaves = 0;
    int points = esp_request_number(request, "points", 150, 2, MAX_POINTS);
    bool has_row = false;
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY(find_trial(&key, &last, store, v.trial));
    ESP_TRY(key != 0 ? count_leaves(&leaves, store, &v)
                     : esp_fail(ESP_NOT_FOUND, "there is no such trial"));
    if (leaves * points > MAX_COUNTS) {
        points = leaves > MAX_COUNTS / 2 ? 2 : MAX_COUNTS / (int)leaves;
    }
    const int64_t every = (last + points - 1) / points > 1 ? (last + points - 1) / points : 1;
    fputs("{\"trial\": ", out);
    esp_json_put_text(out, v.trial);
    fprintf(out,
            ", \"leaves\": %" PRId64 ", \"last\": %" PRId64 ", \"every\": %" PRId64
            ", \"epochs\": [",
            leaves, last, every);
    ESP_TRY_OUT(open_rows(&rows, store,
                          PICK "SELECT p.epoch, json(c.counts) FROM pick p CROSS JOIN leaf_counts c"
                               " ON c.trial_id = :trial AND c.epoch = p.epoch"
                               " AND c.split = :split WHERE c.counts IS NOT NULL",
                          &v));
    ESP_TRY_OUT(bind_pick(rows, key, every, last));
    for (int n = 0;; n++) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        fprintf(out, "%s\n[%" PRId64 ",%s]", n > 0 ? "," : "", esp_rows_integer(rows, 0),
                esp_rows_text(rows, 1));
    }
    fputs("]}\n", out);
out:
    esp_rows_close(rows);
    return status;
}

/* ---- one trial ------------------------------------------------------------------------------- */

int esp_serve_trial(FILE *out, esp_store *store, const esp_request *request)
{
    static const struct {
        const char *name, *sql;
    } tables[] = {
        {"trial", "SELECT trial_id, study, variant, cell, seed, status FROM study_trial"
                  " WHERE study = :study AND latest = 1 AND trial_id = :trial"},
        {"keys", "SELECT k.key, k.value FROM study_trial t CROSS JOIN cell_key k"
                 " ON k.cell = t.cell_key WHERE t.study = :study AND t.latest = 1"
                 " AND t.trial_id = :trial ORDER BY k.key"},
        /* A trial that has not ended has its newest epoch alone. */
        {"finals",
         "WITH ends AS MATERIALIZED (SELECT s.trial, s.at, s.epoch FROM selection s"
         "  WHERE s.trial = (SELECT id FROM trial WHERE trial_id = :trial)"
         "   AND (SELECT status FROM trial WHERE trial_id = :trial) <> 'running'"
         "  UNION ALL SELECT t.id, 'newest', (SELECT max(epoch) FROM epoch e WHERE e.trial = t.id)"
         "  FROM trial t WHERE t.trial_id = :trial AND t.status = 'running')"
         " SELECT at, epoch, metric, value FROM"
         " (SELECT s.at, s.epoch, v.split || '.' || v.metric AS metric, v.value FROM ends s"
         "  CROSS JOIN wide_value v ON v.trial = s.trial AND v.epoch = s.epoch"
         "  WHERE v.value IS NOT NULL"
         " UNION ALL SELECT s.at, s.epoch, v.split || '.' || v.metric, v.value FROM ends s"
         "  CROSS JOIN tall_value v ON v.trial = s.trial AND v.epoch = s.epoch"
         ") ORDER BY at LIKE 'selected%' DESC, at, metric"},
        {"attempts", "SELECT number, status, host, first_epoch, started_at, ended_at, seconds,"
                     " epochs, message FROM attempt WHERE trial = (SELECT id FROM trial"
                     " WHERE trial_id = :trial) ORDER BY number"},
    };
    const char *study = esp_request_value(request, "study");
    const char *trial = esp_request_value(request, "trial");
    const values v = {.study = study != NULL ? study : "", .trial = trial != NULL ? trial : ""};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        fputs(i > 0 ? ",\n" : "{", out);
        ESP_TRY(put_table(out, tables[i].name, store, tables[i].sql, &v));
    }
    fputs("}\n", out);
    return ESP_OK;
}
