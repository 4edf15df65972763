/* One line a cell, all its statistics. */
#include "report/table_build.h"

#include <math.h>

#include "core/status.h"

static bool is_reference(const esp_report *report, const esp_report_cell *cell)
{
    for (int i = 0; i < report->n_cells; i++) {
        if (report->cells[i].reference >= 0 && &report->cells[report->cells[i].reference] == cell) {
            return true;
        }
    }
    return false;
}

static bool any_reference(const esp_report *report)
{
    for (int i = 0; i < report->n_cells; i++) {
        if (report->cells[i].reference >= 0) {
            return true;
        }
    }
    return false;
}

int esp_table_cells(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m)
{
    static const char *const headings[] = {
        "n", "mean", "sd", "variance", "best ± spread", "var. ratio", "delta (pairs)"};
    const esp_report_metric *metric = &report->metrics[m];
    bool compared = any_reference(report);
    ESP_TRY(esp_table_start(out, report, plan, true, compared ? 7 : 5));
    esp_table_headings(out, headings, compared ? 7 : 5);
    esp_table_title(out, report, "cells", at, m, "");
    for (int i = 0; i < plan->n; i++) {
        const esp_report_cell *cell = plan->places[i].cell;
        const esp_report_series *series = esp_report_series_of(report, cell, at, m);
        const esp_stats *stats = &series->stats;
        const char **row =
            esp_table_row(out, plan, &plan->places[i], i ? &plan->places[i - 1] : NULL);
        row[0] = esp_words_count(report, cell, stats->n);
        row[1] = esp_words_number(report, metric, stats->mean);
        row[2] = esp_words_number(report, metric, stats->sd);
        row[3] = esp_words_variance(report, metric, stats->variance);
        row[4] =
            esp_words_plus_minus(report, metric, stats->best, stats->n > 1 ? stats->spread : NAN);
        if (!compared) {
            continue;
        }
        if (cell->reference < 0) {
            row[5] = is_reference(report, cell) ? "reference" : "-";
            row[6] = is_reference(report, cell) ? "" : "-";
            continue;
        }
        /* A variance of two values says too little to divide by or into. */
        const esp_report_cell *other = &report->cells[cell->reference];
        bool enough = stats->n >= 3 && esp_report_series_of(report, other, at, m)->stats.n >= 3;
        row[5] = esp_words_ratio(report, enough ? series->variance_ratio : NAN);
        row[6] = esp_words_delta(report, metric, &series->paired);
    }
    return esp_pool_status(&report->pool);
}
