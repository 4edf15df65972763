/* The idx format of MNIST: a big-endian header (magic number, then the size of each dimension) and
 * unsigned bytes. Source: http://yann.lecun.com/exdb/mnist, "the IDX file format". */
#ifndef ESP_DATA_IDX_H
#define ESP_DATA_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "core/digest.h"

enum {
    ESP_IDX_LABELS = 1, /* dimensions of a label file: count */
    ESP_IDX_IMAGES = 3, /* of an image file: count, rows, columns */
    ESP_IDX_MAX_SIDE = 4096
};

typedef struct esp_idx {
    uint32_t sizes[ESP_IDX_IMAGES]; /* of each dimension, 1 where there is none */
    size_t n_bytes;                 /* product of sizes */
    uint8_t *bytes;                 /* [n_bytes] row by row; NULL after esp_idx_read_header */
    char sha256[ESP_SHA256_HEX];    /* of the uncompressed file, header included */
} esp_idx;

/* Reads and checks a whole file, raw or gzip (told apart by content, not by name), whose number of
 * dimensions is ESP_IDX_LABELS or ESP_IDX_IMAGES. Allocates only what the file can hold, whatever
 * its header says. *out owned by the caller, empty on failure.
 * Errors: ESP_DATA naming the file, what was expected and what was found; ESP_IO; ESP_MEMORY.
 * Thread: any. */
int esp_idx_read(esp_idx *out, const char *path, uint32_t n_dimensions);

/* The same for the header alone: fills sizes and n_bytes. */
int esp_idx_read_header(esp_idx *out, const char *path, uint32_t n_dimensions);

/* Frees bytes; accepts an empty one. */
void esp_idx_free(esp_idx *idx);

#endif
