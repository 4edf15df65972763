/* Rows against columns, as the section asks. */
#include "report/table_build.h"

#include "core/status.h"

int esp_table_overview(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m)
{
    const esp_report_metric *metric = &report->metrics[m];
    ESP_TRY(esp_table_start(out, report, plan, false, plan->n_columns));
    esp_table_title(out, report, "overview", at, m, ": mean ± sd");
    int n = 0, *column_of = esp_pool_take(&report->pool, (size_t)plan->n * sizeof *column_of);
    const int *firsts = esp_layout_firsts(report, &plan->columns, plan->columns.n);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < report->n_cells; i++) {
        int first = firsts[i];
        column_of[i] = first == i ? n++ : column_of[first];
        if (first == i) {
            out->headings[out->n_labels + column_of[i]] = esp_words_values(
                report, &report->cells[i], &plan->columns, 0, plan->columns.n, " / ", true);
        }
    }
    const char **row = NULL;
    for (int i = 0; i < plan->n; i++) {
        const esp_place *place_of = &plan->places[i], *before = i ? &plan->places[i - 1] : NULL;
        if (before == NULL || before->row != place_of->row || before->group != place_of->group ||
            before->not_baseline != place_of->not_baseline) {
            row = esp_table_row(out, plan, place_of, before);
        }
        const esp_stats *stats = &esp_report_series_of(report, place_of->cell, at, m)->stats;
        const char *text = esp_words_plus_minus(report, metric, stats->mean, stats->sd);
        const char *builds = esp_words_builds(report, place_of->cell);
        if (stats->n > 0 && (stats->n < place_of->cell->planned || *builds)) {
            text = esp_pool_format(&report->pool, "%s (n %d%s)", text, stats->n, builds);
        }
        row[column_of[place_of->index]] = text;
    }
    return esp_pool_status(&report->pool);
}
