/* What a network draws in training, by the words of the sources: each hidden unit (or node, or gate
 * logit) of each example is drawn alone and anew in every step, with the probability that was set.
 * Tolerances are five standard deviations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/rng.h"
#include "nn/network.h"

enum { EXAMPLES = 9, FEATURES = 7, OUTPUTS = 4, STEPS = 400 };

typedef struct moments {
    double sum, squares, beside,
        before; /* of x, x^2, x times its neighbor's, times the last step's */
    int count, n_beside, n_before;
} moments;

static void collect(moments *m, const double *values, int rows, int stride)
{
    static double last[64 * EXAMPLES];
    assert_true(rows <= 64);
    for (int r = 0; r < rows; r++) {
        for (int b = 0; b < EXAMPLES; b++) {
            const double x = values[r * stride + b];
            m->sum += x;
            m->squares += x * x;
            m->beside += b > 0 ? x * values[r * stride + b - 1] : 0;
            m->beside += r > 0 ? x * values[(r - 1) * stride + b] : 0;
            m->before += m->count > 0 ? x * last[r * EXAMPLES + b] : 0;
            m->n_beside += (b > 0) + (r > 0);
            m->n_before += m->count > 0;
        }
    }
    for (int i = 0; i < rows * EXAMPLES; i++) {
        last[i] = values[i / EXAMPLES * stride + i % EXAMPLES];
    }
    m->count += rows * EXAMPLES;
}

static void near(const char *what, double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance)) {
        fail_msg("%s: %g, expected %g within %g", what, found, expected, tolerance);
    }
}

/* mean and variance of one value; products of two have the mean's square. */
static void check_moments(const char *what, const moments *m, double mean, double variance,
                          double fourth)
{
    const double of_product = sqrt(pow(variance + mean * mean, 2) - pow(mean, 4));
    near(what, m->sum / m->count, mean, 5 * sqrt(variance / m->count));
    near(what, m->squares / m->count, variance + mean * mean,
         5 * sqrt((fourth - pow(variance + mean * mean, 2)) / m->count) + 1e-12);
    /* neighbors' products share factors: twice the variance at most, and as much for the mean */
    near(what, m->beside / m->n_beside, mean * mean, 15 * of_product / sqrt(m->n_beside));
    near(what, m->before / m->n_before, mean * mean, 15 * of_product / sqrt(m->n_before));
}

/* Forward passes of one batch in training, each looked at. */
static void draw_steps(moments *to, const esp_model_config *model,
                       void (*look)(moments *to, const esp_network *n))
{
    esp_network *n = NULL;
    const esp_network_config config = {.model = *model,
                                       .n_features = FEATURES,
                                       .n_outputs = OUTPUTS,
                                       .batch_size = EXAMPLES,
                                       .noise_seed = 11};
    assert_int_equal(esp_network_create(&n, &config), 0);
    esp_network_initialize(n, 3);
    esp_rng rng = esp_rng_make(5, "test", 0);
    for (int i = 0; i < EXAMPLES * FEATURES; i++) {
        n->features[i] = (float)(2 * esp_rng_uniform(&rng) - 1);
    }
    for (int step = 0; step < STEPS; step++) {
        n->step = (uint32_t)step;
        assert_int_equal(esp_network_forward(n, EXAMPLES, ESP_TRAINING), 0);
        look(to, n);
    }
    esp_network_destroy(n);
}

static void look_at_kept(moments *to, const esp_network *n)
{
    for (int r = 0; r < n->n_hidden; r++) {
        for (int b = 0; b < EXAMPLES; b++) { /* inverted: the mean stays 1 */
            const double kept = n->kept[r * n->stride + b];
            assert_true(kept == 0 || kept == 1 / (1 - 0.3));
        }
    }
    collect(to, n->kept, n->n_hidden, n->stride);
}

static void look_at_leaked(moments *to, const esp_network *n)
{
    for (int r = 0; r < n->n_nodes; r++) {
        for (int b = 0; b < EXAMPLES; b++) {
            const int i = r * n->stride + b;
            const double p = n->probabilities[i];
            /* what plugins see does not change */
            assert_true(fabs(p - 1 / (1 + exp(-n->scores[i]))) <= 1e-14);
            assert_true(n->branch[i] == (n->leaked[i] == 1 ? 1 - p : p));
        }
    }
    collect(to, n->leaked, n->n_nodes, n->stride);
}

static void look_at_normals(moments *to, const esp_network *n)
{
    collect(to, n->normals, n->n_nodes, n->stride);
}

static void test_noise__dropout(void **state)
{
    (void)state;
    moments found = {0};
    esp_model_config model = esp_model_fff(3, 2);
    model.dropout = 0.3;
    draw_steps(&found, &model, look_at_kept);
    check_moments("dropout", &found, 1, 0.3 / 0.7, 1 / pow(0.7, 3));
}

static void test_noise__region_leak(void **state)
{
    (void)state;
    moments found = {0};
    esp_model_config model = esp_model_fff(3, 2);
    model.region_leak = 0.2;
    draw_steps(&found, &model, look_at_leaked);
    check_moments("region leak", &found, 0.2, 0.2 * 0.8, 0.2);
}

static void test_noise__gate(void **state)
{
    (void)state;
    moments found = {0};
    esp_model_config model = esp_model_moe(5, 2, 2);
    model.noise = true;
    draw_steps(&found, &model, look_at_normals);
    check_moments("noise of a gate", &found, 0, 1, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise__dropout),
        cmocka_unit_test(test_noise__region_leak),
        cmocka_unit_test(test_noise__gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
