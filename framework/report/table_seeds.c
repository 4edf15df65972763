/* What each cell's seeds say of it beyond mean and sd. */
#include "report/table_build.h"

#include <math.h>

#include "core/status.h"

/* Up to so many values are shown one by one: an interval of so few hides more than it tells. */
enum { MOST_DOTS = 10 };

static const char *values_of(esp_report *report, const esp_report_metric *metric,
                             const esp_sample *sample)
{
    const char *text = "";
    for (int i = 0; i < sample->n && sample->n <= MOST_DOTS; i++) {
        const char *value = esp_in_percent(metric)
                                ? esp_pool_format(&report->pool, "%.1f", 100 * sample->values[i])
                                : esp_words_number(report, metric, sample->values[i]);
        text = esp_pool_format(&report->pool, "%s%s%s", text, i ? " " : "", value);
    }
    return sample->n > MOST_DOTS ? "more than 10" : *text ? text : "-";
}

int esp_table_seeds(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m)
{
    const char *headings[] = {
        "n",      "median", "min", "max", esp_words_confidence(report), "test sampling",
        "failed", "values"};
    enum { N = sizeof headings / sizeof *headings };
    const esp_report_metric *metric = &report->metrics[m];
    const esp_inference *all = NULL;
    ESP_TRY(esp_report_infer(&all, report, at, m));
    ESP_TRY(esp_table_start(out, report, plan, true, N));
    esp_table_headings(out, headings, N);
    esp_table_title(out, report, "seeds", at, m, ": seeds");
    for (int i = 0; i < plan->n; i++) {
        const esp_report_cell *cell = plan->places[i].cell;
        const esp_report_series *series = esp_report_series_of(report, cell, at, m);
        const esp_seed_inference *one = &all->cells[cell - report->cells];
        const char **row =
            esp_table_row(out, plan, &plan->places[i], i ? &plan->places[i - 1] : NULL);
        row[0] = esp_words_count(report, cell, series->stats.n);
        row[1] = esp_words_number(report, metric, one->median);
        row[2] = esp_words_number(report, metric, series->stats.min);
        row[3] = esp_words_number(report, metric, series->stats.max);
        row[4] = esp_words_interval(report, metric, one->interval);
        row[5] = isnan(one->test_error)
                     ? "-"
                     : esp_pool_format(&report->pool, "± %s",
                                       esp_words_number(report, metric, one->test_error));
        row[6] = one->ended == 0
                     ? "-"
                     : esp_pool_format(&report->pool, "%d/%d %s", one->failures, one->ended,
                                       esp_words_rate_interval(report, one->rate));
        row[7] = values_of(report, metric, &series->sample);
    }
    return esp_pool_status(&report->pool);
}
