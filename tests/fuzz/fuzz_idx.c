/* idx files: the bytes as they are, plain or gzip, and packed by gzip here, since a mutated check
 * sum would end most reads. Content must not depend on packing. */
#include <string.h>
#include <zlib.h>

#include "core/status.h"
#include "data/idx.h"
#include "fuzz/memory_file.h"

static memory_file file;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    file = memory_file_make();
    return 0;
}

static int read_one(esp_idx *out, uint32_t n_dimensions)
{
    esp_idx header;
    int of_header = esp_idx_read_header(&header, file.path, n_dimensions);
    int status = esp_idx_read(out, file.path, n_dimensions);
    if (status != ESP_OK) {
        must(out->bytes == NULL, "a refused file left bytes");
        must(*esp_message() != '\0', "a refusal without a word");
        return status;
    }
    must(of_header == ESP_OK, "a file is read whose header is refused");
    must(memcmp(header.sizes, out->sizes, sizeof header.sizes) == 0, "header and file differ");
    size_t product = (size_t)out->sizes[0] * out->sizes[1] * out->sizes[2];
    must(product == out->n_bytes, "sizes and bytes differ");
    must(strlen(out->sha256) == ESP_SHA256_HEX - 1, "no digest");
    return ESP_OK;
}

static size_t pack(uint8_t **out, const uint8_t *bytes, size_t count)
{
    z_stream stream = {0};
    enum { GZIP = 16 };
    must(deflateInit2(&stream, 1, Z_DEFLATED, MAX_WBITS + GZIP, 1, Z_DEFAULT_STRATEGY) == Z_OK,
         "deflateInit2 failed");
    size_t capacity = deflateBound(&stream, count);
    *out = malloc(capacity);
    must(*out != NULL, "no memory");
    stream.next_in = (Bytef *)bytes;
    stream.avail_in = (uInt)count;
    stream.next_out = *out;
    stream.avail_out = (uInt)capacity;
    must(deflate(&stream, Z_FINISH) == Z_STREAM_END, "deflate failed");
    deflateEnd(&stream);
    return capacity - stream.avail_out;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const uint32_t kinds[] = {ESP_IDX_LABELS, ESP_IDX_IMAGES};
    const int is_gzip = count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    esp_idx as_is[2], packed[2];
    int status[2];
    memory_file_set(&file, bytes, count);
    for (int i = 0; i < 2; i++) {
        status[i] = read_one(&as_is[i], kinds[i]);
    }
    if (!is_gzip) {
        uint8_t *gzip = NULL;
        size_t size = pack(&gzip, bytes, count);
        memory_file_set(&file, gzip, size);
        free(gzip);
        for (int i = 0; i < 2; i++) {
            must(read_one(&packed[i], kinds[i]) == status[i], "gzip changes what is refused");
            if (status[i] == ESP_OK) {
                must(strcmp(packed[i].sha256, as_is[i].sha256) == 0, "gzip changes content");
            }
            esp_idx_free(&packed[i]);
        }
    }
    for (int i = 0; i < 2; i++) {
        esp_idx_free(&as_is[i]);
    }
    return 0;
}
