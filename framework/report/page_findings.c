/* What came out of a study, in sentences: counts of cells and the tests of its primary metric. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"
#include "report/inference.h"
#include "report/table_build.h"
#include "statistics/sample.h"

enum { MOST_MEANS = 8 };

/* "+6.73 points", "81.54 %", "0.0124": a value of a metric with its unit. */
static const char *with_unit(esp_report *report, const esp_report_metric *metric, double value,
                             bool difference)
{
    return esp_pool_format(&report->pool, "%s%s%s", difference && value > 0 ? "+" : "",
                           esp_words_number(report, metric, value),
                           !esp_in_percent(metric) ? ""
                           : difference            ? " points"
                                                   : "\u00a0%");
}

/* "81.54 % (sd 0.36 points, n 3)". */
static const char *mean_of(esp_report *report, const esp_report_metric *metric,
                           const esp_stats *stats)
{
    const char *mean = with_unit(report, metric, stats->mean, false);
    return isnan(stats->sd) ? esp_pool_format(&report->pool, "%s (n %d)", mean, stats->n)
                            : esp_pool_format(&report->pool, "%s (sd %s%s, n %d)", mean,
                                              esp_words_number(report, metric, stats->sd),
                                              esp_in_percent(metric) ? " points" : "", stats->n);
}

/* ---- comparisons ----------------------------------------------------------------------------- */

static bool is_better(const esp_report_metric *metric, double difference)
{
    return metric->better == ESP_BETTER_LOWER ? difference < 0 : difference > 0;
}

/* A difference between two cells, and how sure it is. */
static void put_comparison(FILE *out, esp_report *report, const esp_report_metric *metric,
                           const esp_comparison *one, int n_comparisons)
{
    const int m = (int)(metric - report->metrics);
    const esp_difference *counted = &one->counted;
    fprintf(out, ": a mean of %s against %s",
            mean_of(report, metric, &esp_report_series_of(report, one->a, 0, m)->stats),
            mean_of(report, metric, &esp_report_series_of(report, one->b, 0, m)->stats));
    if (one->untested == ESP_UNTESTED_DIFFERENCES) {
        fprintf(out, "; difference %s in each of %d pairs",
                with_unit(report, metric, counted->estimate, true), one->pairs);
    }
    if (one->untested != ESP_TESTED) {
        fprintf(out, ", not tested, because %s", esp_untested_words(one->untested));
        return;
    }
    fprintf(out, "; difference %s, %s %s, p ", with_unit(report, metric, counted->estimate, true),
            esp_words_confidence(report), esp_words_interval(report, metric, counted->interval));
    if (n_comparisons > 1) {
        fprintf(out, "%s after Holm's correction for %d comparisons (%s uncorrected)",
                esp_words_p(report, one->holm, false), n_comparisons,
                esp_words_p(report, counted->p, false));
    } else {
        fputs(esp_words_p(report, counted->p, false), out);
    }
    fprintf(out, " by %s", one->by_pairs ? "the paired t test" : "Welch's t test");
    if (!isnan(one->spread.log_ratio)) {
        fprintf(out, "; its sd over seeds is %s of the other's %s",
                esp_words_ratio(report, exp(one->spread.log_ratio)),
                esp_words_ratio_interval(report, one->spread.interval));
    }
}

/* The same comparison in several cells: counts, and one number over all of them. */
static void put_family(FILE *out, esp_report *report, const esp_report_metric *metric,
                       const esp_inference *all, int family)
{
    const esp_comparison_family *of = &all->families[family];
    const double alpha = 1 - report->section.confidence;
    int compared = 0, better = 0, sure = 0, sure_worse = 0, spreads = 0, tighter = 0;
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        const double estimate = one->counted.estimate;
        if (one->family != family || isnan(estimate)) {
            continue;
        }
        compared++;
        better += is_better(metric, estimate);
        sure += is_better(metric, estimate) && one->holm < alpha;
        sure_worse += !is_better(metric, estimate) && one->holm < alpha;
        spreads += !isnan(one->spread.log_ratio);
        tighter += one->spread.log_ratio < 0;
    }
    const bool lower = metric->better == ESP_BETTER_LOWER;
    fprintf(out,
            ": a %s mean in %d of %d comparisons, in %d of them with p below %g after"
            " Holm's correction",
            lower ? "lower" : "higher", better, compared, sure, alpha);
    if (sure_worse > 0) {
        fprintf(out, "; a %s one with such a p in %d", lower ? "higher" : "lower", sure_worse);
    }
    if (spreads > 0) {
        fprintf(out, "; a smaller sd over seeds in %d of %d", tighter, spreads);
    }
    if (!isnan(of->difference.estimate)) {
        fprintf(out,
                ". Over all of them together (%d pairs of %d seeds) the difference is"
                " %s",
                of->difference.pairs, of->difference.seeds,
                with_unit(report, metric, of->difference.estimate, true));
        if (!isnan(of->difference.p)) {
            fprintf(out, ", %s %s, p %s", esp_words_confidence(report),
                    esp_words_interval(report, metric, of->difference.interval),
                    esp_words_p(report, of->difference.p, false));
        }
    }
    if (!isnan(of->spread.log_ratio)) {
        fprintf(out, "; the ratio of sds is %s %s",
                esp_words_ratio(report, exp(of->spread.log_ratio)),
                esp_words_ratio_interval(report, of->spread.interval));
    }
}

/* What the study states beside the metric, of the comparisons of a family: trials that count as
 * failed, and differences that mean nothing. */
static void put_stated(FILE *out, esp_report *report, const esp_report_metric *metric,
                       const esp_inference *all, int family)
{
    const double alpha = 1 - report->section.confidence;
    int failures[2] = {0, 0}, ended[2] = {0, 0}, alike = 0, tested = 0;
    for (int c = 0; c < report->n_cells; c++) {
        bool is_side[2] = {false, false};
        for (int i = 0; i < all->n; i++) {
            const esp_comparison *one = &all->comparisons[i];
            is_side[0] = is_side[0] || (one->family == family && one->a == &report->cells[c]);
            is_side[1] = is_side[1] || (one->family == family && one->b == &report->cells[c]);
        }
        for (int side = 0; side < 2; side++) {
            failures[side] += is_side[side] ? all->cells[c].failures : 0;
            ended[side] += is_side[side] ? all->cells[c].ended : 0;
        }
    }
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        tested += one->family == family && !isnan(one->equivalence);
        alike += one->family == family && one->equivalence < alpha;
    }
    if (failures[0] + failures[1] > 0) {
        fprintf(out, "; failed: %d of %d trials against %d of %d", failures[0], ended[0],
                failures[1], ended[1]);
    }
    if (tested > 0) {
        const double margin = report->section.equivalence.margin;
        fprintf(out,
                "; alike to within %s%s in %d of %d (two one-sided tests, p below %g, not"
                " corrected)",
                esp_words_number(report, metric, margin), esp_in_percent(metric) ? " points" : "",
                alike, tested, alpha);
    }
}

/* ---- the sentences --------------------------------------------------------------------------- */

/* A sentence being written: into memory, then kept by the page. */
typedef struct sentence {
    FILE *out;
    char *text;
    size_t length;
} sentence;

static int begin(sentence *s)
{
    *s = (sentence){0};
    s->out = open_memstream(&s->text, &s->length);
    return s->out != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a sentence");
}

static int end(sentence *s, esp_page *page, esp_report *report, const char *about)
{
    const bool whole = fclose(s->out) == 0;
    page->findings[page->n_findings++] =
        (esp_finding){about, whole ? esp_pool_format(&report->pool, "%s.", s->text) : ""};
    free(s->text);
    return whole ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a sentence");
}

/* A sentence for each family that has values. */
static int add_comparisons(esp_page *page, esp_report *report, const esp_inference *all)
{
    const int m = esp_report_primary(report);
    const esp_report_metric *metric = &report->metrics[m];
    int tested = 0;
    for (int i = 0; i < all->n; i++) {
        tested += !isnan(all->comparisons[i].holm);
    }
    for (int f = 0; f < all->n_families; f++) {
        const esp_comparison *only = NULL;
        int n = 0;
        for (int i = 0; i < all->n; i++) {
            const esp_comparison *one = &all->comparisons[i];
            if (one->family == f && one->a_n > 0 && one->b_n > 0) {
                only = one;
                n++;
            }
        }
        if (n == 0) {
            continue;
        }
        sentence s;
        ESP_TRY(begin(&s));
        fprintf(s.out, " against %s", all->families[f].b);
        if (n == 1) {
            put_comparison(s.out, report, metric, only, tested);
        } else {
            put_family(s.out, report, metric, all, f);
        }
        put_stated(s.out, report, metric, all, f);
        ESP_TRY(end(&s, page, report, all->families[f].a));
    }
    return ESP_OK;
}

/* Where nothing is compared: the means themselves, of a few cells. */
static int add_means(esp_page *page, esp_report *report, const esp_inference *all)
{
    const int m = esp_report_primary(report);
    for (int i = 0; i < report->n_cells && i < MOST_MEANS; i++) {
        const esp_report_cell *cell = &report->cells[i];
        const esp_stats *stats = &esp_report_series_of(report, cell, 0, m)->stats;
        if (stats->n == 0) {
            continue;
        }
        sentence s;
        ESP_TRY(begin(&s));
        fprintf(s.out, ": a mean of %s", mean_of(report, &report->metrics[m], stats));
        if (all->cells[i].failures > 0) {
            fprintf(s.out, "; failed: %d of %d trials", all->cells[i].failures,
                    all->cells[i].ended);
        }
        ESP_TRY(end(&s, page, report, cell->label));
    }
    if (report->n_cells > MOST_MEANS) {
        page->findings[page->n_findings++] =
            (esp_finding){"", esp_pool_format(&report->pool, "%d cells more stand in the tables.",
                                              report->n_cells - MOST_MEANS)};
    }
    return ESP_OK;
}

int esp_page_add_findings(esp_page *page, esp_report *report)
{
    const int m = esp_report_primary(report);
    const esp_inference *all = NULL;
    if (report->done == 0) {
        return ESP_OK;
    }
    ESP_TRY(esp_report_infer(&all, report, 0, m));
    page->findings = esp_pool_take(&report->pool, ((size_t)all->n_families + MOST_MEANS + 1) *
                                                      sizeof *page->findings);
    ESP_TRY(esp_pool_status(&report->pool));
    page->findings_of = esp_pool_format(&report->pool, "%s, %s",
                                        esp_report_metric_title(report, &report->metrics[m]),
                                        esp_report_at_phrase(report, &report->ats[0]));
    ESP_TRY(add_comparisons(page, report, all));
    return page->n_findings > 0 ? ESP_OK : add_means(page, report, all);
}
