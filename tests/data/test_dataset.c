/* Finding, opening and refusing data sets, on generated ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/digest.h"
#include "core/file.h"
#include "data/dataset.h"
#include "data/dataset_files.h"
#include "data/scratch.h"
#include "fixtures/generated_data.h"

enum { N_TRAIN = 120, N_TEST = 40, SIDE = 5, N_CLASSES = 3, IMAGES_HEADER = 16, LABELS_HEADER = 8 };

/* An empty folder is data path and cache: a/ and cache/ in the scratch folder. */
static int isolate(void **state)
{
    if (scratch_create(state) != 0) {
        return -1;
    }
    char path[2048];
    snprintf(path, sizeof path, "%s/a", (char *)*state);
    setenv("ESPALIER_DATA_PATH", path, 1);
    snprintf(path, sizeof path, "%s/cache", (char *)*state);
    setenv("XDG_CACHE_HOME", path, 1);
    return 0;
}

static void generate(void **state, const char *folder, const char *name, unsigned seed)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", (char *)*state, folder);
    generated_data_write(path, name, N_TRAIN, N_TEST, SIDE, N_CLASSES, seed);
}

/* Reads a file of the scratch folder, and writes it, raw or gzip, under another name. */
typedef struct content {
    char *bytes;
    size_t size;
    char path[2048];
} content;

static content load(void **state, const char *path)
{
    content it;
    snprintf(it.path, sizeof it.path, "%s/%s", (char *)*state, path);
    assert_int_equal(esp_file_read(&it.bytes, &it.size, it.path), ESP_OK);
    return it;
}

static void save(const content *it)
{
    scratch_write(it->path, it->bytes, it->size, 0);
}

static void repack(void **state, const char *from, const char *to, int gzip)
{
    content it = load(state, from);
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", (char *)*state, to);
    scratch_write(path, it.bytes, it.size, gzip);
    unlink(it.path);
    free(it.bytes);
}

static void digest_of(char digest[ESP_SHA256_HEX], const char *name)
{
    esp_dataset *dataset = NULL;
    assert_int_equal(esp_dataset_open(&dataset, name), ESP_OK);
    memcpy(digest, dataset->digest, ESP_SHA256_HEX);
    esp_dataset_close(dataset);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void test_dataset__opens_generated_data(void **state)
{
    generate(state, "a", "toy", 1);
    esp_dataset *dataset = NULL;
    assert_int_equal(esp_dataset_open(&dataset, "toy"), ESP_OK);
    assert_string_equal(dataset->name, "toy");
    assert_int_equal(dataset->n_features, SIDE * SIDE);
    assert_int_equal(dataset->image_rows, SIDE);
    assert_int_equal(dataset->image_columns, SIDE);
    assert_int_equal(dataset->n_classes, N_CLASSES);
    assert_int_equal(dataset->train.count, N_TRAIN);
    assert_int_equal(dataset->test.count, N_TEST);
    assert_int_equal(dataset->known, 0);
    content images = load(state, "a/toy/train-images-idx3-ubyte");
    content labels = load(state, "a/toy/t10k-labels-idx1-ubyte");
    assert_memory_equal(dataset->train.features, images.bytes + IMAGES_HEADER,
                        N_TRAIN * SIDE * SIDE);
    assert_memory_equal(dataset->test.labels, labels.bytes + LABELS_HEADER, N_TEST);
    free(images.bytes);
    free(labels.bytes);
    esp_dataset_close(dataset);
}

/* The rule of README.md, computed here from the files' own hashes. */
static void test_dataset__digest_is_of_the_four_hashes(void **state)
{
    generate(state, "a", "toy", 1);
    static const char *const files[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
    char all[4 * 64 + 1], expected[ESP_SHA256_HEX], path[2048], found[ESP_SHA256_HEX];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/a/toy/%s", (char *)*state, files[i]);
        assert_int_equal(esp_sha256_file(all + (ptrdiff_t)64 * i, path), ESP_OK);
    }
    assert_int_equal(esp_sha256(expected, all, 256), ESP_OK);
    digest_of(found, "toy");
    assert_string_equal(found, expected);
}

static void test_dataset__digest_differs_with_content_not_with_packing(void **state)
{
    generate(state, "a", "raw", 1);
    generate(state, "a", "packed", 1);
    generate(state, "a", "other", 2);
    repack(state, "a/packed/train-images-idx3-ubyte", "a/packed/train-images-idx3-ubyte.gz", 1);
    repack(state, "a/packed/train-labels-idx1-ubyte", "a/packed/train-labels.idx1-ubyte", 0);
    repack(state, "a/packed/t10k-images-idx3-ubyte", "a/packed/t10k-images.idx3-ubyte.gz", 1);
    char raw[ESP_SHA256_HEX], packed[ESP_SHA256_HEX], other[ESP_SHA256_HEX];
    digest_of(raw, "raw");
    digest_of(packed, "packed");
    digest_of(other, "other");
    assert_string_equal(raw, packed);
    assert_string_not_equal(raw, other);
}

static void test_dataset__close_accepts_null(void **state)
{
    (void)state;
    esp_dataset_close(NULL);
}

/* ---- lookup ---------------------------------------------------------------------------------- */

static void expect_found_in(void **state, const char *name, const char *folder)
{
    esp_dataset *dataset = NULL;
    char expected[2048];
    snprintf(expected, sizeof expected, "%s/%s/train-images-idx3-ubyte", (char *)*state, folder);
    assert_int_equal(esp_dataset_open(&dataset, name), ESP_OK);
    assert_string_equal(dataset->paths[0], expected);
    esp_dataset_close(dataset);
}

static void test_dataset__lookup_order(void **state)
{
    char *base = *state, path[8192];
    generate(state, "cache/espalier/data", "toy", 1);
    snprintf(path, sizeof path, ":%s/missing:%s/b/toy//:%s/c", base, base, base);
    setenv("ESPALIER_DATA_PATH", path, 1);
    expect_found_in(state, "toy", "cache/espalier/data/toy");
    generate(state, "c", "toy", 1);
    expect_found_in(state, "toy", "c/toy");
    generate(state, "b", "toy", 1); /* the directory itself, named as the data set */
    expect_found_in(state, "toy", "b/toy");
    generate(state, "b/toy", "toy", 1); /* DIR/NAME goes before DIR */
    expect_found_in(state, "toy", "b/toy/toy");
    generate(state, "missing", "toy", 1); /* the path's first goes first */
    expect_found_in(state, "toy", "missing/toy");
}

static void test_dataset__not_found_says_where_and_what_to_do(void **state)
{
    generate(state, "a", "zoo-of-shapes", 1);
    char looked_at[2048], cache[2048];
    snprintf(looked_at, sizeof looked_at, "\n  %s/a/mnist", (char *)*state);
    snprintf(cache, sizeof cache, "\n  %s/cache/espalier/data/mnist", (char *)*state);
    esp_dataset *dataset = NULL;
    assert_fails(esp_dataset_open(&dataset, "mnist"), ESP_NOT_FOUND,
                 PARTS("'mnist'", "espalier data fetch mnist", looked_at, cache));
    assert_null(dataset);
    assert_fails(esp_dataset_open(&dataset, "fashon-mnist"), ESP_NOT_FOUND,
                 PARTS("unknown data set 'fashon-mnist'", "did you mean 'fashion-mnist'?"));
    assert_fails(esp_dataset_open(&dataset, "zoo-of-shape"), ESP_NOT_FOUND,
                 PARTS("did you mean 'zoo-of-shapes'?", "ESPALIER_DATA_PATH"));
}

static void test_dataset__names_are_not_paths(void **state)
{
    generate(state, "a", "toy", 1);
    static const char *const names[] = {"", ".", "..", "../a/toy", "/etc", "a/toy", ".hidden"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        esp_dataset *dataset = NULL;
        assert_fails(esp_dataset_open(&dataset, names[i]), ESP_NOT_FOUND, PARTS("plain name"));
    }
}

static void test_dataset__names(void **state)
{
    generate(state, "a", "toy", 1);
    generate(state, "a", "apple", 1);
    generate(state, "cache/espalier/data", "toy", 1);
    generate(state, "cache/espalier/data", ".fetch-x", 1);
    const char **names = esp_dataset_names();
    assert_non_null(names);
    static const char *const expected[] = {"mnist", "fashion-mnist", "cifar-10", "svhn",
                                           "usps",  "apple",         "toy"};
    enum { N_NAMES = sizeof expected / sizeof *expected };
    for (int i = 0; i < N_NAMES; i++) {
        assert_non_null(names[i]);
        assert_string_equal(names[i], expected[i]);
    }
    assert_null(names[N_NAMES]);
    free(names);
}

/* ---- broken data ----------------------------------------------------------------------------- */

static void expect_refused(const char *name, const char *const *parts)
{
    esp_dataset *dataset = NULL;
    assert_fails(esp_dataset_open(&dataset, name), ESP_DATA, parts);
    assert_null(dataset);
}

static void test_dataset__incomplete(void **state)
{
    generate(state, "a", "toy", 1);
    generate(state, "cache/espalier/data", "toy", 1); /* must not stand in for the broken one */
    char folder[1024], path[2048];
    snprintf(folder, sizeof folder, "%s/a/toy", (char *)*state);
    snprintf(path, sizeof path, "%s/t10k-images-idx3-ubyte", folder);
    unlink(path);
    expect_refused("toy", PARTS(folder, "incomplete", "expected four files", "found 3",
                                "t10k-images-idx3-ubyte"));
}

/* Without any test file the data set is its training part; its digest is of these files. With one
 * of two it is incomplete, as a published one is without both. */
static void test_dataset__without_test_files(void **state)
{
    char images[2100], labels[2100], folder[2048], mnist[2048], digest[65], whole[65];
    generate(state, "a", "toy", 1);
    digest_of(whole, "toy");
    snprintf(folder, sizeof folder, "%s/a/toy", (char *)*state);
    snprintf(images, sizeof images, "%s/t10k-images-idx3-ubyte", folder);
    snprintf(labels, sizeof labels, "%s/t10k-labels-idx1-ubyte", folder);
    assert_int_equal(unlink(images), 0);
    expect_refused("toy", PARTS(folder, "incomplete", "t10k-images-idx3-ubyte"));
    assert_int_equal(unlink(labels), 0);
    esp_dataset *toy = NULL;
    esp_dataset_description described;
    assert_int_equal(esp_dataset_open(&toy, "toy"), ESP_OK);
    assert_int_equal(toy->train.count, N_TRAIN);
    assert_int_equal(toy->test.count, 0);
    assert_int_equal(esp_dataset_describe(&described, "toy"), ESP_OK);
    assert_int_equal(described.n_test, 0);
    assert_string_equal(described.digest, toy->digest);
    assert_string_not_equal(described.digest, whole);
    char text[2 * 64 + 1];
    snprintf(text, sizeof text, "%s%s", esp_dataset_file_sha256(toy, 0),
             esp_dataset_file_sha256(toy, 1));
    assert_int_equal(esp_sha256(digest, text, strlen(text)), ESP_OK);
    assert_string_equal(digest, toy->digest);
    esp_dataset_close(toy);
    snprintf(mnist, sizeof mnist, "%s/a/mnist", (char *)*state);
    assert_int_equal(rename(folder, mnist), 0);
    expect_refused("mnist", PARTS(mnist, "incomplete data set: expected four files, found 2"));
}

static void test_dataset__images_and_labels_of_different_length(void **state)
{
    generate(state, "a", "toy", 1);
    content labels = load(state, "a/toy/train-labels-idx1-ubyte");
    labels.bytes[7]--; /* a well-formed file with one label fewer */
    labels.size--;
    save(&labels);
    expect_refused("toy", PARTS(labels.path, "different length", "expected 120 labels",
                                "train-images-idx3-ubyte", "found 119"));
    free(labels.bytes);
}

static void test_dataset__image_sizes_differ(void **state)
{
    generate(state, "a", "toy", 1);
    generated_data_write(*state, "wide", N_TRAIN, N_TEST, SIDE + 1, N_CLASSES, 1);
    content images = load(state, "wide/t10k-images-idx3-ubyte");
    snprintf(images.path, sizeof images.path, "%s/a/toy/t10k-images-idx3-ubyte", (char *)*state);
    save(&images);
    expect_refused("toy", PARTS(images.path, "wrong image size", "expected 5 x 5", "found 6 x 6"));
    free(images.bytes);
}

static void test_dataset__label_out_of_range(void **state)
{
    generate(state, "a", "toy", 1);
    content labels = load(state, "a/toy/t10k-labels-idx1-ubyte");
    labels.bytes[LABELS_HEADER + 11] = N_CLASSES;
    save(&labels);
    expect_refused("toy", PARTS(labels.path, "label out of range", "expected 0 to 2",
                                "found 3 for example 11"));
    free(labels.bytes);
}

/* Classes that no training example has: one label far off, labels that count from 1, and more gaps
 * than a message holds. */
static void test_dataset__labels_with_a_gap(void **state)
{
    generate(state, "a", "toy", 1);
    content labels = load(state, "a/toy/train-labels-idx1-ubyte");
    uint8_t *first = (uint8_t *)labels.bytes + LABELS_HEADER;
    const uint8_t kept = first[17];
    first[17] = 255;
    save(&labels);
    expect_refused("toy", PARTS(labels.path, "labels out of range", "label 255 of example 17",
                                "no training example has class 3 to 254;"));
    first[17] = kept;
    for (int i = 0; i < N_TRAIN; i++) {
        first[i]++;
    }
    save(&labels);
    expect_refused("toy", PARTS("label 3 of example", "has class 0; labels count from 0"));
    for (int i = 0; i < N_TRAIN; i++) {
        first[i] = (uint8_t)(2 * i + 1);
    }
    save(&labels);
    expect_refused("toy", PARTS("label 239 of example 119", "class 0, 2, 4,", ", ...;"));
    free(labels.bytes);
}

static void test_dataset__label_out_of_range_of_known_name(void **state)
{
    generate(state, "a", "mnist", 1);
    content labels = load(state, "a/mnist/train-labels-idx1-ubyte");
    labels.bytes[LABELS_HEADER] = 10;
    save(&labels);
    expect_refused("mnist", PARTS(labels.path, "label out of range", "expected 0 to 9",
                                  "found 10 for example 0"));
    free(labels.bytes);
}

static void test_dataset__known_name_with_other_content(void **state)
{
    generate(state, "a", "mnist", 1);
    expect_refused("mnist",
                   PARTS("train-images-idx3-ubyte", "not the published mnist",
                         "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                         "found", "another name"));
}

static void test_dataset__malformed_is_said_before_the_hash(void **state)
{
    generate(state, "a", "mnist", 1);
    content images = load(state, "a/mnist/t10k-images-idx3-ubyte");
    images.size--;
    save(&images);
    expect_refused("mnist", PARTS(images.path, "truncated", "expected 1016 bytes", "found 1015"));
    assert_null(strstr(esp_message(), "SHA-256"));
    free(images.bytes);
}

/* ---- description ----------------------------------------------------------------------------- */

static void test_dataset__describes_what_is_not_here(void **state)
{
    (void)state;
    esp_dataset_description mnist = {.present = 7};
    assert_int_equal(esp_dataset_describe(&mnist, "mnist"), ESP_OK);
    assert_int_equal(mnist.present, 0);
    assert_int_equal(mnist.n_features, 784);
    assert_int_equal(mnist.n_classes, 10);
    assert_int_equal(mnist.n_train, 60000);
    assert_int_equal(mnist.n_test, 10000);
    assert_int_equal(strlen(mnist.digest), 64);
    assert_fails(esp_dataset_describe(&mnist, "nmist"), ESP_NOT_FOUND,
                 PARTS("did you mean 'mnist'?"));
}

static void test_dataset__describes_as_it_opens(void **state)
{
    generate(state, "a", "toy", 1);
    char opened[65];
    esp_dataset_description toy = {.present = 0};
    assert_int_equal(esp_dataset_describe(&toy, "toy"), ESP_OK);
    digest_of(opened, "toy");
    assert_string_equal(toy.digest, opened);
    assert_int_equal(toy.n_features, SIDE * SIDE);
    assert_int_equal(toy.n_classes, N_CLASSES);
    assert_int_equal(toy.n_train, N_TRAIN);
    assert_int_equal(toy.n_test, N_TEST);
    assert_int_equal(toy.present, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, isolate, scratch_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_dataset__opens_generated_data),
        TEST(test_dataset__digest_is_of_the_four_hashes),
        TEST(test_dataset__digest_differs_with_content_not_with_packing),
        TEST(test_dataset__close_accepts_null),
        TEST(test_dataset__lookup_order),
        TEST(test_dataset__not_found_says_where_and_what_to_do),
        TEST(test_dataset__names_are_not_paths),
        TEST(test_dataset__names),
        TEST(test_dataset__incomplete),
        TEST(test_dataset__without_test_files),
        TEST(test_dataset__images_and_labels_of_different_length),
        TEST(test_dataset__image_sizes_differ),
        TEST(test_dataset__label_out_of_range),
        TEST(test_dataset__labels_with_a_gap),
        TEST(test_dataset__label_out_of_range_of_known_name),
        TEST(test_dataset__known_name_with_other_content),
        TEST(test_dataset__malformed_is_said_before_the_hash),
        TEST(test_dataset__describes_what_is_not_here),
        TEST(test_dataset__describes_as_it_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
