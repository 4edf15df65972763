/* What a report reads from the database: cells, their trials, the seeds' values. */
#include "report/report_query.h"

#include <math.h>

#include "core/status.h"
#include "study/schema.h"

int esp_report_ask(esp_rows **out, esp_store *store, const esp_report *report, const char *sql)
{
    ESP_TRY(esp_rows_open(out, store, sql));
    ESP_TRY(esp_rows_bind_text(*out, ":study", report->study));
    return esp_rows_bind_integer(*out, ":revision", report->revision);
}

bool esp_report_next(esp_rows *rows, int *status)
{
    bool more = false;
    *status = esp_rows_step(rows, &more);
    return *status == ESP_OK && more;
}

const char *esp_report_keep(esp_report *report, const char *text)
{
    return esp_pool_format(&report->pool, "%s", text ? text : "");
}

int esp_report_words(esp_words *out, esp_report *report, int capacity)
{
    *out =
        (esp_words){.at = esp_pool_take(&report->pool, ((size_t)capacity + 1) * sizeof *out->at)};
    return esp_pool_status(&report->pool);
}

int esp_report_count(int *out, esp_store *store, const esp_report *report, const char *sql)
{
    esp_rows *rows = NULL;
    bool found = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_report_ask(&rows, store, report, sql));
    ESP_TRY_OUT(esp_rows_step(rows, &found));
    *out = found ? (int)esp_rows_integer(rows, 0) : 0;
out:
    esp_rows_close(rows);
    return status;
}

/* ---- cells ----------------------------------------------------------------------------------- */

esp_report_cell *esp_report_cell_of(const esp_report *report, int64_t key)
{
    for (int i = 0; i < report->n_cells; i++) {
        if (report->cells[i].key == key) {
            return &report->cells[i];
        }
    }
    return NULL;
}

static int load_cell_rows(esp_report *report, esp_store *store)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_report_ask(
        &rows, store, report,
        "SELECT c.cell_key, c.variant, c.cell, count(t.trial_key),"
        " total(t.status = 'done'), total(t.status = 'failed'), ifnull((SELECT"
        " r.ordinal FROM cell r WHERE r.id = c.reference_key), -1), (SELECT count(*)"
        " FROM cell_param_all p WHERE p.study = :study AND p.revision = :revision AND"
        " p.cell_key = c.cell_key), (SELECT count(*) FROM cell_swept w WHERE w.cell ="
        " c.cell_key) FROM study_cell c LEFT JOIN study_trial t ON"
        " t.study = :study AND t.revision = :revision AND t.cell_key = c.cell_key"
        " WHERE c.study = :study AND c.revision = :revision"
        " GROUP BY c.cell_key ORDER BY c.ordinal"));
    while (esp_report_next(rows, &status)) {
        esp_report_cell *cell = &report->cells[report->n_cells++];
        cell->key = esp_rows_integer(rows, 0);
        cell->variant = esp_report_keep(report, esp_rows_text(rows, 1));
        cell->label = esp_report_keep(report, esp_rows_text(rows, 2));
        cell->planned = (int)esp_rows_integer(rows, 3);
        cell->done = (int)esp_rows_integer(rows, 4);
        cell->failed = (int)esp_rows_integer(rows, 5);
        cell->reference = (int)esp_rows_integer(rows, 6);
        ESP_TRY_OUT(esp_report_words(&cell->keys, report, (int)esp_rows_integer(rows, 7)));
        ESP_TRY_OUT(esp_report_words(&cell->values, report, (int)esp_rows_integer(rows, 7)));
        cell->swept =
            esp_pool_take(&report->pool, (size_t)esp_rows_integer(rows, 8) * sizeof *cell->swept);
        ESP_TRY_OUT(esp_pool_status(&report->pool));
        report->planned += cell->planned;
        report->done += cell->done;
        report->failed += cell->failed;
    }
out:
    esp_rows_close(rows);
    return status;
}

/* Marks what --only has left out of every run so far. */
static int load_unasked(esp_report *report, esp_store *store)
{
    esp_rows *rows = NULL;
    bool there = false;
    int status = ESP_OK;
    ESP_TRY(esp_store_has_unasked(&there, store));
    if (!there) {
        return ESP_OK;
    }
    ESP_TRY_OUT(esp_report_ask(&rows, store, report,
                               "SELECT c.cell_key FROM study_cell c JOIN unasked_cell u ON u.cell ="
                               " c.cell_key WHERE c.study = :study AND c.revision = :revision"
                               " AND NOT EXISTS (SELECT 1 FROM study_trial t WHERE t.study ="
                               " :study AND t.revision = :revision AND t.cell_key = c.cell_key"
                               " AND t.status <> 'planned')"));
    while (esp_report_next(rows, &status)) {
        esp_report_cell *cell = esp_report_cell_of(report, esp_rows_integer(rows, 0));
        cell->unasked = true;
        report->n_unasked++;
        report->unasked_trials += cell->planned;
    }
out:
    esp_rows_close(rows);
    return status;
}

static int load_params(esp_report *report, esp_store *store)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(
        esp_report_ask(&rows, store, report,
                       "SELECT cell_key, key, value FROM cell_param_all WHERE study = :study AND"
                       " revision = :revision"));
    while (esp_report_next(rows, &status)) {
        esp_report_cell *cell = esp_report_cell_of(report, esp_rows_integer(rows, 0));
        cell->keys.at[cell->keys.n++] = esp_report_keep(report, esp_rows_text(rows, 1));
        cell->values.at[cell->values.n++] = esp_report_keep(report, esp_rows_text(rows, 2));
    }
out:
    esp_rows_close(rows);
    return status;
}

static int load_swept(esp_report *report, esp_store *store)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(
        esp_report_ask(&rows, store, report,
                       "SELECT c.cell_key, w.key, w.value FROM study_cell c JOIN cell_swept w ON"
                       " w.cell = c.cell_key WHERE c.study = :study AND c.revision = :revision"));
    while (esp_report_next(rows, &status)) {
        esp_report_cell *cell = esp_report_cell_of(report, esp_rows_integer(rows, 0));
        cell->swept[cell->n_swept++] =
            (esp_store_param){esp_report_keep(report, esp_rows_text(rows, 1)),
                              esp_report_keep(report, esp_rows_text(rows, 2))};
    }
out:
    esp_rows_close(rows);
    return status;
}

static int load_failures(esp_report *report, esp_store *store)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(
        esp_report_ask(&rows, store, report,
                       "SELECT t.cell_key, a.message FROM study_trial t JOIN attempt a ON a.trial ="
                       " t.trial_key WHERE t.study = :study AND t.revision = :revision AND"
                       " t.status = 'failed' AND a.status = 'failed' ORDER BY a.id DESC"));
    while (esp_report_next(rows, &status)) {
        esp_report_cell *cell = esp_report_cell_of(report, esp_rows_integer(rows, 0));
        cell->first_failure =
            esp_report_keep(report, esp_rows_text(rows, 1)); /* the last row is the first */
    }
out:
    esp_rows_close(rows);
    return status;
}

int esp_report_load_cells(esp_report *report, esp_store *store)
{
    int n = 0;
    ESP_TRY(esp_report_count(&n, store, report,
                             "SELECT count(*) FROM study_cell WHERE study = :study AND"
                             " revision = :revision"));
    report->cells = esp_pool_take(&report->pool, (size_t)n * sizeof *report->cells);
    ESP_TRY(esp_pool_status(&report->pool));
    ESP_TRY(load_cell_rows(report, store));
    ESP_TRY(load_unasked(report, store));
    ESP_TRY(load_params(report, store));
    ESP_TRY(load_swept(report, store));
    return load_failures(report, store);
}

/* ---- values ---------------------------------------------------------------------------------- */

static const char values_sql[] =
    "SELECT cell_key, value, seed_init, seed_order, seed_noise FROM trial_final_all"
    " WHERE study = :study AND revision = :revision AND status = 'done'"
    " AND at = :at AND split = :split AND metric = :metric"
    " ORDER BY seed_init, seed_order, seed_noise";

/* The first epoch that was as good as the one reported. */
static const char epochs_to_sql[] =
    "SELECT f.cell_key, (SELECT min(c.epoch) FROM learning_curve_all c WHERE c.study = f.study"
    " AND c.revision = f.revision AND c.cell = f.cell AND c.trial_id = f.trial_id"
    " AND c.split = f.split AND c.metric = f.metric"
    " AND CASE WHEN :lower THEN c.value <= f.value ELSE c.value >= f.value END),"
    " f.seed_init, f.seed_order, f.seed_noise FROM trial_final_all f"
    " WHERE f.study = :study AND f.revision = :revision AND f.status = 'done'"
    " AND f.at = :at AND f.split = :split AND f.metric = :metric"
    " ORDER BY f.seed_init, f.seed_order, f.seed_noise";

int esp_report_fill(esp_sample *samples, esp_report *report, esp_rows *rows)
{
    int status = ESP_OK;
    for (int i = 0; i < report->n_cells; i++) {
        size_t planned = (size_t)report->cells[i].planned;
        samples[i] = (esp_sample){
            .values = esp_pool_take(&report->pool, planned * sizeof *samples[i].values),
            .seeds = esp_pool_take(&report->pool, planned * sizeof *samples[i].seeds)};
    }
    ESP_TRY(esp_pool_status(&report->pool));
    while (esp_report_next(rows, &status)) {
        const esp_report_cell *cell = esp_report_cell_of(report, esp_rows_integer(rows, 0));
        esp_sample *sample = &samples[cell - report->cells];
        if (sample->n == cell->planned) {
            continue; /* trials of a run that joined since the cells were counted */
        }
        sample->values[sample->n] = esp_rows_real(rows, 1);
        for (int s = 0; s < 3; s++) {
            sample->seeds[sample->n][s] = (uint64_t)esp_rows_integer(rows, 2 + s);
        }
        sample->n++;
    }
    return status;
}

int esp_report_load_sample(esp_sample *samples, esp_report *report, esp_store *store,
                           const char *at, const char *split, const char *metric)
{
    const char *reached = esp_metric_epochs_to(metric);
    const char *key = reached != NULL ? reached : metric;
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_report_ask(&rows, store, report, reached != NULL ? epochs_to_sql : values_sql));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":at", at));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":split", split));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":metric", key));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":lower", esp_better_of(key) == ESP_BETTER_LOWER));
    ESP_TRY_OUT(esp_report_fill(samples, report, rows));
out:
    esp_rows_close(rows);
    return status;
}

static int load_series(esp_report *report, esp_store *store, int at, int metric)
{
    const esp_report_metric *of = &report->metrics[metric];
    esp_sample *samples =
        esp_pool_take(&report->pool, ((size_t)report->n_cells + 1) * sizeof *samples);
    ESP_TRY(esp_pool_status(&report->pool));
    ESP_TRY(
        esp_report_load_sample(samples, report, store, report->ats[at].name, of->split, of->key));
    for (int i = 0; i < report->n_cells; i++) {
        report->cells[i].series[at * report->n_metrics + metric].sample = samples[i];
    }
    return ESP_OK;
}

static void compute_series(esp_report *report, int at, int metric)
{
    int index = at * report->n_metrics + metric;
    for (int i = 0; i < report->n_cells; i++) {
        esp_report_series *series = &report->cells[i].series[index];
        series->stats =
            esp_stats_of(series->sample.values, series->sample.n, report->metrics[metric].better);
    }
    for (int i = 0; i < report->n_cells; i++) {
        esp_report_series *series = &report->cells[i].series[index];
        series->paired = (esp_paired){.mean = NAN, .sd = NAN};
        series->variance_ratio = NAN;
        if (report->cells[i].reference >= 0) {
            const esp_report_series *other =
                &report->cells[report->cells[i].reference].series[index];
            series->paired = esp_paired_of(&series->sample, &other->sample);
            series->variance_ratio = esp_variance_ratio(&series->stats, &other->stats);
        }
    }
}

static int load_leaves(esp_report *report, esp_store *store)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(
        esp_report_ask(&rows, store, report,
                       "SELECT t.cell_key, count(*), avg(b.leaves), avg(b.dead), avg(b.entropy),"
                       " avg(b.max_share) FROM study_trial t JOIN selection s ON s.trial ="
                       " t.trial_key AND s.at = :at JOIN leaf_balance b ON b.trial_id = t.trial_id"
                       " AND b.epoch = s.epoch AND b.split = 'test' WHERE t.study = :study AND"
                       " t.revision = :revision AND t.status = 'done' GROUP BY t.cell_key"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":at", report->ats[0].name));
    while (esp_report_next(rows, &status)) {
        esp_report_cell *cell = esp_report_cell_of(report, esp_rows_integer(rows, 0));
        cell->n_routed = (int)esp_rows_integer(rows, 1);
        cell->leaves = esp_rows_real(rows, 2);
        cell->dead = esp_rows_real(rows, 3);
        cell->entropy = esp_rows_real(rows, 4);
        cell->max_share = esp_rows_real(rows, 5);
    }
out:
    esp_rows_close(rows);
    return status;
}

int esp_report_load_values(esp_report *report, esp_store *store)
{
    size_t n = (size_t)(report->n_ats * report->n_metrics);
    for (int i = 0; i < report->n_cells; i++) {
        report->cells[i].series = esp_pool_take(&report->pool, n * sizeof(esp_report_series));
    }
    ESP_TRY(esp_pool_status(&report->pool));
    for (int at = 0; at < report->n_ats; at++) {
        for (int metric = 0; metric < report->n_metrics; metric++) {
            ESP_TRY(load_series(report, store, at, metric));
            compute_series(report, at, metric);
        }
    }
    ESP_TRY(load_leaves(report, store));
    return esp_report_load_measures(report, store);
}
