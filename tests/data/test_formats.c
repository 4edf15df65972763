/* Every format against the same generated images as idx files; and every way in which a file can be
 * broken. Oracle: the generator, which writes from the formats' descriptions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sys/stat.h>

#include "core/file.h"
#include "data/dataset.h"
#include "data/scratch.h"
#include "fixtures/generated_formats.h"

enum { N_TRAIN = 60, N_TEST = 20, N_CLASSES = 10 };

static unsigned side_of(const char *format)
{
    return strcmp(format, "cifar") == 0 ? 32 : strcmp(format, "usps") == 0 ? 16 : 7;
}

static int isolate(void **state)
{
    if (scratch_create(state) != 0) {
        return -1;
    }
    setenv("ESPALIER_DATA_PATH", *state, 1);
    setenv("XDG_CACHE_HOME", *state, 1);
    return 0;
}

/* "it" in a format, and "plain", the same as idx files. */
static void generate(void **state, const char *format)
{
    const unsigned side = side_of(format);
    char folder[2048];
    snprintf(folder, sizeof folder, "%s/it", (char *)*state);
    nftw(folder, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    generated_data_write(*state, "plain", N_TRAIN, N_TEST, side, N_CLASSES, 7);
    generated_data_write(*state, "it", N_TRAIN, N_TEST, side, N_CLASSES, 7);
    assert_true(generated_convert(*state, "it", N_TRAIN, N_TEST, side, format));
}

static esp_dataset *open_one(const char *name)
{
    esp_dataset *dataset = NULL;
    if (esp_dataset_open(&dataset, name) != ESP_OK) {
        fail_msg("%s: %s", name, esp_message());
    }
    return dataset;
}

/* ---- content --------------------------------------------------------------------------------- */

/* What a format's value stands for, given the gray pixel it was made of. */
static double expected_value(const char *format, uint8_t gray, unsigned channel)
{
    return strcmp(format, "usps") == 0        ? gray / 127.5 - 1
           : strcmp(format, "npy-float") == 0 ? (double)((float)gray / 255)
           : channel > 0                      ? generated_color(gray, channel)
                                              : gray;
}

static void compare(const char *format, const esp_examples *found, const esp_examples *plain,
                    uint32_t channels, uint32_t plane)
{
    assert_int_equal(found->count, plain->count);
    assert_memory_equal(found->labels, plain->labels, plain->count);
    for (uint32_t i = 0; i < found->count; i++) {
        for (uint32_t k = 0; k < channels; k++) {
            for (uint32_t j = 0; j < plane; j++) {
                const size_t at = ((size_t)i * channels + k) * plane + j;
                const double value =
                    found->values != NULL ? (double)found->values[at] : found->features[at];
                const double error =
                    fabs(value - expected_value(format, plain->features[(size_t)i * plane + j], k));
                if (!(error <= 1e-6)) {
                    fail_msg("%s: example %u channel %u pixel %u: error %g", format, i, k, j,
                             error);
                }
            }
        }
    }
}

static void check_format(void **state, const char *format, const char *name, uint32_t channels,
                         int is_float, int is_vector)
{
    generate(state, format);
    esp_dataset *plain = open_one("plain"), *it = open_one("it");
    const uint32_t side = side_of(format);
    assert_string_equal(it->format, name);
    assert_int_equal(it->channels, channels);
    assert_int_equal(it->image_rows, is_vector ? 1 : side);
    assert_int_equal(it->image_columns, is_vector ? side * side : side);
    assert_int_equal(it->n_features, channels * side * side);
    assert_int_equal(it->n_classes, N_CLASSES);
    assert_int_equal(it->known, 0);
    assert_int_equal(it->train.values != NULL, is_float);
    assert_int_equal(it->train.features != NULL, !is_float);
    assert_string_not_equal(it->digest, plain->digest);
    compare(format, &it->train, &plain->train, channels, side * side);
    compare(format, &it->test, &plain->test, channels, side * side);
    esp_dataset_description described;
    assert_int_equal(esp_dataset_describe(&described, "it"), ESP_OK);
    assert_string_equal(described.digest, it->digest);
    assert_int_equal(described.n_features, it->n_features);
    assert_int_equal(described.n_train, N_TRAIN);
    assert_int_equal(described.n_test, N_TEST);
    esp_dataset_close(plain);
    esp_dataset_close(it);
}

static void test_formats__cifar(void **state)
{
    check_format(state, "cifar", "cifar", 3, 0, 0);
}

static void test_formats__svhn_packed(void **state)
{
    check_format(state, "svhn", "svhn", 3, 0, 0);
}

static void test_formats__svhn_plain(void **state)
{
    check_format(state, "svhn-plain", "svhn", 3, 0, 0);
}

static void test_formats__usps(void **state)
{
    check_format(state, "usps", "usps", 1, 1, 0);
}

static void test_formats__npy(void **state)
{
    check_format(state, "npy", "npy", 1, 0, 0);
}

static void test_formats__npy_float(void **state)
{
    check_format(state, "npy-float", "npy", 1, 1, 1);
}

static void test_formats__csv(void **state)
{
    check_format(state, "csv", "csv", 1, 1, 1);
}

/* ---- broken files ---------------------------------------------------------------------------- */

typedef struct content {
    char *bytes;
    size_t size;
    char path[2048];
} content;

static content load(void **state, const char *file)
{
    content it;
    snprintf(it.path, sizeof it.path, "%s/it/%s", (char *)*state, file);
    assert_int_equal(esp_file_read(&it.bytes, &it.size, it.path), ESP_OK);
    return it;
}

static void write_text(void **state, const char *file, const char *text)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/it/%s", (char *)*state, file);
    scratch_write(path, text, strlen(text), 0);
}

static const struct {
    const char *format;
    const char *files[7];
} all_files[] = {
    {"cifar",
     {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
      "data_batch_5.bin", "test_batch.bin"}},
    {"svhn", {"train_32x32.mat", "test_32x32.mat"}},
    {"svhn-plain", {"train_32x32.mat", "test_32x32.mat"}},
    {"usps", {"usps", "usps.t"}},
    {"npy", {"train-images.npy", "train-labels.npy", "test-images.npy", "test-labels.npy"}},
    {"npy-float", {"train-images.npy", "train-labels.npy", "test-images.npy", "test-labels.npy"}},
    {"csv", {"train.csv", "test.csv"}},
};
enum { N_FORMATS = sizeof all_files / sizeof *all_files };

/* Empty; a byte short of its header; half of it; a byte more: each is refused, naming the file,
 * raw and gzip. */
static void test_formats__any_file_cut_or_longer(void **state)
{
    for (size_t f = 0; f < N_FORMATS; f++) {
        generate(state, all_files[f].format);
        for (int file = 0; all_files[f].files[file] != NULL; file++) {
            content whole = load(state, all_files[f].files[file]);
            char *longer = malloc(whole.size + 1);
            assert_non_null(longer);
            memcpy(longer, whole.bytes, whole.size);
            longer[whole.size] = 'x';
            const size_t sizes[] = {0, 1, 7, whole.size / 2 - 1, whole.size + 1};
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                for (int gzip = 0; gzip < 2; gzip++) {
                    scratch_write(whole.path, longer, sizes[s], gzip);
                    expect_it_refused(PARTS(whole.path, "expected", "found"));
                }
            }
            scratch_write(whole.path, whole.bytes, whole.size, 1);
            content packed = load(state, all_files[f].files[file]);
            scratch_write(whole.path, packed.bytes, packed.size, 0);
            esp_dataset_close(open_one("it"));
            scratch_write(whole.path, packed.bytes, packed.size - 4, 0); /* gzip's check sum */
            expect_it_refused(PARTS(whole.path, "truncated"));
            scratch_write(whole.path, whole.bytes, whole.size, 0);
            free(packed.bytes);
            free(whole.bytes);
            free(longer);
        }
        esp_dataset_close(open_one("it"));
    }
}

/* Without a file "it" is incomplete, or, without the only one of test, has no test split. */
static void expect_missing(const char *file)
{
    static const char *const only[] = {"test_batch.bin", "test_32x32.mat", "usps.t", "test.csv"};
    for (size_t i = 0; i < sizeof only / sizeof *only; i++) {
        if (strcmp(file, only[i]) == 0) {
            esp_dataset *it = open_one("it");
            assert_int_equal(it->train.count, N_TRAIN);
            assert_int_equal(it->test.count, 0);
            esp_dataset_close(it);
            return;
        }
    }
    expect_it_refused(PARTS("incomplete data set", file));
}

static void test_formats__missing_folder_unreadable(void **state)
{
    for (size_t f = 0; f < N_FORMATS; f++) {
        generate(state, all_files[f].format);
        for (int file = 0; all_files[f].files[file] != NULL; file++) {
            content whole = load(state, all_files[f].files[file]);
            unlink(whole.path);
            expect_missing(all_files[f].files[file]);
            assert_int_equal(mkdir(whole.path, 0777), 0);
            expect_missing(all_files[f].files[file]);
            rmdir(whole.path);
            scratch_write(whole.path, whole.bytes, whole.size, 0);
            if (geteuid() != 0) {
                esp_dataset *dataset = NULL;
                chmod(whole.path, 0);
                assert_fails(esp_dataset_open(&dataset, "it"), ESP_IO,
                             PARTS(whole.path, "Permission denied"));
                chmod(whole.path, 0666);
            }
            free(whole.bytes);
        }
    }
}

static void test_formats__two_formats_in_a_folder(void **state)
{
    generate(state, "csv");
    write_text(state, "usps", "1\n");
    expect_it_refused(PARTS("/it: expected files of one format", "usps", "train.csv"));
}

static void test_formats__cifar_refusals(void **state)
{
    generate(state, "cifar");
    content it = load(state, "data_batch_2.bin");
    it.bytes[3073] = 10;
    scratch_write(it.path, it.bytes, it.size, 0);
    expect_it_refused(PARTS(it.path, "label out of range: expected 0 to 9, found 10 in record 1"));
    it.bytes[3073] = 1;
    scratch_write(it.path, it.bytes, it.size - 1, 0);
    expect_it_refused(PARTS(it.path, "records of 3073 bytes", "11 records and 3072 bytes more"));
    free(it.bytes);
}

/* A published name with other content: its count is compared, and where there is a hash, that. */
static void test_formats__published_names(void **state)
{
    char from[2048], to[2048];
    static const char *const names[] = {"cifar-10", "svhn", "usps"};
    static const char *const formats[] = {"cifar", "svhn", "usps"};
    static const char *const parts[] = {
        "expected 50000 and 10000 examples of 3072 features, found 60",
        "expected MD5 e26dedcc434d2e4c54c9b2d4a06d8373",
        "expected 7291 and 2007 examples of 256 features, found 60"};
    for (int i = 0; i < 3; i++) {
        generate(state, formats[i]);
        snprintf(from, sizeof from, "%s/it", (char *)*state);
        snprintf(to, sizeof to, "%s/%s", (char *)*state, names[i]);
        assert_int_equal(rename(from, to), 0);
        esp_dataset *dataset = NULL;
        assert_fails(esp_dataset_open(&dataset, names[i]), ESP_DATA,
                     PARTS("not the published", parts[i], "another name"));
        esp_dataset_description described;
        assert_fails(esp_dataset_describe(&described, names[i]), ESP_DATA, PARTS(parts[i]));
    }
    generated_data_write(*state, "svhn-idx", N_TRAIN, N_TEST, 8, N_CLASSES, 7);
    snprintf(from, sizeof from, "%s/svhn", (char *)*state);
    snprintf(to, sizeof to, "%s/old", (char *)*state);
    assert_int_equal(rename(from, to), 0);
    snprintf(to, sizeof to, "%s/svhn-idx", (char *)*state);
    assert_int_equal(rename(to, from), 0);
    esp_dataset *dataset = NULL;
    assert_fails(esp_dataset_open(&dataset, "svhn"), ESP_DATA,
                 PARTS("expected files of format svhn, found idx"));
}

/* Places in the plain file: tag of X at 128, its flags at 136, its size at 152, its name at 176,
 * its bytes' tag at 184. */
static void test_formats__svhn_refusals(void **state)
{
    static const struct {
        size_t at;
        const char *bytes;
        size_t count;
        const char *said;
    } changes[] = {
        {124, "\2", 1, "wrong magic number: expected 00 01 'IM'"},
        {126, "MI", 2, "wrong magic number"},
        {0, "MATLAB 7.3", 10, "found 7.3 (HDF5)"},
        {128, "\7", 1, "expected a matrix, found type 7"},
        {132, "\xff\xff\xff\x7f", 4, "truncated: expected an element of 2147483647 bytes"},
        {136, "\5", 1, "a matrix's flags"},
        {145, "\x08", 1, "real numbers, found complex"},
        {160, "\xff\xff\xff\xff", 4, "X: expected rows x columns x channels x count"},
        {172, "\xff\xff\xff\x7f", 4, "X: expected"},
        {172, "\x3b", 1, "X: expected 8673 bytes of type 2 (uint8), found 8820"},
        {180, "Z", 1, "only y"},
        {184, "\7", 1, "found 8820 of type 7"},
        {188, "\xff\xff\xff\x7f", 4, "truncated"},
    };
    generate(state, "svhn-plain");
    content it = load(state, "train_32x32.mat");
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *copy = malloc(it.size);
        assert_non_null(copy);
        memcpy(copy, it.bytes, it.size);
        memcpy(copy + changes[i].at, changes[i].bytes, changes[i].count);
        scratch_write(it.path, copy, it.size, 0);
        expect_it_refused(PARTS(it.path, changes[i].said));
        free(copy);
    }
    double eleven = 11;
    memcpy(it.bytes + it.size - 8, &eleven, 8);
    scratch_write(it.path, it.bytes, it.size, 0);
    expect_it_refused(
        PARTS(it.path, "label out of range: expected 1 to 10", "found 11 for example 59"));
    free(it.bytes);
}

/* A packed matrix that says it has 2 GB in a few packed bytes is refused before memory is taken. */
static void test_formats__svhn_claims(void **state)
{
    generate(state, "svhn");
    uint8_t claim[16] = {14, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f}, packed[64];
    uLongf size = sizeof packed;
    assert_int_equal(compress(packed, &size, claim, sizeof claim), Z_OK);
    content it = load(state, "test_32x32.mat");
    char file[256] = {0};
    memcpy(file, it.bytes, 128);
    file[128] = 15;
    file[132] = (char)size;
    memcpy(file + 136, packed, size);
    scratch_write(it.path, file, 136 + size, 0);
    expect_it_refused(
        PARTS(it.path, "expected a matrix of 2147483647 bytes", "too few to hold them"));
    free(it.bytes);
}

static void test_formats__usps_refusals(void **state)
{
    static const struct {
        const char *text, *said;
    } lines[] = {
        {"0 1:0\n", ":1:1: expected a label from 1 to 10, found '0'"},
        {"11 1:0\n", ":1:1: expected a label"},
        {"1.5 1:0\n", ":1:1: expected a label"},
        {"3 1:0.5 3:0.5\n", ":1:9: expected 2:VALUE, pixel 2 of 256, found '3:0.5'"},
        {"3 1:0.5 2:x\n", ":1:9: expected 2:VALUE, pixel 2 of 256, found '2:x'"},
        {"3 1:nan\n", "found '1:nan'"},
        {"3 1:0.5\n", ":1:8: expected 2:VALUE, pixel 2 of 256, found nothing"},
    };
    generate(state, "usps");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        write_text(state, "usps.t", lines[i].text);
        expect_it_refused(PARTS("/it/usps.t", lines[i].said));
    }
    /* as many line ends as bytes must not ask for memory by them */
    char many[4096];
    memset(many, '\n', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    write_text(state, "usps.t", many);
    expect_it_refused(PARTS("/it/usps.t", "found 0 lines in 4095 bytes"));
}

/* Blank lines at the start, between two and at the end change no example. */
static void test_formats__usps_blank_lines(void **state)
{
    generate(state, "usps");
    content it = load(state, "usps");
    const size_t first = (size_t)(strchr(it.bytes, '\n') - it.bytes) + 1;
    char *text = malloc(it.size + 32);
    assert_non_null(text);
    const int size =
        sprintf(text, "\n \r\n%.*s\n\t\n%s\n  ", (int)first, it.bytes, it.bytes + first);
    esp_dataset *plain = open_one("it");
    scratch_write(it.path, text, (size_t)size, 0);
    esp_dataset *spaced = open_one("it");
    assert_int_equal(spaced->train.count, N_TRAIN);
    assert_memory_equal(spaced->train.values, plain->train.values,
                        sizeof(float) * N_TRAIN * plain->n_features);
    assert_memory_equal(spaced->train.labels, plain->train.labels, N_TRAIN);
    esp_dataset_close(spaced);
    esp_dataset_close(plain);
    free(text);
    free(it.bytes);
}

/* A header of any text, padded as numpy does, with 12 bytes of data. */
static void write_npy(void **state, const char *file, const char *dictionary, char version)
{
    char path[2048], bytes[512] = "\x93NUMPY\1";
    const size_t start = version == 1 ? 10 : 12, length = strlen(dictionary);
    bytes[6] = version;
    bytes[8] = (char)length;
    memcpy(bytes + start, dictionary, length);
    snprintf(path, sizeof path, "%s/it/%s", (char *)*state, file);
    scratch_write(path, bytes, start + length + 12, 0);
}

static void test_formats__npy_refusals(void **state)
{
    static const struct {
        const char *dictionary, *said;
    } headers[] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (3,)}", "('>f4')"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", "found '|O'; save Python's"},
        {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (3,)}", "found '<M8[ns]'"},
        {"{'descr': '<f99999', 'fortran_order': False, 'shape': (3,)}", "found '<f99999'"},
        {"{'descr': '<U0', 'fortran_order': False, 'shape': (3,)}", "found '<U0'"},
        {"{'descr': '<U4000', 'fortran_order': False, 'shape': (4294967295, 536870912)}",
         "impossible shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "an array, not a scalar"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 4)}", "impossible shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (3, x)}", "no number"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967295, 4294967295)}",
         "more than 2^61 elements"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967295, 4096)}",
         "truncated: expected 70368744161"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,12)}", "at most 4 dimensions"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (3, 3)}",
         "trailing bytes: expected 76 bytes by its header, found 79"},
        {"{'descr': '|u1', 'fortran_order': False}", "descr, fortran_order and shape"},
        {"{'descr': '|u1', 'descr': '|u1'}", "once, found 'descr'"},
        {"{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (3,)}", "one type"},
        {"('descr')", "a dictionary"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (12,)}", "found 1 dimension"},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (3, 1)}", "found int32 ('<i4')"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 6, 1, 2)}",
         "found (1, 6, 1, 2), where channels seem to be last; save it as"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4)}", "wrong image size"},
    };
    generate(state, "npy");
    content labels = load(state, "test-labels.npy");
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        if (i + 1 == sizeof headers / sizeof *headers) {
            write_npy(state, "test-labels.npy",
                      "{'descr': '<i4', 'fortran_order': False, 'shape': (3,)}", 2);
        }
        write_npy(state, "test-images.npy", headers[i].dictionary, 1);
        expect_it_refused(PARTS("/it/test-images.npy", headers[i].said));
    }
    write_npy(state, "test-images.npy", "{}", 4);
    expect_it_refused(PARTS("wrong version: expected 1.0, 2.0 or 3.0, found 4.0"));
    scratch_write(labels.path, labels.bytes, labels.size, 0);
    free(labels.bytes);

    generate(state, "npy");
    labels = load(state, "test-labels.npy");
    int64_t label = 256;
    memcpy(labels.bytes + labels.size - 8, &label, 8);
    scratch_write(labels.path, labels.bytes, labels.size, 0);
    expect_it_refused(
        PARTS(labels.path, "label out of range: expected 0 to 255, found 256 for example"));
    label = -1;
    memcpy(labels.bytes + labels.size - 8, &label, 8);
    scratch_write(labels.path, labels.bytes, labels.size, 0);
    expect_it_refused(PARTS("found -1 for example 19"));
    write_npy(state, "test-labels.npy", "{'descr': '<i4', 'fortran_order': False, 'shape': (3,)}",
              3);
    expect_it_refused(PARTS(labels.path, "different length: expected 20 labels", "found 3"));
    free(labels.bytes);

    generate(state, "npy-float");
    content images = load(state, "train-images.npy");
    const float bad = NAN;
    memcpy(images.bytes + images.size - 4, &bad, 4);
    scratch_write(images.path, images.bytes, images.size, 0);
    expect_it_refused(PARTS(images.path, "expected finite numbers", "in example 59"));
    free(images.bytes);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, isolate, scratch_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_formats__cifar),
        TEST(test_formats__svhn_packed),
        TEST(test_formats__svhn_plain),
        TEST(test_formats__usps),
        TEST(test_formats__npy),
        TEST(test_formats__npy_float),
        TEST(test_formats__csv),
        TEST(test_formats__any_file_cut_or_longer),
        TEST(test_formats__missing_folder_unreadable),
        TEST(test_formats__two_formats_in_a_folder),
        TEST(test_formats__cifar_refusals),
        TEST(test_formats__published_names),
        TEST(test_formats__svhn_refusals),
        TEST(test_formats__svhn_claims),
        TEST(test_formats__usps_refusals),
        TEST(test_formats__usps_blank_lines),
        TEST(test_formats__npy_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
