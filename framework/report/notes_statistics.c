/* What a reader must know of the intervals and tests beside a report's tables. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "report/inference.h"
#include "report/report_tables.h"
#include "statistics/sample.h"

#define NOTE(page, report, ...) esp_page_note(page, esp_pool_format(&(report)->pool, __VA_ARGS__))

static void note_seeds(esp_page *page, esp_report *report)
{
    const esp_report_section *section = &report->section;
    const esp_failure_rule *rule = &section->failure;
    const char *kind =
        section->bootstrap
            ? esp_pool_format(&report->pool, "the studentized bootstrap's (%d draws, seed %llu)",
                              ESP_BOOTSTRAP_DRAWS, (unsigned long long)section->bootstrap_seed)
            : "Student's";
    NOTE(page, report,
         "seeds: the interval is %s, of the mean over seeds; test sampling: the standard error of "
         "one"
         " trial's accuracy for being measured on so many examples, which more seeds do not"
         " lessen.",
         kind);
    if (rule->metric != NULL) {
        NOTE(
            page, report,
            "failed: trials that broke off, or whose %s is %s %g, as the study states (these are in"
            " n, mean and sd, too); of those that ended, with Clopper and Pearson's interval.",
            rule->metric, rule->above ? "above" : "below", rule->limit);
    } else {
        NOTE(page, report,
             "failed: trials that broke off, of those that ended, with Clopper and Pearson's"
             " interval; report.failure can state a limit beyond which a trial counts as failed.");
    }
}

/* Whether trials of a cell share one stream's seed and differ in another's. */
static bool shares_streams(const esp_sample *sample)
{
    for (int s = 0; s < 3; s++) {
        bool varies = false, repeats = false;
        for (int i = 1; i < sample->n; i++) {
            varies = varies || sample->seeds[i][s] != sample->seeds[0][s];
            for (int j = 0; j < i; j++) {
                repeats = repeats || sample->seeds[i][s] == sample->seeds[j][s];
            }
        }
        if (varies && repeats) {
            return true;
        }
    }
    return false;
}

static void note_crossed(esp_page *page, esp_report *report)
{
    const int m = esp_report_primary(report);
    for (int i = 0; i < report->n_cells; i++) {
        if (shares_streams(&esp_report_series_of(report, &report->cells[i], 0, m)->sample)) {
            NOTE(page, report,
                 "seeds are crossed here: trials that share an init or an order are not"
                 " independent, so intervals and p values, which take every trial for a seed of its"
                 " own, are too narrow; `--variance` tells the sources apart.");
            return;
        }
    }
}

/* How much better the best of more seeds looks for no reason, where cells differ in n. */
static void note_luck(esp_page *page, esp_report *report)
{
    int least = 0, most = 0, n_sds = 0;
    double sds = 0;
    const int m = esp_report_primary(report);
    for (int i = 0; i < report->n_cells; i++) {
        const esp_stats *stats = &esp_report_series_of(report, &report->cells[i], 0, m)->stats;
        if (stats->n > 0) {
            least = least == 0 || stats->n < least ? stats->n : least;
            most = stats->n > most ? stats->n : most;
        }
        if (!isnan(stats->sd)) {
            sds += stats->sd;
            n_sds++;
        }
    }
    if (most == least) {
        return;
    }
    double luck = esp_expected_best(most) - esp_expected_best(least);
    const bool percent = report->metrics[m].better == ESP_BETTER_HIGHER;
    const char *size = n_sds > 0 ? esp_pool_format(&report->pool, ", here about %.2g%s",
                                                   luck * sds / n_sds * (percent ? 100 : 1),
                                                   percent ? " points" : "")
                                 : "";
    NOTE(page, report,
         "cells have %d to %d seeds: their best ± spread cannot be compared. By luck alone the"
         " best of %d is %.2f sd better than the best of %d%s, and the spread is %.2f sd wider.",
         least, most, most, luck, least, size, 2 * luck);
}

static void note_tests(esp_page *page, esp_report *report, const esp_inference *all)
{
    const double alpha = 1 - report->section.confidence;
    bool few = false, welch = false, hopeless = false;
    int ranked = 0; /* what Holm's correction of signed ranks counts */
    const esp_comparison *weak = NULL;
    esp_untested constant = ESP_TESTED;
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        constant = one->untested >= ESP_UNTESTED_VALUES && one->untested > constant ? one->untested
                                                                                    : constant;
        few = few || one->a_n < ESP_LEAST_FOR_P || one->b_n < ESP_LEAST_FOR_P;
        welch = welch || !one->by_pairs;
        ranked += !isnan(one->signed_rank_holm_least);
        if (one->signed_rank_holm_least > alpha) {
            hopeless = true;
            weak = weak == NULL || one->pairs < weak->pairs ? one : weak;
        }
    }
    const char *holm =
        all->n_tested == 0
            ? "none, because no comparison of the table has a p"
            : esp_pool_format(&report->pool, "corrected for %d comparison%s of the table%s",
                              all->n_tested, all->n_tested == 1 ? "" : "s",
                              all->n_tested < all->n ? " that have a p" : "");
    NOTE(page, report,
         "A - B: mean difference, over the (pairs) of trials that share a seed. Interval and p:"
         " paired t test where most seeds are shared%s; --statistics has both and the correlation"
         " over pairs, above 0 where pairing gains; p Holm: %s.",
         welch ? ", else Welch's (W) of all seeds of both, (n of A, n of B)" : "", holm);
    NOTE(page, report,
         "A better: the probability that a run of A is better than one of B, ties counted half; sd"
         " A/B: ratio of the sds over seeds, its interval for normal values.");
    if (few) {
        NOTE(page, report,
             "no p value below %d seeds: with two, one difference would have to tell both the"
             " effect and how much it varies.",
             ESP_LEAST_FOR_P);
    }
    if (constant != ESP_TESTED) {
        NOTE(page, report,
             "p and its interval are - where %s over seeds: there is nothing to test by.",
             esp_untested_words(constant));
    }
    if (hopeless) {
        NOTE(page, report,
             "signed rank (exact Wilcoxon) with %d pairs cannot reach p below %.3g, corrected for"
             " %d comparison%s not below %.3g, whatever the data: it cannot reject here.",
             weak->pairs, esp_signed_rank_smallest_p(weak->pairs), ranked, ranked == 1 ? "" : "s",
             weak->signed_rank_holm_least);
    }
    for (int i = 0; i < all->n_questions; i++) {
        if (all->questions[i].n_doses > 1) {
            NOTE(page, report,
                 "the best of several values looks better than it is, for it was chosen by the same"
                 " seeds; its corrected p allows for the choice, its difference does not. Nothing"
                 " is pooled over values in which A differs from B.");
            break;
        }
    }
    for (int i = 0; i < all->n_families; i++) {
        if (all->families[i].n > 1) {
            NOTE(page, report,
                 "pooled over cells: every cell weighs the same, and a seed that all cells share"
                 " counts as one seed; p Holm: corrected for all pooled tests of the table. sd A/B:"
                 " the mean log ratio less its bias; both its bias and its error come from leaving "
                 "out"
                 " one seed at a time in all cells at once (jackknife), which asks for no normal "
                 "values,"
                 " so it is not quite the mean of the cells' ratios; a small `alike in all` says"
                 " that the ratio is not the same in all cells, if values are normal (Cochran's"
                 " Q); these two p are not corrected.");
            break;
        }
    }
}

static void note_all_tests(esp_page *page, esp_report *report, const esp_inference *all)
{
    NOTE(page, report,
         "all tests: r over pairs; d_z: mean over sd of the differences; g: Hedges', over the"
         " pooled sd; signed rank and Mann-Whitney are exact, (least) the smallest p that so many"
         " seeds can reach; these p values are not corrected.");
    if (report->section.equivalence.metric != NULL) {
        NOTE(
            page, report,
            "equivalence: two one-sided tests that |A - B| of %s is below %g, as the study states.",
            report->section.equivalence.metric, report->section.equivalence.margin);
    } else {
        NOTE(
            page, report,
            "equivalence is tested where report.equivalence states what difference means nothing.");
    }
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        if (!isnan(one->brown_forsythe_power)) {
            NOTE(page, report,
                 "Brown-Forsythe with %d and %d seeds finds one sd twice the other in %.0f of 100"
                 " cases (normal values, simulated).",
                 one->brown_forsythe.n, one->brown_forsythe.m, 100 * one->brown_forsythe_power);
        }
    }
}

/* What a stated margin comes to, where the tests themselves are not shown. */
static int note_equivalence(esp_page *page, esp_report *report)
{
    const esp_equivalence *stated = &report->section.equivalence;
    const double alpha = 1 - report->section.confidence;
    const esp_inference *all = NULL;
    for (int m = 0; m < report->n_metrics && stated->metric != NULL && report->n_ats > 0; m++) {
        if (strcmp(report->metrics[m].name, stated->metric) != 0) {
            continue;
        }
        int tested = 0, alike = 0;
        ESP_TRY(esp_report_infer(&all, report, 0, m));
        for (int i = 0; i < all->n; i++) {
            tested += !isnan(all->comparisons[i].equivalence);
            alike += all->comparisons[i].equivalence < alpha;
        }
        if (tested > 0) {
            NOTE(page, report,
                 "equivalence: |A - B| of %s at %s is below %g, as the study states, in %d of %d"
                 " (two one-sided tests, p below %g, not corrected); --statistics shows each.",
                 stated->metric, report->ats[0].name, stated->margin, alike, tested, alpha);
        }
    }
    return ESP_OK;
}

int esp_page_add_statistics_notes(esp_page *page, esp_report *report)
{
    const int primary = esp_report_primary(report);
    const esp_inference *all = NULL;
    if (report->n_metrics > 1 || report->n_ats > 1) {
        NOTE(page, report,
             "claims rest on %s (report.primary) %s; other metrics%s are not corrected for being"
             " several%s.",
             report->metrics[primary].name, esp_report_at_phrase(report, &report->ats[0]),
             report->n_ats > 1 ? " and epochs" : "",
             report->statistics ? "" : ", --statistics shows their tests too");
    }
    note_seeds(page, report);
    note_crossed(page, report);
    note_luck(page, report);
    for (int at = 0; at < report->n_ats; at++) {
        ESP_TRY(esp_report_infer(&all, report, at, primary));
        if (all->n > 0) {
            note_tests(page, report, all);
        }
        if (all->n > 0 && report->statistics) {
            note_all_tests(page, report, all);
        }
    }
    return report->statistics ? ESP_OK : note_equivalence(page, report);
}
