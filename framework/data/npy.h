/* NumPy's array files. Source: numpy.lib.format, versions 1.0, 2.0 and 3.0. */
#ifndef ESP_DATA_NPY_H
#define ESP_DATA_NPY_H

#include <stddef.h>
#include <stdint.h>

enum { ESP_NPY_RANK = 4 };

typedef enum esp_npy_type { ESP_NPY_U8, ESP_NPY_I32, ESP_NPY_I64, ESP_NPY_F32 } esp_npy_type;

typedef struct esp_npy {
    esp_npy_type type;
    int rank; /* 1 to ESP_NPY_RANK */
    uint64_t shape[ESP_NPY_RANK];
    uint64_t count;       /* of elements, at least 1 */
    const uint8_t *bytes; /* of the elements, in C order; points into the file's content */
} esp_npy;

/* Reads a file's whole content [size], which out points into. Errors: ESP_DATA naming path, what
 * was expected and what was found. Allocates nothing. Thread: any. */
int esp_npy_parse(esp_npy *out, const char *path, const char *content, size_t size);

#endif
