/* Every statistic against R and SciPy, to 1e-9: tests/fixtures/statistics has the data sets, the
 * expected values and the scripts that made them. */
#include "statistics/statistics_fixture.h"

#include "statistics/differences.h"
#include "statistics/distributions.h"
#include "statistics/failures.h"
#include "statistics/holm.h"
#include "statistics/intervals.h"
#include "statistics/pooled.h"
#include "statistics/power.h"
#include "statistics/ranks.h"
#include "statistics/sample.h"
#include "statistics/spreads.h"

static const double confidence = 0.95, margin = 0.01;

/* ---- of numbers ------------------------------------------------------------------------------ */

/* Samples too large to count, with ties, as in make.R. */
static double large_rank_p(int n, int m, bool paired)
{
    double a[200], b[200];
    for (int i = 0; i < 200; i++) {
        a[i] = 37 * (i + 1) % 101 / 100.0;
        b[i] = 53 * (i + 1) % 103 / 100.0;
    }
    const esp_rank_test test = paired ? esp_signed_rank(a, b, n) : esp_mann_whitney(a, n, b, m);
    assert_false(test.exact);
    return test.p;
}

static double of_numbers(const char *name, const double *x)
{
#define CASE(key, value)                                                                           \
    if (strcmp(name, key) == 0) {                                                                  \
        return value;                                                                              \
    }
    CASE("student_upper", esp_student_upper(x[0], x[1]))
    CASE("student_quantile", esp_student_quantile(x[0], x[1]))
    CASE("normal_cdf", esp_normal_cdf(x[0]))
    CASE("normal_quantile", esp_normal_quantile(x[0]))
    CASE("f_upper", esp_f_upper(x[0], x[1], x[2]))
    CASE("f_quantile", esp_f_quantile(x[0], x[1], x[2]))
    CASE("chi_square_upper", esp_chi_square_upper(x[0], x[1]))
    CASE("incomplete_beta", esp_incomplete_beta(x[0], x[1], x[2]))
    CASE("beta_quantile", esp_beta_quantile(x[0], x[1], x[2]))
    CASE("digamma", esp_digamma(x[0]))
    CASE("trigamma", esp_trigamma(x[0]))
    CASE("noncentral_t_cdf", esp_noncentral_t_cdf(x[0], x[1], x[2]))
    CASE("rate_low", esp_rate_interval((int)x[0], (int)x[1], x[2]).low)
    CASE("rate_high", esp_rate_interval((int)x[0], (int)x[1], x[2]).high)
    CASE("fisher", esp_fisher_p((int)x[0], (int)x[1], (int)x[2], (int)x[3]))
    CASE("fisher_smallest", esp_fisher_smallest_p((int)x[0], (int)x[1]))
    CASE("accuracy_error", esp_accuracy_standard_error(x[0], x[1]))
    CASE("expected_best", esp_expected_best((int)x[0]))
    CASE("large_mann_whitney_p", large_rank_p((int)x[0], (int)x[1], false))
    CASE("large_signed_rank_p", large_rank_p((int)x[0], 0, true))
    CASE("paired_power", esp_paired_power(x[0], (int)x[1], x[2]))
    CASE("paired_detectable", esp_paired_detectable((int)x[0], x[1], x[2]))
    CASE("welch_power", esp_welch_power(x[0], x[1], (int)x[2], x[3], (int)x[4], x[5]))
    CASE("welch_detectable", esp_welch_detectable(x[0], (int)x[1], x[2], (int)x[3], x[4], x[5]))
    CASE("paired_seeds", esp_paired_seeds(x[0], 0.05, 0.8))
    CASE("welch_seeds", esp_welch_seeds(x[0], 0.05, 0.8))
    CASE("spread_power", esp_spread_power(x[0], (int)x[1], (int)x[2], x[3]))
    CASE("spread_detectable", esp_spread_detectable((int)x[0], (int)x[1], x[2], x[3]))
    CASE("fisher_power", esp_fisher_power(x[0], (int)x[1], x[2], (int)x[3], x[4]))
    CASE("fisher_detectable", esp_fisher_detectable((int)x[0], x[1], (int)x[2], x[3], x[4]))
    fail_msg("no statistic %s", name);
    return NAN;
}

/* ---- of data sets ---------------------------------------------------------------------------- */

static double of_samples(const char *name, const data_set *set)
{
    const double *a = set->rows[0], *b = set->rows[1];
    const int n = set->n[0], m = set->n[1];
    CASE("mean_a", esp_moments_of(a, n).mean)
    CASE("sd_a", esp_moments_of(a, n).sd)
    CASE("median_a", esp_median(a, n))
    CASE("student_low", esp_student_interval(a, n, confidence).low)
    CASE("student_high", esp_student_interval(a, n, confidence).high)
    CASE("bootstrap_low", esp_bootstrap_interval(a, n, confidence, 999, 7).low)
    CASE("bootstrap_high", esp_bootstrap_interval(a, n, confidence, 999, 7).high)
    const esp_difference welch = esp_welch_t(a, n, b, m, confidence);
    CASE("welch_estimate", welch.estimate)
    CASE("welch_t", welch.t)
    CASE("welch_df", welch.df)
    CASE("welch_p", welch.p)
    CASE("welch_low", welch.interval.low)
    CASE("welch_high", welch.interval.high)
    CASE("welch_equivalence", esp_equivalence_p(&welch, margin))
    CASE("hedges_g", welch.effect)
    const esp_spread_ratio ratio = esp_log_sd_ratio(a, n, b, m, confidence);
    CASE("log_sd_ratio", ratio.log_ratio)
    CASE("log_sd_ratio_p", ratio.p)
    CASE("log_sd_ratio_low", ratio.interval.low)
    CASE("log_sd_ratio_high", ratio.interval.high)
    const esp_improvement improvement = esp_probability_of_improvement(a, n, b, m, confidence);
    CASE("improvement", improvement.probability)
    CASE("improvement_low", improvement.interval.low)
    CASE("improvement_high", improvement.interval.high)
    CASE("brown_forsythe_f", esp_brown_forsythe(a, n, b, m).f)
    CASE("brown_forsythe_p", esp_brown_forsythe(a, n, b, m).p)
    CASE("mann_whitney", esp_mann_whitney(a, n, b, m).statistic)
    CASE("mann_whitney_p", esp_mann_whitney(a, n, b, m).p)
    assert_int_equal(n, m); /* what follows is of pairs */
    const esp_difference paired = esp_paired_t(a, b, n, confidence);
    CASE("paired_estimate", paired.estimate)
    CASE("paired_t", paired.t)
    CASE("paired_p", paired.p)
    CASE("paired_low", paired.interval.low)
    CASE("paired_high", paired.interval.high)
    CASE("paired_effect", paired.effect)
    CASE("paired_equivalence", esp_equivalence_p(&paired, margin))
    CASE("correlation", esp_correlation(a, b, n))
    CASE("signed_rank", esp_signed_rank(a, b, n).statistic)
    CASE("signed_rank_p", esp_signed_rank(a, b, n).p)
    fail_msg("no statistic %s", name);
    return NAN;
}

/* ---- over data sets -------------------------------------------------------------------------- */

static double holm_of_welch(const data_set *sets, int n_sets, int which)
{
    double p[MOST_SETS];
    for (int i = 0; i < n_sets; i++) {
        p[i] = esp_welch_t(sets[i].rows[0], sets[i].n[0], sets[i].rows[1], sets[i].n[1], 0.95).p;
    }
    esp_holm(p, p, n_sets);
    return p[which];
}

static double of_all(const char *name, const data_set *sets, int n_sets)
{
    double sds[2][MOST_SETS];
    int n[2][MOST_SETS];
    for (int i = 0; i < n_sets; i++) {
        for (int side = 0; side < 2; side++) {
            n[side][i] = sets[i].n[side];
            sds[side][i] = esp_moments_of(sets[i].rows[side], n[side][i]).sd;
        }
    }
    const esp_pooled_spread pooled =
        esp_pool_spreads(sds[0], n[0], sds[1], n[1], n_sets, confidence);
    CASE("pooled_spread_cells", pooled.cells)
    CASE("pooled_spread", pooled.log_ratio)
    CASE("pooled_spread_error", pooled.standard_error)
    CASE("pooled_spread_p", pooled.p)
    CASE("pooled_spread_low", pooled.interval.low)
    CASE("pooled_spread_homogeneity", pooled.homogeneity_p)
    fail_msg("no statistic %s", name);
    return NAN;
}

static double of_deltas(const char *name, const data_set *set)
{
    double deltas[MOST_ROWS * MOST_VALUES], other[MOST_ROWS * MOST_VALUES];
    const int n_rows = set->n_rows, n = set->n[0];
    for (int i = 0; i < n_rows * n; i++) {
        deltas[i] = set->rows[i / n][i % n];
        other[i] = set->rows[n_rows - 1 - i / n][i % n] * (1 + (i % n + 1) / 10.0);
    }
    const esp_pooled_difference pooled =
        esp_pool_differences(deltas, set->n_rows, set->n[0], confidence);
    CASE("pooled_estimate", pooled.estimate)
    CASE("pooled_error", pooled.standard_error)
    CASE("pooled_p", pooled.p)
    CASE("pooled_low", pooled.interval.low)
    CASE("pooled_high", pooled.interval.high)
    const esp_spread_by_seed spread =
        esp_pool_spreads_by_seed(deltas, other, n_rows, n, confidence);
    CASE("spread_by_seed_cells", spread.cells)
    CASE("spread_by_seed", spread.log_ratio)
    CASE("spread_by_seed_error", spread.standard_error)
    CASE("spread_by_seed_p", spread.p)
    CASE("spread_by_seed_low", spread.interval.low)
    fail_msg("no statistic %s", name);
    return NAN;
#undef CASE
}

/* ---- the comparison -------------------------------------------------------------------------- */

static int find(const data_set *sets, int n_sets, const char *name)
{
    for (int i = 0; i < n_sets; i++) {
        if (strcmp(sets[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Compares every line of a file; returns how many. */
static int compare(const char *file_name)
{
    static data_set samples[MOST_SETS], tables[MOST_SETS];
    const int n_samples = read_sets(samples, "samples.txt");
    const int n_tables = read_sets(tables, "deltas.txt");
    assert_true(n_samples >= 20);
    FILE *file = open_fixture(file_name);
    expectation expected;
    int n = 0;
    for (; read_expectation(&expected, file); n++) {
        const char *statistic = expected.statistic;
        const int sample = find(samples, n_samples, expected.arguments);
        const int table = find(tables, n_tables, expected.arguments);
        double value = NAN;
        if (strcmp(statistic, "holm_of_welch") == 0) {
            value = holm_of_welch(samples, n_samples, sample);
        } else if (strcmp(expected.arguments, "all") == 0) {
            value = of_all(statistic, samples, n_samples);
        } else if (sample >= 0) {
            value = of_samples(statistic, &samples[sample]);
        } else if (table >= 0) {
            value = of_deltas(statistic, &tables[table]);
        } else {
            double numbers[8] = {0};
            char *at = expected.arguments;
            for (int i = 0; i < 8 && *at != '\0'; i++) {
                numbers[i] = strtod(at, &at);
            }
            value = of_numbers(statistic, numbers);
        }
        assert_agrees(&expected, value);
    }
    fclose(file);
    return n;
}

static void test_statistics__agree_with_r(void **state)
{
    (void)state;
    assert_true(compare("expected_r.txt") > 1500);
}

static void test_statistics__agree_with_scipy(void **state)
{
    (void)state;
    assert_true(compare("expected_scipy.txt") > 180);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics__agree_with_r),
        cmocka_unit_test(test_statistics__agree_with_scipy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
