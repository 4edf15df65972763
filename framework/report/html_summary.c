/* What came out of a study, in sentences: counts of cells and the tests of its primary metric. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "report/html.h"
#include "report/html_report.h"
#include "report/table_build.h"
#include "statistics/sample.h"

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
                           const esp_comparison *one, const esp_stats *a, const esp_stats *b,
                           int n_comparisons)
{
    const esp_difference *counted = &one->counted;
    esp_html_print(out, ": a mean of %s against %s", mean_of(report, metric, a),
                   mean_of(report, metric, b));
    if (one->a_n < ESP_LEAST_FOR_P || one->b_n < ESP_LEAST_FOR_P || isnan(counted->p)) {
        esp_html_print(out, ", %s",
                       one->a_n < ESP_LEAST_FOR_P || one->b_n < ESP_LEAST_FOR_P
                           ? "not tested, for fewer than 3 seeds say too little"
                           : "not tested, for the values do not vary");
        return;
    }
    esp_html_print(out, "; difference %s, %s %s, p %s by %s",
                   with_unit(report, metric, counted->estimate, true), esp_words_confidence(report),
                   esp_words_interval(report, metric, counted->interval),
                   esp_words_p(report, counted->p, false),
                   one->by_pairs ? "the paired t test" : "Welch's t test");
    if (n_comparisons > 1) {
        esp_html_print(out, ", %s after Holm's correction for %d comparisons",
                       esp_words_p(report, one->holm, false), n_comparisons);
    }
    if (!isnan(one->spread.log_ratio)) {
        esp_html_print(out, "; its sd over seeds is %s of the other's %s",
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
    const char *word = metric->better == ESP_BETTER_LOWER ? "lower" : "higher";
    esp_html_print(out,
                   ": a %s mean in %d of %d comparisons, in %d of them with p below %s after"
                   " Holm's correction",
                   word, better, compared, sure, esp_pool_format(&report->pool, "%g", alpha));
    if (sure_worse > 0) {
        esp_html_print(out, "; a %s one with such a p in %d",
                       metric->better == ESP_BETTER_LOWER ? "higher" : "lower", sure_worse);
    }
    if (spreads > 0) {
        esp_html_print(out, "; a smaller sd over seeds in %d of %d", tighter, spreads);
    }
    if (!isnan(of->difference.estimate)) {
        esp_html_print(out,
                       ". Over all of them together (%d pairs of %d seeds) the difference is"
                       " %s",
                       of->difference.pairs, of->difference.seeds,
                       with_unit(report, metric, of->difference.estimate, true));
        if (!isnan(of->difference.p)) {
            esp_html_print(out, ", %s %s, p %s", esp_words_confidence(report),
                           esp_words_interval(report, metric, of->difference.interval),
                           esp_words_p(report, of->difference.p, of->difference.seeds < 3));
        }
    }
    if (!isnan(of->spread.log_ratio)) {
        esp_html_print(out, "; the ratio of sds is %s %s",
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
        esp_html_print(out, "; failed: %d of %d trials against %d of %d", failures[0], ended[0],
                       failures[1], ended[1]);
    }
    if (tested > 0) {
        const double margin = report->section.equivalence.margin;
        esp_html_print(out,
                       "; alike to within %s%s in %d of %d (two one-sided tests, p below %s, not"
                       " corrected)",
                       esp_words_number(report, metric, margin),
                       esp_in_percent(metric) ? " points" : "", alike, tested,
                       esp_pool_format(&report->pool, "%g", alpha));
    }
}

/* A sentence for each family that has values. How many there were. */
static int put_comparisons(int *n_said, FILE *out, esp_report *report)
{
    const int m = esp_report_primary(report);
    const esp_report_metric *metric = &report->metrics[m];
    const esp_inference *all = NULL;
    int tested = 0;
    ESP_TRY(esp_report_infer(&all, report, 0, m));
    for (int i = 0; i < all->n; i++) {
        tested += !isnan(all->comparisons[i].holm);
    }
    for (int f = 0; f < all->n_families; f++) {
        const esp_comparison *only = NULL;
        const esp_stats *a = NULL, *b = NULL;
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
        esp_html_print(out, "<li><strong>%s</strong> against %s", all->families[f].a,
                       all->families[f].b);
        a = &esp_report_series_of(report, only->a, 0, m)->stats;
        b = &esp_report_series_of(report, only->b, 0, m)->stats;
        if (n == 1) {
            put_comparison(out, report, metric, only, a, b, tested);
        } else {
            put_family(out, report, metric, all, f);
        }
        put_stated(out, report, metric, all, f);
        fputs(".</li>\n", out);
        ++*n_said;
    }
    return ESP_OK;
}

/* Where nothing is compared: the means themselves, of a few cells. */
static int put_means(FILE *out, esp_report *report)
{
    enum { MOST = 8 };
    const int m = esp_report_primary(report);
    const esp_inference *all = NULL;
    ESP_TRY(esp_report_infer(&all, report, 0, m));
    for (int i = 0; i < report->n_cells && i < MOST; i++) {
        const esp_report_cell *cell = &report->cells[i];
        const esp_stats *stats = &esp_report_series_of(report, cell, 0, m)->stats;
        if (stats->n > 0) {
            esp_html_print(out, "<li><strong>%s</strong>: a mean of %s", cell->label,
                           mean_of(report, &report->metrics[m], stats));
            if (all->cells[i].failures > 0) {
                esp_html_print(out, "; failed: %d of %d trials", all->cells[i].failures,
                               all->cells[i].ended);
            }
            fputs(".</li>\n", out);
        }
    }
    if (report->n_cells > MOST) {
        esp_html_print(out, "<li>%d cells more stand in the tables.</li>\n",
                       report->n_cells - MOST);
    }
    return ESP_OK;
}

/* ---- the section ----------------------------------------------------------------------------- */

/* The study's question: its lines flow, empty ones part paragraphs. */
static void put_question(FILE *out, esp_report *report)
{
    const char *at = report->question;
    if (*at == '\0') {
        return;
    }
    fputs("<blockquote>\n", out);
    while (*at) {
        const char *end = strstr(at, "\n\n");
        const size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
        esp_html_print(out, "<p>%s</p>\n", esp_pool_format(&report->pool, "%.*s", (int)length, at));
        at += length;
        at += strspn(at, "\n");
    }
    fputs("</blockquote>\n", out);
}

int esp_html_summary(FILE *out, esp_report *report, const esp_page *page)
{
    const int waiting = report->planned - report->done - report->failed;
    fputs("<section id=\"summary\" aria-labelledby=\"summary-heading\">\n"
          "<h2 id=\"summary-heading\">Summary</h2>\n",
          out);
    put_question(out, report);
    if (*report->source) {
        esp_html_print(out, "<p>Source: %s</p>\n", report->source);
    }
    esp_html_print(out, "<p>%s; %d cell%s of %d variant%s", page->status, report->n_cells,
                   report->n_cells == 1 ? "" : "s", report->variants.n,
                   report->variants.n == 1 ? "" : "s");
    if (report->failed > 0) {
        esp_html_print(out, ", <a class=\"failed\" href=\"#failures\">%d failed</a>",
                       report->failed);
    }
    if (waiting > 0) {
        esp_html_print(out, ", <span class=\"waiting\">%d not done</span>", waiting);
    }
    fputs(".</p>\n", out);
    if (report->done > 0) {
        const esp_report_metric *primary = &report->metrics[esp_report_primary(report)];
        int n_said = 0;
        esp_html_print(out, "<p>%s, %s:</p>\n<ul>\n", esp_report_metric_title(report, primary),
                       esp_report_at_phrase(report, &report->ats[0]));
        ESP_TRY(put_comparisons(&n_said, out, report));
        if (n_said == 0) {
            ESP_TRY(put_means(out, report));
        }
        fputs("</ul>\n<p class=\"quiet\">What each number rests on, and what speaks against it, the"
              " <a href=\"#tables\">tables</a> and <a href=\"#notes\">notes</a> say.</p>\n",
              out);
    }
    fputs("</section>\n", out);
    return esp_pool_status(&report->pool);
}
