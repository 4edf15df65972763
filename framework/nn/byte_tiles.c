/* Left operands are rows of floats, split; right operands the bytes. A tile of the left is 16 rows
 * of 32 elements, one of the right 16 rows of 16 pairs of them, one of the product 16 x 16 floats.
 * Tiles lie in the order in which they are read. */
#include "nn/byte_tiles.h"

/* clang 14 spells it __AMXBF16__ */
#if (defined(__AMX_BF16__) || defined(__AMXBF16__)) && defined(__AVX512F__) &&                     \
    defined(__AVX512BW__) && defined(__linux__)
#define ESP_HAS_BYTE_TILES 1
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum {
    SIDE = 16,              /* rows of a tile, and floats in a row of one */
    BLOCK = 2 * SIDE,       /* rows of the product made at once */
    DEPTH = 32,             /* elements in a row of one */
    TILE = SIDE * DEPTH,    /* elements: 1 KiB */
    PARTS = 3,              /* elements that make a float */
    ABREAST = 4,            /* tiles of the product made at once */
    PANEL = ABREAST * SIDE, /* columns of the product made at once */
    PRODUCT = SIDE * SIDE,  /* floats of a tile of the product */
    TILE_ROW = 64,          /* bytes */
    CHUNK = 256             /* examples whose bytes stay in the second-level cache */
};

static int tiles_of(int count, int size)
{
    return (count + size - 1) / size;
}

static size_t left_elements(int depth)
{
    return (size_t)tiles_of(depth, DEPTH) * PARTS * TILE;
}

size_t esp_byte_tiles_space(int n_examples, int n_features)
{
    const int row = esp_byte_row(n_features);
    const int longest = n_examples > row ? n_examples : row;
    const size_t columns = (size_t)tiles_of(n_examples, PANEL) * PANEL;
    const size_t elements = BLOCK / SIDE * left_elements(longest) + columns * (size_t)row;
    return elements * sizeof(uint16_t) / sizeof(float);
}

#if defined(ESP_HAS_BYTE_TILES)

bool esp_byte_tiles_exist(void)
{
    enum { ASK_FOR_STATE = 0x1023, TILE_DATA = 18 }; /* asm/prctl.h: ARCH_REQ_XCOMP_PERM */
    return syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0;
}

typedef struct tile_configuration {
    uint8_t palette, start_row, unused[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_configuration;

static void begin_tiles(void)
{
    enum { TILES = 8 };
    _Alignas(64) tile_configuration all = {.palette = 1};
    for (int i = 0; i < TILES; i++) {
        all.row_bytes[i] = TILE * sizeof(uint16_t) / SIDE;
        all.rows[i] = SIDE;
    }
    _tile_loadconfig(&all);
}

/* ---- operands ---------------------------------------------------------------------------------
 */

/* The upper halves of 32 floats. */
static inline __m512i upper_halves(__m512 a, __m512 b)
{
    const __m512i odd =
        _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                         25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi16(_mm512_castps_si512(a), odd, _mm512_castps_si512(b));
}

static inline __m512 leading_part(__m512 values)
{
    const __m512i upper = _mm512_set1_epi32((int)0xFFFF0000);
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(values), upper));
}

static inline __mmask16 lanes_of(int count)
{
    return (__mmask16)(count >= SIDE ? 0xFFFF : count > 0 ? (1u << count) - 1 : 0);
}

/* left: the parts of scale * rows (n_rows <= BLOCK, depth), tile by tile, one block of SIDE rows
 * after the other; sums [BLOCK]: of each row, unscaled. Rows beyond n_rows stay as they are: they
 * make rows of the product that nobody reads. */
static __attribute__((noinline)) void split_rows(uint16_t *left, float *sums, const float *rows,
                                                 ptrdiff_t stride, int n_rows, int depth,
                                                 float scale)
{
    const __m512 factor = _mm512_set1_ps(scale);
    for (int i = 0; i < n_rows; i++) {
        const float *values = rows + i * stride;
        uint16_t *out = left + (size_t)(i / SIDE) * left_elements(depth) + i % SIDE * DEPTH;
        __m512 sum = _mm512_setzero_ps();
        for (int k = 0; k < depth; k += DEPTH, out += PARTS * TILE) {
            __m512 a = _mm512_maskz_loadu_ps(lanes_of(depth - k), values + k);
            __m512 b = _mm512_maskz_loadu_ps(lanes_of(depth - k - SIDE), values + k + SIDE);
            sum = _mm512_add_ps(sum, _mm512_add_ps(a, b));
            a = _mm512_mul_ps(a, factor);
            b = _mm512_mul_ps(b, factor);
            for (int part = 0; part < PARTS; part++) {
                _mm512_store_si512(out + part * TILE, upper_halves(a, b));
                a = _mm512_sub_ps(a, leading_part(a));
                b = _mm512_sub_ps(b, leading_part(b));
            }
        }
        sums[i] = _mm512_reduce_add_ps(sum);
    }
}

/* Pairs of elements from two vectors of integers up to 255. */
static inline __m512i pairs_of(__m512i first, __m512i second)
{
    const __m512i low = _mm512_castps_si512(_mm512_cvtepi32_ps(first));
    const __m512i high = _mm512_castps_si512(_mm512_cvtepi32_ps(second));
    return _mm512_or_si512(_mm512_srli_epi32(low, 16), high);
}

static inline void turn_16_by_16(__m512i v[SIDE])
{
    __m512i t[SIDE];
    for (int i = 0; i < SIDE; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    for (int i = 0; i < SIDE; i += 4) {
        v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xDD);
        t[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xDD);
    }
    for (int i = 0; i < 8; i++) {
        v[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        v[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
    }
}

/* right: examples are columns, pairs of features rows. [panel of columns][tile of features][tile
 * of columns]; count examples from the first on, rounded up to SIDE in what is read. */
static __attribute__((noinline)) void
columns_by_example(uint16_t *right, const esp_byte_batch *batch, int first, int count)
{
    const __m512i byte = _mm512_set1_epi32(0xFF);
    const int depth_tiles = batch->row / DEPTH;
    for (int column = 0; column < count; column += SIDE) {
        const uint8_t *bytes = batch->bytes + (ptrdiff_t)(first + column) * batch->row;
        uint16_t *panel =
            right +
            ((ptrdiff_t)(column / PANEL) * depth_tiles * ABREAST + column % PANEL / SIDE) * TILE;
        for (int f = 0; f < batch->row; f += 64) {
            __m512i fours[SIDE]; /* then [four features][example] */
            for (int b = 0; b < SIDE; b++) {
                fours[b] = _mm512_load_si512(bytes + (ptrdiff_t)b * batch->row + f);
            }
            turn_16_by_16(fours);
            uint16_t *tile = panel + (ptrdiff_t)(f / DEPTH) * ABREAST * TILE;
            for (int i = 0; i < SIDE; i++) {
                const __m512i v = fours[i];
                uint16_t *out = tile + i / 8 * ABREAST * TILE + i % 8 * 2 * DEPTH;
                _mm512_store_si512(out, pairs_of(_mm512_and_si512(v, byte),
                                                 _mm512_and_si512(_mm512_srli_epi32(v, 8), byte)));
                _mm512_store_si512(out + DEPTH,
                                   pairs_of(_mm512_and_si512(_mm512_srli_epi32(v, 16), byte),
                                            _mm512_srli_epi32(v, 24)));
            }
        }
    }
}

/* right: features are columns, pairs of examples rows. */
static __attribute__((noinline)) void columns_by_feature(uint16_t *right,
                                                         const esp_byte_batch *batch)
{
    const int depth_tiles = tiles_of(batch->n_examples, DEPTH), n = batch->n_examples;
    const ptrdiff_t next_panel = (ptrdiff_t)depth_tiles * ABREAST * TILE;
    for (int b = 0; b < depth_tiles * DEPTH; b += 2) {
        const uint8_t *bytes = batch->bytes + (ptrdiff_t)b * batch->row;
        uint16_t *out = right + (ptrdiff_t)(b / DEPTH) * ABREAST * TILE + b % DEPTH / 2 * DEPTH;
        for (int f = 0; f < batch->row; f += PANEL, out += next_panel) {
            for (int j = 0; j < ABREAST; j++) {
                const uint8_t *at = bytes + f + j * SIDE;
                __m128i first = _mm_setzero_si128(), second = first;
                if (b < n) {
                    first = _mm_load_si128((const __m128i *)(const void *)at);
                }
                if (b + 1 < n) {
                    second = _mm_load_si128((const __m128i *)(const void *)(at + batch->row));
                }
                _mm512_store_si512(out + j * TILE, pairs_of(_mm512_cvtepu8_epi32(first),
                                                            _mm512_cvtepu8_epi32(second)));
            }
        }
    }
}

/* ---- products ---------------------------------------------------------------------------------
 */

/* The compiler is not told what the tiles' instructions read and write: nothing else happens in
 * these two. As few of them as can be: a machine at its limit of power slows them all down. */

/* out [ABREAST][SIDE x SIDE] = left (SIDE, depth) . right (depth, PANEL). */
static __attribute__((noinline)) void multiply_one(float *out, const uint16_t *left,
                                                   const uint16_t *right, int depth_tiles)
{
    __asm__ volatile("" ::: "memory");
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int k = 0; k < depth_tiles; k++, right += ABREAST * TILE) {
        for (int part = 0; part < PARTS; part++, left += TILE) {
            _tile_loadd(4, left, TILE_ROW);
            _tile_loadd(5, right, TILE_ROW);
            _tile_dpbf16ps(0, 4, 5);
            _tile_loadd(6, right + TILE, TILE_ROW);
            _tile_dpbf16ps(1, 4, 6);
            _tile_loadd(7, right + 2 * TILE, TILE_ROW);
            _tile_dpbf16ps(2, 4, 7);
            _tile_loadd(5, right + 3 * TILE, TILE_ROW);
            _tile_dpbf16ps(3, 4, 5);
        }
    }
    _tile_stored(0, out, TILE_ROW);
    _tile_stored(1, out + PRODUCT, TILE_ROW);
    _tile_stored(2, out + 2 * PRODUCT, TILE_ROW);
    _tile_stored(3, out + 3 * PRODUCT, TILE_ROW);
    __asm__ volatile("" ::: "memory");
}

/* Two blocks of rows, next left elements apart, by two tiles of columns: out [2] of the one block,
 * and from ABREAST on of the other. */
static __attribute__((noinline)) void multiply_two(float *out, const uint16_t *left, size_t next,
                                                   const uint16_t *right, int depth_tiles)
{
    __asm__ volatile("" ::: "memory");
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int k = 0; k < depth_tiles; k++, right += ABREAST * TILE) {
        _tile_loadd(6, right, TILE_ROW);
        _tile_loadd(7, right + TILE, TILE_ROW);
        for (int part = 0; part < PARTS; part++, left += TILE) {
            _tile_loadd(4, left, TILE_ROW);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, left + next, TILE_ROW);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, out, TILE_ROW);
    _tile_stored(1, out + PRODUCT, TILE_ROW);
    _tile_stored(2, out + ABREAST * PRODUCT, TILE_ROW);
    _tile_stored(3, out + (ABREAST + 1) * PRODUCT, TILE_ROW);
    __asm__ volatile("" ::: "memory");
}

/* A panel of one block of rows, or of two. */
static void multiply_panel(float *out, const uint16_t *left, size_t next, const uint16_t *right,
                           int depth_tiles, bool two)
{
    if (!two) {
        multiply_one(out, left, right, depth_tiles);
        return;
    }
    for (int j = 0; j < ABREAST; j += 2) {
        multiply_two(out + j * PRODUCT, left, next, right + j * TILE, depth_tiles);
    }
}

/* out (n_rows, n_columns of PANEL) = product + shift * sums, row by row. */
static void store_panel(float *out, ptrdiff_t stride, const float *product, const float *sums,
                        float shift, int n_rows, int n_columns)
{
    for (int i = 0; i < n_rows; i++) {
        const float *values = product + (i / SIDE * ABREAST * SIDE + i % SIDE) * SIDE;
        for (int j = 0; j * SIDE < n_columns; j++) {
            const __m512 sum = _mm512_add_ps(_mm512_load_ps(values + j * PRODUCT),
                                             _mm512_set1_ps(shift * sums[i]));
            _mm512_mask_storeu_ps(out + i * stride + j * SIDE, lanes_of(n_columns - j * SIDE), sum);
        }
    }
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

void esp_byte_tiles_project(float *out, int stride, const float *weights, int n_rows,
                            const esp_byte_batch *batch, float *space)
{
    _Alignas(64) float product[BLOCK / SIDE * ABREAST * PRODUCT], sums[BLOCK];
    const int features = batch->n_features, depth_tiles = tiles_of(features, DEPTH);
    const ptrdiff_t next_panel = (ptrdiff_t)(batch->row / DEPTH) * ABREAST * TILE;
    uint16_t *left = (uint16_t *)(void *)space,
             *right = left + BLOCK / SIDE * left_elements(features);
    begin_tiles();
    for (int first = 0; first < batch->n_examples; first += CHUNK) {
        const int count = smaller(batch->n_examples - first, CHUNK);
        columns_by_example(right, batch, first, count);
        for (int p = 0; p < n_rows; p += BLOCK) {
            const int rows = smaller(n_rows - p, BLOCK);
            split_rows(left, sums, weights + (ptrdiff_t)p * features, features, rows, features,
                       batch->scale);
            for (int b = 0; b < count; b += PANEL) {
                multiply_panel(product, left, left_elements(features),
                               right + b / PANEL * next_panel, depth_tiles, rows > SIDE);
                store_panel(out + (ptrdiff_t)p * stride + first + b, stride, product, sums,
                            batch->shift, rows, smaller(tiles_of(count - b, SIDE) * SIDE, PANEL));
            }
        }
    }
    _tile_release();
}

void esp_byte_tiles_gradient(float *out, const float *d, int stride, int n_rows,
                             const esp_byte_batch *batch, float *space)
{
    _Alignas(64) float product[BLOCK / SIDE * ABREAST * PRODUCT], sums[BLOCK];
    const int features = batch->n_features, depth_tiles = tiles_of(batch->n_examples, DEPTH);
    const ptrdiff_t next_panel = (ptrdiff_t)depth_tiles * ABREAST * TILE;
    uint16_t *left = (uint16_t *)(void *)space,
             *right = left + BLOCK / SIDE * left_elements(batch->n_examples);
    columns_by_feature(right, batch);
    begin_tiles();
    for (int p = 0; p < n_rows; p += BLOCK) {
        const int rows = smaller(n_rows - p, BLOCK);
        split_rows(left, sums, d + (ptrdiff_t)p * stride, stride, rows, batch->n_examples,
                   batch->scale);
        for (int f = 0; f < features; f += PANEL) {
            multiply_panel(product, left, left_elements(batch->n_examples),
                           right + f / PANEL * next_panel, depth_tiles, rows > SIDE);
            store_panel(out + (ptrdiff_t)p * features + f, features, product, sums, batch->shift,
                        rows, smaller(features - f, PANEL));
        }
    }
    _tile_release();
}

#else

bool esp_byte_tiles_exist(void)
{
    return false;
}

void esp_byte_tiles_project(float *out, int stride, const float *weights, int n_rows,
                            const esp_byte_batch *batch, float *space)
{
    (void)out, (void)stride, (void)weights, (void)n_rows, (void)batch, (void)space;
}

void esp_byte_tiles_gradient(float *out, const float *d, int stride, int n_rows,
                             const esp_byte_batch *batch, float *space)
{
    (void)out, (void)d, (void)stride, (void)n_rows, (void)batch, (void)space;
}

#endif
