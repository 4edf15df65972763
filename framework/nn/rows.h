/* Rows of a network's (rows, B) arrays. */
#ifndef ESP_NN_ROWS_H
#define ESP_NN_ROWS_H

#include <string.h>

#include "nn/network.h"

static inline esp_real *row(esp_real *array, int index, const esp_network *network)
{
    return array + (ptrdiff_t)index * network->stride;
}

static inline void zero_rows(esp_real *rows, int count, const esp_network *network)
{
    if (rows != NULL) {
        memset(rows, 0, sizeof(esp_real) * (size_t)network->stride * (size_t)count);
    }
}

static inline void add_rows(esp_real *restrict out, const esp_real *restrict in, int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        out[b] += in[b];
    }
}

#endif
