/* safetensors: u64 little-endian header length, JSON header, tensors row-major and little-endian.
 * Source: https://github.com/huggingface/safetensors, section Format. */
#include "store/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are stored little-endian and copied as they are"
#endif

/* The reference implementation's limit. */
enum { MAX_HEADER = 100000000, PREFIX = 8 };

struct esp_safetensors {
    char *bytes;
    json_t *header; /* owns names and dtypes */
    int n_tensors;
    esp_safetensor *tensors; /* in the header's order */
};

static int dtype_size(const char *dtype)
{
    static const struct {
        const char *name;
        int size;
    } known[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
                 {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
                 {"U32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8},     {"U64", 8}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, dtype) == 0) {
            return known[i].size;
        }
    }
    return 0;
}

/* Bytes of a tensor by dtype and shape; false where that overflows or a dimension is negative. */
static bool tensor_size(size_t *size, const esp_safetensor *tensor)
{
    size_t total = (size_t)dtype_size(tensor->dtype);
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] < 0 ||
            __builtin_mul_overflow(total, (size_t)tensor->shape[i], &total)) {
            return false;
        }
    }
    *size = total;
    return true;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static int check_for_writing(const char *path, const esp_safetensor *tensor)
{
    size_t size = 0;
    if (strcmp(tensor->name, "__metadata__") == 0) {
        return esp_fail(ESP_DATA, "%s: no tensor may be named '__metadata__'", path);
    }
    if (dtype_size(tensor->dtype) == 0 || tensor->rank < 0 || tensor->rank > ESP_SAFETENSORS_RANK ||
        !tensor_size(&size, tensor) || size != tensor->count) {
        return esp_fail(ESP_DATA, "%s: tensor '%s': %zu bytes do not fit its type and shape", path,
                        tensor->name, tensor->count);
    }
    return ESP_OK;
}

/* Takes over value. A key that is there already is an error, as it would be lost. */
static int put(json_t *object, const char *key, json_t *value, const char *path)
{
    if (json_object_get(object, key) != NULL) {
        json_decref(value);
        return esp_fail(ESP_DATA, "%s: two entries named '%s'", path, key);
    }
    if (json_object_set_new(object, key, value) != 0) {
        return esp_fail(ESP_DATA, "%s: '%s': not UTF-8, or no memory", path, key);
    }
    return ESP_OK;
}

/* ---- seals -------------------------------------------------------------------------------------
 */

static const char seal_key[] = "espalier_sha256";

/* A digest of the header, to which the data is added; jansson keeps the order of insertion. */
static int begin_seal(esp_digest **out, const json_t *header)
{
    char *text = json_dumps(header, JSON_COMPACT);
    const int status = text != NULL ? esp_digest_create(out) : esp_fail(ESP_MEMORY, "no memory");
    if (status == ESP_OK) {
        esp_digest_add(*out, text, strlen(text));
    }
    free(text);
    return status;
}

static int seal(json_t *header, const char *path, const esp_safetensor *tensors, int n_tensors)
{
    char hex[ESP_SHA256_HEX];
    esp_digest *digest = NULL;
    ESP_TRY(begin_seal(&digest, header));
    for (int i = 0; i < n_tensors; i++) {
        esp_digest_add(digest, tensors[i].bytes, tensors[i].count);
    }
    esp_digest_finish(digest, hex);
    return put(json_object_get(header, "__metadata__"), seal_key, json_string(hex), path);
}

/* Takes the seal, if there is one, off the header and compares it with the content. */
static int check_seal(json_t *header, const char *path, const char *data, size_t data_size)
{
    json_t *metadata = json_object_get(header, "__metadata__");
    const char *sealed = json_string_value(json_object_get(metadata, seal_key));
    char written[ESP_SHA256_HEX], found[ESP_SHA256_HEX];
    esp_digest *digest = NULL;
    if (sealed == NULL) {
        return ESP_OK;
    }
    snprintf(written, sizeof written, "%s", sealed);
    json_object_del(metadata, seal_key);
    ESP_TRY(begin_seal(&digest, header));
    esp_digest_add(digest, data, data_size);
    esp_digest_finish(digest, found);
    return strcmp(written, found) == 0
               ? ESP_OK
               : esp_fail(ESP_DATA, "%s: damaged: its content is not what was written", path);
}

/* ---- writing a file ----------------------------------------------------------------------------
 */

static int make_header(json_t *header, const char *path, const esp_safetensor *tensors,
                       int n_tensors, const esp_safetensors_meta *metadata, int n_metadata,
                       size_t *data_size)
{
    *data_size = 0;
    if (n_metadata > 0) {
        json_t *object = json_object();
        ESP_TRY(put(header, "__metadata__", object, path));
        for (int i = 0; i < n_metadata; i++) {
            ESP_TRY(put(object, metadata[i].key, json_string(metadata[i].value), path));
        }
    }
    for (int i = 0; i < n_tensors; i++) {
        const esp_safetensor *tensor = &tensors[i];
        ESP_TRY(check_for_writing(path, tensor));
        json_t *shape = json_array();
        for (int j = 0; j < tensor->rank; j++) {
            json_array_append_new(shape, json_integer(tensor->shape[j]));
        }
        json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor->dtype, "shape", shape,
                                  "data_offsets", (json_int_t)*data_size,
                                  (json_int_t)(*data_size + tensor->count));
        ESP_TRY(put(header, tensor->name, entry, path));
        *data_size += tensor->count;
    }
    return ESP_OK;
}

static int write_file(const char *path, const esp_safetensor *tensors, int n_tensors,
                      const esp_safetensors_meta *metadata, int n_metadata, bool sealed)
{
    int status = ESP_OK;
    size_t data_size = 0;
    char *text = NULL, *block = NULL;
    json_t *header = json_object();
    esp_file_piece *pieces = malloc(sizeof *pieces * ((size_t)n_tensors + 1));
    ESP_TRY_OUT(make_header(header, path, tensors, n_tensors, metadata, n_metadata, &data_size));
    if (sealed) {
        ESP_TRY_OUT(seal(header, path, tensors, n_tensors));
    }
    text = json_dumps(header, JSON_COMPACT);
    const size_t length = text != NULL ? (strlen(text) + 7) / 8 * 8 : 0;
    block = text != NULL ? malloc(PREFIX + length) : NULL;
    if (block == NULL || pieces == NULL) {
        status = esp_fail(ESP_MEMORY, "%s: no memory for %d tensors", path, n_tensors);
        goto out;
    }
    for (int i = 0; i < PREFIX; i++) {
        block[i] = (char)((uint64_t)length >> (8 * i) & 0xff);
    }
    memset(block + PREFIX, ' ', length);
    memcpy(block + PREFIX, text, strlen(text));
    pieces[0] = (esp_file_piece){block, PREFIX + length};
    for (int i = 0; i < n_tensors; i++) { /* from where they are: a copy would double a state */
        pieces[i + 1] = (esp_file_piece){tensors[i].bytes, tensors[i].count};
    }
    status = esp_file_write_pieces(path, pieces, n_tensors + 1);
out:
    json_decref(header);
    free(text);
    free(block);
    free(pieces);
    return status;
}

int esp_safetensors_write(const char *path, const esp_safetensor *tensors, int n_tensors,
                          const esp_safetensors_meta *metadata, int n_metadata)
{
    return write_file(path, tensors, n_tensors, metadata, n_metadata, false);
}

int esp_safetensors_write_sealed(const char *path, const esp_safetensor *tensors, int n_tensors,
                                 const esp_safetensors_meta *metadata, int n_metadata)
{
    return write_file(path, tensors, n_tensors, metadata, n_metadata, true);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static int read_shape(esp_safetensor *tensor, const json_t *shape, const char *path)
{
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape) || rank > ESP_SAFETENSORS_RANK) {
        return esp_fail(ESP_DATA, "%s: tensor '%s': shape must be an array of at most %d numbers",
                        path, tensor->name, ESP_SAFETENSORS_RANK);
    }
    for (size_t i = 0; i < rank; i++) {
        const json_t *length = json_array_get(shape, i);
        if (!json_is_integer(length) || json_integer_value(length) < 0) {
            return esp_fail(ESP_DATA, "%s: tensor '%s': shape holds something else than lengths",
                            path, tensor->name);
        }
        tensor->shape[i] = json_integer_value(length);
    }
    tensor->rank = (int)rank;
    return ESP_OK;
}

static int read_tensor(esp_safetensor *tensor, const char *name, const json_t *entry,
                       const char *path, const char *data, size_t data_size)
{
    tensor->name = name;
    tensor->dtype = json_string_value(json_object_get(entry, "dtype"));
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    if (!json_is_object(entry) || tensor->dtype == NULL || json_array_size(offsets) != 2 ||
        !json_is_integer(from) || !json_is_integer(to)) {
        return esp_fail(ESP_DATA,
                        "%s: tensor '%s': dtype, shape and data_offsets expected, one is missing "
                        "or no such thing",
                        path, name);
    }
    if (dtype_size(tensor->dtype) == 0) {
        return esp_fail(ESP_DATA, "%s: tensor '%s': unknown dtype '%s'", path, name, tensor->dtype);
    }
    ESP_TRY(read_shape(tensor, json_object_get(entry, "shape"), path));
    json_int_t begin = json_integer_value(from), end = json_integer_value(to);
    if (begin < 0 || end < begin || (uint64_t)end > data_size) {
        return esp_fail(ESP_DATA,
                        "%s: tensor '%s': bytes %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
                        " expected, the file holds %zu (cut short?)",
                        path, name, begin, end, data_size);
    }
    size_t size = 0;
    tensor->bytes = data + begin;
    tensor->count = (size_t)(end - begin);
    if (!tensor_size(&size, tensor) || size != tensor->count) {
        return esp_fail(ESP_DATA, "%s: tensor '%s': %zu bytes by type and shape, %zu in the file",
                        path, name, size, tensor->count);
    }
    return ESP_OK;
}

static int by_place(const void *left, const void *right)
{
    const esp_safetensor *const *a = left, *const *b = right;
    const char *x = (*a)->bytes, *y = (*b)->bytes;
    if (x != y) {
        return x < y ? -1 : 1;
    }
    return ((*a)->count > (*b)->count) - ((*a)->count < (*b)->count); /* empty ones first */
}

/* Every byte of the data belongs to exactly one tensor. */
static int check_cover(const esp_safetensors *file, const char *path, const char *data,
                       size_t data_size)
{
    const esp_safetensor **order = calloc((size_t)file->n_tensors + 1, sizeof *order);
    if (order == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    for (int i = 0; i < file->n_tensors; i++) {
        order[i] = &file->tensors[i];
    }
    qsort(order, (size_t)file->n_tensors, sizeof *order, by_place);
    int status = ESP_OK;
    const char *next = data;
    for (int i = 0; i < file->n_tensors && status == ESP_OK; i++) {
        const char *begin = order[i]->bytes;
        if (begin != next) {
            status =
                esp_fail(ESP_DATA, "%s: tensor '%s' begins at byte %zu, %zu expected: tensors %s",
                         path, order[i]->name, (size_t)(begin - data), (size_t)(next - data),
                         begin < next ? "overlap" : "leave a gap");
        }
        next = begin + order[i]->count;
    }
    if (status == ESP_OK && next != data + data_size) {
        status = esp_fail(ESP_DATA, "%s: %zu bytes after the last tensor", path,
                          (size_t)(data + data_size - next));
    }
    free(order);
    return status;
}

static int check_metadata(const json_t *metadata, const char *path)
{
    if (metadata == NULL) {
        return ESP_OK;
    }
    const char *key;
    const json_t *value;
    bool sound = json_is_object(metadata);
    json_object_foreach((json_t *)metadata, key, value)
    {
        sound = sound && json_is_string(value);
    }
    return sound ? ESP_OK : esp_fail(ESP_DATA, "%s: __metadata__ must map names to strings", path);
}

static int parse(esp_safetensors *file, const char *path, size_t count)
{
    uint64_t length = 0;
    for (int i = 0; i < PREFIX && count >= PREFIX; i++) {
        length |= (uint64_t)(unsigned char)file->bytes[i] << (8 * i);
    }
    if (count < PREFIX || length > count - PREFIX || length > MAX_HEADER) {
        return esp_fail(ESP_DATA,
                        "%s: not a safetensors file, or cut short: %zu bytes, its header claims "
                        "%" PRIu64,
                        path, count, length);
    }
    if (length == 0 || file->bytes[PREFIX] != '{') {
        return esp_fail(ESP_DATA, "%s: not a safetensors file: its header must begin with '{'",
                        path);
    }
    json_error_t error;
    file->header = json_loadb(file->bytes + PREFIX, length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(file->header)) {
        return esp_fail(ESP_DATA, "%s: broken header: %s at byte %d", path, error.text,
                        PREFIX + error.position);
    }
    ESP_TRY(check_metadata(json_object_get(file->header, "__metadata__"), path));
    file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
    if (file->tensors == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    const char *data = file->bytes + PREFIX + length;
    size_t data_size = count - PREFIX - (size_t)length;
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, "__metadata__") != 0) {
            ESP_TRY(
                read_tensor(&file->tensors[file->n_tensors], name, entry, path, data, data_size));
            file->n_tensors++;
        }
    }
    ESP_TRY(check_cover(file, path, data, data_size));
    return check_seal(file->header, path, data, data_size);
}

int esp_safetensors_read(esp_safetensors **out, const char *path)
{
    *out = NULL;
    size_t count = 0;
    esp_safetensors *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    int status = esp_file_read(&file->bytes, &count, path);
    if (status == ESP_OK) {
        status = parse(file, path, count);
    }
    if (status != ESP_OK) {
        esp_safetensors_free(file);
        return status;
    }
    *out = file;
    return ESP_OK;
}

void esp_safetensors_free(esp_safetensors *file)
{
    if (file == NULL) {
        return;
    }
    json_decref(file->header);
    free(file->tensors);
    free(file->bytes);
    free(file);
}

int esp_safetensors_count(const esp_safetensors *file)
{
    return file->n_tensors;
}

const esp_safetensor *esp_safetensors_at(const esp_safetensors *file, int index)
{
    return &file->tensors[index];
}

const esp_safetensor *esp_safetensors_find(const esp_safetensors *file, const char *name)
{
    for (int i = 0; i < file->n_tensors; i++) {
        if (strcmp(file->tensors[i].name, name) == 0) {
            return &file->tensors[i];
        }
    }
    return NULL;
}

const char *esp_safetensors_meta_of(const esp_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}
