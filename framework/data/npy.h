/* NumPy's array files. Source: numpy.lib.format, versions 1.0, 2.0 and 3.0. */
#ifndef ESP_DATA_NPY_H
#define ESP_DATA_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ESP_NPY_RANK = 4 };

typedef struct esp_npy {
    char descr[32];  /* the type as the header writes it, "<f4" */
    char kind;       /* its letter: b, i, u, f, c, U or S */
    uint32_t size;   /* of an element, bytes, at least 1 */
    bool is_swapped; /* bytes in big-endian order */
    bool is_fortran; /* elements in Fortran's order, the first dimension fastest */
    int rank;        /* 1 to ESP_NPY_RANK */
    uint64_t shape[ESP_NPY_RANK];
    uint64_t count;       /* of elements, at least 1 */
    const uint8_t *bytes; /* of the elements; points into the file's content */
} esp_npy;

/* Reads a file's whole content [size], which out points into. Errors: ESP_DATA naming path, what
 * was expected and what was found. Allocates nothing. Thread: any. */
int esp_npy_parse(esp_npy *out, const char *path, const char *content, size_t size);

#endif
