/* Oracle: what was normalized has mean 0 and deviation 1 over the examples trained on, in double.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "data/dataset.h"

enum { N = 90, CHANNELS = 3, ROWS = 2, COLUMNS = 3, PLANE = ROWS * COLUMNS, F = CHANNELS * PLANE };
enum { CONSTANT = 7 }; /* a feature that never changes in the examples trained on */

static uint8_t bytes[N * F];
static float values[N * F];
static uint32_t trained[N];
static esp_partition partition;

static esp_dataset make(int is_float)
{
    partition = (esp_partition){.train = trained};
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t j = 0; j < F; j++) {
            bytes[i * F + j] = (uint8_t)((i * 31 + j * 17 + i * j) % (40 + 10 * j));
            if (j == CONSTANT) {
                bytes[i * F + j] = i % 3 == 0 ? 99 : 5;
            }
            values[i * F + j] = (float)bytes[i * F + j] / 16 - 3;
        }
        if (i % 3 != 0) {
            trained[partition.n_train++] = i;
        }
    }
    return (esp_dataset){.n_features = F,
                         .channels = CHANNELS,
                         .image_rows = ROWS,
                         .image_columns = COLUMNS,
                         .train = {.count = N,
                                   .features = is_float ? NULL : bytes,
                                   .values = is_float ? values : NULL}};
}

/* Mean and deviation of gathered features start..start+count-1 over the examples trained on. */
static void measure(double *mean, double *deviation, const float *gathered, uint32_t start,
                    uint32_t count)
{
    const double n = (double)partition.n_train * count;
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < partition.n_train; i++) {
        for (uint32_t j = start; j < start + count; j++) {
            sum += (double)gathered[i * F + j];
        }
    }
    *mean = sum / n;
    for (uint32_t i = 0; i < partition.n_train; i++) {
        for (uint32_t j = start; j < start + count; j++) {
            squares +=
                ((double)gathered[i * F + j] - *mean) * ((double)gathered[i * F + j] - *mean);
        }
    }
    *deviation = sqrt(squares / n);
}

static void gather_measured(float gathered[N * F], float scales[F], int is_float,
                            esp_normalize_kind kind)
{
    float shifts[F];
    double sums[2 * F];
    esp_dataset dataset = make(is_float);
    esp_normalization_measure(scales, shifts, sums, &dataset, &partition, kind);
    esp_gather(gathered, &dataset.train, partition.train, 0, partition.n_train, F,
               &(esp_normalization){.scales = scales, .shifts = shifts});
}

static void test_normalize__per_feature(void **state)
{
    (void)state;
    for (int is_float = 0; is_float < 2; is_float++) {
        float gathered[N * F], scales[F];
        gather_measured(gathered, scales, is_float, ESP_NORMALIZE_PER_FEATURE);
        for (uint32_t j = 0; j < F; j++) {
            double mean, deviation;
            measure(&mean, &deviation, gathered, j, 1);
            assert_true(fabs(mean) <= 1e-6);
            assert_true(fabs(deviation - (j != CONSTANT)) <= 1e-6);
        }
        assert_true(scales[CONSTANT] == 1);
        assert_true(gathered[CONSTANT] == 0);
    }
}

static void test_normalize__per_channel(void **state)
{
    (void)state;
    for (int is_float = 0; is_float < 2; is_float++) {
        float gathered[N * F], scales[F];
        gather_measured(gathered, scales, is_float, ESP_NORMALIZE_PER_CHANNEL);
        for (uint32_t k = 0; k < CHANNELS; k++) {
            double mean, deviation;
            measure(&mean, &deviation, gathered, k * PLANE, PLANE);
            assert_true(fabs(mean) <= 1e-6);
            assert_true(fabs(deviation - 1) <= 1e-6);
            for (uint32_t j = 0; j < PLANE; j++) {
                assert_true(scales[k * PLANE + j] == scales[k * PLANE]);
            }
        }
    }
}

/* x = (v - mean) / std with v = byte/255, or the float as it is. */
static void test_normalize__fixed(void **state)
{
    (void)state;
    for (int is_float = 0; is_float < 2; is_float++) {
        float gathered[F];
        esp_dataset dataset = make(is_float);
        const esp_normalization by = esp_normalization_fixed(0.25, 0.125, is_float);
        const uint32_t index = 11;
        esp_gather(gathered, &dataset.train, &index, 0, 1, F, &by);
        for (uint32_t j = 0; j < F; j++) {
            const double v = is_float ? (double)values[11 * F + j] : bytes[11 * F + j] / 255.0;
            assert_true(fabs((double)gathered[j] - (v - 0.25) / 0.125) <= 1e-5);
        }
    }
}

/* One scale and shift in every feature's place change no bit: the ways of gathering agree. */
static void test_normalize__one_for_all_is_each(void **state)
{
    (void)state;
    float scales[F], shifts[F], one[N * F], each[N * F];
    for (uint32_t j = 0; j < F; j++) {
        scales[j] = 0.0123f;
        shifts[j] = -0.7f;
    }
    for (int is_float = 0; is_float < 2; is_float++) {
        esp_dataset dataset = make(is_float);
        esp_gather(one, &dataset.train, NULL, 0, N, F,
                   &(esp_normalization){.scale = 0.0123f, .shift = -0.7f});
        esp_gather(each, &dataset.train, NULL, 0, N, F,
                   &(esp_normalization){.scales = scales, .shifts = shifts});
        assert_memory_equal(one, each, sizeof one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalize__per_feature),
        cmocka_unit_test(test_normalize__per_channel),
        cmocka_unit_test(test_normalize__fixed),
        cmocka_unit_test(test_normalize__one_for_all_is_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
