/* Data of trials: learning curves, leaf loads, all about one. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "serve/data.h"
#include "serve/json_out.h"

enum { MAX_TRIALS = 100, MAX_POINTS = 2000, MAX_COUNTS = 100000 };

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
    int status = esp_data_open(&rows, store,
                               "SELECT t.id, coalesce((SELECT max(e.epoch) FROM epoch e"
                               " WHERE e.trial = t.id), 0) FROM trial t WHERE t.trial_id = :trial",
                               &(esp_data_values){.trial = trial});
    if (status == ESP_OK) {
        status = esp_rows_step(rows, &found);
    }
    *key = found ? esp_rows_integer(rows, 0) : 0;
    *last = found ? esp_rows_integer(rows, 1) : 0;
    esp_rows_close(rows);
    return status;
}

/* Every how many epochs one is picked, so that there are about so many points. */
static int64_t stride_of(int64_t last, int points)
{
    const int64_t every = (last + points - 1) / points;
    return every > 1 ? every : 1;
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

static int put_curve(FILE *out, esp_store *store, const esp_data_values *v, int points)
{
    int64_t key = 0, last = 0;
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY(find_trial(&key, &last, store, v->trial));
    const int64_t every = stride_of(last, points);
    fputs("{\"trial\": ", out);
    esp_json_put_text(out, v->trial);
    fprintf(out, ", \"last\": %" PRId64 ", \"every\": %" PRId64 ", ", last, every);
    ESP_TRY_OUT(esp_data_open(&rows, store, curve_sql, v));
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
    int points = 400;
    char *list = strdup(trials != NULL ? trials : ""), *rest = NULL;
    esp_data_values v = {0};
    char *metric = NULL;
    int status = list != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory"), n = 0;
    status = status == ESP_OK ? esp_data_metric(&metric, &v, request) : status;
    status =
        status == ESP_OK ? esp_request_number(&points, request, "points", 2, MAX_POINTS) : status;
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

static int count_leaves(int64_t *leaves, esp_store *store, const esp_data_values *v)
{
    esp_rows *rows = NULL;
    bool found = false;
    int status = esp_data_open(&rows, store,
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
    const esp_data_values v = {.trial = trial != NULL ? trial : "",
                               .split = split != NULL ? split : "test"};
    int64_t key = 0, last = 0, leaves = 0;
    int points = 150;
    bool has_row = false;
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY(esp_request_number(&points, request, "points", 2, MAX_POINTS));
    ESP_TRY(find_trial(&key, &last, store, v.trial));
    ESP_TRY(key != 0 ? count_leaves(&leaves, store, &v)
                     : esp_fail(ESP_NOT_FOUND, "there is no such trial"));
    if (leaves * points > MAX_COUNTS) {
        points = leaves > MAX_COUNTS / 2 ? 2 : MAX_COUNTS / (int)leaves;
    }
    const int64_t every = stride_of(last, points);
    fputs("{\"trial\": ", out);
    esp_json_put_text(out, v.trial);
    fprintf(out,
            ", \"leaves\": %" PRId64 ", \"last\": %" PRId64 ", \"every\": %" PRId64
            ", \"epochs\": [",
            leaves, last, every);
    ESP_TRY_OUT(esp_data_open(&rows, store,
                              PICK
                              "SELECT p.epoch, json(c.counts) FROM pick p CROSS JOIN leaf_counts c"
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
    const char *trial = esp_request_value(request, "trial");
    const esp_data_values v = {.study = request->study != NULL ? request->study : "",
                               .trial = trial != NULL ? trial : ""};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        fputs(i > 0 ? ",\n" : "{", out);
        ESP_TRY(esp_data_table(out, tables[i].name, store, tables[i].sql, &v));
    }
    fputs("}\n", out);
    return ESP_OK;
}
