/* The results of two studies or variants side by side, seed by seed: what a report of both says. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/diff.h"
#include "core/status.h"
#include "report/inference.h"
#include "report/report_tables.h"
#include "report/study_names.h"
#include "report/table_build.h"

enum { N_COLUMNS = 7, MAX_TEXT = 160 };

int esp_diff_results_read(diff_results *out, esp_store *store, const char *const names[2])
{
    esp_report_request request = {0};
    *out = (diff_results){0};
    ESP_TRY(esp_report_choose(&out->name, &request, store, names, 2));
    ESP_TRY(esp_report_load(&out->report, store, &request));
    out->metric = esp_report_primary(out->report);
    return esp_report_infer(&out->inference, out->report, 0, out->metric);
}

void esp_diff_results_free(diff_results *results)
{
    esp_report_free(results->report);
    free(results->name);
}

/* Whether both sides have a value. */
static bool has_both(const esp_comparison *one)
{
    return one->a_n > 0 && one->b_n > 0;
}

static const esp_stats *stats_of(const diff_results *results, const esp_report_cell *cell)
{
    return &esp_report_series_of(results->report, cell, 0, results->metric)->stats;
}

/* ---- for programs ------------------------------------------------------------------------------
 */

static json_t *number(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

json_t *esp_diff_results_json(const diff_results *results)
{
    const esp_report *report = results->report;
    json_t *list = json_array();
    for (int i = 0; i < results->inference->n; i++) {
        const esp_comparison *one = &results->inference->comparisons[i];
        if (has_both(one)) {
            json_array_append_new(
                list,
                json_pack("{s:s, s:s, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "a",
                          one->b->label, "b", one->a->label, "n_a", one->b_n, "n_b", one->a_n,
                          "pairs", one->pairs, "mean_a", number(stats_of(results, one->b)->mean),
                          "mean_b", number(stats_of(results, one->a)->mean), "difference",
                          number(one->counted.estimate), "low", number(one->counted.interval.low),
                          "high", number(one->counted.interval.high), "p", number(one->counted.p),
                          "p_holm", number(one->holm), "test",
                          one->by_pairs ? "paired t" : "Welch's t"));
        }
    }
    return json_pack("{s:s, s:s, s:f, s:o}", "metric", report->metrics[results->metric].name, "at",
                     report->ats[0].name, "confidence", report->section.confidence, "comparisons",
                     list);
}

/* ---- for people --------------------------------------------------------------------------------
 */

typedef struct line {
    char texts[N_COLUMNS][MAX_TEXT];
} line;

static void make_line(line *out, const diff_results *results, const esp_comparison *one)
{
    esp_report *report = results->report;
    const esp_report_metric *metric = &report->metrics[results->metric];
    const esp_difference *counted = &one->counted;
    const bool few = one->untested == ESP_UNTESTED_SEEDS || one->untested == ESP_UNTESTED_PAIRS;
    const bool paired = one->by_pairs && one->pairs > 0;
    snprintf(out->texts[0], MAX_TEXT, "%s", one->b->label);
    snprintf(out->texts[1], MAX_TEXT, "%s", one->a->label);
    for (int side = 0; side < 2; side++) {
        const esp_stats *stats = stats_of(results, side == 0 ? one->b : one->a);
        snprintf(out->texts[2 + side], MAX_TEXT, "%s (%d)",
                 esp_words_number(report, metric, stats->mean), stats->n);
    }
    const char *estimate =
        isnan(counted->estimate) ? "-" : esp_words_signed(report, metric, counted->estimate);
    if (paired) {
        snprintf(out->texts[4], MAX_TEXT, "%s (%d)", estimate, one->pairs);
    } else {
        snprintf(out->texts[4], MAX_TEXT, "%s", estimate);
    }
    snprintf(out->texts[5], MAX_TEXT, "%s", esp_words_interval(report, metric, counted->interval));
    snprintf(out->texts[6], MAX_TEXT, "%s", esp_words_p(report, one->holm, few));
}

void esp_diff_results_print(const diff_results *results)
{
    static const char *const headings[N_COLUMNS] = {
        "A", "B", "mean of A (n)", "mean of B (n)", "B - A (pairs)", "", ""};
    esp_report *report = results->report;
    const esp_inference *all = results->inference;
    int widths[N_COLUMNS] = {0}, n = 0, tested = 0;
    bool paired = false, unpaired = false;
    line *lines = calloc((size_t)all->n + 1, sizeof *lines);
    for (int c = 0; lines != NULL && c < N_COLUMNS; c++) {
        snprintf(lines[0].texts[c], MAX_TEXT, "%s", headings[c]);
    }
    for (int i = 0; lines != NULL && i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        if (has_both(one)) {
            make_line(&lines[++n], results, one);
            paired = paired || (one->by_pairs && !isnan(one->counted.p));
            unpaired = unpaired || (!one->by_pairs && !isnan(one->counted.p));
            tested += !isnan(one->holm);
        }
    }
    if (n == 0) {
        free(lines);
        return;
    }
    snprintf(lines[0].texts[5], MAX_TEXT, "%s", esp_words_confidence(report));
    snprintf(lines[0].texts[6], MAX_TEXT, tested > 1 ? "p (Holm)" : "p");
    printf("\nresults: %s, %s\n",
           esp_report_metric_title(report, &report->metrics[results->metric]),
           esp_report_at_phrase(report, &report->ats[0]));
    for (int i = 0; i <= n; i++) {
        for (int c = 0; c < N_COLUMNS; c++) {
            const int length = (int)strlen(lines[i].texts[c]);
            widths[c] = length > widths[c] ? length : widths[c];
        }
    }
    for (int i = 0; i <= n; i++) {
        for (int c = 0; c < N_COLUMNS; c++) {
            printf(c < 2 ? "  %-*s" : "  %*s", widths[c], lines[i].texts[c]);
        }
        putchar('\n');
    }
    if (paired || unpaired) {
        printf("  p by %s\n", !unpaired ? "the paired t test, each seed with itself"
                              : !paired ? "Welch's t test: most seeds are not shared"
                                        : "the paired t test where most seeds are shared, else "
                                          "Welch's");
    }
    free(lines);
}
