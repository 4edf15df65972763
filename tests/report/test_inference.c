/* Which values go into which test, against R 4.2.2 by way of a report made by hand:
 *   b (reference) seeds 0..5, a seeds 0..4 and 6, c seeds 0..4, few seeds 0..1
 * The R lines stand beside the numbers, for b, a, c as below, pb = b[1:5], pa = a[1:5]. */
/* cmocka.h needs these before it. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#include "fixtures/asserts.h"
#include "report/compatible.h"
#include "report/inference.h"
#include "report/table_build.h"

enum { B, A, C, FEW, N_CELLS };

static double values[N_CELLS][6] = {{.80, .82, .856, .79, .88, .81},
                                    {.84, .83, .89, .85, .90, .86},
                                    {.83, .84, .858, .83, .89},
                                    {.81, .83}};
static const int n_values[N_CELLS] = {6, 6, 5, 2};

typedef struct made {
    esp_report report;
    esp_report_metric metric;
    esp_report_at at;
    esp_report_cell cells[N_CELLS];
    esp_report_series series[N_CELLS];
    uint64_t seeds[N_CELLS][6][3];
    int beyond[N_CELLS];
} made;

static void make(made *out)
{
    static const char *const names[] = {"b", "a", "c", "few"};
    *out = (made){.metric = {"test.hard_accuracy", "test", "hard_accuracy", ESP_BETTER_HIGHER},
                  .at = {"last", "", false}};
    for (int c = 0; c < N_CELLS; c++) {
        for (int i = 0; i < n_values[c]; i++) {
            const uint64_t seed = c == A && i == 5 ? 6 : (uint64_t)i;
            out->seeds[c][i][0] = out->seeds[c][i][1] = out->seeds[c][i][2] = seed;
        }
        out->series[c].sample = (esp_sample){n_values[c], values[c], out->seeds[c]};
        out->series[c].stats = esp_stats_of(values[c], n_values[c], ESP_BETTER_HIGHER);
        out->cells[c] = (esp_report_cell){.variant = names[c],
                                          .label = names[c],
                                          .reference = c == B ? -1 : B,
                                          .planned = 7,
                                          .done = n_values[c],
                                          .series = &out->series[c],
                                          .beyond = &out->beyond[c],
                                          .examples = 1000};
    }
    out->beyond[A] = 1;       /* 1 of 6 failed */
    out->cells[B].failed = 1; /* 3 of 7 */
    out->beyond[B] = 2;
    out->report =
        (esp_report){.study = "made",
                     .latest = true,
                     .section = {.confidence = 0.95, .equivalence = {"test.hard_accuracy", 0.05}},
                     .n_metrics = 1,
                     .n_ats = 1,
                     .n_cells = N_CELLS,
                     .metrics = &out->metric,
                     .ats = &out->at,
                     .cells = out->cells};
}

static void test_inference__of_a_cell(void **state)
{
    (void)state;
    made one;
    const esp_inference *all = NULL;
    make(&one);
    ASSERT_OK(esp_report_infer(&all, &one.report, 0, 0));
    /* t.test(a)$conf.int, median(a) */
    ASSERT_R(all->cells[A].interval.low, 0.8324202177191);
    ASSERT_R(all->cells[A].interval.high, 0.8909131156142);
    ASSERT_R(all->cells[A].median, 0.855);
    /* sqrt(mean(a * (1 - a)) / 1000) */
    ASSERT_R(all->cells[A].test_error, 0.0108880668624);
    /* binom.test(1, 6)$conf.int, binom.test(3, 7)$conf.int */
    assert_int_equal(all->cells[B].ended, 7);
    assert_int_equal(all->cells[B].failures, 3);
    ASSERT_R(all->cells[A].rate.low, 0.004210744514489);
    ASSERT_R(all->cells[B].rate.high, 0.815948432359917);
    esp_pool_free(&one.report.pool);
}

/* The design chooses the test: shared seeds are paired also where their values go against each
 * other, and seeds of which few are shared are not. */
static void test_inference__test_by_design(void **state)
{
    (void)state;
    made one;
    const esp_inference *all = NULL;
    make(&one);
    double turned[6];
    for (int i = 0; i < 6; i++) {
        turned[i] = 1.7 - values[B][i];
    }
    one.series[A].sample.values = turned;
    ASSERT_OK(esp_report_infer(&all, &one.report, 0, 0));
    assert_true(all->comparisons[0].correlation < -0.99);
    assert_true(all->comparisons[0].by_pairs);
    assert_true(all->comparisons[0].counted.p == all->comparisons[0].paired.p);
    esp_pool_free(&one.report.pool);

    make(&one);
    for (int i = 2; i < 6; i++) { /* two of six are shared */
        for (int stream = 0; stream < 3; stream++) {
            one.seeds[A][i][stream] = (uint64_t)(100 + i);
        }
    }
    ASSERT_OK(esp_report_infer(&all, &one.report, 0, 0));
    assert_int_equal(all->comparisons[0].pairs, 2);
    assert_false(all->comparisons[0].by_pairs);
    assert_true(all->comparisons[0].counted.p == all->comparisons[0].welch.p);
    esp_pool_free(&one.report.pool);
}

static void test_inference__of_two_cells(void **state)
{
    (void)state;
    made one;
    const esp_inference *all = NULL;
    make(&one);
    ASSERT_OK(esp_report_infer(&all, &one.report, 0, 0));
    assert_int_equal(all->n, 3);
    const esp_comparison *found = &all->comparisons[0];
    assert_ptr_equal(found->a, &one.cells[A]);
    assert_int_equal(found->pairs, 5);
    /* cor(pa, pb), t.test(pa, pb, paired = TRUE), t.test(a, b) */
    ASSERT_R(found->correlation, 0.8637772640607);
    assert_true(found->by_pairs);
    ASSERT_R(found->counted.p, 0.018825844118215);
    ASSERT_R(found->counted.interval.low, 0.008941950506097);
    ASSERT_R(found->welch.p, 0.08021446417941);
    /* wilcox.test(pa, pb, paired = TRUE), wilcox.test(a, b), its W / 36, fisher.test */
    ASSERT_R(found->signed_rank.p, 0.0625);
    ASSERT_R(found->mann_whitney.p, 0.09307359307359);
    ASSERT_R(found->improvement.probability, 0.80555555555556);
    ASSERT_R(found->fisher, 0.5594405594406);
    /* log(var.test(a, b)) / 2 */
    ASSERT_R(found->spread.log_ratio, -0.2241554023172);
    ASSERT_R(found->spread.interval.high, 0.7591476930258);
    /* max(pt((mean(d) - .05) / se, 4), pt((mean(d) + .05) / se, 4, lower = FALSE)) */
    ASSERT_R(found->equivalence, 0.05795068247829);
    /* p.adjust of a's and c's paired p, "holm": few has none, and does not count. */
    ASSERT_R(found->holm, 0.03765168823643);
    ASSERT_R(all->comparisons[1].holm, 0.03983977312493);
    esp_pool_free(&one.report.pool);
}

static void test_inference__below_three_seeds_no_p(void **state)
{
    (void)state;
    made one;
    const esp_inference *all = NULL;
    make(&one);
    ASSERT_OK(esp_report_infer(&all, &one.report, 0, 0));
    const esp_comparison *few = &all->comparisons[2];
    assert_int_equal(few->pairs, 2);
    const double ps[] = {few->paired.p,       few->welch.p, few->signed_rank.p,
                         few->mann_whitney.p, few->fisher,  few->spread.p,
                         few->equivalence,    few->holm,    few->brown_forsythe.p};
    for (size_t i = 0; i < sizeof ps / sizeof *ps; i++) {
        assert_true(isnan(ps[i]));
    }
    assert_false(isnan(few->paired.estimate));
    /* Five pairs can reach 2 / 2^5, corrected for two tests 4 / 2^5: above 0.05 whatever the data.
     */
    ASSERT_CLOSE(all->comparisons[0].signed_rank_holm_least, 4.0 / 32);
    esp_pool_free(&one.report.pool);
}

/* Clopper and Pearson's bounds of 0 and n of n in closed form: 1 - .025^(1/n), .025^(1/n); the
 * others binom.test(x, n)$conf.int in R. */
static void test_rate__never_reads_as_no_interval(void **state)
{
    (void)state;
    static const struct {
        int count, n;
        const char *words;
    } cases[] = {{0, 3, "[0, 71] %"},           /* 0.7075982 */
                 {3, 3, "[29, 100] %"},         /* 0.2924018 */
                 {0, 2, "[0, 84] %"},           /* 0.8418861 */
                 {0, 2000, "[0, 0.2] %"},       /* 0.001842738 */
                 {2000, 2000, "[99.8, 100] %"}, /* 0.998157262 */
                 {0, 1000000, "[0, 0.0004] %"}, /* 3.688873e-06 */
                 {1, 6, "[0.4, 64.1] %"},       /* 0.004210745 0.641234578 */
                 {3, 7, "[10, 82] %"}};         /* 0.098988 0.815948432 */
    esp_report report = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const esp_interval interval = esp_rate_interval(cases[i].count, cases[i].n, 0.95);
        assert_string_equal(esp_words_rate_interval(&report, interval), cases[i].words);
    }
    const esp_interval none = esp_rate_interval(0, 0, 0.95);
    assert_string_equal(esp_words_rate_interval(&report, none), "-");
    esp_pool_free(&report.pool);
}

static void test_compatible__by_the_rule(void **state)
{
    (void)state;
    made one;
    make(&one);
    esp_published_value theirs = {.split = "test",
                                  .routing = "hard",
                                  .best = 0.89,
                                  .spread = 0.08,
                                  .spread_is = "best-worst",
                                  .runs = 6};
    esp_compatible could = esp_report_compatible(&one.report, &one.metric, &one.series[A], &theirs);
    assert_null(could.why_not);
    assert_string_equal(could.best_is, "within");
    assert_string_equal(could.spread_is, "within");
    /* The range of 6 against an sd of 6 seeds: qtukey(c(.025, .975), 6, 5), within what 20,000
     * draws allow. */
    const double sd = one.series[A].stats.sd;
    assert_true(fabs(could.spread.low / sd - 0.9794606) <= 0.03);
    assert_true(fabs(could.spread.high / sd - 7.186119) <= 0.25);
    theirs.best = 0.5;
    theirs.spread = 0.4;
    could = esp_report_compatible(&one.report, &one.metric, &one.series[A], &theirs);
    assert_string_equal(could.best_is, "below");
    assert_string_equal(could.spread_is, "above");
    theirs.routing = "soft";
    could = esp_report_compatible(&one.report, &one.metric, &one.series[A], &theirs);
    assert_string_equal(could.why_not, "routing");
    theirs.routing = "none";
    could = esp_report_compatible(&one.report, &one.metric, &one.series[FEW], &theirs);
    assert_string_equal(could.why_not, "n < 3");
    esp_pool_free(&one.report.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inference__of_a_cell),
        cmocka_unit_test(test_inference__test_by_design),
        cmocka_unit_test(test_inference__of_two_cells),
        cmocka_unit_test(test_inference__below_three_seeds_no_p),
        cmocka_unit_test(test_rate__never_reads_as_no_interval),
        cmocka_unit_test(test_compatible__by_the_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
