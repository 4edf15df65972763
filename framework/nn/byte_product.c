#include "nn/byte_product.h"

#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "nn/byte_tiles.h"
#include "nn/vector.h"

int esp_byte_row(int n_features)
{
    return (n_features + 63) & ~63;
}

#if defined(ESP_HAS_VECTORS)

#if defined(__AVX512F__)
/* Sums at once, as many as there are registers for: MOST_PROJECTED * 4 and 5 operands; MOST_GRADED
 * and 1. */
enum { MOST_PROJECTED = 6, MOST_GRADED = 24 };

INLINE vector from_bytes(const uint8_t *bytes)
{
    return _mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)(const void *)bytes)));
}
#else
enum { MOST_PROJECTED = 2, MOST_GRADED = 12 };

INLINE vector from_bytes(const uint8_t *bytes)
{
    return _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)bytes)));
}
#endif

static bool has_vectors(void)
{
    return true;
}

static size_t vectors_space(int n_examples, int n_features)
{
    const size_t project = 4 * (size_t)esp_byte_row(n_features);
    const size_t gradient = (size_t)MOST_GRADED * (size_t)n_examples;
    return project > gradient ? project : gradient;
}

/* The row after a tile's last, of tiles of about the same size. */
static int tile_end(int n_rows, int tile, int tiles)
{
    return (int)((int64_t)n_rows * (tile + 1) / tiles);
}

/* ---- weights . x: tiles of a few rows by four examples ------------------------------------------
 */

/* out (n, 4): x [4 x row] are the four examples' floats. n is a constant where it is inlined. */
INLINE void project_tile(float *out, int stride, const float *weights, const float *x, int row,
                         int n_features, const int n)
{
    vector sums[MOST_PROJECTED][4];
    const int whole = n_features / LANES * LANES;
#pragma GCC unroll 8
    for (int i = 0; i < n; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            sums[i][j] = all(0);
        }
    }
    for (int f = 0; f < whole; f += LANES) {
#pragma GCC unroll 8
        for (int i = 0; i < n; i++) {
            const vector w = load(weights + (ptrdiff_t)i * n_features + f);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                sums[i][j] = multiply_add(w, load(x + (ptrdiff_t)j * row + f), sums[i][j]);
            }
        }
    }
    if (whole < n_features) {
        const int rest = n_features - whole;
#pragma GCC unroll 8
        for (int i = 0; i < n; i++) {
            const vector w = load_first(weights + (ptrdiff_t)i * n_features + whole, rest);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                sums[i][j] = multiply_add(w, load(x + (ptrdiff_t)j * row + whole), sums[i][j]);
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < n; i++) {
        sum_of_each(out + (ptrdiff_t)i * stride, sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
    }
}

typedef void project_rows(float *out, int stride, const float *weights, const float *x, int row,
                          int n_features);
#define PROJECT(n)                                                                                 \
    static __attribute__((noinline)) void project_##n(                                             \
        float *out, int stride, const float *weights, const float *x, int row, int n_features)     \
    {                                                                                              \
        project_tile(out, stride, weights, x, row, n_features, n);                                 \
    }
PROJECT(1)
PROJECT(2)
#if defined(__AVX512F__)
PROJECT(3)
PROJECT(4)
PROJECT(5)
PROJECT(6)
static project_rows *const project_by_rows[] = {NULL,      project_1, project_2, project_3,
                                                project_4, project_5, project_6};
#else
static project_rows *const project_by_rows[] = {NULL, project_1, project_2};
#endif

/* Four examples as floats. */
static void widen(float *x, const esp_byte_batch *batch, int first)
{
    const vector scale = all(batch->scale), shift = all(batch->shift);
    const uint8_t *bytes = batch->bytes + (ptrdiff_t)first * batch->row;
    for (ptrdiff_t i = 0; i < 4 * (ptrdiff_t)batch->row; i += LANES) {
        store(x + i, multiply_add(from_bytes(bytes + i), scale, shift));
    }
}

static void project_by_vectors(float *out, int stride, const float *weights, int n_rows,
                               const esp_byte_batch *batch, float *space)
{
    const int tiles = (n_rows + MOST_PROJECTED - 1) / MOST_PROJECTED;
    for (int b = 0; b < batch->n_examples; b += 4) {
        widen(space, batch, b);
        for (int tile = 0, p = 0; tile < tiles; tile++) {
            const int n = tile_end(n_rows, tile, tiles) - p;
            project_by_rows[n](out + (ptrdiff_t)p * stride + b, stride,
                               weights + (ptrdiff_t)p * batch->n_features, space, batch->row,
                               batch->n_features);
            p += n;
        }
    }
}

/* ---- d . x: tiles of as many rows as there are registers by one vector of features --------------
 */

/* out (n, LANES) at feature f; turned [B x n] holds d example by example. */
INLINE void gradient_tile(float *out, const float *turned, const esp_byte_batch *batch, int f,
                          const int n)
{
    vector sums[MOST_GRADED];
    const vector scale = all(batch->scale), shift = all(batch->shift);
#pragma GCC unroll 32
    for (int i = 0; i < n; i++) {
        sums[i] = all(0);
    }
    for (int b = 0; b < batch->n_examples; b++) {
        const vector x =
            multiply_add(from_bytes(batch->bytes + (ptrdiff_t)b * batch->row + f), scale, shift);
#pragma GCC unroll 32
        for (int i = 0; i < n; i++) {
            sums[i] = multiply_add(x, all(turned[(ptrdiff_t)b * n + i]), sums[i]);
        }
    }
    const int left = batch->n_features - f;
#pragma GCC unroll 32
    for (int i = 0; i < n; i++) {
        if (left >= LANES) {
            store(out + (ptrdiff_t)i * batch->n_features + f, sums[i]);
        } else {
            store_first(out + (ptrdiff_t)i * batch->n_features + f, left, sums[i]);
        }
    }
}

typedef void gradient_rows(float *out, const float *turned, const esp_byte_batch *batch);
#define GRADIENT(n)                                                                                \
    static __attribute__((noinline)) void gradient_##n(float *out, const float *turned,            \
                                                       const esp_byte_batch *batch)                \
    {                                                                                              \
        for (int f = 0; f < batch->n_features; f += LANES) {                                       \
            gradient_tile(out, turned, batch, f, n);                                               \
        }                                                                                          \
    }
GRADIENT(1)
GRADIENT(2)
GRADIENT(3)
GRADIENT(4)
GRADIENT(5)
GRADIENT(6)
GRADIENT(7)
GRADIENT(8)
GRADIENT(9)
GRADIENT(10)
GRADIENT(11)
GRADIENT(12)
#if defined(__AVX512F__)
GRADIENT(13)
GRADIENT(14)
GRADIENT(15)
GRADIENT(16)
GRADIENT(17)
GRADIENT(18)
GRADIENT(19)
GRADIENT(20)
GRADIENT(21)
GRADIENT(22)
GRADIENT(23)
GRADIENT(24)
#endif
static gradient_rows *const gradient_by_rows[] = {
    NULL,        gradient_1,  gradient_2,  gradient_3,  gradient_4,  gradient_5,  gradient_6,
    gradient_7,  gradient_8,  gradient_9,  gradient_10, gradient_11, gradient_12,
#if defined(__AVX512F__)
    gradient_13, gradient_14, gradient_15, gradient_16, gradient_17, gradient_18, gradient_19,
    gradient_20, gradient_21, gradient_22, gradient_23, gradient_24
#endif
};

static void gradient_by_vectors(float *out, const float *d, int stride, int n_rows,
                                const esp_byte_batch *batch, float *space)
{
    const int tiles = (n_rows + MOST_GRADED - 1) / MOST_GRADED;
    for (int tile = 0, p = 0; tile < tiles; tile++) {
        const int n = tile_end(n_rows, tile, tiles) - p;
        for (int i = 0; i < n; i++) {
            const float *row = d + (ptrdiff_t)(p + i) * stride;
            for (int b = 0; b < batch->n_examples; b++) {
                space[(ptrdiff_t)b * n + i] = row[b];
            }
        }
        gradient_by_rows[n](out + (ptrdiff_t)p * batch->n_features, space, batch);
        p += n;
    }
}

#else

static bool has_vectors(void)
{
    return false;
}

static size_t vectors_space(int n_examples, int n_features)
{
    (void)n_examples, (void)n_features;
    return 0;
}

static void project_by_vectors(float *out, int stride, const float *weights, int n_rows,
                               const esp_byte_batch *batch, float *space)
{
    (void)out, (void)stride, (void)weights, (void)n_rows, (void)batch, (void)space;
}

static void gradient_by_vectors(float *out, const float *d, int stride, int n_rows,
                                const esp_byte_batch *batch, float *space)
{
    (void)out, (void)d, (void)stride, (void)n_rows, (void)batch, (void)space;
}

#endif

/* ---- units -------------------------------------------------------------------------------------
 */

static const char *const names[] = {
    [ESP_BY_BLAS] = "blas", [ESP_BY_VECTORS] = "vectors", [ESP_BY_TILES] = "tiles"};

const char *esp_byte_unit_name(esp_byte_unit unit)
{
    return names[unit];
}

bool esp_byte_unit_exists(esp_byte_unit unit)
{
    return unit == ESP_BY_TILES ? esp_byte_tiles_exist() : unit == ESP_BY_BLAS || has_vectors();
}

int esp_byte_unit_choose(esp_byte_unit *unit)
{
    const char *name = getenv("ESPALIER_PRODUCTS");
    for (int i = ESP_BY_TILES; i >= ESP_BY_BLAS; i--) {
        *unit = (esp_byte_unit)i;
        if ((name == NULL || strcmp(name, names[i]) == 0) && esp_byte_unit_exists(*unit)) {
            return ESP_OK;
        }
    }
    return esp_fail(ESP_USAGE,
                    "ESPALIER_PRODUCTS is '%s', which this program on this machine does not have; "
                    "blas, vectors or tiles, or unset it for the fastest there is",
                    name);
}

size_t esp_byte_product_space(esp_byte_unit unit, int n_examples, int n_features)
{
    return unit == ESP_BY_TILES     ? esp_byte_tiles_space(n_examples, n_features)
           : unit == ESP_BY_VECTORS ? vectors_space(n_examples, n_features)
                                    : 0;
}

void esp_byte_project(float *out, int stride, const float *weights, int n_rows,
                      const esp_byte_batch *batch, float *space)
{
    (batch->unit == ESP_BY_TILES ? esp_byte_tiles_project
                                 : project_by_vectors)(out, stride, weights, n_rows, batch, space);
}

void esp_byte_gradient(float *out, const float *d, int stride, int n_rows,
                       const esp_byte_batch *batch, float *space)
{
    (batch->unit == ESP_BY_TILES ? esp_byte_tiles_gradient
                                 : gradient_by_vectors)(out, d, stride, n_rows, batch, space);
}
