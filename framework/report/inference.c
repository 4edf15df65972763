#include "report/inference.h"

#include <math.h>
#include <string.h>

#include "core/status.h"
#include "statistics/failures.h"
#include "statistics/holm.h"
#include "statistics/power.h"
#include "statistics/sample.h"

enum { POWER_DRAWS = 1000 };

int esp_report_primary(const esp_report *report)
{
    for (int m = 0; m < report->n_metrics && report->section.primary != NULL; m++) {
        if (strcmp(report->metrics[m].name, report->section.primary) == 0) {
            return m;
        }
    }
    return 0;
}

/* ---- one cell -------------------------------------------------------------------------------- */

static double test_error(const esp_report_metric *metric, const esp_report_cell *cell,
                         const esp_sample *sample)
{
    bool accuracy =
        strcmp(metric->split, "test") == 0 &&
        (strcmp(metric->key, "hard_accuracy") == 0 || strcmp(metric->key, "soft_accuracy") == 0);
    double sum = 0;
    for (int i = 0; i < sample->n; i++) {
        double error = esp_accuracy_standard_error(sample->values[i], cell->examples);
        sum += error * error;
    }
    return accuracy && sample->n > 0 && cell->examples > 0 ? sqrt(sum / sample->n) : NAN;
}

static esp_seed_inference infer_cell(const esp_report *report, const esp_report_cell *cell, int at,
                                     int metric)
{
    const esp_report_section *section = &report->section;
    const esp_sample *sample = &esp_report_series_of(report, cell, at, metric)->sample;
    esp_seed_inference out = {.median = esp_median(sample->values, sample->n),
                              .test_error = test_error(&report->metrics[metric], cell, sample),
                              .ended = cell->done + cell->failed,
                              .failures = cell->failed + cell->beyond[at]};
    out.interval = section->bootstrap
                       ? esp_bootstrap_interval(sample->values, sample->n, section->confidence,
                                                ESP_BOOTSTRAP_DRAWS, section->bootstrap_seed)
                       : esp_student_interval(sample->values, sample->n, section->confidence);
    out.rate = esp_rate_interval(out.failures, out.ended, section->confidence);
    return out;
}

/* ---- two cells ------------------------------------------------------------------------------- */

static double known_power(const esp_inference *all, const esp_report *report, int n, int m)
{
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        if (one->brown_forsythe.n == n && one->brown_forsythe.m == m &&
            one->brown_forsythe_power > 0) {
            return one->brown_forsythe_power;
        }
    }
    return esp_brown_forsythe_power(2, n, m, 1 - report->section.confidence, POWER_DRAWS,
                                    report->section.bootstrap_seed);
}

static void withhold(esp_comparison *one, const esp_seed_inference *a, const esp_seed_inference *b,
                     int n, int m)
{
    if (one->pairs < ESP_LEAST_FOR_P) {
        one->paired.p = one->signed_rank.p = NAN;
    }
    if (n < ESP_LEAST_FOR_P || m < ESP_LEAST_FOR_P) {
        one->welch.p = one->mann_whitney.p = one->spread.p = one->brown_forsythe.p = NAN;
    }
    if (a->ended < ESP_LEAST_FOR_P || b->ended < ESP_LEAST_FOR_P) {
        one->fisher = NAN;
    }
}

static bool varies(const esp_sample *sample)
{
    return esp_moments_of(sample->values, sample->n).sd > 0;
}

const char *esp_untested_words(esp_untested why)
{
    static const char *const words[] = {[ESP_TESTED] = "",
                                        [ESP_UNTESTED_SEEDS] = "fewer than 3 seeds say too little",
                                        [ESP_UNTESTED_PAIRS] =
                                            "fewer than 3 seeds have a value on both sides",
                                        [ESP_UNTESTED_VALUES] = "the values do not vary",
                                        [ESP_UNTESTED_DIFFERENCES] = "the differences do not vary"};
    return words[why];
}

/* Why there is no p. */
static esp_untested why_untested(const esp_comparison *one, const esp_sample *a,
                                 const esp_sample *b)
{
    return !isnan(one->counted.p)                             ? ESP_TESTED
           : a->n < ESP_LEAST_FOR_P || b->n < ESP_LEAST_FOR_P ? ESP_UNTESTED_SEEDS
           : one->by_pairs && one->pairs < ESP_LEAST_FOR_P    ? ESP_UNTESTED_PAIRS
           : one->by_pairs && (varies(a) || varies(b))        ? ESP_UNTESTED_DIFFERENCES
                                                              : ESP_UNTESTED_VALUES;
}

static int compare(esp_comparison *one, const esp_inference *all, esp_report *report, int at, int m)
{
    const double confidence = report->section.confidence;
    const esp_sample *a = &esp_report_series_of(report, one->a, at, m)->sample;
    const esp_sample *b = &esp_report_series_of(report, one->b, at, m)->sample;
    size_t room = (size_t)(a->n < b->n ? a->n : b->n);
    double *x = esp_pool_take(&report->pool, room * sizeof *x);
    double *y = esp_pool_take(&report->pool, room * sizeof *y);
    ESP_TRY(esp_pool_status(&report->pool));
    const esp_better better = report->metrics[m].better;
    const esp_seed_inference *of_a = &all->cells[one->a - report->cells];
    const esp_seed_inference *of_b = &all->cells[one->b - report->cells];
    one->a_n = a->n;
    one->b_n = b->n;
    one->pairs = esp_pairs_of(x, y, a, b);
    one->paired = esp_paired_t(x, y, one->pairs, confidence);
    one->welch = esp_welch_t(a->values, a->n, b->values, b->n, confidence);
    one->correlation = esp_correlation(x, y, one->pairs);
    one->signed_rank = esp_signed_rank(x, y, one->pairs);
    one->mann_whitney = esp_mann_whitney(a->values, a->n, b->values, b->n);
    one->fisher = esp_fisher_p(of_a->failures, of_a->ended, of_b->failures, of_b->ended);
    one->spread = esp_log_sd_ratio(a->values, a->n, b->values, b->n, confidence);
    one->brown_forsythe = esp_brown_forsythe(a->values, a->n, b->values, b->n);
    bool tested = a->n >= ESP_LEAST_FOR_P && b->n >= ESP_LEAST_FOR_P;
    one->brown_forsythe_power = tested ? known_power(all, report, a->n, b->n) : NAN;
    one->improvement =
        better == ESP_BETTER_NEITHER ? (esp_improvement){NAN, {NAN, NAN}}
        : better == ESP_BETTER_HIGHER
            ? esp_probability_of_improvement(a->values, a->n, b->values, b->n, confidence)
            : esp_probability_of_improvement(b->values, b->n, a->values, a->n, confidence);
    withhold(one, of_a, of_b, a->n, b->n);
    /* By design, not by the data: a test chosen by the correlation found rejects too often. */
    one->by_pairs = 2 * one->pairs >= (a->n < b->n ? a->n : b->n);
    one->counted = one->by_pairs ? one->paired : one->welch;
    one->untested = why_untested(one, a, b);
    one->equivalence = NAN;
    const esp_equivalence *margin = &report->section.equivalence;
    if (margin->metric != NULL && strcmp(margin->metric, report->metrics[m].name) == 0 &&
        !isnan(one->counted.p)) {
        one->equivalence = esp_equivalence_p(&one->counted, margin->margin);
    }
    return ESP_OK;
}

/* ---- all of a table -------------------------------------------------------------------------- */

/* The values of one side at the seeds listed, NaN where it has none. */
static void spread_out(double *values, int n_seeds, uint64_t (*seeds)[3], const esp_sample *sample)
{
    for (int s = 0; s < n_seeds; s++) {
        values[s] = NAN;
    }
    for (int s = 0; s < sample->n; s++) {
        values[esp_seed_index(seeds, &n_seeds, sample->seeds[s])] = sample->values[s];
    }
}

static int pool_family(esp_comparison_family *family, int index, const esp_inference *all,
                       esp_report *report, int at, int m)
{
    size_t most = 0, cells = (size_t)family->n;
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        for (int side = 0; one->family == index && side < 2; side++) {
            const esp_report_cell *cell = side == 0 ? one->a : one->b;
            most += (size_t)esp_report_series_of(report, cell, at, m)->sample.n;
        }
    }
    uint64_t(*seeds)[3] = esp_pool_take(&report->pool, (most + 1) * sizeof *seeds);
    ESP_TRY(esp_pool_status(&report->pool));
    int n_seeds = 0;
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        for (int side = 0; one->family == index && side < 2; side++) {
            const esp_report_cell *cell = side == 0 ? one->a : one->b;
            const esp_sample *sample = &esp_report_series_of(report, cell, at, m)->sample;
            for (int s = 0; s < sample->n; s++) {
                esp_seed_index(seeds, &n_seeds, sample->seeds[s]);
            }
        }
    }
    const size_t room = cells * (size_t)n_seeds; /* [cells x seeds], two of them */
    double *a = esp_pool_take(&report->pool, (2 * room + 1) * sizeof *a);
    double *sds = esp_pool_take(&report->pool, 2 * cells * sizeof *sds);
    int *ns = esp_pool_take(&report->pool, 2 * cells * sizeof *ns);
    ESP_TRY(esp_pool_status(&report->pool));
    double *b = a + room;
    size_t cell = 0;
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        if (one->family != index) {
            continue;
        }
        const esp_report_series *left = esp_report_series_of(report, one->a, at, m);
        const esp_report_series *right = esp_report_series_of(report, one->b, at, m);
        spread_out(a + cell * (size_t)n_seeds, n_seeds, seeds, &left->sample);
        spread_out(b + cell * (size_t)n_seeds, n_seeds, seeds, &right->sample);
        sds[cell] = left->stats.sd;
        sds[cells + cell] = right->stats.sd;
        ns[cell] = left->stats.n;
        ns[cells + cell] = right->stats.n;
        cell++;
    }
    const double confidence = report->section.confidence;
    family->difference = esp_pool_pairs(a, b, family->n, n_seeds, confidence);
    family->spread = esp_pool_spreads_by_seed(a, b, family->n, n_seeds, confidence);
    family->homogeneity = esp_pool_spreads(sds, ns, sds + cells, ns + cells, family->n, confidence);
    if (family->difference.seeds < ESP_LEAST_FOR_P) {
        family->difference.p = NAN;
    }
    return ESP_OK;
}

/* Corrects what is tested for how many tests there are. */
static int correct(esp_inference *all, esp_report *report)
{
    size_t n = (size_t)all->n;
    double *p = esp_pool_take(&report->pool, n * sizeof *p);
    double *least = esp_pool_take(&report->pool, n * sizeof *least);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < all->n; i++) {
        p[i] = all->comparisons[i].counted.p;
        least[i] = all->comparisons[i].pairs < ESP_LEAST_FOR_P
                       ? NAN
                       : esp_signed_rank_smallest_p(all->comparisons[i].pairs);
    }
    esp_holm(p, p, all->n);
    esp_holm(least, least, all->n);
    for (int i = 0; i < all->n; i++) {
        all->comparisons[i].holm = p[i];
        all->n_tested += !isnan(p[i]);
        all->comparisons[i].signed_rank_holm_least = least[i];
    }
    for (int i = 0; i < all->n_families; i++) { /* no more of them than comparisons */
        p[i] = all->families[i].n > 1 ? all->families[i].difference.p : NAN;
    }
    esp_holm(p, p, all->n_families);
    for (int i = 0; i < all->n_families; i++) {
        all->families[i].holm = p[i];
    }
    return ESP_OK;
}

static int infer(esp_inference *all, esp_report *report, int at, int metric)
{
    size_t n_cells = (size_t)report->n_cells;
    size_t room = (size_t)report->n_pairs + n_cells;
    all->cells = esp_pool_take(&report->pool, n_cells * sizeof *all->cells);
    all->comparisons = esp_pool_take(&report->pool, room * sizeof *all->comparisons);
    all->families = esp_pool_take(&report->pool, room * sizeof *all->families);
    all->questions = esp_pool_take(&report->pool, room * sizeof *all->questions);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < report->n_cells; i++) {
        all->cells[i] = infer_cell(report, &report->cells[i], at, metric);
    }
    ESP_TRY(esp_questions_ask(all, report));
    for (int i = 0; i < all->n; i++) {
        ESP_TRY(compare(&all->comparisons[i], all, report, at, metric));
    }
    for (int i = 0; i < all->n_families; i++) {
        ESP_TRY(pool_family(&all->families[i], i, all, report, at, metric));
    }
    return correct(all, report);
}

int esp_report_infer(const esp_inference **out, esp_report *report, int at, int metric)
{
    size_t n = (size_t)(report->n_ats * report->n_metrics);
    if (report->inferences == NULL) {
        report->inferences = esp_pool_take(&report->pool, n * sizeof *report->inferences);
        ESP_TRY(esp_pool_status(&report->pool));
    }
    esp_inference **kept = &report->inferences[at * report->n_metrics + metric];
    if (*kept == NULL) {
        esp_inference *made = esp_pool_take(&report->pool, sizeof *made);
        ESP_TRY(esp_pool_status(&report->pool));
        ESP_TRY(infer(made, report, at, metric));
        *kept = made;
    }
    *out = *kept;
    return ESP_OK;
}
