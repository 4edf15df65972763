/* What must hold of the statistics whatever an oracle says: symmetry, bounds that are reached,
 * seeds that repeat, limits. */
#include "statistics/statistics_fixture.h"

#include "core/rng.h"
#include "fixtures/asserts.h"
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

/* a above b throughout, nothing tied. */
static void separate(double *a, int n, double *b, int m)
{
    for (int i = 0; i < n; i++) {
        a[i] = 2 + i * i;
    }
    for (int i = 0; i < m; i++) {
        b[i] = 1 - i;
    }
}

static void test_smallest_p__is_reached(void **state)
{
    (void)state;
    double a[10], b[10];
    for (int n = 1; n <= 10; n++) {
        for (int m = 1; m <= 10; m++) {
            separate(a, n, b, m);
            const esp_rank_test test = esp_mann_whitney(a, n, b, m);
            ASSERT_CLOSE(test.p, test.smallest_p);
            /* The improvement is certain, and its statistic the number of pairs. */
            ASSERT_CLOSE(test.statistic, n * m);
        }
        separate(a, n, b, n);
        const esp_rank_test test = esp_signed_rank(a, b, n);
        ASSERT_CLOSE(test.p, test.smallest_p);
        ASSERT_CLOSE(test.smallest_p, fmin(1, 2 / pow(2, n)));
    }
    /* 2 / (10 choose 5). */
    ASSERT_CLOSE(esp_mann_whitney_smallest_p(5, 5), 2.0 / 252);
    ASSERT_CLOSE(esp_fisher_smallest_p(5, 5), 2.0 / 252);
}

static void test_holm__tells_what_no_data_could_reject(void **state)
{
    (void)state;
    /* Five pairs reach 1/16; ten reach 1/512, which two tests at 0.05 allow and forty do not. */
    double smallest[40];
    smallest[0] = esp_signed_rank_smallest_p(5);
    smallest[1] = esp_signed_rank_smallest_p(10);
    smallest[2] = NAN;
    esp_holm(smallest, smallest, 3);
    assert_true(smallest[0] > 0.05 && smallest[1] < 0.05 && isnan(smallest[2]));
    for (int i = 0; i < 40; i++) {
        smallest[i] = 1.0 / 512;
    }
    esp_holm(smallest, smallest, 40);
    for (int i = 0; i < 40; i++) {
        ASSERT_CLOSE(smallest[i], 40.0 / 512);
    }
}

static void test_two_sides__swap(void **state)
{
    (void)state;
    const double a[] = {0.91, 0.93, 0.95, 0.92, 0.99}, b[] = {0.90, 0.93, 0.91, 0.94, 0.90};
    const esp_difference one = esp_welch_t(a, 5, b, 5, 0.95), other = esp_welch_t(b, 5, a, 5, 0.95);
    ASSERT_CLOSE(one.estimate, -other.estimate);
    ASSERT_CLOSE(one.interval.low, -other.interval.high);
    ASSERT_CLOSE(one.p, other.p);
    ASSERT_CLOSE(esp_mann_whitney(a, 5, b, 5).p, esp_mann_whitney(b, 5, a, 5).p);
    ASSERT_CLOSE(esp_signed_rank(a, b, 5).p, esp_signed_rank(b, a, 5).p);
    ASSERT_CLOSE(esp_log_sd_ratio(a, 5, b, 5, 0.9).interval.low,
                 -esp_log_sd_ratio(b, 5, a, 5, 0.9).interval.high);
    const esp_improvement up = esp_probability_of_improvement(a, 5, b, 5, 0.95);
    const esp_improvement down = esp_probability_of_improvement(b, 5, a, 5, 0.95);
    ASSERT_CLOSE(up.probability, 1 - down.probability);
    ASSERT_CLOSE(up.interval.low, 1 - down.interval.high);
}

static void test_equivalence__agrees_with_its_interval(void **state)
{
    (void)state;
    /* p is 0.05 at the margin that the 90 % interval just reaches. */
    const double a[] = {0.91, 0.93, 0.95, 0.92, 0.99}, b[] = {0.90, 0.93, 0.91, 0.94, 0.90};
    const esp_difference welch = esp_welch_t(a, 5, b, 5, 0.95);
    const esp_interval narrow = esp_difference_interval(&welch, 0.9);
    ASSERT_CLOSE(esp_equivalence_p(&welch, fmax(-narrow.low, narrow.high)), 0.05);
    assert_true(isnan(esp_equivalence_p(&welch, 0)));
}

static void test_large_samples__by_approximation(void **state)
{
    (void)state;
    double a[101], b[101];
    esp_rng rng = esp_rng_make(3, "test", 0);
    for (int i = 0; i < 101; i++) {
        a[i] = esp_rng_uniform(&rng) + 0.1;
        b[i] = esp_rng_uniform(&rng);
    }
    const esp_rank_test exact = esp_mann_whitney(a, 50, b, 50);
    const esp_rank_test rough = esp_mann_whitney(a, 51, b, 50);
    assert_true(exact.exact && !rough.exact);
    assert_true(fabs(exact.p - rough.p) < 0.05);
    const esp_rank_test pairs = esp_signed_rank(a, b, 100), many = esp_signed_rank(a, b, 101);
    assert_true(pairs.exact && !many.exact);
    assert_true(fabs(pairs.p - many.p) < 0.05);
}

static void test_bootstrap__repeats_and_depends_on_its_seed(void **state)
{
    (void)state;
    const double a[] = {0.91, 0.93, 0.95, 0.92, 0.99, 0.90, 0.94};
    const esp_interval one = esp_bootstrap_interval(a, 7, 0.95, 1999, 1);
    const esp_interval again = esp_bootstrap_interval(a, 7, 0.95, 1999, 1);
    const esp_interval other = esp_bootstrap_interval(a, 7, 0.95, 1999, 2);
    assert_true(one.low == again.low && one.high == again.high);
    assert_true(one.low != other.low);
    assert_true(one.low < 0.93 && one.high > 0.94);
    /* Any three values: every tenth resample does not vary. */
    assert_true(isnan(esp_bootstrap_interval(a, 3, 0.95, 1999, 1).low));
}

static void test_brown_forsythe_power__between_chance_and_certainty(void **state)
{
    (void)state;
    /* Never above alpha when nothing differs, as far as 4000 draws tell; near 1 for a large ratio
     * and many seeds; the same for a ratio and its inverse. */
    assert_true(esp_brown_forsythe_power(1, 5, 5, 0.05, 4000, 1) < 0.06);
    assert_true(esp_brown_forsythe_power(5, 30, 30, 0.05, 1000, 1) > 0.99);
    assert_true(fabs(esp_brown_forsythe_power(4, 8, 8, 0.05, 4000, 1) -
                     esp_brown_forsythe_power(0.25, 8, 8, 0.05, 4000, 2)) < 0.05);
}

static void test_power__of_what_it_found(void **state)
{
    (void)state;
    for (int n = 2; n <= 30; n++) {
        ASSERT_CLOSE(esp_paired_power(esp_paired_detectable(n, 0.05, 0.8), n, 0.05), 0.8);
        const double ratio = esp_spread_detectable(n, 5, 0.05, 0.8);
        ASSERT_CLOSE(esp_spread_power(ratio, n, 5, 0.05), 0.8);
        ASSERT_CLOSE(esp_spread_power(1, n, 5, 0.05), 0.05);
    }
    /* The first n that is enough. */
    const int n = esp_paired_seeds(0.7, 0.05, 0.8);
    assert_true(esp_paired_power(0.7, n, 0.05) >= 0.8 && esp_paired_power(0.7, n - 1, 0.05) < 0.8);
    assert_int_equal(esp_paired_seeds(0, 0.05, 0.8), 0);
    /* Three seeds a side: Fisher's smallest p is 0.1. */
    assert_true(isnan(esp_fisher_detectable(3, 0, 3, 0.05, 0.8)));
    assert_true(isnan(esp_paired_power(1, 1, 0.05)));
}

static void test_undefined__is_nan(void **state)
{
    (void)state;
    const double one = 0.5;
    assert_true(isnan(esp_student_quantile(1.5, 3)) && isnan(esp_student_upper(1, 0)));
    assert_true(isnan(esp_incomplete_beta(-1, 2, 2)) && isnan(esp_f_upper(-1, 2, 2)));
    assert_true(isnan(esp_rate_interval(3, 2, 0.95).low));
    assert_true(isnan(esp_fisher_p(3, 2, 0, 2)));
    assert_true(isnan(esp_paired_t(NULL, NULL, 0, 0.95).p));
    assert_true(isnan(esp_signed_rank(NULL, NULL, 0).p));
    assert_true(isnan(esp_mann_whitney(NULL, 0, &one, 1).p));
    assert_true(isnan(esp_expected_best(0)));
    ASSERT_CLOSE(esp_expected_best(1), 0);
    /* Closed forms: 1 / sqrt(pi) and 3 / (2 sqrt(pi)). */
    ASSERT_CLOSE(esp_expected_best(2), 1 / sqrt(M_PI));
    ASSERT_CLOSE(esp_expected_best(3), 1.5 / sqrt(M_PI));
}

/* Values large beside their differences: what rounding leaves of these tells nothing apart. */
static void test_rounding__is_no_spread(void **state)
{
    (void)state;
    double a[2][3], b[2][3];
    for (int s = 0; s < 3; s++) {
        b[0][s] = b[1][s] = (7 + 6 * s + s % 2) / 40.0;
        a[0][s] = (7 + 6 * s + s % 2 + 2) / 40.0; /* two of 40 more, but for rounding */
        a[1][s] = (7 + 6 * s + s % 2 - 2) / 40.0;
    }
    assert_true(a[0][0] - b[0][0] != a[0][1] - b[0][1] || a[0][0] - b[0][0] != a[0][2] - b[0][2]);
    const esp_difference paired = esp_paired_t(a[0], b[0], 3, 0.95);
    ASSERT_CLOSE(paired.estimate, 0.05);
    assert_true(paired.standard_error == 0);
    assert_true(isnan(paired.t) && isnan(paired.p) && isnan(paired.effect));
    const esp_pooled_difference pooled = esp_pool_pairs(a[0], b[0], 2, 3, 0.95);
    assert_int_equal(pooled.cells, 2);
    assert_int_equal(pooled.pairs, 6);
    assert_true(fabs(pooled.estimate) < 1e-16);
    assert_true(pooled.standard_error == 0);
    assert_true(isnan(pooled.t) && isnan(pooled.p) && isnan(pooled.interval.low));
    const double noise[] = {0.3, 0.1 + 0.2, 0.3};
    assert_true(noise[0] != noise[1]);
    assert_true(esp_moments_of(noise, 3).sd == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_p__is_reached),
        cmocka_unit_test(test_holm__tells_what_no_data_could_reject),
        cmocka_unit_test(test_two_sides__swap),
        cmocka_unit_test(test_equivalence__agrees_with_its_interval),
        cmocka_unit_test(test_large_samples__by_approximation),
        cmocka_unit_test(test_bootstrap__repeats_and_depends_on_its_seed),
        cmocka_unit_test(test_brown_forsythe_power__between_chance_and_certainty),
        cmocka_unit_test(test_power__of_what_it_found),
        cmocka_unit_test(test_undefined__is_nan),
        cmocka_unit_test(test_rounding__is_no_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
