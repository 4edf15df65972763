#include <stddef.h>
#include <string.h>

#include "data/dataset.h"

enum {
    CACHE_LINE = 64,
    ROWS_AHEAD = 4 /* a shuffled batch jumps from page to page, which no hardware foresees */
};

static void prefetch_row(const void *row, size_t size)
{
    for (size_t j = 0; j < size; j += CACHE_LINE) {
        __builtin_prefetch((const char *)row + j);
    }
}

static void convert_row(float *restrict out, const uint8_t *restrict row, uint32_t n_features,
                        float scale, float shift)
{
    for (uint32_t j = 0; j < n_features; j++) {
        out[j] = scale * (float)row[j] + shift;
    }
}

static void convert_row_by_feature(float *restrict out, const uint8_t *restrict row,
                                   uint32_t n_features, const float *restrict scales,
                                   const float *restrict shifts)
{
    for (uint32_t j = 0; j < n_features; j++) {
        out[j] = scales[j] * (float)row[j] + shifts[j];
    }
}

static void scale_row(float *restrict out, const float *restrict row, uint32_t n_features,
                      float scale, float shift)
{
    for (uint32_t j = 0; j < n_features; j++) {
        out[j] = scale * row[j] + shift;
    }
}

static void scale_row_by_feature(float *restrict out, const float *restrict row,
                                 uint32_t n_features, const float *restrict scales,
                                 const float *restrict shifts)
{
    for (uint32_t j = 0; j < n_features; j++) {
        out[j] = scales[j] * row[j] + shifts[j];
    }
}

static void gather_row(float *out, const esp_examples *examples, size_t index, uint32_t n_features,
                       const esp_normalization *by)
{
    if (examples->values != NULL) {
        const float *row = examples->values + index * n_features;
        if (by->scales != NULL) {
            scale_row_by_feature(out, row, n_features, by->scales, by->shifts);
        } else {
            scale_row(out, row, n_features, by->scale, by->shift);
        }
        return;
    }
    const uint8_t *row = examples->features + index * n_features;
    if (by->scales != NULL) {
        convert_row_by_feature(out, row, n_features, by->scales, by->shifts);
    } else {
        convert_row(out, row, n_features, by->scale, by->shift);
    }
}

void esp_gather(float *out, const esp_examples *examples, const uint32_t *indices, uint32_t first,
                uint32_t count, uint32_t n_features, const esp_normalization *normalization)
{
    const int is_float = examples->values != NULL;
    const char *rows = is_float ? (const char *)examples->values : (const char *)examples->features;
    const size_t row_size = n_features * (is_float ? sizeof(float) : sizeof(uint8_t));
    for (uint32_t i = 0; i < count; i++) {
        size_t index = indices != NULL ? indices[i] : first + i;
        if (indices != NULL && i + ROWS_AHEAD < count) {
            prefetch_row(rows + (size_t)indices[i + ROWS_AHEAD] * row_size, row_size);
        }
        gather_row(out + (size_t)i * n_features, examples, index, n_features, normalization);
    }
}

void esp_gather_bytes(uint8_t *out, uint32_t row, const esp_examples *examples,
                      const uint32_t *indices, uint32_t first, uint32_t count, uint32_t n_features)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t index = indices != NULL ? indices[i] : first + i;
        if (indices != NULL && i + ROWS_AHEAD < count) {
            prefetch_row(examples->features + (size_t)indices[i + ROWS_AHEAD] * n_features,
                         n_features);
        }
        memcpy(out + (size_t)i * row, examples->features + index * n_features, n_features);
    }
}
