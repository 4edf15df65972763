/* Pairs of cells that contrasts compare. */
#include "report/table_build.h"

#include <string.h>

#include "core/status.h"

static const char *swept_value(const esp_report_cell *cell, const char *key)
{
    for (int i = 0; i < cell->n_swept; i++) {
        if (strcmp(cell->swept[i].key, key) == 0) {
            return cell->swept[i].value;
        }
    }
    return NULL;
}

/* The swept keys of a cell that another has with the same value, or those it has not. */
static const char *keys_of(esp_report *report, const esp_report_cell *cell,
                           const esp_report_cell *other, bool shared)
{
    const char *text = "";
    for (int i = 0; i < cell->n_swept; i++) {
        const char *value = swept_value(other, cell->swept[i].key);
        if ((value != NULL && strcmp(value, cell->swept[i].value) == 0) == shared) {
            text = esp_pool_format(&report->pool, "%s%s%s=%s", text, *text ? " " : "",
                                   cell->swept[i].key, cell->swept[i].value);
        }
    }
    return text;
}

int esp_table_contrasts(esp_table *out, esp_report *report, int at, int m)
{
    static const char *const headings[] = {
        "where", "A", "B", "n A", "mean A", "n B", "mean B", "A - B (pairs)", "var. ratio A/B"};
    enum { N_COLUMNS = sizeof headings / sizeof *headings, N_LABELS = 3 };
    const esp_report_metric *metric = &report->metrics[m];
    ESP_TRY(esp_table_make(out, report, N_LABELS, N_COLUMNS, report->n_pairs));
    memcpy(out->headings, headings, sizeof headings);
    esp_table_title(out, report, "contrasts", at, m, ": contrasts");
    for (int i = 0; i < report->n_pairs; i++) {
        const esp_report_pair *pair = &report->pairs[i];
        const esp_report_cell *sides[] = {pair->a, pair->b};
        const esp_report_difference *difference = &pair->differences[at * report->n_metrics + m];
        const char **row = &out->cells[i * N_COLUMNS];
        for (int k = 0; k < 2; k++) {
            const esp_stats *stats = &esp_report_series_of(report, sides[k], at, m)->stats;
            const char *own = keys_of(report, sides[k], sides[1 - k], false);
            row[1 + k] =
                esp_pool_format(&report->pool, "%s%s%s", sides[k]->variant, *own ? " " : "", own);
            row[N_LABELS + 2 * k] = esp_words_count(report, sides[k], stats->n);
            row[N_LABELS + 2 * k + 1] = esp_words_number(report, metric, stats->mean);
        }
        row[0] = keys_of(report, pair->a, pair->b, true);
        row[7] = esp_words_delta(report, metric, &difference->paired);
        row[8] = esp_words_ratio(report, difference->variance_ratio);
        out->gap[i] = i > 0 && pair->contrast != pair[-1].contrast ? 1 : 0;
    }
    return esp_pool_status(&report->pool);
}
