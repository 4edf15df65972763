/* Several epochs of the same trials side by side: one trajectory, scored several ways. */
#include "report/table_build.h"

#include <math.h>
#include <string.h>

#include "core/status.h"

/* "last", "selected by test.hard_accuracy (the test set!)". */
static const char *heading_of(esp_report *report, const esp_report_at *at)
{
    const char *by = strcmp(at->name, "last") != 0 ? at->monitors : "";
    return esp_pool_format(&report->pool, "%s%s%s", *by ? "selected by " : at->name, by,
                           strstr(by, "test.") != NULL ? " (the test set!)"
                                                       : esp_report_training_mark(report));
}

/* The epoch that others are told from: the last one, else the first that is printed. */
static int base_of(const esp_report *report)
{
    for (int at = 0; at < report->n_ats; at++) {
        if (strcmp(report->ats[at].name, "last") == 0) {
            return at;
        }
    }
    return 0;
}

int esp_table_ats(esp_table *out, esp_report *report, const esp_layout *plan, int m)
{
    enum { EACH = 3 };
    const esp_report_metric *metric = &report->metrics[m];
    const int n = report->n_ats, base = base_of(report);
    ESP_TRY(esp_table_start(out, report, plan, true, 1 + EACH * n));
    esp_table_title(out, report, "ats", base, m, ": the same trials scored at several epochs");
    out->subtitle =
        esp_pool_format(&report->pool, "%s; change: mean difference from the values %s, over pairs",
                        metric->name, esp_report_at_phrase(report, &report->ats[base]));
    out->headings[out->n_labels] = "n";
    out->spans = esp_pool_take(&report->pool, (size_t)n * sizeof *out->spans);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int at = 0; at < n; at++) {
        int first = out->n_labels + 1 + EACH * at;
        out->headings[first] = "mean ± sd";
        out->headings[first + 1] = "best ± spread";
        out->headings[first + 2] = at == base ? "" : "change";
        out->spans[out->n_spans++] = (esp_table_span){
            .first = first, .n = EACH, .text = heading_of(report, &report->ats[at])};
    }
    for (int i = 0; i < plan->n; i++) {
        const esp_report_cell *cell = plan->places[i].cell;
        const esp_report_series *from = esp_report_series_of(report, cell, base, m);
        const char **row =
            esp_table_row(out, plan, &plan->places[i], i ? &plan->places[i - 1] : NULL);
        *row++ = esp_words_count(report, cell, from->stats.n);
        for (int at = 0; at < n; at++) {
            const esp_report_series *series = esp_report_series_of(report, cell, at, m);
            const esp_stats *stats = &series->stats;
            const esp_paired change = esp_paired_of(&series->sample, &from->sample);
            *row++ = esp_words_plus_minus(report, metric, stats->mean, stats->sd);
            *row++ = esp_words_plus_minus(report, metric, stats->best,
                                          stats->n > 1 ? stats->spread : NAN);
            *row++ = at == base ? "" : esp_words_delta(report, metric, &change);
        }
    }
    return esp_pool_status(&report->pool);
}
