#include "data/idx.h"

#include <stdlib.h>
#include <zlib.h>

#include "core/status.h"
#include "data/source.h"

enum { HEADER_MAX = 4 + 4 * ESP_IDX_IMAGES, TRAILING_MAX = 1 << 20 };

typedef struct reader {
    esp_source source;
    int is_gzip;
    uint32_t n_dimensions;
    size_t header_size;
    unsigned char header[HEADER_MAX];
} reader;

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Reads the header and checks it against the size of the file as far as that is known. */
static int read_header(esp_idx *idx, reader *in)
{
    size_t got = 0;
    ESP_TRY(esp_source_read(&got, in->header, &in->source, in->header_size));
    in->is_gzip = !gzdirect(in->source.file);
    if (got < in->header_size) {
        return esp_fail(ESP_DATA, "%s: truncated: expected a header of %zu bytes, found %zu bytes",
                        in->source.path, in->header_size, got);
    }
    uint32_t magic = big_endian(in->header), expected = 0x800 + in->n_dimensions;
    if (magic != expected) {
        return esp_fail(ESP_DATA,
                        "%s: wrong magic number: expected 0x%08x (unsigned bytes, %u dimension%s), "
                        "found 0x%08x",
                        in->source.path, expected, in->n_dimensions,
                        in->n_dimensions == 1 ? "" : "s", magic);
    }
    uint64_t n_bytes = 1;
    for (uint32_t i = 0; i < ESP_IDX_IMAGES; i++) {
        uint32_t size = i < in->n_dimensions ? big_endian(in->header + 4 + 4 * i) : 1;
        if (size == 0 || (i > 0 && size > ESP_IDX_MAX_SIDE)) {
            return esp_fail(ESP_DATA, "%s: impossible %s in the header: expected 1 to %u, found %u",
                            in->source.path,
                            i == 0   ? "count of examples"
                            : i == 1 ? "number of rows"
                                     : "number of columns",
                            i == 0 ? UINT32_MAX : (uint32_t)ESP_IDX_MAX_SIDE, size);
        }
        idx->sizes[i] = size;
        n_bytes *= size; /* at most 2^32 * 2^12 * 2^12 */
    }
    idx->n_bytes = (size_t)n_bytes;

    uint64_t whole = in->header_size + n_bytes;
    if (in->is_gzip && whole / ESP_DEFLATE_RATIO > in->source.size_on_disk) {
        return esp_fail(ESP_DATA,
                        "%s: truncated: expected %llu bytes by its header, found a gzip file of "
                        "%llu bytes, too short to hold them",
                        in->source.path, (unsigned long long)whole,
                        (unsigned long long)in->source.size_on_disk);
    }
    if (!in->is_gzip && whole != in->source.size_on_disk) {
        return esp_fail(ESP_DATA, "%s: %s: expected %llu bytes by its header, found %llu",
                        in->source.path,
                        in->source.size_on_disk < whole ? "truncated" : "trailing bytes",
                        (unsigned long long)whole, (unsigned long long)in->source.size_on_disk);
    }
    return ESP_OK;
}

/* Reads the bytes after the header, all of them and nothing more. */
static int read_content(esp_idx *idx, reader *in)
{
    idx->bytes = malloc(idx->n_bytes);
    if (idx->bytes == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for %zu bytes", in->source.path, idx->n_bytes);
    }
    size_t got = 0;
    ESP_TRY(esp_source_read(&got, idx->bytes, &in->source, idx->n_bytes));
    if (got < idx->n_bytes) {
        return esp_fail(ESP_DATA, "%s: truncated: expected %zu bytes by its header, found %zu",
                        in->source.path, in->header_size + idx->n_bytes, in->header_size + got);
    }
    size_t trailing = 0;
    char rest[4096];
    do {
        ESP_TRY(esp_source_read(&got, rest, &in->source, sizeof rest));
        trailing += got;
    } while (got == sizeof rest && trailing < TRAILING_MAX);
    if (trailing > 0) {
        return esp_fail(
            ESP_DATA, "%s: trailing bytes: expected %zu bytes by its header, found %s%zu",
            in->source.path, in->header_size + idx->n_bytes,
            trailing < TRAILING_MAX ? "" : "at least ", in->header_size + idx->n_bytes + trailing);
    }
    return esp_source_check_end(&in->source);
}

static int read_file(esp_idx *out, const char *path, uint32_t n_dimensions, int header_only)
{
    *out = (esp_idx){.bytes = NULL};
    reader in = {.n_dimensions = n_dimensions, .header_size = 4 + 4 * (size_t)n_dimensions};
    ESP_TRY(esp_source_open(&in.source, path));
    int status = read_header(out, &in);
    if (status == ESP_OK && !header_only) {
        ESP_TRY_OUT(read_content(out, &in));
        esp_digest *digest = NULL;
        ESP_TRY_OUT(esp_digest_create(&digest));
        esp_digest_add(digest, in.header, in.header_size);
        esp_digest_add(digest, out->bytes, out->n_bytes);
        esp_digest_finish(digest, out->sha256);
    }
out:
    esp_source_close(&in.source);
    if (status != ESP_OK) {
        esp_idx_free(out);
    }
    return status;
}

int esp_idx_read(esp_idx *out, const char *path, uint32_t n_dimensions)
{
    return read_file(out, path, n_dimensions, 0);
}

int esp_idx_read_header(esp_idx *out, const char *path, uint32_t n_dimensions)
{
    return read_file(out, path, n_dimensions, 1);
}

void esp_idx_free(esp_idx *idx)
{
    free(idx->bytes);
    *idx = (esp_idx){.bytes = NULL};
}
