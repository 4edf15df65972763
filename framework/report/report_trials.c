#include "report/report_trials.h"

#include "core/status.h"
#include "report/report_query.h"

static int index_of(const esp_report *report, int64_t key)
{
    for (int i = 0; i < report->n_cells; i++) {
        if (report->cells[i].key == key) {
            return i;
        }
    }
    return 0;
}

int esp_report_trials_load(esp_report_trials *out, esp_report *report)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    *out = (esp_report_trials){
        .at = esp_pool_take(&report->pool, (size_t)report->planned * sizeof *out->at)};
    ESP_TRY_OUT(esp_pool_status(&report->pool));
    ESP_TRY_OUT(esp_report_ask(
        &rows, report->store, report,
        "SELECT c.cell_key, t.id, t.trial_id, ct.seed,"
        " iif(t.status = 'running' AND NOT trial_is_held(t.id), 'interrupted', t.status),"
        " ifnull((SELECT max(e.epoch) FROM epoch e WHERE e.trial = t.id), 0),"
        " (SELECT sum(a.seconds) FROM attempt a WHERE a.trial = t.id),"
        " a.number, a.host, iif(t.status = 'failed', a.message, '')"
        " FROM study_cell c CROSS JOIN cell_trial ct ON ct.cell = c.cell_key"
        " CROSS JOIN trial t ON t.id = ct.trial LEFT JOIN attempt a ON a.trial = t.id AND a.number"
        " = (SELECT max(b.number) FROM attempt b WHERE b.trial = t.id)"
        " WHERE c.study = :study AND c.revision = :revision ORDER BY c.ordinal, ct.ordinal"));
    int64_t last_key = 0;
    int cell = 0;
    while (out->n < report->planned && esp_report_next(rows, &status)) {
        const int64_t key = esp_rows_integer(rows, 0);
        cell = key == last_key ? cell : index_of(report, key);
        last_key = key;
        out->at[out->n++] =
            (esp_report_trial){.cell = cell,
                               .key = esp_rows_integer(rows, 1),
                               .id = esp_report_keep(report, esp_rows_text(rows, 2)),
                               .seed = esp_report_keep(report, esp_rows_text(rows, 3)),
                               .status = esp_report_keep(report, esp_rows_text(rows, 4)),
                               .epochs = (int)esp_rows_integer(rows, 5),
                               .seconds = esp_rows_real(rows, 6),
                               .attempts = (int)esp_rows_integer(rows, 7),
                               .host = esp_report_keep(report, esp_rows_text(rows, 8)),
                               .message = esp_report_keep(report, esp_rows_text(rows, 9))};
    }
    ESP_TRY_OUT(status);
    ESP_TRY_OUT(esp_pool_status(&report->pool));
out:
    esp_rows_close(rows);
    return status;
}
