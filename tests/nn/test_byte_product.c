/* Products on bytes against plain sums in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "nn/byte_product.h"

enum { GUARD = 16 };
static const float mark = 12345.5F;

static float *take(size_t count)
{
    float *values = aligned_alloc(64, (4 * (count + GUARD) + 63) / 64 * 64);
    assert_non_null(values);
    for (size_t i = 0; i < count + GUARD; i++) {
        values[i] = mark;
    }
    return values;
}

static void guarded(const float *values, size_t count)
{
    for (size_t i = count; i < count + GUARD; i++) {
        assert_true(values[i] == mark);
    }
}

static void check_unit(esp_byte_unit unit, int rows, int examples, int features)
{
    const int row = esp_byte_row(features), rounded = (examples + 15) / 16 * 16;
    const int stride = rounded + 16;
    uint8_t *bytes = aligned_alloc(64, (size_t)rounded * (size_t)row);
    float *weights = take((size_t)rows * (size_t)features);
    float *d = take((size_t)rows * (size_t)stride);
    float *out = take((size_t)rows * (size_t)stride);
    float *gradient = take((size_t)rows * (size_t)features);
    float *space = take(esp_byte_product_space(unit, examples, features));
    const esp_byte_batch batch = {.unit = unit,
                                  .bytes = bytes,
                                  .row = row,
                                  .n_examples = examples,
                                  .n_features = features,
                                  .scale = 2 / 255.0F,
                                  .shift = -1};
    esp_rng rng = esp_rng_make(1, "test", (uint32_t)(rows * 1000 + features));
    memset(bytes, 0, (size_t)rounded * (size_t)row);
    for (int b = 0; b < examples; b++) {
        for (int f = 0; f < features; f++) {
            bytes[b * row + f] = (uint8_t)esp_rng_below(&rng, 256);
        }
    }
    for (int i = 0; i < rows * features; i++) {
        weights[i] = (float)(esp_rng_uniform(&rng) - 0.5);
    }
    for (int i = 0; i < rows * stride; i++) {
        d[i] = (float)(esp_rng_uniform(&rng) - 0.5);
    }
    esp_byte_project(out, stride, weights, rows, &batch, space);
    esp_byte_gradient(gradient, d, stride, rows, &batch, space);
    for (int p = 0; p < rows; p++) {
        for (int b = 0; b < examples; b++) {
            double sum = 0, size = 0;
            for (int f = 0; f < features; f++) {
                const double x = (double)(bytes[b * row + f] * batch.scale + batch.shift);
                sum += (double)weights[p * features + f] * x;
                size += fabs((double)weights[p * features + f] * x);
            }
            assert_true(fabs(sum - (double)out[p * stride + b]) <= 2e-6 * (size + 1));
        }
        for (int b = rounded; b < stride; b++) {
            assert_true(out[p * stride + b] == mark);
        }
        for (int f = 0; f < features; f++) {
            double sum = 0, size = 0;
            for (int b = 0; b < examples; b++) {
                const double x = (double)(bytes[b * row + f] * batch.scale + batch.shift);
                sum += (double)d[p * stride + b] * x;
                size += fabs((double)d[p * stride + b] * x);
            }
            assert_true(fabs(sum - (double)gradient[p * features + f]) <= 2e-6 * (size + 1));
        }
    }
    guarded(out, (size_t)rows * (size_t)stride);
    guarded(gradient, (size_t)rows * (size_t)features);
    guarded(space, esp_byte_product_space(unit, examples, features));
    free(bytes);
    free(weights);
    free(d);
    free(out);
    free(gradient);
    free(space);
}

static void check(int rows, int examples, int features)
{
    for (int unit = ESP_BY_VECTORS; unit <= ESP_BY_TILES; unit++) {
        if (esp_byte_unit_exists((esp_byte_unit)unit)) {
            check_unit((esp_byte_unit)unit, rows, examples, features);
        }
    }
}

static void test_byte_product__all_tiles(void **state)
{
    (void)state;
    if (!esp_byte_unit_exists(ESP_BY_VECTORS)) {
        skip();
    }
    for (int rows = 1; rows <= 60; rows++) {
        check(rows, 8, 33);
    }
    check(17, 256, 784);
    check(255, 96, 784);
    check(20, 300, 100); /* more than a chunk */
}

static void test_byte_product__odd_sizes(void **state)
{
    (void)state;
    if (!esp_byte_unit_exists(ESP_BY_VECTORS)) {
        skip();
    }
    static const int features[] = {1, 7, 8, 15, 16, 17, 63, 64, 65, 100};
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        for (int examples = 1; examples <= 9; examples++) {
            check(7, examples, features[i]);
            check(25, examples, features[i]);
        }
    }
}

/* As many rows as wide models have: rows times tiles is more than an int holds. */
static void test_byte_product__many_rows(void **state)
{
    (void)state;
    if (!esp_byte_unit_exists(ESP_BY_VECTORS)) {
        skip();
    }
    check(300000, 4, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_product__all_tiles),
        cmocka_unit_test(test_byte_product__odd_sizes),
        cmocka_unit_test(test_byte_product__many_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
