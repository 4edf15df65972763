/* Oracle: scale * byte + shift, in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "data/dataset.h"

enum { N = 64, MAX_FEATURES = 100 };

static void fill_features(uint8_t *features, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        features[i] = (uint8_t)(i * 37 + i / 256);
    }
}

/* Rows wider and narrower than a vector register and a cache line, with guards around out. */
static void test_gather__rows_by_index(void **state)
{
    (void)state;
    static const uint32_t widths[] = {1, 3, 16, 63, 64, 65, MAX_FEATURES};
    static const uint32_t indices[] = {63, 0, 17, 17, 5, 62, 1, 30, 2};
    enum { COUNT = sizeof indices / sizeof *indices };
    const float scale = 2.0f / 255, shift = -1, guard = 12345;
    uint8_t features[N * MAX_FEATURES];
    fill_features(features, sizeof features);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        uint32_t n_features = widths[w];
        esp_examples examples = {.count = N, .features = features};
        float out[1 + COUNT * MAX_FEATURES + 1];
        out[0] = out[1 + COUNT * n_features] = guard;
        esp_gather(out + 1, &examples, indices, 0, COUNT, n_features,
                   &(esp_normalization){.scale = scale, .shift = shift});
        for (uint32_t i = 0; i < COUNT; i++) {
            for (uint32_t j = 0; j < n_features; j++) {
                double expected = (double)scale * features[indices[i] * n_features + j] + shift;
                double error = fabs(out[1 + i * n_features + j] - expected);
                if (!(error <= 1e-6)) {
                    fail_msg("row %u feature %u of %u: error %g", i, j, n_features, error);
                }
            }
        }
        assert_true(out[0] == guard);
        assert_true(out[1 + COUNT * n_features] == guard);
    }
}

static void test_gather__rows_in_order(void **state)
{
    (void)state;
    uint8_t features[N * 10];
    fill_features(features, sizeof features);
    esp_examples examples = {.count = N, .features = features};
    static const uint32_t indices[] = {60, 61, 62, 63};
    const esp_normalization quarter = {.scale = 0.25f, .shift = 3};
    float in_order[40], by_index[40];
    esp_gather(in_order, &examples, NULL, 60, 4, 10, &quarter);
    esp_gather(by_index, &examples, indices, 0, 4, 10, &quarter);
    assert_memory_equal(in_order, by_index, sizeof in_order);
    assert_true(in_order[39] == 0.25f * features[N * 10 - 1] + 3);
}

/* The contract's normalize {mean: 0.5, std: 0.5} takes 0 to -1 and 255 to 1. */
static void test_gather__ends_of_the_scale(void **state)
{
    (void)state;
    const uint8_t features[] = {0, 255};
    esp_examples examples = {.count = 1, .features = features};
    float out[2];
    const esp_normalization by = esp_normalization_fixed(0.5, 0.5, 0);
    esp_gather(out, &examples, NULL, 0, 1, 2, &by);
    assert_true(out[0] == -1);
    assert_true(fabsf(out[1] - 1) <= 1e-6f);
}

static void test_gather__no_rows(void **state)
{
    (void)state;
    const uint8_t features[] = {1};
    esp_examples examples = {.count = 1, .features = features};
    float out[1] = {7};
    esp_gather(out, &examples, NULL, 0, 0, 1, &(esp_normalization){.scale = 1});
    assert_true(out[0] == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather__rows_by_index),
        cmocka_unit_test(test_gather__rows_in_order),
        cmocka_unit_test(test_gather__ends_of_the_scale),
        cmocka_unit_test(test_gather__no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
