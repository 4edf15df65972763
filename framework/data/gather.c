#include <stddef.h>

#include "data/dataset.h"

enum {
    CACHE_LINE = 64,
    ROWS_AHEAD = 4 /* a shuffled batch jumps from page to page, which no hardware foresees */
};

static void prefetch_row(const uint8_t *row, uint32_t n_features)
{
    for (uint32_t j = 0; j < n_features; j += CACHE_LINE) {
        __builtin_prefetch(row + j);
    }
}

static void convert_row(float *restrict out, const uint8_t *restrict row, uint32_t n_features,
                        float scale, float shift)
{
    for (uint32_t j = 0; j < n_features; j++) {
        out[j] = scale * (float)row[j] + shift;
    }
}

void esp_gather(float *out, const esp_examples *examples, const uint32_t *indices, uint32_t first,
                uint32_t count, uint32_t n_features, float scale, float shift)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t index = indices != NULL ? indices[i] : first + i;
        if (indices != NULL && i + ROWS_AHEAD < count) {
            prefetch_row(examples->features + (size_t)indices[i + ROWS_AHEAD] * n_features,
                         n_features);
        }
        convert_row(out + (size_t)i * n_features, examples->features + index * n_features,
                    n_features, scale, shift);
    }
}
