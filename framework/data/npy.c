/* Pairs of NumPy arrays: images or vectors as uint8 or float32, labels as whole numbers or text. */
#include "data/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "data/class_names.h"
#include "data/format.h"
#include "data/numbers.h"

enum {
    MAGIC = 6,
    SHORT_START = 10,
    LONG_START = 12,
    MAX_ELEMENT = 1 << 16, /* bytes, of text */
    MAX_LABEL = 255,
    MAX_COLORS = 4
};

/* ---- the header: a Python dictionary of three keys --------------------------------------------
 */

typedef struct cursor {
    const char *path, *at, *end;
} cursor;

static void skip_blanks(cursor *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n')) {
        in->at++;
    }
}

static int fail_header(const cursor *in, const char *expected)
{
    char shown[64];
    esp_text_shown(shown, in->at, (size_t)(in->end - in->at));
    return esp_fail(ESP_DATA, "%s: malformed header: expected %s, found %s", in->path, expected,
                    shown);
}

static int take(cursor *in, const char *word)
{
    skip_blanks(in);
    size_t length = strlen(word);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, word, length) != 0) {
        return 0;
    }
    in->at += length;
    return 1;
}

/* A quoted word without escapes. */
static int read_word(char word[32], cursor *in)
{
    skip_blanks(in);
    const char quote = in->at < in->end ? *in->at : '\0';
    if (quote != '\'' && quote != '"') {
        return fail_header(in, "a quoted word");
    }
    const char *start = in->at + 1;
    const char *stop = memchr(start, quote, (size_t)(in->end - start));
    if (stop == NULL || stop - start >= 32) {
        return fail_header(in, "a short quoted word");
    }
    memcpy(word, start, (size_t)(stop - start));
    word[stop - start] = '\0';
    in->at = stop + 1;
    return ESP_OK;
}

/* "<f4", "|u1", "<U12": byte order, kind and bytes (of U: characters of four bytes). */
static int read_type(esp_npy *out, cursor *in)
{
    char word[32], kind = '\0';
    unsigned size = 0;
    int used = 0;
    skip_blanks(in);
    if (in->at < in->end && *in->at == '[') {
        return fail_header(in, "one type ('|u1', '<f4', '<i4' or '<i8')");
    }
    ESP_TRY(read_word(word, in));
    const size_t order = strspn(word, "<>|=") > 0;
    if (sscanf(word + order, "%c%5u%n", &kind, &size, &used) != 2 || word[order + used] != '\0' ||
        strchr("biufcUS", kind) == NULL || size < 1 || size > MAX_ELEMENT) {
        return esp_fail(ESP_DATA, "%s: wrong type: expected numbers or text, found '%s'; save %s",
                        in->path, word,
                        kind == 'O' ? "Python's objects as array.astype(str), or as "
                                      "array.astype('float32')"
                                    : "array.astype('float32')");
    }
    memcpy(out->descr, word, sizeof out->descr);
    out->kind = kind;
    out->size = kind == 'U' ? 4 * size : size;
    out->is_swapped = *word == '>' && out->size > 1 && kind != 'S';
    return ESP_OK;
}

static int read_shape(esp_npy *out, cursor *in)
{
    if (!take(in, "(")) {
        return fail_header(in, "a shape, '(COUNT, ...)'");
    }
    out->count = 1;
    while (!take(in, ")")) {
        uint64_t size = 0;
        int n_digits = 0;
        if (out->rank == ESP_NPY_RANK) {
            return fail_header(in, "at most 4 dimensions");
        }
        skip_blanks(in);
        for (; in->at < in->end && *in->at >= '0' && *in->at <= '9' && n_digits < 11; n_digits++) {
            size = 10 * size + (uint64_t)(*in->at++ - '0');
        }
        if (n_digits == 0 || size == 0 || size > UINT32_MAX) {
            return esp_fail(ESP_DATA,
                            "%s: impossible shape: expected sizes from 1 to %u, found %s%llu",
                            in->path, UINT32_MAX, n_digits == 0 ? "no number after " : "",
                            (unsigned long long)size);
        }
        if (out->count > UINT64_MAX / 8 / size) {
            return esp_fail(ESP_DATA,
                            "%s: impossible shape: expected an array that fits a file, "
                            "found more than 2^61 elements",
                            in->path);
        }
        out->shape[out->rank++] = size;
        out->count *= size;
        if (!take(in, ",")) {
            if (!take(in, ")")) {
                return fail_header(in, "',' or ')' in the shape");
            }
            break;
        }
    }
    return out->rank > 0 ? ESP_OK : fail_header(in, "an array, not a scalar");
}

static int read_dictionary(esp_npy *out, cursor *in)
{
    unsigned seen = 0;
    if (!take(in, "{")) {
        return fail_header(in, "a dictionary, '{'");
    }
    while (!take(in, "}")) {
        char key[32];
        ESP_TRY(read_word(key, in));
        if (!take(in, ":")) {
            return fail_header(in, "':' after a key");
        }
        if (strcmp(key, "descr") == 0 && !(seen & 1)) {
            seen |= 1;
            ESP_TRY(read_type(out, in));
        } else if (strcmp(key, "fortran_order") == 0 && !(seen & 2)) {
            seen |= 2;
            out->is_fortran = take(in, "True");
            if (!out->is_fortran && !take(in, "False")) {
                return fail_header(in, "True or False");
            }
        } else if (strcmp(key, "shape") == 0 && !(seen & 4)) {
            seen |= 4;
            ESP_TRY(read_shape(out, in));
        } else {
            return esp_fail(ESP_DATA,
                            "%s: malformed header: expected each of descr, fortran_order and shape "
                            "once, found '%s'",
                            in->path, key);
        }
        if (!take(in, ",") && !(in->at < in->end && *in->at == '}')) {
            return fail_header(in, "',' or '}'");
        }
    }
    skip_blanks(in);
    if (seen != 7 || in->at != in->end) {
        return fail_header(in, "descr, fortran_order and shape, and nothing after them");
    }
    return ESP_OK;
}

int esp_npy_parse(esp_npy *out, const char *path, const char *content, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)content;
    *out = (esp_npy){.rank = 0};
    if (size < SHORT_START || memcmp(content, "\x93NUMPY", MAGIC) != 0) {
        char shown[64];
        esp_text_shown(shown, content, size < MAGIC ? size : MAGIC);
        return esp_fail(ESP_DATA, "%s: %s: expected \\x93NUMPY, found %s", path,
                        size < SHORT_START ? "truncated" : "wrong magic number", shown);
    }
    const unsigned version = bytes[MAGIC];
    if (version < 1 || version > 3 || bytes[MAGIC + 1] != 0) {
        return esp_fail(ESP_DATA, "%s: wrong version: expected 1.0, 2.0 or 3.0, found %u.%u", path,
                        version, bytes[MAGIC + 1]);
    }
    const size_t start = version == 1 ? SHORT_START : LONG_START;
    uint64_t length = (uint64_t)bytes[8] | (uint64_t)bytes[9] << 8;
    if (version > 1 && size >= LONG_START) {
        length |= (uint64_t)bytes[10] << 16 | (uint64_t)bytes[11] << 24;
    }
    if (size < start || length > size - start) {
        return esp_fail(ESP_DATA,
                        "%s: truncated: expected a header of %llu bytes, found a file of %zu bytes",
                        path, (unsigned long long)(start + length), size);
    }
    cursor header = {path, content + start, content + start + length};
    ESP_TRY(read_dictionary(out, &header));
    if (out->count > (UINT64_MAX >> 1) / out->size) {
        return esp_fail(ESP_DATA, "%s: impossible shape: expected an array that fits a file", path);
    }
    const uint64_t expected = start + length + out->count * out->size;
    if (expected != size) {
        return esp_fail(ESP_DATA, "%s: %s: expected %llu bytes by its header, found %zu", path,
                        size < expected ? "truncated" : "trailing bytes",
                        (unsigned long long)expected, size);
    }
    out->bytes = bytes + start + length;
    return ESP_OK;
}

/* ---- a pair ---------------------------------------------------------------------------------- */

/* "float64", "int32", "text"; of another byte order "big-endian float64". */
static void name_type(char name[40], const esp_npy *array)
{
    static const char kinds[] = "biufcUS";
    static const char *const names[] = {"bool", "int", "uint", "float", "complex", "text", "bytes"};
    const char kind = array->kind;
    const char *word = names[strchr(kinds, kind) - kinds];
    const char *order = array->is_swapped ? "big-endian " : "";
    if (strchr("iufc", kind) != NULL) {
        snprintf(name, 40, "%s%s%u", order, word, 8 * array->size);
    } else {
        snprintf(name, 40, "%s%s", order, word);
    }
}

static int check_image_type(const char *path, const esp_npy *array)
{
    const bool is_byte = array->kind == 'u' && array->size == 1;
    const bool is_float = array->kind == 'f' && array->size == 4 && !array->is_swapped;
    char name[40];
    if (is_byte || is_float) {
        return ESP_OK;
    }
    name_type(name, array);
    return esp_fail(ESP_DATA,
                    "%s: wrong type: expected uint8 or float32, found %s ('%s'); save %sas "
                    "array.astype('float32') (Julia: Float32.(array); R: "
                    "reticulate::np_array(array, 'float32'))",
                    path, name, array->descr,
                    strchr("iub", array->kind) != NULL
                        ? "bytes from 0 to 255 as array.astype('uint8'), others "
                        : "it ");
}

/* Copies an array of Fortran's order, the first dimension fastest, to C's. Features are turned for
 * some examples at a time, which stay in the cache. */
static void copy_fortran(uint8_t *to, const esp_npy *array)
{
    enum { BLOCK = 64 };
    const uint64_t *shape = array->shape, n = shape[0], n_features = array->count / n;
    const size_t size = array->size;
    for (uint64_t first = 0; first < n; first += BLOCK) {
        const uint64_t last = n - first < BLOCK ? n : first + BLOCK;
        for (uint64_t j = 0; j < n_features; j++) {
            uint64_t rest = j, from = 0;
            for (int r = array->rank - 1; r > 0; r--) {
                uint64_t below = 1;
                for (int k = 1; k < r; k++) {
                    below *= shape[k];
                }
                from += rest % shape[r] * below;
                rest /= shape[r];
            }
            const uint8_t *column = array->bytes + from * n * size;
            for (uint64_t i = first; i < last; i++) {
                memcpy(to + (i * n_features + j) * size, column + i * size, size);
            }
        }
    }
}

/* (count, features), (count, rows, columns) or (count, channels, rows, columns). */
static int read_images(esp_part *part, const char *path, const esp_npy *array)
{
    const uint64_t *shape = array->shape;
    const int rank = array->rank;
    ESP_TRY(check_image_type(path, array));
    if (rank < 2) {
        return esp_fail(ESP_DATA,
                        "%s: expected shape (count, features), (count, rows, columns) or (count, "
                        "channels, rows, columns), found 1 dimension; save one feature an example "
                        "as array.reshape(-1, 1)",
                        path);
    }
    if (rank == 4 && shape[3] <= MAX_COLORS && shape[1] > MAX_COLORS) {
        return esp_fail(ESP_DATA,
                        "%s: expected (count, channels, rows, columns), found (%llu, %llu, %llu, "
                        "%llu), where channels seem to be last; save it as "
                        "numpy.ascontiguousarray(it.transpose(0, 3, 1, 2))",
                        path, (unsigned long long)shape[0], (unsigned long long)shape[1],
                        (unsigned long long)shape[2], (unsigned long long)shape[3]);
    }
    *part = (esp_part){.count = (uint32_t)shape[0],
                       .channels = rank == 4 ? (uint32_t)shape[1] : 1,
                       .rows = rank > 2 ? (uint32_t)shape[rank - 2] : 1,
                       .columns = (uint32_t)shape[rank - 1]};
    if (array->count / shape[0] > ESP_MAX_FEATURES) {
        return esp_fail(ESP_DATA, "%s: expected at most %d features an example, found %llu", path,
                        ESP_MAX_FEATURES, (unsigned long long)(array->count / shape[0]));
    }
    const size_t size = (size_t)(array->count * array->size);
    void *copy = malloc(size);
    if (copy == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for %zu bytes", path, size);
    }
    if (array->is_fortran) {
        copy_fortran(copy, array);
    } else {
        memcpy(copy, array->bytes, size);
    }
    if (array->kind == 'u') {
        part->bytes = copy;
        return ESP_OK;
    }
    part->values = copy;
    for (uint64_t i = 0; i < array->count; i++) {
        if (!isfinite(part->values[i])) {
            return esp_fail(ESP_DATA,
                            "%s: expected finite numbers, found %g in example %llu "
                            "(counted from 0)",
                            path, (double)part->values[i],
                            (unsigned long long)(i / (array->count / shape[0])));
        }
    }
    return ESP_OK;
}

/* Little-endian; a greater number than int64 holds counts as negative, which no label is. */
static int64_t label_at(const esp_npy *array, uint64_t i)
{
    uint64_t value = 0;
    memcpy(&value, array->bytes + i * array->size, array->size);
    const unsigned unused = 64 - 8 * array->size;
    return array->kind == 'i' ? (int64_t)(value << unused) >> unused : (int64_t)value;
}

static bool is_text(const esp_npy *array)
{
    return array->kind == 'U' || array->kind == 'S';
}

static int check_label_type(const char *path, const esp_npy *array)
{
    char name[40];
    if (strchr("iub", array->kind) != NULL && array->size <= 8 && !array->is_swapped) {
        return ESP_OK;
    }
    if (is_text(array) && !array->is_swapped) {
        return ESP_OK;
    }
    name_type(name, array);
    return esp_fail(ESP_DATA,
                    "%s: wrong type: expected labels as whole numbers or text, found %s ('%s'); "
                    "save array.astype(%s)%s",
                    path, name, array->descr, is_text(array) ? "str" : "'int64'",
                    is_text(array) ? "" : " (Julia: Int64.(array); R: as.integer(array))");
}

/* A label that is text as UTF-8 [array->size + 1]: bytes, or characters of four bytes each,
 * with NUL after the last. What is no character becomes a byte that is no UTF-8. */
static size_t text_at(char *to, const esp_npy *array, uint64_t i)
{
    const uint8_t *from = array->bytes + i * array->size;
    size_t length = 0, n = array->size;
    if (array->kind == 'S') {
        for (; n > 0 && from[n - 1] == 0; n--) {
        }
        memcpy(to, from, n);
        return n;
    }
    for (n /= 4; n > 0 && memcmp(from + 4 * (n - 1), "\0\0\0", 4) == 0; n--) {
    }
    for (size_t k = 0; k < n; k++, from += 4) {
        const uint32_t code = (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
                              (uint32_t)from[3] << 24;
        if (code < 0x80) {
            to[length++] = (char)code;
        } else if (code < 0x800) {
            to[length++] = (char)(0xc0 | code >> 6);
            to[length++] = (char)(0x80 | (code & 63));
        } else if (code < 0x10000) {
            to[length++] = (char)(0xe0 | code >> 12);
            to[length++] = (char)(0x80 | (code >> 6 & 63));
            to[length++] = (char)(0x80 | (code & 63));
        } else {
            to[length++] = (char)(code > 0x10ffff ? 0xff : 0xf0 | code >> 18);
            to[length++] = (char)(0x80 | (code >> 12 & 63));
            to[length++] = (char)(0x80 | (code >> 6 & 63));
            to[length++] = (char)(0x80 | (code & 63));
        }
    }
    return length;
}

static int read_text_labels(esp_part *part, const char *path, const esp_npy *array)
{
    char *text = malloc((size_t)array->size + 1);
    int status = text != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "%s: no memory for a label", path);
    for (uint32_t i = 0; i < part->count && status == ESP_OK; i++) {
        const size_t length = text_at(text, array, i);
        text[length] = '\0';
        status = esp_class_names_take(&part->labels[i], part, i, text, length);
        if (status != ESP_OK) {
            status = esp_fail_prefix(status, "%s: example %u (counted from 0)", path, i);
        }
    }
    free(text);
    return status;
}

static int read_labels(esp_part *part, const char *path, const esp_npy *array,
                       const char *images_path)
{
    uint64_t longest = 1;
    for (int r = 0; r < array->rank; r++) {
        longest = array->shape[r] > longest ? array->shape[r] : longest;
    }
    ESP_TRY(check_label_type(path, array));
    if (longest != array->count) {
        return esp_fail(ESP_DATA,
                        "%s: expected labels of shape (count,), found %d dimensions: %llu "
                        "elements, of which the longest dimension holds %llu; save one label an "
                        "example, of probabilities array.argmax(axis=1)",
                        path, array->rank, (unsigned long long)array->count,
                        (unsigned long long)longest);
    }
    if (array->count != part->count) {
        return esp_fail(ESP_DATA,
                        "%s: images and labels of different length: expected %u labels, one for "
                        "each image of %s, found %llu",
                        path, part->count, images_path, (unsigned long long)array->count);
    }
    part->labels = malloc(part->count);
    if (part->labels == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for %u labels", path, part->count);
    }
    if (is_text(array)) {
        return read_text_labels(part, path, array);
    }
    for (uint32_t i = 0; i < part->count; i++) {
        const int64_t label = label_at(array, i);
        if (label < 0 || label > MAX_LABEL) {
            return esp_fail(ESP_DATA,
                            "%s: label out of range: expected 0 to %d, found %lld for example %u "
                            "(counted from 0)",
                            path, MAX_LABEL, (long long)label, i);
        }
        part->labels[i] = (uint8_t)label;
    }
    return ESP_OK;
}

int esp_read_npy(esp_part parts[ESP_N_PARTS], esp_data_file *files)
{
    for (int file = 0; file < 2 * ESP_N_PARTS && files[file].path != NULL; file++) {
        esp_part *part = &parts[file / 2];
        char *content = NULL;
        size_t size = 0;
        esp_npy array;
        ESP_TRY(esp_data_file_load(&content, &size, &files[file]));
        int status = esp_npy_parse(&array, files[file].path, content, size);
        if (status == ESP_OK) {
            status = file % 2 == 0
                         ? read_images(part, files[file].path, &array)
                         : read_labels(part, files[file].path, &array, files[file - 1].path);
        }
        part->label_file = file;
        free(content);
        ESP_TRY(status);
    }
    return ESP_OK;
}
