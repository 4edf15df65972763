/* Optimizers against their equations, written out step by step in double (torch.optim's, which
 * tests/nn/test_oracle.c checks for Adam and AdamW on whole networks). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "nn/clip.h"
#include "nn/optimizer.h"

static void assert_near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-6 * (1 + fabs(expected)))) {
        fail_msg("expected %.9g, found %.9g", expected, found);
    }
}

/* Minimizes 0.5 * curvature * x^2 from x = 1 and compares each step. */
static void test_optimizer__sgd_with_momentum_and_decay(void **state)
{
    (void)state;
    esp_optimizer optimizer = {
        .rule = ESP_RULE_SGD, .learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.01};
    esp_real x = 1, velocity = 0;
    double expected = 1, buffer = 0;
    for (int step = 0; step < 20; step++) {
        esp_real gradient = 3 * x;
        esp_optimizer_begin(&optimizer);
        esp_optimizer_apply(&optimizer, &x, &velocity, NULL, &gradient, 1);
        buffer = 0.9 * buffer + 3 * expected + 0.01 * expected;
        expected -= 0.1 * buffer;
        assert_near((double)x, expected);
    }
    assert_int_equal(optimizer.step, 20);
}

/* torch.optim.SGD with nesterov=True, written out: step along g + momentum * (the new buffer). */
static void test_optimizer__nesterov(void **state)
{
    (void)state;
    esp_optimizer optimizer = {.rule = ESP_RULE_SGD,
                               .learning_rate = 0.05,
                               .momentum = 0.8,
                               .weight_decay = 0.02,
                               .nesterov = true};
    esp_real x = 1, velocity = 0;
    double expected = 1, buffer = 0;
    for (int step = 0; step < 20; step++) {
        esp_real gradient = 3 * x;
        esp_optimizer_begin(&optimizer);
        esp_optimizer_apply(&optimizer, &x, &velocity, NULL, &gradient, 1);
        double g = 3 * expected + 0.02 * expected;
        buffer = 0.8 * buffer + g;
        expected -= 0.05 * (g + 0.8 * buffer);
        assert_near((double)x, expected);
    }
}

/* The norm of the ranges alone counts, and they alone are scaled: 3-4-5 and 6-8-10. */
static void test_clip__norm_is_global_and_of_the_ranges(void **state)
{
    (void)state;
    const esp_range ranges[] = {{0, 2}, {3, 2}};
    esp_real g[5] = {3, 4, 100, 6, 8};
    assert_near(esp_clip_norm(g, ranges, 2, 20), sqrt(125)); /* below the limit: nothing happens */
    assert_near((double)g[0], 3);
    assert_near(esp_clip_norm(g, ranges, 2, 1), sqrt(125));
    assert_near((double)g[0], 3 / sqrt(125));
    assert_near((double)g[4], 8 / sqrt(125));
    assert_near((double)g[2], 100);
    esp_real wild[2] = {1, (esp_real)INFINITY};
    assert_true(isinf(esp_clip_norm(wild, ranges, 1, 1)));
    assert_near((double)wild[0], 1); /* for the check of divergence to find */
}

static void test_clip__value(void **state)
{
    (void)state;
    const esp_range ranges[] = {{1, 3}};
    esp_real g[4] = {9, 9, -9, (esp_real)0.25};
    esp_clip_value(g, ranges, 1, 0.5);
    const double expected[] = {9, 0.5, -0.5, 0.25};
    for (int i = 0; i < 4; i++) {
        assert_near((double)g[i], expected[i]);
    }
}

static void test_optimizer__adam_with_decay_in_the_gradient(void **state)
{
    (void)state;
    esp_optimizer optimizer = {.rule = ESP_RULE_ADAM,
                               .learning_rate = 0.05,
                               .beta1 = 0.8,
                               .beta2 = 0.9,
                               .epsilon = 1e-4,
                               .weight_decay = 0.1};
    esp_real x = 2, first = 0, second = 0;
    double expected = 2, m = 0, v = 0;
    for (int step = 1; step <= 20; step++) {
        esp_real gradient = x;
        esp_optimizer_begin(&optimizer);
        esp_optimizer_apply(&optimizer, &x, &first, &second, &gradient, 1);
        double g = expected + 0.1 * expected;
        m = 0.8 * m + 0.2 * g;
        v = 0.9 * v + 0.1 * g * g;
        double corrected = v / (1 - pow(0.9, step));
        expected -= 0.05 / (1 - pow(0.8, step)) * m / (sqrt(corrected) + 1e-4);
        assert_near((double)x, expected);
    }
}

/* AdamW shrinks a weight whose gradient is zero by lr * decay a step, and nothing else. */
static void test_optimizer__adamw_decay_is_decoupled(void **state)
{
    (void)state;
    esp_optimizer optimizer = {.rule = ESP_RULE_ADAMW,
                               .learning_rate = 0.01,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8,
                               .weight_decay = 0.5};
    esp_real x[2] = {4, -4}, first[2] = {0}, second[2] = {0}, gradient[2] = {0};
    for (int step = 0; step < 10; step++) {
        esp_optimizer_begin(&optimizer);
        esp_optimizer_apply(&optimizer, x, first, second, gradient, 2);
    }
    assert_near((double)x[0], 4 * pow(1 - 0.005, 10));
    assert_near((double)x[1], -4 * pow(1 - 0.005, 10));
}

/* With a gradient the order shows: torch.optim.AdamW shrinks the weight first and takes Adam's
 * step, which knows nothing of the decay, from there. */
static void test_optimizer__adamw_shrinks_before_its_step(void **state)
{
    (void)state;
    esp_optimizer optimizer = {.rule = ESP_RULE_ADAMW,
                               .learning_rate = 0.2,
                               .beta1 = 0.8,
                               .beta2 = 0.9,
                               .epsilon = 1e-4,
                               .weight_decay = 0.5};
    esp_real x = 2, first = 0, second = 0;
    double expected = 2, m = 0, v = 0;
    for (int step = 1; step <= 20; step++) {
        esp_real gradient = x - 1;
        double g = expected - 1;
        esp_optimizer_begin(&optimizer);
        esp_optimizer_apply(&optimizer, &x, &first, &second, &gradient, 1);
        m = 0.8 * m + 0.2 * g;
        v = 0.9 * v + 0.1 * g * g;
        expected *= 1 - 0.2 * 0.5;
        expected -= 0.2 * m / (1 - pow(0.8, step)) / (sqrt(v / (1 - pow(0.9, step))) + 1e-4);
        assert_near((double)x, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimizer__sgd_with_momentum_and_decay),
        cmocka_unit_test(test_optimizer__nesterov),
        cmocka_unit_test(test_clip__norm_is_global_and_of_the_ranges),
        cmocka_unit_test(test_clip__value),
        cmocka_unit_test(test_optimizer__adam_with_decay_in_the_gradient),
        cmocka_unit_test(test_optimizer__adamw_decay_is_decoupled),
        cmocka_unit_test(test_optimizer__adamw_shrinks_before_its_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
