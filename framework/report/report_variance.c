/* What a report on variance reads beside the values. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "report/inference.h"
#include "report/report_query.h"
#include "report/variance.h"
#include "study/schema.h"

static const char leaves_sql[] =
    "SELECT t.cell_key, CASE WHEN :dead THEN b.dead ELSE b.entropy END, t.seed_init, t.seed_order,"
    " t.seed_noise FROM study_trial t JOIN selection s ON s.trial = t.trial_key AND s.at = :at"
    " JOIN leaf_balance b ON b.trial_id = t.trial_id AND b.epoch = s.epoch AND b.split = 'test'"
    " WHERE t.study = :study AND t.revision = :revision AND t.status = 'done'"
    " ORDER BY t.seed_init, t.seed_order, t.seed_noise";

/* As epoch_seed_stats has it, for one metric: that view's windows take three times as long. */
static const char curve_sql[] =
    "WITH value AS MATERIALIZED (SELECT cell_key, phase, phase_epoch, epoch, value FROM"
    " learning_curve_all WHERE study = :study AND revision = :revision AND split = :split AND"
    " metric = :metric AND status = 'done' AND phase <> ''),"
    " mean AS MATERIALIZED (SELECT cell_key, phase, phase_epoch, avg(value) AS mean, count(*) AS n"
    " FROM value GROUP BY cell_key, phase, phase_epoch),"
    " place AS MATERIALIZED (SELECT phase, min(epoch) AS first FROM value GROUP BY phase)"
    " SELECT m.cell_key, m.phase, m.phase_epoch, m.n, CASE WHEN m.n > 1 THEN"
    " sqrt(sum((v.value - m.mean) * (v.value - m.mean)) / (m.n - 1)) END"
    " FROM mean m JOIN value v USING (cell_key, phase, phase_epoch) JOIN place p USING (phase)"
    " GROUP BY m.cell_key, p.first, m.phase, m.phase_epoch"
    " ORDER BY m.cell_key, p.first, m.phase, m.phase_epoch";

static const char failed_sql[] =
    "SELECT t.cell_key, t.seed FROM study_trial t WHERE t.study = :study AND"
    " t.revision = :revision AND (t.status = 'failed' OR (t.status = 'done' AND t.trial_id IN"
    " (SELECT f.trial_id FROM trial_final_all f WHERE f.study = :study AND"
    " f.revision = :revision AND f.at = :at AND f.split || '.' || f.metric = :metric AND"
    " CASE WHEN :above THEN f.value > :limit ELSE f.value < :limit END)))"
    " ORDER BY t.seed_init, t.seed_order, t.seed_noise";

/* Soft less hard accuracy, trial by trial. */
static int load_gap(esp_report *report, esp_store *store, const char *split)
{
    size_t n = (size_t)report->n_cells;
    esp_sample *soft = esp_pool_take(&report->pool, n * sizeof *soft);
    esp_sample *hard = esp_pool_take(&report->pool, n * sizeof *hard);
    ESP_TRY(esp_pool_status(&report->pool));
    const char *at = report->ats[0].name;
    ESP_TRY(esp_report_load_sample(soft, report, store, at, split, "soft_accuracy"));
    ESP_TRY(esp_report_load_sample(hard, report, store, at, split, "hard_accuracy"));
    for (int i = 0; i < report->n_cells; i++) {
        esp_sample *gap = &report->variances[i].gap;
        *gap = soft[i];
        gap->n = 0;
        for (int a = 0; a < soft[i].n; a++) {
            for (int b = 0; b < hard[i].n; b++) {
                if (memcmp(soft[i].seeds[a], hard[i].seeds[b], sizeof *gap->seeds) == 0) {
                    const double difference = soft[i].values[a] - hard[i].values[b];
                    memmove(gap->seeds[gap->n], soft[i].seeds[a], sizeof *gap->seeds);
                    gap->values[gap->n++] = difference;
                }
            }
        }
    }
    return ESP_OK;
}

static int load_leaves(esp_report *report, esp_store *store, bool dead)
{
    esp_sample *samples = esp_pool_take(&report->pool, (size_t)report->n_cells * sizeof *samples);
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_pool_status(&report->pool));
    ESP_TRY_OUT(esp_report_ask(&rows, store, report, leaves_sql));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":at", report->ats[0].name));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":dead", dead));
    ESP_TRY_OUT(esp_report_fill(samples, report, rows));
    for (int i = 0; i < report->n_cells; i++) {
        *(dead ? &report->variances[i].dead : &report->variances[i].entropy) = samples[i];
    }
out:
    esp_rows_close(rows);
    return status;
}

/* Adds one point; the list doubles as it grows. */
static int add_point(esp_report *report, esp_cell_variance *one, const esp_curve_point *point)
{
    const int n = one->n_points;
    if ((n & (n - 1)) == 0) { /* 0, 1, 2, 4, ...: full */
        size_t room = n == 0 ? 1 : 2 * (size_t)n;
        esp_curve_point *more = esp_pool_take(&report->pool, room * sizeof *more);
        ESP_TRY(esp_pool_status(&report->pool));
        if (n > 0) {
            memcpy(more, one->points, (size_t)n * sizeof *more);
        }
        one->points = more;
    }
    one->points[one->n_points++] = *point;
    return ESP_OK;
}

static int load_curve(esp_report *report, esp_store *store, const esp_report_metric *metric)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_report_ask(&rows, store, report, curve_sql));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":split", metric->split));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":metric", metric->key));
    while (esp_report_next(rows, &status)) {
        const esp_report_cell *cell = esp_report_cell_of(report, esp_rows_integer(rows, 0));
        const esp_curve_point point = {
            .phase = esp_report_keep(report, esp_rows_text(rows, 1)),
            .phase_epoch = (int)esp_rows_integer(rows, 2),
            .n = (int)esp_rows_integer(rows, 3),
            .sd = esp_rows_type(rows, 4) == 'n' ? NAN : esp_rows_real(rows, 4)};
        ESP_TRY_OUT(add_point(report, &report->variances[cell - report->cells], &point));
    }
out:
    esp_rows_close(rows);
    return status;
}

static int load_failed(esp_report *report, esp_store *store)
{
    const esp_failure_rule *rule = &report->section.failure;
    esp_rows *rows = NULL;
    int status = ESP_OK;
    for (int i = 0; i < report->n_cells; i++) {
        report->variances[i].failed = "";
    }
    ESP_TRY_OUT(esp_report_ask(&rows, store, report, failed_sql));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":at", report->ats[0].name));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":metric", rule->metric));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":above", rule->above));
    ESP_TRY_OUT(esp_rows_bind_real(rows, ":limit", rule->limit));
    while (esp_report_next(rows, &status)) {
        const esp_report_cell *cell = esp_report_cell_of(report, esp_rows_integer(rows, 0));
        esp_cell_variance *one = &report->variances[cell - report->cells];
        one->failed = esp_pool_format(&report->pool, "%s%s%s", one->failed,
                                      *one->failed ? ", " : "", esp_rows_text(rows, 1));
    }
out:
    esp_rows_close(rows);
    return status;
}

int esp_report_load_variance(esp_report *report, esp_store *store)
{
    const esp_report_metric *metric = &report->metrics[esp_report_primary(report)];
    report->variances =
        esp_pool_take(&report->pool, ((size_t)report->n_cells + 1) * sizeof *report->variances);
    ESP_TRY(esp_pool_status(&report->pool));
    ESP_TRY(load_gap(report, store, metric->split));
    ESP_TRY(load_leaves(report, store, false));
    ESP_TRY(load_leaves(report, store, true));
    if (esp_metric_epochs_to(metric->key) == NULL) {
        ESP_TRY(load_curve(report, store, metric));
    }
    return load_failed(report, store);
}
