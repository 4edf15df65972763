/* safetensors: round trips, a file byte by byte after the specification, and hostile files.
 * Format: https://github.com/huggingface/safetensors#format. */
#include "store/store_fixture.h"

#include "core/digest.h"
#include "core/file.h"
#include "store/safetensors.h"

/* <folder>/x.safetensors with the given header and so many data bytes. */
static void write_raw(char path[128], const fixture *db, const char *header, size_t length,
                      uint64_t claimed, size_t n_data)
{
    snprintf(path, 128, "%s/x.safetensors", db->folder);
    char *bytes = calloc(1, 8 + length + n_data);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (char)(claimed >> (8 * i));
    }
    memcpy(bytes + 8, header, length);
    ASSERT_OK(esp_file_write(path, bytes, 8 + length + n_data));
    free(bytes);
}

static void expect_refused(const fixture *db, const char *header, size_t n_data, const char *part)
{
    char path[128];
    esp_safetensors *file = NULL;
    write_raw(path, db, header, strlen(header), strlen(header), n_data);
    if (esp_safetensors_read(&file, path) != ESP_DATA) {
        fail_msg("read: %s", header);
    }
    assert_null(file);
    ASSERT_CONTAINS(esp_message(), path);
    ASSERT_CONTAINS(esp_message(), part);
}

static void test_round_trip__all_that_was_written(void **state)
{
    const fixture *db = *state;
    const float weights[2][3] = {{1, 2, 3}, {-4, 5.5f, 1e-30f}};
    const double scalar = 0.25;
    const uint8_t odd[] = {1, 2, 3};
    const esp_safetensor tensors[] = {
        {"node_weights", "F32", 2, {2, 3}, weights, sizeof weights},
        {"odd", "U8", 1, {3}, odd, sizeof odd},
        {"k", "F64", 0, {0}, &scalar, sizeof scalar},
        {"empty", "F32", 2, {0, 4}, NULL, 0},
    };
    const esp_safetensors_meta metadata[] = {{"epoch", "3"}, {"quoted", "a \"b\" \n \xc3\xa9"}};
    char path[128], first[ESP_SHA256_HEX], second[ESP_SHA256_HEX];
    snprintf(path, sizeof path, "%s/a.safetensors", db->folder);
    ASSERT_OK(esp_safetensors_write(path, tensors, 4, metadata, 2));
    ASSERT_OK(esp_sha256_file(first, path));
    ASSERT_OK(esp_safetensors_write(path, tensors, 4, metadata, 2));
    ASSERT_OK(esp_sha256_file(second, path));
    assert_string_equal(first, second);
    esp_safetensors *file = NULL;
    ASSERT_OK(esp_safetensors_read(&file, path));
    assert_int_equal(esp_safetensors_count(file), 4);
    for (int i = 0; i < 4; i++) {
        const esp_safetensor *read = esp_safetensors_at(file, i);
        assert_string_equal(read->name, tensors[i].name);
        assert_string_equal(read->dtype, tensors[i].dtype);
        assert_int_equal(read->rank, tensors[i].rank);
        assert_int_equal(read->count, tensors[i].count);
        assert_memory_equal(read->shape, tensors[i].shape,
                            sizeof *read->shape * (size_t)read->rank);
        if (read->count > 0) {
            assert_memory_equal(read->bytes, tensors[i].bytes, read->count);
        }
        assert_ptr_equal(esp_safetensors_find(file, tensors[i].name), read);
    }
    assert_null(esp_safetensors_find(file, "__metadata__"));
    assert_string_equal(esp_safetensors_meta_of(file, "quoted"), metadata[1].value);
    assert_null(esp_safetensors_meta_of(file, "other"));
    esp_safetensors_free(file);
}

static void test_write__bytes_by_the_specification(void **state)
{
    const fixture *db = *state;
    const float value = 1;
    const esp_safetensor tensor = {"a", "F32", 1, {1}, &value, sizeof value};
    /* 56 bytes of header text, padded with spaces to a multiple of 8. */
    static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    char path[128], *bytes = NULL;
    size_t count = 0, length = (sizeof header - 1 + 7) / 8 * 8;
    snprintf(path, sizeof path, "%s/a.safetensors", db->folder);
    ASSERT_OK(esp_safetensors_write(path, &tensor, 1, NULL, 0));
    ASSERT_OK(esp_file_read(&bytes, &count, path));
    assert_int_equal(count, 8 + length + 4);
    assert_int_equal((unsigned char)bytes[0], length);
    assert_memory_equal(bytes + 1, "\0\0\0\0\0\0\0", 7);
    assert_memory_equal(bytes + 8, header, sizeof header - 1);
    assert_memory_equal(bytes + 8 + length, "\0\0\x80\x3f", 4);
    free(bytes);
}

/* Whatever bit is wrong, but for those of the seal's name, a sealed file is not read. */
static void test_sealed__any_wrong_bit_is_found(void **state)
{
    const fixture *db = *state;
    const float weights[] = {1, 2, 3};
    const uint8_t odd[] = {1, 2, 3};
    const esp_safetensor tensors[] = {{"a", "F32", 1, {3}, weights, sizeof weights},
                                      {"none", "U8", 1, {0}, NULL, 0},
                                      {"odd", "U8", 1, {3}, odd, sizeof odd}};
    const esp_safetensors_meta metadata[] = {{"epoch", "3"}, {"quoted", "a \"b\" \n \xc3\xa9"}};
    char path[128], *bytes = NULL;
    size_t count = 0;
    esp_safetensors *file = NULL;
    snprintf(path, sizeof path, "%s/sealed.safetensors", db->folder);
    ASSERT_OK(esp_safetensors_write_sealed(path, tensors, 3, metadata, 2));
    ASSERT_OK(esp_safetensors_read(&file, path));
    assert_string_equal(esp_safetensors_meta_of(file, "epoch"), "3");
    assert_int_equal(esp_safetensors_count(file), 3);
    esp_safetensors_free(file);
    ASSERT_OK(esp_file_read(&bytes, &count, path));
    const char *name = memmem(bytes, count, "espalier_sha256", 15);
    assert_non_null(name);
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        if (bytes + i >= name && bytes + i < name + 15) {
            continue;
        }
        bytes[i] ^= 1;
        ASSERT_OK(esp_file_write(path, bytes, count));
        if (esp_safetensors_read(&file, path) != ESP_DATA) {
            fail_msg("read with byte %zu of %zu wrong", i, count);
        }
        found += strstr(esp_message(), "its content is not what was written") != NULL;
        bytes[i] ^= 1;
    }
    assert_true(found > 80); /* the data, the seal, and much of the header */
    free(bytes);
}

static void test_write__refuses_what_does_not_fit(void **state)
{
    const fixture *db = *state;
    const float values[4] = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/a.safetensors", db->folder);
    const esp_safetensor bad[] = {
        {"a", "F32", 1, {3}, values, sizeof values},
        {"a", "F31", 1, {4}, values, sizeof values},
        {"a", "F32", 1, {-4}, values, sizeof values},
        {"a", "F32", 5, {1, 1, 1, 4}, values, sizeof values},
        {"\xff", "F32", 1, {4}, values, sizeof values},
        {"__metadata__", "F32", 1, {4}, values, sizeof values},
    };
    const esp_safetensors_meta metadata = {"x", "y"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(esp_safetensors_write(path, &bad[i], 1, &metadata, 1), ESP_DATA);
        assert_int_equal(esp_safetensors_write(path, &bad[i], 1, NULL, 0), ESP_DATA);
    }
    const esp_safetensor twice[] = {{"a", "F32", 1, {4}, values, sizeof values},
                                    {"a", "F32", 1, {4}, values, sizeof values}};
    assert_int_equal(esp_safetensors_write(path, twice, 2, NULL, 0), ESP_DATA);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s/no/such/folder", db->folder);
    assert_int_equal(esp_safetensors_write(path, twice, 1, NULL, 0), ESP_IO);
}

#define ENTRY(dtype, shape, offsets)                                                               \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void test_read__hostile_headers(void **state)
{
    const fixture *db = *state;
    expect_refused(db, ENTRY("\"F32\"", "[2]", "[0,8]"), 4, "cut short");
    expect_refused(db, ENTRY("\"F32\"", "[2]", "[0,8]"), 12, "4 bytes after the last tensor");
    expect_refused(db, ENTRY("\"F32\"", "[1]", "[4,8]"), 8, "leave a gap");
    expect_refused(db, ENTRY("\"F32\"", "[1]", "[8,4]"), 8, "tensor 'a'");
    expect_refused(db, ENTRY("\"F32\"", "[1]", "[-4,0]"), 8, "tensor 'a'");
    expect_refused(db, ENTRY("\"F32\"", "[3]", "[0,8]"), 8, "12 bytes by type and shape, 8");
    expect_refused(db, ENTRY("\"F32\"", "[-1]", "[0,8]"), 8, "lengths");
    expect_refused(db, ENTRY("\"F32\"", "[1.5]", "[0,8]"), 8, "lengths");
    expect_refused(db, ENTRY("\"F32\"", "\"2\"", "[0,8]"), 8, "shape must be an array");
    expect_refused(db, ENTRY("\"F32\"", "[1,1,1,1,2]", "[0,8]"), 8, "shape must be an array");
    expect_refused(db, ENTRY("\"F31\"", "[2]", "[0,8]"), 8, "unknown dtype 'F31'");
    expect_refused(db, ENTRY("7", "[2]", "[0,8]"), 8, "expected");
    expect_refused(db, ENTRY("\"F32\"", "[2]", "[0,8,9]"), 8, "expected");
    expect_refused(db, ENTRY("\"F32\"", "[2]", "[0,99999999999999999999]"), 8, "broken header");
    /* 2^32 x 2^32 x 4 bytes wraps to 0. */
    expect_refused(db, ENTRY("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, "tensor 'a'");
    expect_refused(db,
                   "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                   "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
                   6, "overlap");
    expect_refused(db,
                   "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                   "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
                   2, "duplicate");
    expect_refused(db, "{\"a\":[]}", 0, "tensor 'a'");
    expect_refused(db, "{\"__metadata__\":{\"x\":1}}", 0, "__metadata__");
    expect_refused(db, "{\"__metadata__\":[]}", 0, "__metadata__");
    expect_refused(db, "[]", 0, "must begin with '{'");
    expect_refused(db, " {}", 0, "must begin with '{'");
    expect_refused(db, "{\"a\":", 0, "broken header");
    expect_refused(db, "{\"\\u0000\":{}}", 0, "broken header");
    expect_refused(db, "{\"\xff\":{}}", 0, "broken header");
}

static void test_read__hostile_lengths(void **state)
{
    const fixture *db = *state;
    char path[128];
    esp_safetensors *file = NULL;
    const uint64_t claims[] = {0, 3, 100, UINT64_MAX, (uint64_t)1 << 63, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        write_raw(path, db, "{}", 2, claims[i], 0);
        assert_int_equal(esp_safetensors_read(&file, path), ESP_DATA);
        ASSERT_CONTAINS(esp_message(), "not a safetensors file");
    }
    ASSERT_OK(esp_file_write(path, "{}", 2));
    assert_int_equal(esp_safetensors_read(&file, path), ESP_DATA);
    ASSERT_OK(esp_file_write(path, "", 0));
    assert_int_equal(esp_safetensors_read(&file, path), ESP_DATA);
    remove(path);
    assert_int_equal(esp_safetensors_read(&file, path), ESP_NOT_FOUND);
    /* Brackets within brackets: refused, not recursed into until the stack ends. */
    static char deep[200000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    write_raw(path, db, deep, sizeof deep, sizeof deep, 0);
    assert_int_equal(esp_safetensors_read(&file, path), ESP_DATA);
    write_raw(path, db, "{}      ", 8, 8, 0);
    ASSERT_OK(esp_safetensors_read(&file, path));
    assert_int_equal(esp_safetensors_count(file), 0);
    esp_safetensors_free(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip__all_that_was_written),
        TEST(test_write__bytes_by_the_specification),
        TEST(test_sealed__any_wrong_bit_is_found),
        TEST(test_write__refuses_what_does_not_fit),
        TEST(test_read__hostile_headers),
        TEST(test_read__hostile_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
