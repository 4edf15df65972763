/* NumPy arrays of every order, shape and type, as NumPy, Julia and C++ write them. Oracle: values
 * that tell their own place, put where the formula of each order says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <sys/stat.h>

#include "data/dataset.h"
#include "data/scratch.h"

enum { N = 150 }; /* more than a block, no multiple of one */

/* A folder "it" with sound labels: image i has label i % 3. */
static int isolate(void **state)
{
    char path[2048];
    if (scratch_create(state) != 0) {
        return -1;
    }
    setenv("ESPALIER_DATA_PATH", *state, 1);
    setenv("XDG_CACHE_HOME", *state, 1);
    snprintf(path, sizeof path, "%s/it", (char *)*state);
    return mkdir(path, 0777);
}

static void write_array(void **state, const char *file, const char *descr, int is_fortran,
                        const char *shape, int version, const void *bytes, size_t size)
{
    char path[2048], header[256];
    const int start = version == 1 ? 10 : 12;
    int length = snprintf(header + start, sizeof header - (size_t)start,
                          "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", descr,
                          is_fortran ? "True" : "False", shape);
    for (; (start + length + 1) % 64 != 0; length++) {
        header[start + length] = ' ';
    }
    header[start + length++] = '\n';
    memset(header, 0, (size_t)start);
    memcpy(header, "\x93NUMPY", 6);
    header[6] = (char)version;
    header[8] = (char)length;
    char *whole = malloc((size_t)(start + length) + size);
    assert_non_null(whole);
    memcpy(whole, header, (size_t)(start + length));
    memcpy(whole + start + length, bytes, size);
    snprintf(path, sizeof path, "%s/it/%s", (char *)*state, file);
    scratch_write(path, whole, (size_t)(start + length) + size, 0);
    free(whole);
}

static void write_both(void **state, const char *what, const char *descr, int is_fortran,
                       const char *shape, int version, const void *bytes, size_t size)
{
    static const char *const parts[] = {"train", "test"};
    for (int p = 0; p < 2; p++) {
        char file[64];
        snprintf(file, sizeof file, "%s-%s.npy", parts[p], what);
        write_array(state, file, descr, is_fortran, shape, version, bytes, size);
    }
}

static void write_sound(void **state)
{
    uint8_t labels[N], images[N * 2];
    for (int i = 0; i < N; i++) {
        labels[i] = (uint8_t)(i % 3);
        images[2 * i] = (uint8_t)i;
        images[2 * i + 1] = (uint8_t)(i + 1);
    }
    write_both(state, "images", "|u1", 0, "(150, 2)", 1, images, sizeof images);
    write_both(state, "labels", "|u1", 0, "(150,)", 1, labels, sizeof labels);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Where both orders are one, and where they are not: the element at (i, a, b, c) holds
 * ((i * A + a) * B + b) * C + c, which is its place in C's order. */
static void test_npy__both_orders_of_images(void **state)
{
    static const struct {
        const char *shape;
        int sizes[4]; /* of those missing: 1, at the end */
    } shapes[] = {{"(150, 1)", {N, 1, 1, 1}},
                  {"(150, 5)", {N, 5, 1, 1}},
                  {"(150, 3, 4)", {N, 3, 4, 1}},
                  {"(150, 2, 5, 7)", {N, 2, 5, 7}},
                  {"(150, 1, 1, 3)", {N, 1, 1, 3}}};
    static float in_order[N * 70], turned[N * 70];
    write_sound(state);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int *n = shapes[s].sizes, count = n[0] * n[1] * n[2] * n[3];
        for (int at = 0; at < count; at++) {
            const int c = at % n[3], b = at / n[3] % n[2], a = at / n[3] / n[2] % n[1];
            const int i = at / n[3] / n[2] / n[1];
            in_order[at] = (float)at;
            turned[i + n[0] * (a + n[1] * (b + n[2] * c))] = (float)at;
        }
        for (int version = 1; version <= 3; version++) {
            for (int is_fortran = 0; is_fortran < 2; is_fortran++) {
                write_both(state, "images", "<f4", is_fortran, shapes[s].shape, version,
                           is_fortran ? turned : in_order, sizeof(float) * (size_t)count);
                esp_dataset *it = open_it();
                assert_int_equal(it->n_features, count / N);
                assert_memory_equal(it->train.values, in_order, sizeof(float) * (size_t)count);
                assert_memory_equal(it->test.values, in_order, sizeof(float) * (size_t)count);
                esp_dataset_close(it);
            }
        }
    }
}

/* Bytes too; and the digest is the file's, so that another order is another data set. */
static void test_npy__order_of_bytes(void **state)
{
    uint8_t in_order[N * 2], turned[N * 2];
    char digest[65];
    write_sound(state);
    for (int i = 0; i < N; i++) {
        in_order[2 * i] = turned[i] = (uint8_t)i;
        in_order[2 * i + 1] = turned[N + i] = (uint8_t)(i + 1);
    }
    esp_dataset *plain = open_it();
    memcpy(digest, plain->digest, sizeof digest);
    esp_dataset_close(plain);
    write_both(state, "images", "|u1", 1, "(150, 2)", 1, turned, sizeof turned);
    esp_dataset *it = open_it();
    assert_memory_equal(it->train.features, in_order, sizeof in_order);
    assert_string_not_equal(it->digest, digest);
    esp_dataset_close(it);
}

/* ---- labels ---------------------------------------------------------------------------------- */

/* One dimension has no order; a column and a row are labels too; any whole numbers are. */
static void test_npy__labels_of_any_shape_and_type(void **state)
{
    static const char *const shapes[] = {"(150,)", "(150, 1)", "(1, 150)", "(1, 150, 1)"};
    static const struct {
        const char *descr;
        size_t size;
    } types[] = {{"|u1", 1}, {"|i1", 1}, {"<i2", 2}, {"<u2", 2}, {"=i4", 4},
                 {"<i4", 4}, {"<u4", 4}, {"<i8", 8}, {"<u8", 8}, {"i8", 8}};
    write_sound(state);
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        uint8_t bytes[N * 8] = {0};
        for (size_t i = 0; i < N; i++) {
            bytes[i * types[t].size] = (uint8_t)(i % 3); /* the lowest byte is first */
        }
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            for (int is_fortran = 0; is_fortran < 2; is_fortran++) {
                write_both(state, "labels", types[t].descr, is_fortran, shapes[s], 1, bytes,
                           N * types[t].size);
                esp_dataset *it = open_it();
                for (int i = 0; i < N; i++) {
                    assert_int_equal(it->train.labels[i], i % 3);
                    assert_int_equal(it->test.labels[i], i % 3);
                }
                esp_dataset_close(it);
            }
        }
    }
    bool flags[N];
    for (int i = 0; i < N; i++) {
        flags[i] = i % 2;
    }
    write_both(state, "labels", "|b1", 0, "(150,)", 1, flags, N);
    esp_dataset *it = open_it();
    assert_int_equal(it->n_classes, 2);
    esp_dataset_close(it);
}

static void test_npy__labels_refused(void **state)
{
    uint8_t bytes[N * 8] = {0};
    static const struct {
        const char *descr, *shape;
        size_t size;
        const char *said;
    } labels[] = {
        {"<f8", "(150,)", 8 * N, "found float64 ('<f8'); save array.astype('int64')"},
        {"<f4", "(150,)", 4 * N, "found float32 ('<f4'); save array.astype('int64')"},
        {">i4", "(150,)", 4 * N, "found big-endian int32 ('>i4'); save array.astype('int64')"},
        {"<i4", "(149,)", 4 * 149, "expected 150 labels, one for each image"},
        {"<i4", "(1, 149)", 4 * 149, "expected 150 labels, one for each image"},
        {"|u1", "(150, 3)", 3 * N, "found 2 dimensions: 450 elements, of which the longest"},
        {"|u1", "(75, 2)", N, "found 2 dimensions: 150 elements, of which the longest"},
    };
    write_sound(state);
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        write_array(state, "test-labels.npy", labels[i].descr, 0, labels[i].shape, 1, bytes,
                    labels[i].size);
        expect_it_refused(PARTS("/it/test-labels.npy: ", labels[i].said));
    }
    static const struct {
        const char *descr;
        size_t size;
        uint8_t last; /* byte of the last label */
        const char *said;
    } far[] = {{"|i1", 1, 0xff, "found -1 for example 149"},
               {"<i2", 2, 1, "found 256 for example 149"},
               {"<i8", 8, 0x80, "found -9223372036854775808 for example 149"},
               {"<u4", 4, 0xff, "found 4278190080 for example 149"}};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        memset(bytes, 0, sizeof bytes);
        bytes[N * far[i].size - 1] = far[i].last;
        write_array(state, "test-labels.npy", far[i].descr, 0, "(150,)", 1, bytes, N * far[i].size);
        expect_it_refused(PARTS("label out of range: expected 0 to 255", far[i].said));
    }
}

/* Text of NumPy's two kinds, whatever it looks like; a name may fill its element. */
static void test_npy__text_labels(void **state)
{
    static const char *const words[] = {"zoo", "10",
                                        "\xc3\xbc"
                                        "b"};
    static const char *const expected[] = {"10", "zoo",
                                           "\xc3\xbc"
                                           "b"}; /* bytewise */
    static const uint32_t codes[3][3] = {{'z', 'o', 'o'}, {'1', '0', 0}, {0xfc, 'b', 0}};
    static const uint8_t numbers[] = {1, 0, 2};
    uint32_t wide[N][3];
    char narrow[N][4];
    write_sound(state);
    for (int i = 0; i < N; i++) {
        memcpy(wide[i], codes[i % 3], sizeof wide[i]);
        memset(narrow[i], 0, 4);
        memcpy(narrow[i], words[i % 3], strlen(words[i % 3]));
    }
    for (int kind = 0; kind < 2; kind++) {
        write_both(state, "labels", kind == 0 ? "<U3" : "|S4", 0, "(150,)", 1,
                   kind == 0 ? (const void *)wide : narrow,
                   kind == 0 ? sizeof wide : sizeof narrow);
        esp_dataset *it = open_it();
        assert_int_equal(it->n_classes, 3);
        for (int k = 0; k < 3; k++) {
            assert_string_equal(it->class_names[k], expected[k]);
        }
        for (int i = 0; i < N; i++) {
            assert_int_equal(it->train.labels[i], numbers[i % 3]);
            assert_int_equal(it->test.labels[i], numbers[i % 3]);
        }
        esp_dataset_close(it);
    }
    static const uint32_t broken[] = {0xd800, 0x110000, 0xffffffff, 0x7f, 0};
    static const char *const said[] = {"not UTF-8", "not UTF-8", "not UTF-8", "control character",
                                       "found nothing"};
    for (int i = 0; i < 5; i++) {
        memset(wide[149], 0, sizeof wide[149]);
        wide[149][0] = broken[i];
        write_array(state, "test-labels.npy", "<U3", 0, "(150,)", 1, wide, sizeof wide);
        expect_it_refused(
            PARTS("/it/test-labels.npy: example 149 (counted from 0): expected a label", said[i]));
    }
    write_array(state, "test-labels.npy", ">U3", 0, "(150,)", 1, wide, sizeof wide);
    expect_it_refused(PARTS("found big-endian text ('>U3'); save array.astype(str)"));
    write_sound(state);
    write_array(state, "test-labels.npy", "|S4", 0, "(150,)", 1, narrow, sizeof narrow);
    expect_it_refused(PARTS("/it/test-labels.npy: expected labels that are numbers", "found text"));
}

/* Each type that images cannot have names the way out. */
static void test_npy__images_refused(void **state)
{
    static uint8_t bytes[N * 16];
    static const struct {
        const char *descr;
        size_t size;
        const char *name, *remedy;
    } types[] = {
        {"<f8", 8, "found float64 ('<f8')", "save it as array.astype('float32')"},
        {"<f2", 2, "found float16 ('<f2')", "save it as array.astype('float32')"},
        {">f4", 4, "found big-endian float32 ('>f4')", "save it as array.astype('float32')"},
        {"<c8", 8, "found complex64 ('<c8')", "save it as array.astype('float32')"},
        {"<i8", 8, "found int64 ('<i8')",
         "bytes from 0 to 255 as array.astype('uint8'), others as"},
        {"<i4", 4, "found int32 ('<i4')", "bytes from 0 to 255 as array.astype('uint8')"},
        {"<u2", 2, "found uint16 ('<u2')", "bytes from 0 to 255 as array.astype('uint8')"},
        {"|b1", 1, "found bool ('|b1')", "array.astype('uint8')"},
        {"<U4", 16, "found text ('<U4')", "array.astype('float32')"},
    };
    write_sound(state);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        write_array(state, "train-images.npy", types[i].descr, 0, "(150, 1)", 1, bytes,
                    N * types[i].size);
        expect_it_refused(PARTS("/it/train-images.npy: wrong type: expected uint8 or float32",
                                types[i].name, types[i].remedy, "Julia: Float32.(array)"));
    }
    write_array(state, "train-images.npy", "<f4", 1, "(150,)", 1, bytes, 4 * N);
    expect_it_refused(PARTS("found 1 dimension", "array.reshape(-1, 1)"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, isolate, scratch_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_npy__both_orders_of_images),
        TEST(test_npy__order_of_bytes),
        TEST(test_npy__labels_of_any_shape_and_type),
        TEST(test_npy__labels_refused),
        TEST(test_npy__text_labels),
        TEST(test_npy__images_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
