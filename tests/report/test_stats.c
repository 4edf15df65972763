#include "report/report_fixture.h"

#include "report/stats.h"

static void test_stats__by_hand(void **state)
{
    (void)state;
    /* 1 2 3 4: mean 5/2, squares 2 * (9/4 + 1/4) = 5, variance 5/3. */
    const double values[] = {2, 4, 1, 3};
    esp_stats stats = esp_stats_of(values, 4, ESP_BETTER_HIGHER);
    assert_int_equal(stats.n, 4);
    ASSERT_CLOSE(stats.mean, 2.5);
    ASSERT_CLOSE(stats.variance, 5.0 / 3);
    ASSERT_CLOSE(stats.sd, sqrt(5.0 / 3));
    ASSERT_CLOSE(stats.best, 4);
    ASSERT_CLOSE(stats.worst, 1);
    ASSERT_CLOSE(stats.spread, 3);
    stats = esp_stats_of(values, 4, ESP_BETTER_LOWER);
    ASSERT_CLOSE(stats.best, 1);
    ASSERT_CLOSE(stats.worst, 4);
    ASSERT_CLOSE(stats.spread, 3);
    stats = esp_stats_of(values, 4, ESP_BETTER_NEITHER);
    assert_true(isnan(stats.best) && isnan(stats.worst));
    ASSERT_CLOSE(stats.spread, 3);
}

static void test_stats__first_integers_in_closed_form(void **state)
{
    (void)state;
    /* 1..n: mean (n + 1) / 2, sample variance n (n + 1) / 12. */
    double values[1000];
    for (int n = 2; n <= 1000; n += 499) {
        for (int i = 0; i < n; i++) {
            values[i] = i + 1;
        }
        esp_stats stats = esp_stats_of(values, n, ESP_BETTER_HIGHER);
        ASSERT_CLOSE(stats.mean, (n + 1) / 2.0);
        ASSERT_CLOSE(stats.variance, n * (n + 1) / 12.0);
    }
}

static void test_stats__few_values(void **state)
{
    (void)state;
    const double value = 0.75;
    esp_stats none = esp_stats_of(NULL, 0, ESP_BETTER_HIGHER);
    assert_int_equal(none.n, 0);
    assert_true(isnan(none.mean) && isnan(none.sd) && isnan(none.best) && isnan(none.spread));
    esp_stats one = esp_stats_of(&value, 1, ESP_BETTER_HIGHER);
    ASSERT_CLOSE(one.mean, 0.75);
    ASSERT_CLOSE(one.best, 0.75);
    ASSERT_CLOSE(one.spread, 0);
    assert_true(isnan(one.sd) && isnan(one.variance));
    assert_true(isnan(esp_variance_ratio(&one, &one)));
}

static void test_stats__large_offset_keeps_its_digits(void **state)
{
    (void)state;
    /* NIST StRD, NumAcc3 in spirit: 1e6 + .2, .1, .3: variance .01. The textbook formula
     * (sum of squares minus square of the sum) loses it all. */
    const double values[] = {1e6 + 0.2, 1e6 + 0.1, 1e6 + 0.3};
    esp_stats stats = esp_stats_of(values, 3, ESP_BETTER_HIGHER);
    assert_true(fabs(stats.variance - 0.01) <= 1e-10);
    const double same[] = {0.1, 0.1, 0.1};
    assert_true(esp_stats_of(same, 3, ESP_BETTER_HIGHER).variance == 0);
}

static void test_stats__direction_of_metrics(void **state)
{
    (void)state;
    assert_int_equal(esp_better_of("hard_accuracy"), ESP_BETTER_HIGHER);
    assert_int_equal(esp_better_of("running_soft_accuracy"), ESP_BETTER_HIGHER);
    assert_int_equal(esp_better_of("early_exit.accuracy_at_90"), ESP_BETTER_HIGHER);
    assert_int_equal(esp_better_of("early_exit.cost_at_90"), ESP_BETTER_NEITHER);
    assert_int_equal(esp_better_of("accuracy.k"), ESP_BETTER_NEITHER);
    assert_int_equal(esp_better_of("soft_loss"), ESP_BETTER_LOWER);
    assert_int_equal(esp_better_of("loss.balance"), ESP_BETTER_LOWER);
    assert_int_equal(esp_better_of("master_leaf.k"), ESP_BETTER_NEITHER);
}

static void test_paired__over_common_seeds(void **state)
{
    (void)state;
    /* Seeds 1 and 3 are common: .9 - .7 = .2 and .6 - .5 = .1; sd of two: |.2 - .1| / sqrt 2.
     * The seed with another order stream is another seed. */
    double a[] = {0.9, 0.8, 0.6}, b[] = {0.5, 0.7, 0.1};
    uint64_t seeds_a[][3] = {{1, 1, 1}, {2, 2, 2}, {3, 3, 3}};
    uint64_t seeds_b[][3] = {{3, 3, 3}, {1, 1, 1}, {2, 0, 2}};
    const esp_sample sample = {3, a, seeds_a}, reference = {3, b, seeds_b}, nothing = {0};
    esp_paired paired = esp_paired_of(&sample, &reference);
    assert_int_equal(paired.n, 2);
    ASSERT_CLOSE(paired.mean, 0.15);
    ASSERT_CLOSE(paired.sd, 0.1 / sqrt(2));
    paired = esp_paired_of(&sample, &nothing);
    assert_int_equal(paired.n, 0);
    assert_true(isnan(paired.mean));
}

static void test_variance_ratio__undefined_without_variance(void **state)
{
    (void)state;
    const double a[] = {1, 2, 3}, b[] = {1, 3, 5}, flat[] = {1, 1, 1};
    esp_stats x = esp_stats_of(a, 3, ESP_BETTER_HIGHER), y = esp_stats_of(b, 3, ESP_BETTER_HIGHER);
    esp_stats none = esp_stats_of(flat, 3, ESP_BETTER_HIGHER);
    ASSERT_CLOSE(esp_variance_ratio(&x, &y), 0.25);
    ASSERT_CLOSE(esp_variance_ratio(&none, &y), 0);
    assert_true(isnan(esp_variance_ratio(&x, &none)));
}

/* What the view seed_stats computes in SQL and what stats.c computes from the seeds' values. */
static void test_stats__agree_with_the_view(void **state)
{
    const fixture *db = *state;
    esp_store *store = NULL;
    esp_report *report = NULL;
    esp_rows *rows = NULL;
    ASSERT_OK(esp_store_open(&store, db->path, ESP_STORE_READ));
    const char *const ats[] = {"selected", "last"};
    const esp_report_request request = {.study = "small", .n_ats = 2, .ats = ats};
    ASSERT_OK(esp_report_load(&report, store, &request));
    int compared = 0;
    ASSERT_OK(esp_rows_open(&rows, store,
                            "SELECT cell, at, split || '.' || metric, n, mean, sd, variance, best,"
                            " spread, min, max, planned, failed FROM seed_stats"
                            " WHERE study = 'small'"));
    for (bool more = true;;) {
        ASSERT_OK(esp_rows_step(rows, &more));
        if (!more) {
            break;
        }
        for (int k = 0; k < report->n_cells * report->n_ats * report->n_metrics; k++) {
            int c = k / (report->n_ats * report->n_metrics);
            int at = k / report->n_metrics % report->n_ats, m = k % report->n_metrics;
            const esp_report_cell *cell = &report->cells[c];
            if (strcmp(cell->label, esp_rows_text(rows, 0)) != 0 ||
                strcmp(report->ats[at].name, esp_rows_text(rows, 1)) != 0 ||
                strcmp(report->metrics[m].name, esp_rows_text(rows, 2)) != 0) {
                continue;
            }
            const esp_stats *stats = &esp_report_series_of(report, cell, at, m)->stats;
            const double ours[] = {stats->mean,   stats->sd,  stats->variance, stats->best,
                                   stats->spread, stats->min, stats->max};
            assert_int_equal(stats->n, esp_rows_integer(rows, 3));
            for (int i = 0; i < 7; i++) {
                double theirs = esp_rows_real(rows, 4 + i);
                assert_true(isnan(ours[i]) == isnan(theirs));
                if (!isnan(theirs)) {
                    ASSERT_CLOSE(ours[i], theirs);
                }
            }
            assert_int_equal(cell->planned, esp_rows_integer(rows, 11));
            assert_int_equal(cell->failed, esp_rows_integer(rows, 12));
            compared++;
        }
    }
    assert_int_equal(compared, 4 * 2 * 3); /* four cells with done trials, epochs, metrics */
    esp_rows_close(rows);
    esp_report_free(report);
    esp_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats__by_hand),
        cmocka_unit_test(test_stats__first_integers_in_closed_form),
        cmocka_unit_test(test_stats__few_values),
        cmocka_unit_test(test_stats__large_offset_keeps_its_digits),
        cmocka_unit_test(test_stats__direction_of_metrics),
        cmocka_unit_test(test_paired__over_common_seeds),
        cmocka_unit_test(test_variance_ratio__undefined_without_variance),
        cmocka_unit_test_setup_teardown(test_stats__agree_with_the_view, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
