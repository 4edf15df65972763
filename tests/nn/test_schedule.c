/* Schedules against values worked out by hand from the definitions in nn/schedule.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "nn/schedule.h"

static void assert_near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-12 * (1 + fabs(expected)))) {
        fail_msg("expected %.15g, found %.15g", expected, found);
    }
}

static void test_ramp__ends_are_exact_and_time_is_its_own(void **state)
{
    (void)state;
    static const esp_schedule_kind kinds[] = {ESP_SCHEDULE_LINEAR, ESP_SCHEDULE_COSINE,
                                              ESP_SCHEDULE_STEP};
    /* at 0, 1, 2, 3, 4, 9 of 4 */
    static const double expected[][6] = {
        {1, 1.5, 2, 2.5, 3, 3},
        {1, 2 - 0.70710678118654752, 2, 2 + 0.70710678118654752, 3, 3},
        {1, 1, 1, 1, 3, 3},
    };
    static const int64_t times[] = {0, 1, 2, 3, 4, 9};
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 6; i++) {
            esp_ramp ramp = {.kind = kinds[k], .from = 1, .to = 3, .over = 4};
            assert_near(esp_ramp_at(&ramp, (esp_phase_time){times[i], 77}), expected[k][i]);
            ramp.by_step = true;
            assert_near(esp_ramp_at(&ramp, (esp_phase_time){77, times[i]}), expected[k][i]);
        }
    }
    const esp_ramp still = {.from = 0.3, .to = 5};
    assert_true(esp_ramp_at(&still, (esp_phase_time){9, 9}) == 0.3);
    const esp_ramp thirds = {.kind = ESP_SCHEDULE_LINEAR, .from = 0.1, .to = 0.7, .over = 3};
    assert_true(esp_ramp_at(&thirds, (esp_phase_time){0, 0}) == 0.1);
    assert_true(esp_ramp_at(&thirds, (esp_phase_time){3, 0}) == 0.7);
}

static void test_rate__warm_up_then_each_kind(void **state)
{
    (void)state;
    esp_plateau plateau = esp_plateau_begin(0.8);
    esp_rate_schedule schedule = {.warmup = 3, .final = 0.2, .over = 4, .every = 2, .factor = 0.5};
    static const double ramps[][9] = {
        [ESP_SCHEDULE_CONSTANT] = {0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8},
        [ESP_SCHEDULE_LINEAR] = {0.2, 0.4, 0.6, 0.8, 0.65, 0.5, 0.35, 0.2, 0.2},
        [ESP_SCHEDULE_COSINE] = {0.2, 0.4, 0.6, 0.8, 0.5 + 0.3 * 0.70710678118654752, 0.5,
                                 0.5 - 0.3 * 0.70710678118654752, 0.2, 0.2},
        [ESP_SCHEDULE_STEP] = {0.2, 0.4, 0.6, 0.8, 0.8, 0.4, 0.4, 0.2, 0.2},
        [ESP_SCHEDULE_PLATEAU] = {0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8},
    };
    for (int kind = 0; kind <= ESP_SCHEDULE_PLATEAU; kind++) {
        for (int t = 0; t < 9; t++) {
            schedule.kind = (esp_schedule_kind)kind;
            schedule.by_step = t % 2;
            const esp_phase_time time =
                schedule.by_step ? (esp_phase_time){55, t} : (esp_phase_time){t, 55};
            assert_near(esp_rate_at(&schedule, 0.8, &plateau, time), ramps[kind][t]);
        }
    }
}

/* Halving after two epochs without a smaller loss, never below 0.15. */
static void test_plateau__halves_down_to_its_minimum(void **state)
{
    (void)state;
    const esp_rate_schedule schedule = {.kind = ESP_SCHEDULE_PLATEAU,
                                        .factor = 0.5,
                                        .patience = 2,
                                        .min_delta = 0.01,
                                        .minimum = 0.15,
                                        .until = NAN};
    static const double losses[] = {1, 0.995, 0.991, 0.98, 1, NAN, 2, 2, 2, 2};
    static const double rates[] = {0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.15, 0.15, 0.15};
    esp_plateau plateau = esp_plateau_begin(0.8);
    for (int i = 0; i < 10; i++) {
        const double before = plateau.rate;
        const bool changed = esp_plateau_update(&plateau, &schedule, 0.8, losses[i]);
        assert_near(plateau.rate, rates[i]);
        assert_int_equal(changed, rates[i] != before);
        assert_near(esp_rate_at(&schedule, 0.8, &plateau, (esp_phase_time){i, 0}), rates[i]);
    }
}

/* The published code of arXiv 2405.16836: after 5 epochs without a better test accuracy, and while
 * the best is below 0.9, the rate goes from 0.001 to 0.003; the next improvement brings it back. */
static void test_plateau__bumps_and_reverts(void **state)
{
    (void)state;
    const esp_rate_schedule schedule = {.kind = ESP_SCHEDULE_PLATEAU,
                                        .factor = 3,
                                        .patience = 2,
                                        .maximize = true,
                                        .maximum = 0.003,
                                        .until = 0.9,
                                        .revert = true};
    static const double accuracies[] = {0.5, 0.5, 0.5, 0.4, 0.4, 0.6, 0.6, 0.6, 0.9, 0.9, 0.9};
    static const double rates[] = {0.001, 0.001, 0.003, 0.003, 0.003, 0.001,
                                   0.001, 0.003, 0.001, 0.001, 0.001};
    esp_plateau plateau = esp_plateau_begin(0.001);
    for (int i = 0; i < 11; i++) {
        esp_plateau_update(&plateau, &schedule, 0.001, accuracies[i]);
        assert_near(plateau.rate, rates[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ramp__ends_are_exact_and_time_is_its_own),
        cmocka_unit_test(test_rate__warm_up_then_each_kind),
        cmocka_unit_test(test_plateau__halves_down_to_its_minimum),
        cmocka_unit_test(test_plateau__bumps_and_reverts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
