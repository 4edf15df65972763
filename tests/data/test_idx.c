/* Each way in which an idx file can be broken, raw and gzip. Files are made here byte by byte from
 * the format's description, not by the code under test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/digest.h"
#include "core/file.h"
#include "data/idx.h"
#include "data/scratch.h"

enum { RAW, GZIP, N_KINDS };

/* Three images of 2 x 2. */
static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2,  0,  0,
                                       0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255};
enum { IMAGES_HEADER = 16 };

static char *path_of(void **state, const char *name)
{
    static char path[2048];
    snprintf(path, sizeof path, "%s/%s", (const char *)*state, name);
    return path;
}

/* Writes bytes both raw and as gzip and expects the same complaint about each. */
static void expect_broken(void **state, const void *bytes, size_t count, uint32_t n_dimensions,
                          const char *problem, const char *expected, const char *found)
{
    for (int kind = RAW; kind < N_KINDS; kind++) {
        const char *path = path_of(state, kind == RAW ? "broken" : "broken.gz");
        scratch_write(path, bytes, count, kind);
        esp_idx idx;
        assert_fails(esp_idx_read(&idx, path, n_dimensions), ESP_DATA,
                     PARTS(path, problem, expected, found));
        assert_null(idx.bytes);
    }
}

static void test_idx__whole_file(void **state)
{
    char sha256[ESP_SHA256_HEX];
    assert_int_equal(esp_sha256(sha256, images, sizeof images), ESP_OK);
    for (int kind = RAW; kind < N_KINDS; kind++) {
        const char *path = path_of(state, "images");
        scratch_write(path, images, sizeof images, kind); /* told apart by content */
        esp_idx idx;
        assert_int_equal(esp_idx_read(&idx, path, ESP_IDX_IMAGES), ESP_OK);
        assert_int_equal(idx.sizes[0], 3);
        assert_int_equal(idx.sizes[1], 2);
        assert_int_equal(idx.sizes[2], 2);
        assert_int_equal(idx.n_bytes, 12);
        assert_memory_equal(idx.bytes, images + IMAGES_HEADER, 12);
        assert_string_equal(idx.sha256, sha256);
        esp_idx_free(&idx);
        assert_null(idx.bytes);

        assert_int_equal(esp_idx_read_header(&idx, path, ESP_IDX_IMAGES), ESP_OK);
        assert_int_equal(idx.sizes[0], 3);
        assert_int_equal(idx.n_bytes, 12);
        assert_null(idx.bytes);
    }
}

static void test_idx__labels(void **state)
{
    static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 0};
    const char *path = path_of(state, "labels");
    scratch_write(path, labels, sizeof labels, RAW);
    esp_idx idx;
    assert_int_equal(esp_idx_read(&idx, path, ESP_IDX_LABELS), ESP_OK);
    assert_int_equal(idx.n_bytes, 2);
    assert_int_equal(idx.bytes[0], 7);
    esp_idx_free(&idx);
}

static void test_idx__wrong_magic(void **state)
{
    unsigned char broken[sizeof images];
    memcpy(broken, images, sizeof images);
    broken[0] = 0x89;
    expect_broken(state, broken, sizeof broken, ESP_IDX_IMAGES, "wrong magic number",
                  "expected 0x00000803", "found 0x89000803");
    broken[0] = 0;
    broken[2] = 0x0d; /* float elements */
    expect_broken(state, broken, sizeof broken, ESP_IDX_IMAGES, "wrong magic number",
                  "unsigned bytes, 3 dimensions", "found 0x00000d03");
}

static void test_idx__images_where_labels_belong(void **state)
{
    expect_broken(state, images, sizeof images, ESP_IDX_LABELS, "wrong magic number",
                  "expected 0x00000801 (unsigned bytes, 1 dimension)", "found 0x00000803");
}

static void test_idx__truncated_file(void **state)
{
    expect_broken(state, images, sizeof images - 1, ESP_IDX_IMAGES, "truncated",
                  "expected 28 bytes", "found 27");
    expect_broken(state, images, IMAGES_HEADER, ESP_IDX_IMAGES, "truncated", "expected 28 bytes",
                  "found 16");
}

static void test_idx__truncated_header(void **state)
{
    expect_broken(state, images, 7, ESP_IDX_IMAGES, "truncated", "expected a header of 16 bytes",
                  "found 7");
    expect_broken(state, images, 0, ESP_IDX_IMAGES, "truncated", "expected a header of 16 bytes",
                  "found 0");
}

static void test_idx__trailing_bytes(void **state)
{
    unsigned char longer[sizeof images + 5] = {0};
    memcpy(longer, images, sizeof images);
    expect_broken(state, longer, sizeof longer, ESP_IDX_IMAGES, "trailing bytes",
                  "expected 28 bytes", "found 33");
}

static void test_idx__wrong_count(void **state)
{
    unsigned char broken[sizeof images];
    memcpy(broken, images, sizeof images);
    broken[7] = 4;
    expect_broken(state, broken, sizeof broken, ESP_IDX_IMAGES, "truncated", "expected 32 bytes",
                  "found 28");
    broken[7] = 2;
    expect_broken(state, broken, sizeof broken, ESP_IDX_IMAGES, "trailing bytes",
                  "expected 24 bytes", "found 28");
    broken[7] = 0;
    expect_broken(state, broken, sizeof broken, ESP_IDX_IMAGES, "count of examples", "expected 1",
                  "found 0");
}

static void test_idx__impossible_image_size(void **state)
{
    unsigned char broken[sizeof images];
    memcpy(broken, images, sizeof images);
    broken[11] = 0;
    expect_broken(state, broken, sizeof broken, ESP_IDX_IMAGES, "number of rows",
                  "expected 1 to 4096", "found 0");
    broken[11] = 2;
    broken[12] = 0xff;
    expect_broken(state, broken, sizeof broken, ESP_IDX_IMAGES, "number of columns",
                  "expected 1 to 4096", "found 4278190082");
}

/* 2^32 - 1 images of 4096 x 4096: 64 PiB by the header, in a file of 28 bytes. */
static void test_idx__huge_header_allocates_nothing(void **state)
{
    unsigned char broken[sizeof images];
    memcpy(broken, images, sizeof images);
    memset(broken + 4, 0xff, 4);
    memcpy(broken + 8, "\0\0\x10\0\0\0\x10\0", 8);
    expect_broken(state, broken, sizeof broken, ESP_IDX_IMAGES, "truncated",
                  "expected 72057594021150736 bytes", "found");
}

static void test_idx__damaged_gzip(void **state)
{
    enum { N = 20000 };
    unsigned char *large = calloc(1, IMAGES_HEADER + N);
    assert_non_null(large);
    memcpy(large, "\0\0\x08\x03\0\0\0\x32\0\0\0\x14\0\0\0\x14", IMAGES_HEADER); /* 50 x 20 x 20 */
    uint32_t random = 1;
    for (int i = 0; i < N; i++) {
        random = random * 1664525u + 1013904223u;
        large[IMAGES_HEADER + i] = (unsigned char)(random >> 24);
    }
    const char *path = path_of(state, "large.gz");
    scratch_write(path, large, IMAGES_HEADER + N, GZIP);
    free(large);
    char *packed = NULL;
    size_t size = 0;
    assert_int_equal(esp_file_read(&packed, &size, path), ESP_OK);
    esp_idx idx;
    assert_int_equal(esp_idx_read(&idx, path, ESP_IDX_IMAGES), ESP_OK);
    esp_idx_free(&idx);

    packed[size / 2] ^= 0x55;
    assert_int_equal(esp_file_write(path, packed, size), ESP_OK);
    assert_fails(esp_idx_read(&idx, path, ESP_IDX_IMAGES), ESP_DATA,
                 PARTS(path, "damaged gzip file", "expected", "found"));
    packed[size / 2] ^= 0x55;

    /* The end missing: half of the file, its last byte, the whole check sum. */
    const size_t kept[] = {size / 2, size - 1, size - 8};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        assert_int_equal(esp_file_write(path, packed, kept[i]), ESP_OK);
        assert_fails(esp_idx_read(&idx, path, ESP_IDX_IMAGES), ESP_DATA,
                     PARTS(path, "truncated", "expected", "found"));
        assert_null(idx.bytes);
    }
    free(packed);
}

static void test_idx__no_file(void **state)
{
    esp_idx idx;
    const char *path = path_of(state, "nothing");
    assert_fails(esp_idx_read(&idx, path, ESP_IDX_IMAGES), ESP_IO, PARTS(path, "No such file"));
    assert_fails(esp_idx_read(&idx, *state, ESP_IDX_IMAGES), ESP_DATA,
                 PARTS(*state, "expected a regular file"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, scratch_create, scratch_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_idx__whole_file),
        TEST(test_idx__labels),
        TEST(test_idx__wrong_magic),
        TEST(test_idx__images_where_labels_belong),
        TEST(test_idx__truncated_file),
        TEST(test_idx__truncated_header),
        TEST(test_idx__trailing_bytes),
        TEST(test_idx__wrong_count),
        TEST(test_idx__impossible_image_size),
        TEST(test_idx__huge_header_allocates_nothing),
        TEST(test_idx__damaged_gzip),
        TEST(test_idx__no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
