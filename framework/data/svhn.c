/* SVHN's cropped digits: a MATLAB 5 file with X (32 x 32 x 3 x count bytes) and y (count labels, 1
 * to 10, 10 for the digit 0). Source: MathWorks, "MAT-File Format", the level 5 chapter: a header
 * of 128 bytes, then elements of (type, size, data), each a matrix or a matrix packed by zlib. Read
 * is only what such a file has. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/status.h"
#include "data/format.h"
#include "data/source.h"

enum { HEADER = 128, TAG = 8, MAX_RANK = 4, MAX_SIDE = 4096, CLASSES = 10, COMPLEX = 0x08 };
/* Types of elements. */
enum {
    MI_INT8 = 1,
    MI_UINT8 = 2,
    MI_UINT16 = 4,
    MI_INT32 = 5,
    MI_UINT32 = 6,
    MI_DOUBLE = 9,
    MI_MATRIX = 14,
    MI_COMPRESSED = 15
};

typedef struct element {
    uint32_t type, size;
    const uint8_t *data;
    size_t whole; /* with its tag and what fills it up to 8 bytes */
} element;

typedef struct matrix {
    char name[32];
    int rank;
    uint32_t shape[MAX_RANK];
    element values;
} matrix;

static uint32_t little_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

/* The element at the start of bytes [size]. Packed ones and the last one are not filled up. */
static int read_element(element *out, const char *path, const uint8_t *bytes, size_t size)
{
    if (size < TAG) {
        return esp_fail(ESP_DATA, "%s: truncated: expected a tag of 8 bytes, found %zu", path,
                        size);
    }
    const uint32_t first = little_endian(bytes);
    if (first >> 16 != 0) { /* size and type share four bytes, the data the other four */
        *out = (element){.type = first & 0xffff, .size = first >> 16, .data = bytes + 4};
        out->whole = TAG;
        return out->size <= 4 ? ESP_OK
                              : esp_fail(ESP_DATA,
                                         "%s: malformed: expected a small element of at most 4 "
                                         "bytes, found %u",
                                         path, out->size);
    }
    *out = (element){.type = first, .size = little_endian(bytes + 4), .data = bytes + TAG};
    if (out->size > size - TAG) {
        return esp_fail(ESP_DATA, "%s: truncated: expected an element of %u bytes, found %zu", path,
                        out->size, size - TAG);
    }
    const size_t fill = out->type == MI_COMPRESSED ? 0 : (8 - out->size % 8) % 8;
    out->whole = TAG + (size_t)out->size + fill;
    out->whole = out->whole < size ? out->whole : size;
    return ESP_OK;
}

/* One part of a matrix, which must be of a type. */
static int read_part_of_matrix(element *out, const char *path, const uint8_t **at, size_t *left,
                               uint32_t type, const char *what)
{
    ESP_TRY(read_element(out, path, *at, *left));
    if (type != 0 && out->type != type) {
        return esp_fail(ESP_DATA, "%s: malformed: expected %s (type %u), found type %u", path, what,
                        type, out->type);
    }
    *at += out->whole;
    *left -= out->whole;
    return ESP_OK;
}

static int read_matrix(matrix *out, const char *path, const uint8_t *at, size_t left)
{
    element flags = {0}, shape = {0}, name = {0};
    *out = (matrix){.rank = 0};
    ESP_TRY(read_part_of_matrix(&flags, path, &at, &left, MI_UINT32, "a matrix's flags"));
    ESP_TRY(read_part_of_matrix(&shape, path, &at, &left, MI_INT32, "a matrix's size"));
    ESP_TRY(read_part_of_matrix(&name, path, &at, &left, MI_INT8, "a matrix's name"));
    const size_t length = name.size < sizeof out->name - 1 ? name.size : sizeof out->name - 1;
    memcpy(out->name, name.data, length);
    if (strcmp(out->name, "X") != 0 && strcmp(out->name, "y") != 0) {
        return ESP_OK; /* not looked at */
    }
    if (flags.size != 8 || shape.size % 4 != 0 || shape.size < 8 || shape.size > 4 * MAX_RANK) {
        return esp_fail(ESP_DATA, "%s: %s: expected 2 to 4 dimensions, found %u", path, out->name,
                        shape.size / 4);
    }
    if (flags.data[1] & COMPLEX) {
        return esp_fail(ESP_DATA, "%s: %s: expected real numbers, found complex ones", path,
                        out->name);
    }
    out->rank = (int)(shape.size / 4);
    for (int i = 0; i < out->rank; i++) {
        out->shape[i] = little_endian(shape.data + (ptrdiff_t)4 * i);
    }
    return read_part_of_matrix(&out->values, path, &at, &left, 0, "");
}

/* ---- packed elements ------------------------------------------------------------------------- */

static int inflate_all(uint8_t *to, size_t count, z_stream *stream, const char *path)
{
    stream->next_out = to;
    for (size_t done = 0; done < count;) {
        const size_t part = count - done < INT_MAX ? count - done : INT_MAX;
        stream->avail_out = (uInt)part;
        const int code = inflate(stream, Z_SYNC_FLUSH);
        done += part - stream->avail_out;
        if (code != Z_OK && !(code == Z_STREAM_END && done == count)) {
            return esp_fail(ESP_DATA, "%s: damaged: expected %zu bytes packed by zlib, found %s",
                            path, count, code == Z_STREAM_END ? "fewer" : "other data");
        }
    }
    return ESP_OK;
}

/* Unpacks an element that holds a matrix: *out [*count] is the matrix's data, owned by the caller.
 * Its size is known after 8 bytes, and refused where so few packed bytes cannot hold it. */
static int unpack(uint8_t **out, size_t *count, const char *path, const element *packed)
{
    uint8_t tag[TAG];
    *out = NULL;
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)packed->data, .avail_in = packed->size};
    if (inflateInit(&stream) != Z_OK) {
        return esp_fail(ESP_MEMORY, "%s: no memory to unpack it", path);
    }
    int status = inflate_all(tag, TAG, &stream, path);
    const size_t size = status == ESP_OK ? little_endian(tag + 4) : 0;
    if (status == ESP_OK && little_endian(tag) != MI_MATRIX) {
        status = esp_fail(ESP_DATA, "%s: malformed: expected a matrix (type 14), found type %u",
                          path, little_endian(tag));
    } else if (status == ESP_OK && size / ESP_DEFLATE_RATIO > packed->size) {
        status = esp_fail(ESP_DATA,
                          "%s: truncated: expected a matrix of %zu bytes, found %u packed ones, "
                          "too few to hold them",
                          path, size, packed->size);
    }
    if (status == ESP_OK) {
        *out = malloc(size + 1);
        status = *out != NULL ? inflate_all(*out, size, &stream, path)
                              : esp_fail(ESP_MEMORY, "%s: no memory for %zu bytes", path, size);
    }
    if (status == ESP_OK) { /* the check sum, and nothing after it */
        uint8_t more = 0;
        stream.next_out = &more;
        stream.avail_out = 1;
        if (inflate(&stream, Z_FINISH) != Z_STREAM_END || stream.avail_out != 1 ||
            stream.avail_in != 0) {
            status = esp_fail(ESP_DATA,
                              "%s: damaged or trailing bytes: expected zlib's check sum after %zu "
                              "bytes, found other data",
                              path, size);
        }
    }
    *count = size;
    inflateEnd(&stream);
    if (status != ESP_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- X and y --------------------------------------------------------------------------------- */

static uint64_t product(const matrix *array)
{
    uint64_t count = 1;
    for (int i = 0; i < array->rank; i++) {
        count *= array->shape[i] <= INT32_MAX ? array->shape[i] : 0;
        count = count <= UINT32_MAX ? count : 0; /* an element's size has 32 bits */
    }
    return count;
}

/* MATLAB counts down columns first; rows come first here. */
static int transpose_planes(uint8_t *bytes, uint32_t rows, uint32_t columns, size_t n_planes)
{
    const size_t size = (size_t)rows * columns;
    uint8_t *copy = malloc(size);
    if (copy == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for an image");
    }
    for (size_t p = 0; p < n_planes; p++) {
        uint8_t *plane = bytes + p * size;
        memcpy(copy, plane, size);
        for (uint32_t r = 0; r < rows; r++) {
            for (uint32_t c = 0; c < columns; c++) {
                plane[(size_t)r * columns + c] = copy[(size_t)c * rows + r];
            }
        }
    }
    free(copy);
    return ESP_OK;
}

/* images: rows x columns x channels x count; MATLAB drops a count of one. */
static int take_images(esp_part *part, const char *path, const matrix *array)
{
    const uint32_t *shape = array->shape;
    const uint64_t size = product(array);
    if (array->rank < 3 || shape[0] > MAX_SIDE || shape[1] > MAX_SIDE || shape[2] > 4 ||
        size == 0) {
        return esp_fail(ESP_DATA,
                        "%s: X: expected rows x columns x channels x count, found %u x %u x %u x "
                        "%u",
                        path, shape[0], shape[1], shape[2], shape[3]);
    }
    if (array->values.type != MI_UINT8 || array->values.size != size) {
        return esp_fail(ESP_DATA,
                        "%s: X: expected %llu bytes of type 2 (uint8), found %u of type %u", path,
                        (unsigned long long)size, array->values.size, array->values.type);
    }
    if (part->bytes != NULL) {
        return esp_fail(ESP_DATA, "%s: expected one X, found two", path);
    }
    part->count = array->rank == 4 ? shape[3] : 1;
    part->channels = shape[2];
    part->rows = shape[0];
    part->columns = shape[1];
    part->bytes = malloc(size);
    if (part->bytes == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for %llu bytes", path, (unsigned long long)size);
    }
    memcpy(part->bytes, array->values.data, size);
    return transpose_planes(part->bytes, part->rows, part->columns,
                            (size_t)part->count * part->channels);
}

/* y: bytes, or whatever MATLAB or SciPy packed doubles into. */
static int take_labels(uint8_t **labels, size_t *n_labels, const char *path, const matrix *array)
{
    const element *values = &array->values;
    const size_t width = values->type == MI_UINT8    ? 1
                         : values->type == MI_UINT16 ? 2
                         : values->type == MI_DOUBLE ? 8
                                                     : 0;
    const uint64_t count = product(array);
    if (width == 0 || count == 0 || values->size != width * count || array->rank != 2 ||
        (array->shape[0] != 1 && array->shape[1] != 1) || *labels != NULL) {
        return esp_fail(ESP_DATA,
                        "%s: y: expected one column of labels of type 2, 4 or 9 (uint8, uint16, "
                        "double), found %u x %u in %u bytes of type %u%s",
                        path, array->shape[0], array->shape[1], values->size, values->type,
                        *labels != NULL ? ", once more" : "");
    }
    *labels = malloc(count);
    *n_labels = (size_t)count;
    if (*labels == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for labels", path);
    }
    for (size_t i = 0; i < count; i++) {
        double label = values->data[i * width];
        if (width == 2) {
            label += 256.0 * values->data[2 * i + 1];
        } else if (width == 8) {
            memcpy(&label, values->data + 8 * i, 8);
        }
        if (!(label >= 1 && label <= CLASSES) || label != (double)(int)label) {
            return esp_fail(ESP_DATA,
                            "%s: label out of range: expected 1 to 10 (10 is the digit 0), found "
                            "%g for example %zu (counted from 0)",
                            path, label, i);
        }
        (*labels)[i] = (uint8_t)((int)label % CLASSES);
    }
    return ESP_OK;
}

/* ---- a file ---------------------------------------------------------------------------------- */

static int check_header(const char *path, const char *bytes, size_t size)
{
    if (size < HEADER) {
        return esp_fail(ESP_DATA, "%s: truncated: expected a header of 128 bytes, found %zu bytes",
                        path, size);
    }
    if (memcmp(bytes, "\x89HDF", 4) == 0 || memcmp(bytes, "MATLAB 7.3", 10) == 0) {
        return esp_fail(ESP_DATA,
                        "%s: wrong version: expected a MATLAB 5 file, found 7.3 (HDF5); save it "
                        "with -v7",
                        path);
    }
    if (bytes[124] != 0 || bytes[125] != 1 || bytes[126] != 'I' || bytes[127] != 'M') {
        return esp_fail(ESP_DATA,
                        "%s: wrong magic number: expected 00 01 'IM' (MATLAB 5, little-endian) at "
                        "byte 124, found %02x %02x %02x %02x",
                        path, bytes[124] & 0xff, bytes[125] & 0xff, bytes[126] & 0xff,
                        bytes[127] & 0xff);
    }
    return ESP_OK;
}

static int take_matrix(esp_part *part, size_t *n_labels, const char *path, const uint8_t *data,
                       size_t size)
{
    matrix array;
    ESP_TRY(read_matrix(&array, path, data, size));
    if (strcmp(array.name, "X") == 0) {
        return take_images(part, path, &array);
    }
    return strcmp(array.name, "y") == 0 ? take_labels(&part->labels, n_labels, path, &array)
                                        : ESP_OK;
}

static int read_part(esp_part *part, const char *path, const char *bytes, size_t size)
{
    size_t n_labels = 0;
    ESP_TRY(check_header(path, bytes, size));
    for (size_t at = HEADER; at < size;) {
        element found = {0};
        ESP_TRY(read_element(&found, path, (const uint8_t *)bytes + at, size - at));
        at += found.whole;
        int status = ESP_OK;
        if (found.type == MI_COMPRESSED) {
            uint8_t *data = NULL;
            size_t count = 0;
            ESP_TRY(unpack(&data, &count, path, &found));
            status = take_matrix(part, &n_labels, path, data, count);
            free(data);
        } else if (found.type == MI_MATRIX) {
            status = take_matrix(part, &n_labels, path, found.data, found.size);
        } else {
            status = esp_fail(ESP_DATA, "%s: malformed: expected a matrix, found type %u", path,
                              found.type);
        }
        ESP_TRY(status);
    }
    if (part->bytes == NULL || part->labels == NULL) {
        return esp_fail(ESP_DATA, "%s: expected the variables X and y, found %s", path,
                        part->bytes != NULL    ? "only X"
                        : part->labels != NULL ? "only y"
                                               : "neither");
    }
    if (n_labels != part->count) {
        return esp_fail(ESP_DATA,
                        "%s: images and labels of different length: expected %u labels, found %zu",
                        path, part->count, n_labels);
    }
    return ESP_OK;
}

int esp_read_svhn(esp_part parts[ESP_N_PARTS], esp_data_file *files)
{
    for (int p = 0; p < ESP_N_PARTS && files[p].path != NULL; p++) {
        char *bytes = NULL;
        size_t size = 0;
        ESP_TRY(esp_data_file_load(&bytes, &size, &files[p]));
        int status = read_part(&parts[p], files[p].path, bytes, size);
        parts[p].label_file = p;
        free(bytes);
        ESP_TRY(status);
    }
    return ESP_OK;
}
