/* MNIST and FashionMNIST as published, where this machine has them; skipped where it has not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/digest.h"
#include "core/status.h"
#include "data/dataset.h"

/* MD5 of an idx file made again from what was read. */
static void expect_md5(const char *expected, const uint8_t *bytes, uint32_t count,
                       const esp_dataset *images_of)
{
    uint32_t sizes[] = {count, 28, 28};
    uint32_t n_sizes = images_of != NULL ? 3 : 1;
    size_t header = 4 + 4 * (size_t)n_sizes,
           size = (size_t)count * (images_of != NULL ? images_of->n_features : 1);
    uint8_t *file = malloc(header + size);
    assert_non_null(file);
    memcpy(file, (uint8_t[]){0, 0, 8, (uint8_t)n_sizes}, 4);
    for (uint32_t i = 0; i < n_sizes; i++) {
        for (uint32_t byte = 0; byte < 4; byte++) {
            file[4 + 4 * i + byte] = (uint8_t)(sizes[i] >> (24 - 8 * byte));
        }
    }
    memcpy(file + header, bytes, size);
    char md5[ESP_MD5_HEX];
    assert_int_equal(esp_md5(md5, file, header + size), ESP_OK);
    assert_string_equal(md5, expected);
    free(file);
}

/* Opens it where it is here; NULL where it is not. */
static esp_dataset *open_real(const char *name)
{
    esp_dataset *dataset = NULL;
    clock_t start = clock();
    int status = esp_dataset_open(&dataset, name);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (status == ESP_NOT_FOUND) {
        return NULL;
    }
    if (status != ESP_OK) {
        fail_msg("%s", esp_message());
    }
    print_message("%s opened in %.3f s of processor time\n", name, seconds);
    return dataset;
}

static void expect_description(const esp_dataset *dataset)
{
    esp_dataset_description described = {.present = 0};
    assert_int_equal(esp_dataset_describe(&described, dataset->name), ESP_OK);
    assert_int_equal(described.present, 1);
    assert_int_equal(described.n_test, dataset->test.count);
    assert_string_equal(described.digest, dataset->digest);
}

static double mean_of_pixels(const esp_dataset *dataset)
{
    double sum = 0;
    size_t count = (size_t)dataset->train.count * dataset->n_features;
    for (size_t i = 0; i < count; i++) {
        sum += dataset->train.features[i];
    }
    return sum / (double)count / 255;
}

/* Oracles: MD5 of the files as published by LeCun, Cortes and Burges, 5923 zeros (their count), the
 * first label 5, and the mean 0.1307 of PyTorch's MNIST example. */
static void test_real_data__mnist(void **state)
{
    (void)state;
    esp_dataset *dataset = open_real("mnist");
    if (dataset == NULL) {
        skip();
        return;
    }
    assert_int_equal(dataset->known, 1);
    expect_md5("6bbc9ace898e44ae57da46a324031adb", dataset->train.features, 60000, dataset);
    expect_md5("a25bea736e30d166cdddb491f175f624", dataset->train.labels, 60000, NULL);
    expect_md5("2646ac647ad5339dbf082846283269ea", dataset->test.features, 10000, dataset);
    expect_md5("27ae3e4e09519cfbb04c329615203637", dataset->test.labels, 10000, NULL);
    int zeros = 0;
    for (uint32_t i = 0; i < dataset->train.count; i++) {
        zeros += dataset->train.labels[i] == 0;
    }
    assert_int_equal(zeros, 5923);
    assert_int_equal(dataset->train.labels[0], 5);
    double error = fabs(mean_of_pixels(dataset) - 0.1307);
    if (!(error <= 5e-5)) {
        fail_msg("mean is off by %g", error);
    }
    expect_description(dataset);
    esp_dataset_close(dataset);
}

/* Oracles: MD5 of the gunzipped files of github.com/zalandoresearch/fashion-mnist, 6000 training
 * examples of each class by its README. */
static void test_real_data__fashion_mnist(void **state)
{
    (void)state;
    esp_dataset *dataset = open_real("fashion-mnist");
    if (dataset == NULL) {
        skip();
        return;
    }
    assert_int_equal(dataset->known, 1);
    expect_md5("f4a8712d7a061bf5bd6d2ca38dc4d50a", dataset->train.features, 60000, dataset);
    expect_md5("9018921c3c673c538a1fc5bad174d6f9", dataset->train.labels, 60000, NULL);
    expect_md5("8181f5470baa50b63fa0f6fddb340f0a", dataset->test.features, 10000, dataset);
    expect_md5("15d484375f8d13e6eb1aabb0c3f46965", dataset->test.labels, 10000, NULL);
    int counts[10] = {0};
    for (uint32_t i = 0; i < dataset->train.count; i++) {
        counts[dataset->train.labels[i]]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(counts[i], 6000);
    }
    expect_description(dataset);
    esp_dataset_close(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_data__mnist),
        cmocka_unit_test(test_real_data__fashion_mnist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
