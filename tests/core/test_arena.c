#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/status.h"

typedef struct layout {
    float *weights;
    unsigned char *bytes;
    double *one;
} layout;

static layout lay_out(esp_arena *arena)
{
    return (layout){.weights = ESP_TAKE(arena, float, 33),
                    .bytes = ESP_TAKE(arena, unsigned char, 1),
                    .one = ESP_TAKE(arena, double, 1)};
}

static void test_arena__measure_then_take(void **state)
{
    (void)state;
    esp_arena measured = {0};
    layout nothing = lay_out(&measured);
    assert_null(nothing.weights);
    assert_null(nothing.one);

    esp_arena arena;
    assert_int_equal(esp_arena_create(&arena, measured.used), ESP_OK);
    layout real = lay_out(&arena);
    assert_int_equal(arena.used, measured.used);
    assert_true(arena.used <= arena.capacity);
    /* Neighbors do not overlap, whatever their sizes. */
    assert_true((unsigned char *)real.weights + 33 * sizeof(float) <= real.bytes);
    assert_true(real.bytes + 1 <= (unsigned char *)real.one);
    real.weights[32] = 1;
    *real.bytes = 255;
    *real.one = 2;
    assert_true(real.weights[32] == 1 && *real.bytes == 255 && *real.one == 2);
    esp_arena_destroy(&arena);
    assert_null(arena.base);
}

static void test_arena__guards(void **state)
{
    (void)state;
    esp_arena arena, measured = {0};
    assert_null(ESP_TAKE_GUARDED(&measured, float, 3));
    assert_int_equal(esp_arena_create(&arena, measured.used), ESP_OK);
    float *values = ESP_TAKE_GUARDED(&arena, float, 3);
    unsigned char *bytes = (unsigned char *)values;
    assert_int_equal(arena.used, measured.used);
    assert_int_equal((uintptr_t)values % ESP_ALIGNMENT, 0);
    assert_true(values[0] == 0 && values[2] == 0);
    values[0] = values[2] = 7;
    assert_true(esp_is_guarded(values, 3 * sizeof *values));
    static const int outside[] = {-64, -1, 12, 75}; /* the last bytes guarded and the nearest */
    for (int i = 0; i < 4; i++) {
        const unsigned char held = bytes[outside[i]];
        bytes[outside[i]] = 0;
        assert_false(esp_is_guarded(values, 3 * sizeof *values));
        bytes[outside[i]] = held;
    }
    assert_true(esp_is_guarded(values, 3 * sizeof *values));
    esp_arena_destroy(&arena);
}

static void test_arena__zeroed_and_aligned(void **state)
{
    (void)state;
    esp_arena arena;
    assert_int_equal(esp_arena_create(&arena, 1000), ESP_OK);
    for (size_t bytes = 1; bytes <= 200; bytes += 66) {
        const unsigned char *taken = esp_arena_take(&arena, bytes);
        assert_int_equal((uintptr_t)taken % ESP_ALIGNMENT, 0);
        for (size_t i = 0; i < bytes; i++) {
            assert_int_equal(taken[i], 0);
        }
    }
    esp_arena_destroy(&arena);
}

static void test_arena__empty_and_too_large(void **state)
{
    (void)state;
    esp_arena arena;
    assert_int_equal(esp_arena_create(&arena, 0), ESP_OK);
    esp_arena_destroy(&arena);
    esp_arena_destroy(&arena); /* twice is harmless */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* A sanitizer's allocator stops the program here by its own rule. */
    assert_int_equal(esp_arena_create(&arena, (size_t)1 << 60), ESP_MEMORY);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena__measure_then_take),
        cmocka_unit_test(test_arena__guards),
        cmocka_unit_test(test_arena__zeroed_and_aligned),
        cmocka_unit_test(test_arena__empty_and_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
