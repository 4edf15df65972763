/* Where more runs would lie: what is simulated agrees with what R has closed forms for. */
#include "statistics/statistics_fixture.h"

#include "fixtures/asserts.h"
#include "statistics/prediction.h"

/* Off by no more than the simulation of 200,000 draws is. */
#define ASSERT_ABOUT(value, expected)                                                              \
    do {                                                                                           \
        double value_ = (value), expected_ = (expected);                                           \
        if (!(fabs(value_ - expected_) <= 0.02 * fabs(expected_))) {                               \
            fail_msg("%s is %.17g, expected about %.17g", #value, value_, expected_);              \
        }                                                                                          \
    } while (0)

enum { DRAWS = 200000 };

static void test_prediction__agrees_with_r(void **state)
{
    (void)state;
    /* One more run: Student's prediction interval, qt(.975, 4) * sqrt(1 + 1/5). */
    const esp_prediction one = esp_predict_runs(5, 1, 0.95, DRAWS, 7);
    ASSERT_ABOUT(one.best.high, 3.041443);
    ASSERT_ABOUT(one.best.low, -3.041443);
    ASSERT_CLOSE(one.range.high, 0);
    assert_true(isnan(one.sd.low));
    /* The studentized range, qtukey(c(.025, .975), 10, 9). */
    ASSERT_ABOUT(esp_predict_runs(10, 10, 0.95, DRAWS, 7).range.low, 1.529123);
    ASSERT_ABOUT(esp_predict_runs(10, 10, 0.95, DRAWS, 7).range.high, 6.478974);
    /* sqrt(qf(c(.025, .975), 9, 4)). */
    const esp_interval sd = esp_predict_runs(5, 10, 0.95, 99, 7).sd;
    assert_true(fabs(sd.low - 0.460381030504) <= 1e-9);
    assert_true(fabs(sd.high - 2.984071315267) <= 1e-9);
}

static void test_prediction__repeats_and_refuses(void **state)
{
    (void)state;
    const esp_prediction one = esp_predict_runs(3, 10, 0.9, 999, 1);
    const esp_prediction same = esp_predict_runs(3, 10, 0.9, 999, 1);
    assert_memory_equal(&one, &same, sizeof one);
    assert_true(one.best.low < one.best.high);
    assert_true(isnan(esp_predict_runs(1, 10, 0.9, 999, 1).best.low));
    assert_true(isnan(esp_predict_runs(3, 0, 0.9, 999, 1).best.low));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prediction__agrees_with_r),
        cmocka_unit_test(test_prediction__repeats_and_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
