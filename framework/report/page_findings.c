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

/* p of a test over several cells, labeled: it may stand beside corrected ones. */
static void put_pooled_p(FILE *out, esp_report *report, const esp_comparison_family *of,
                         int n_pooled)
{
    const esp_pooled_difference *difference = &of->difference;
    if (isnan(difference->p)) {
        fprintf(out, ", not tested, because %s",
                esp_untested_words(difference->seeds < ESP_LEAST_FOR_P ? ESP_UNTESTED_SEEDS
                                                                       : ESP_UNTESTED_DIFFERENCES));
        return;
    }
    const char *p = esp_words_p(report, difference->p, false);
    if (n_pooled > 1) {
        fprintf(out, ", p %s after Holm's correction for %d pooled tests (%s uncorrected)",
                esp_words_p(report, of->holm, false), n_pooled, p);
    } else {
        fprintf(out, ", p %s (the only pooled test)", p);
    }
}

/* One number over the cells of a family. */
static void put_pooled(FILE *out, esp_report *report, const esp_report_metric *metric,
                       const esp_inference *all, const esp_comparison_family *of)
{
    int n_pooled = 0;
    for (int i = 0; i < all->n_families; i++) {
        n_pooled += !isnan(all->families[i].holm);
    }
    if (!isnan(of->difference.estimate)) {
        fprintf(out, " (%d pairs of %d seeds) the difference is %s", of->difference.pairs,
                of->difference.seeds, with_unit(report, metric, of->difference.estimate, true));
        if (!isnan(of->difference.interval.low)) {
            fprintf(out, ", %s %s", esp_words_confidence(report),
                    esp_words_interval(report, metric, of->difference.interval));
        }
        put_pooled_p(out, report, of, n_pooled);
    }
    if (!isnan(of->spread.log_ratio)) {
        fprintf(out, "; the ratio of sds is %s",
                esp_words_ratio(report, exp(of->spread.log_ratio)));
        if (!isnan(of->spread.interval.low)) {
            fprintf(out, " %s", esp_words_ratio_interval(report, of->spread.interval));
        }
    }
}

/* The comparison of a family of one. */
static const esp_comparison *only_of(const esp_inference *all, int family)
{
    const esp_comparison *one = all->comparisons;
    while (one->family != family) {
        one++;
    }
    return one;
}

static double estimate_of(const esp_inference *all, int family)
{
    const esp_comparison_family *of = &all->families[family];
    return of->n > 1 ? of->difference.estimate : only_of(all, family)->counted.estimate;
}

static void put_dose(FILE *out, esp_report *report, const esp_report_metric *metric,
                     const esp_inference *all, int family)
{
    const esp_comparison_family *of = &all->families[family];
    fputs(of->dose, out);
    if (of->n > 1) {
        if (of->difference.cells < of->n) {
            fprintf(out, ": over %d of its %d cells", of->difference.cells, of->n);
        } else {
            fprintf(out, ": over its %d cells together", of->n);
        }
        put_pooled(out, report, metric, all, of);
    } else {
        put_comparison(out, report, metric, only_of(all, family), all->n_tested);
    }
}

/* The families of a question with the best and the worst difference; -1 without values. Returns how
 * many have one. */
static int find_extremes(int *best, int *worst, const esp_report_metric *metric,
                         const esp_inference *all, const esp_comparison_question *question)
{
    int n = 0;
    *best = *worst = -1;
    for (int f = question->first; f < question->first + question->n_doses; f++) {
        const double estimate = estimate_of(all, f);
        if (isnan(estimate)) {
            continue;
        }
        n++;
        *best = *best < 0 || is_better(metric, estimate - estimate_of(all, *best)) ? f : *best;
        *worst = *worst < 0 || is_better(metric, estimate_of(all, *worst) - estimate) ? f : *worst;
    }
    return n;
}

/* The best and the worst of several doses, each with its own test: nothing is pooled over the
 * values of what is compared. */
static void put_doses(FILE *out, esp_report *report, const esp_report_metric *metric,
                      const esp_inference *all, const esp_comparison_question *question)
{
    int best, worst;
    const int n = find_extremes(&best, &worst, metric, all, question);
    const char *keys = "";
    for (int i = 0; i < question->keys.n; i++) {
        keys = esp_pool_format(&report->pool, "%s%s%s", keys,
                               i == 0                      ? ""
                               : i == question->keys.n - 1 ? " and "
                                                           : ", ",
                               question->keys.at[i]);
    }
    fprintf(out, ". The %d %s of %s are not pooled", question->n_doses,
            question->keys.n > 1 ? "combinations" : "values", keys);
    if (n == 0) {
        return;
    }
    const char *which =
        n == question->n_doses ? "of" : esp_pool_format(&report->pool, "with values of");
    const bool directed = metric->better != ESP_BETTER_NEITHER;
    fprintf(out, ". %s%s%s %d is ",
            n == 1     ? "The only one"
            : directed ? "Best"
                       : "Highest",
            n == 1 ? " with values of" : " ", n == 1 ? "" : which, question->n_doses);
    put_dose(out, report, metric, all, best);
    if (worst != best) {
        fprintf(out, ". %s %s %d is ", directed ? "Worst" : "Lowest", which, question->n_doses);
        put_dose(out, report, metric, all, worst);
    }
}

/* The same question in several cells: counts, and one number over those that may be pooled. */
static void put_question(FILE *out, esp_report *report, const esp_report_metric *metric,
                         const esp_inference *all, int index)
{
    const esp_comparison_question *question = &all->questions[index];
    const double alpha = 1 - report->section.confidence;
    int compared = 0, tested = 0, better = 0, sure = 0, sure_worse = 0, spreads = 0, tighter = 0;
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        const double estimate = one->counted.estimate;
        if (all->families[one->family].question != index || isnan(estimate)) {
            continue;
        }
        compared++;
        tested += !isnan(one->holm);
        better += is_better(metric, estimate);
        sure += is_better(metric, estimate) && one->holm < alpha;
        sure_worse += !is_better(metric, estimate) && one->holm < alpha;
        spreads += !isnan(one->spread.log_ratio);
        tighter += one->spread.log_ratio < 0;
    }
    const bool lower = metric->better == ESP_BETTER_LOWER;
    fprintf(out, ": a %s mean in %d of %d comparisons", lower ? "lower" : "higher", better,
            compared);
    if (tested > 0) {
        fprintf(out, ", in %d of them with p below %g after Holm's correction", sure, alpha);
    } else {
        fputs(", none of them tested", out);
    }
    if (sure_worse > 0) {
        fprintf(out, "; a %s one with such a p in %d", lower ? "higher" : "lower", sure_worse);
    }
    if (spreads > 0) {
        fprintf(out, "; a smaller sd over seeds in %d of %d", tighter, spreads);
    }
    if (question->n_doses > 1) {
        put_doses(out, report, metric, all, question);
    } else {
        const esp_comparison_family *of = &all->families[question->first];
        fputs(isnan(of->difference.estimate) ? "" : ". Over all of them together", out);
        put_pooled(out, report, metric, all, of);
    }
}

/* Trials that ended, and those of them that count as failed. */
typedef struct failures {
    int failed, ended;
} failures;

/* Those of the cells that stand on one side of a question, each counted once; family >= 0: of that
 * family alone. seen [n_cells]: whose number is `mark` has been counted. */
static failures count_failures(int *seen, int mark, const esp_report *report,
                               const esp_inference *all, int question, int family, bool of_a)
{
    failures out = {0};
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        const long cell = (of_a ? one->a : one->b) - report->cells;
        if (all->families[one->family].question != question ||
            (family >= 0 && one->family != family) || seen[cell] == mark) {
            continue;
        }
        seen[cell] = mark;
        out.failed += all->cells[cell].failures;
        out.ended += all->cells[cell].ended;
    }
    return out;
}

static void put_failures(FILE *out, esp_report *report, const esp_inference *all, int index)
{
    const esp_comparison_question *question = &all->questions[index];
    int *seen = esp_pool_take(&report->pool, ((size_t)report->n_cells + 1) * sizeof *seen);
    if (seen == NULL) {
        return; /* the pool's status says so */
    }
    int mark = 0, dose = -1;
    const failures a = count_failures(seen, ++mark, report, all, index, -1, true);
    const failures b = count_failures(seen, ++mark, report, all, index, -1, false);
    failures most = {0};
    bool tied = false; /* no dose stands out */
    for (int k = 0; a.failed > 0 && question->n_doses > 1 && k < question->n_doses; k++) {
        const int f = question->first + k;
        const failures of = count_failures(seen, ++mark, report, all, index, f, true);
        tied = of.failed == most.failed || (tied && of.failed < most.failed);
        dose = of.failed > most.failed ? f : dose;
        most = of.failed > most.failed ? of : most;
    }
    if (dose >= 0 && !tied) {
        fprintf(out, ". Most trials failed with %s, %d of %d", all->families[dose].dose,
                most.failed, most.ended);
    }
    if (a.failed + b.failed > 0) {
        fprintf(out, "; failed: %d of %d trials against %d of %d", a.failed, a.ended, b.failed,
                b.ended);
    }
}

/* What the study states beside the metric: differences that mean nothing. */
static void put_alike(FILE *out, esp_report *report, const esp_report_metric *metric,
                      const esp_inference *all, int index)
{
    const double alpha = 1 - report->section.confidence;
    int alike = 0, tested = 0;
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        const bool is_of = all->families[one->family].question == index;
        tested += is_of && !isnan(one->equivalence);
        alike += is_of && one->equivalence < alpha;
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

/* "all 3 trials of 'none' failed": why a cell has no values; NULL unless trials of it failed. */
static const char *why_empty(esp_report *report, const esp_report_cell *cell, int n_values)
{
    if (n_values > 0 || cell->failed == 0) {
        return NULL;
    }
    return cell->failed < cell->planned
               ? esp_pool_format(&report->pool,
                                 "%d of %d trials of '%s' failed and none has a value",
                                 cell->failed, cell->planned, cell->label)
           : cell->planned == 1
               ? esp_pool_format(&report->pool, "the only trial of '%s' failed", cell->label)
               : esp_pool_format(&report->pool, "all %d trials of '%s' failed", cell->planned,
                                 cell->label);
}

/* Comparisons of a question that a side without values leaves out, for its trials failed; *reasons
 * names these cells, each once. */
static int count_failed(const char **reasons, esp_report *report, const esp_inference *all,
                        int question)
{
    enum { MOST_NAMED = 3 };
    const esp_report_cell *named[MOST_NAMED];
    int n = 0, n_cells = 0;
    *reasons = "";
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        const esp_report_cell *sides[] = {one->a, one->b};
        const int n_values[] = {one->a_n, one->b_n};
        bool failed = false;
        for (int side = 0; side < 2 && all->families[one->family].question == question; side++) {
            const char *why = why_empty(report, sides[side], n_values[side]);
            bool known = false;
            for (int k = 0; k < n_cells && k < MOST_NAMED; k++) {
                known = known || named[k] == sides[side];
            }
            failed = failed || why != NULL;
            if (why != NULL && !known && n_cells < MOST_NAMED) {
                *reasons = esp_pool_format(&report->pool, "%s%s%s", *reasons,
                                           n_cells > 0 ? ", " : "", why);
                named[n_cells++] = sides[side];
            } else if (why != NULL && !known && n_cells == MOST_NAMED) {
                *reasons = esp_pool_format(&report->pool, "%s and more", *reasons);
                n_cells++;
            }
        }
        n += failed;
    }
    return n;
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

/* What is ranked by a value, where there are more than a page begins with. */
typedef struct ranked {
    double value; /* the less, the further ahead */
    int index;    /* its place in the report */
} ranked;

static int compare_ranked(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    return a->value != b->value ? (a->value > b->value) - (a->value < b->value)
                                : a->index - b->index;
}

static double rank_value(const esp_report_metric *metric, double value)
{
    return isnan(value) ? INFINITY : metric->better == ESP_BETTER_LOWER ? value : -value;
}

static void rank(ranked *order, int n)
{
    if (n > MOST_MEANS) {
        qsort(order, (size_t)n, sizeof *order, compare_ranked);
    }
}

/* A sentence for each question that has values, or failures instead. */
static int add_comparisons(esp_page *page, esp_report *report, const esp_inference *all)
{
    const int m = esp_report_primary(report);
    const esp_report_metric *metric = &report->metrics[m];
    ranked *order = esp_pool_take(&report->pool, ((size_t)all->n_questions + 1) * sizeof *order);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int q = 0; q < all->n_questions; q++) {
        int best, worst;
        find_extremes(&best, &worst, metric, all, &all->questions[q]);
        order[q] = (ranked){rank_value(metric, best < 0 ? NAN : estimate_of(all, best)), q};
    }
    rank(order, all->n_questions);
    for (int at = 0; at < all->n_questions; at++) {
        const int q = order[at].index;
        const esp_comparison *only = NULL;
        int n = 0;
        for (int i = 0; i < all->n; i++) {
            const esp_comparison *one = &all->comparisons[i];
            if (all->families[one->family].question == q && one->a_n > 0 && one->b_n > 0) {
                only = one;
                n++;
            }
        }
        const char *reasons = "";
        const int n_failed = count_failed(&reasons, report, all, q);
        if (n == 0 && n_failed == 0) {
            continue;
        }
        sentence s;
        ESP_TRY(begin(&s));
        fprintf(s.out, " against %s", all->questions[q].b);
        if (n == 0) {
            fprintf(s.out, ": not compared, because %s", reasons);
        } else if (n == 1) {
            put_comparison(s.out, report, metric, only, all->n_tested);
            if (all->questions[q].n > 1) {
                fprintf(s.out, "; of %d comparisons only this one, of '%s', has values",
                        all->questions[q].n, only->a->label);
            }
        } else {
            put_question(s.out, report, metric, all, q);
        }
        if (n > 0 && n_failed > 0) {
            fprintf(s.out, "; %d of %d comparisons %s no values on both sides, because %s",
                    n_failed, all->questions[q].n, n_failed == 1 ? "has" : "have", reasons);
        }
        put_failures(s.out, report, all, q);
        put_alike(s.out, report, metric, all, q);
        ESP_TRY(end(&s, page, report, all->questions[q].a));
    }
    return ESP_OK;
}

/* Where nothing is compared: the means themselves, of more cells than a page begins with the best,
 * and the cells of which nothing but failures is left. */
static int add_means(esp_page *page, esp_report *report, const esp_inference *all)
{
    const int m = esp_report_primary(report);
    const esp_report_metric *metric = &report->metrics[m];
    ranked *order = esp_pool_take(&report->pool, ((size_t)report->n_cells + 1) * sizeof *order);
    ESP_TRY(esp_pool_status(&report->pool));
    int n_valued = 0, n_put = 0, n_failed = 0;
    const char *failed = "";
    for (int i = 0; i < report->n_cells; i++) {
        const esp_stats *stats = &esp_report_series_of(report, &report->cells[i], 0, m)->stats;
        const char *why = why_empty(report, &report->cells[i], stats->n);
        if (why != NULL && n_failed++ < MOST_MEANS) {
            failed = esp_pool_format(&report->pool, "%s%s%s", failed, *failed ? ", " : "", why);
        }
        if (stats->n > 0) {
            order[n_valued++] = (ranked){rank_value(metric, stats->mean), i};
        }
    }
    rank(order, n_valued);
    for (; n_put < n_valued && n_put < MOST_MEANS; n_put++) {
        const int i = order[n_put].index;
        const esp_report_cell *cell = &report->cells[i];
        sentence s;
        ESP_TRY(begin(&s));
        fprintf(s.out, ": a mean of %s",
                mean_of(report, metric, &esp_report_series_of(report, cell, 0, m)->stats));
        if (all->cells[i].failures > 0) {
            fprintf(s.out, "; failed: %d of %d trials", all->cells[i].failures,
                    all->cells[i].ended);
        }
        ESP_TRY(end(&s, page, report, cell->label));
    }
    if (n_valued > n_put) {
        page->findings[page->n_findings++] = (esp_finding){
            "", esp_pool_format(&report->pool,
                                "These are the %s %d of %d cells, in order; the others stand in"
                                " the tables.",
                                metric->better == ESP_BETTER_NEITHER ? "highest" : "best", n_put,
                                n_valued)};
    }
    if (n_failed > 0) {
        page->findings[page->n_findings++] =
            (esp_finding){"", esp_pool_format(&report->pool, "No mean: %s%s.", failed,
                                              n_failed > MOST_MEANS ? " and more" : "")};
    }
    return esp_pool_status(&report->pool);
}

/* What no seed and no variant explains: trials of several files of one plugin. */
static void add_builds(esp_page *page, esp_report *report)
{
    const char *cells = "";
    int n = 0;
    for (int i = 0; i < report->n_cells; i++) {
        const esp_report_cell *cell = &report->cells[i];
        if (cell->builds > 1 && n++ < MOST_MEANS) {
            cells = esp_pool_format(&report->pool, "%s%s%s (%d)", cells, *cells ? ", " : "",
                                    cell->label, cell->builds);
        }
    }
    if (report->mixed != NULL) {
        page->findings[page->n_findings++] = (esp_finding){
            "", esp_pool_format(&report->pool,
                                "Trials were trained by several builds of plugin '%s', %s%s%s:"
                                " what differs may be the build. `run --strict-code` trains the"
                                " older ones again.",
                                report->mixed,
                                n > 0 ? "mixed within cells: " : "each cell by one of them", cells,
                                n > MOST_MEANS ? " and more" : "")};
    }
}

int esp_page_add_findings(esp_page *page, esp_report *report)
{
    const int m = esp_report_primary(report);
    const esp_inference *all = NULL;
    if (report->done + report->failed == 0) {
        return ESP_OK;
    }
    ESP_TRY(esp_report_infer(&all, report, 0, m));
    page->findings = esp_pool_take(&report->pool, ((size_t)all->n_questions + MOST_MEANS + 3) *
                                                      sizeof *page->findings);
    ESP_TRY(esp_pool_status(&report->pool));
    page->findings_of = esp_pool_format(&report->pool, "%s, %s",
                                        esp_report_metric_title(report, &report->metrics[m]),
                                        esp_report_at_phrase(report, &report->ats[0]));
    add_builds(page, report);
    const int n_before = page->n_findings;
    ESP_TRY(add_comparisons(page, report, all));
    return page->n_findings > n_before ? ESP_OK : add_means(page, report, all);
}
