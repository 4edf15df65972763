/* Published values beside ours. */
#include "report/table_build.h"

#include <math.h>

#include "core/status.h"
#include "report/compatible.h"

int esp_table_published(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m)
{
    static const char *const headings[] = {"n",
                                           "ours best ± spread",
                                           "published best ± spread",
                                           "its ± is",
                                           "routing",
                                           "runs",
                                           "source",
                                           "so many of ours: best",
                                           "theirs is",
                                           "so many of ours: ±",
                                           "theirs is"};
    enum { N = sizeof headings / sizeof *headings };
    const esp_report_metric *metric = &report->metrics[m];
    esp_layout lines = *plan;
    lines.n = 0;
    for (int i = 0; i < plan->n; i++) {
        lines.n += esp_report_series_of(report, plan->places[i].cell, at, m)->n_published;
    }
    ESP_TRY(esp_table_start(out, report, &lines, true, N));
    esp_table_headings(out, headings, N);
    esp_table_title(out, report, "published", at, m, ": published beside ours");
    out->subtitle = esp_pool_format(&report->pool, "ours: %s", out->subtitle);
    const esp_place *before = NULL;
    for (int i = 0; i < plan->n; i++) {
        const esp_report_series *series = esp_report_series_of(report, plan->places[i].cell, at, m);
        for (int k = 0; k < series->n_published; k++) {
            const esp_published_value *value = &series->published[k];
            const char **row = esp_table_row(out, plan, &plan->places[i], before);
            before = &plan->places[i];
            row[0] = esp_words_count(report, plan->places[i].cell, series->stats.n);
            row[1] = esp_words_plus_minus(report, metric, series->stats.best,
                                          series->stats.n > 1 ? series->stats.spread : NAN);
            row[2] = isnan(value->best) ? "-"
                     : isnan(value->spread)
                         ? esp_pool_format(&report->pool, "%.1f", 100 * value->best)
                         : esp_pool_format(&report->pool, "%.1f ± %.1f", 100 * value->best,
                                           100 * value->spread);
            row[3] = *value->spread_is ? value->spread_is : "-";
            row[4] = value->routing;
            row[5] = value->runs > 0 ? esp_pool_format(&report->pool, "%d", value->runs) : "-";
            row[6] = value->source;
            const esp_compatible could = esp_report_compatible(report, metric, series, value);
            row[7] = could.why_not == NULL ? esp_words_interval(report, metric, could.best) : "-";
            row[8] = could.why_not == NULL ? could.best_is : could.why_not;
            row[9] = esp_words_interval(report, metric, could.spread);
            row[10] = could.spread_is;
        }
    }
    return esp_pool_status(&report->pool);
}
