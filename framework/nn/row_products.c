#include "nn/row_products.h"

#include <stdatomic.h>
#include <stddef.h>

#include "nn/vector.h"

/* ---- scores: tiles of n rows by m examples, both constants where it is inlined ------------------
 */

INLINE void score_tile(esp_real *scores, int stride, const esp_real *const *rows,
                       const esp_real *const *x, const esp_real *const *ahead, int n_features,
                       const int n, const int m)
{
    vector sums[ESP_MOST_ROWS][ESP_MOST_ROW_EXAMPLES], weights[ESP_MOST_ROWS];
    int f = 0;
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
#pragma GCC unroll 8
        for (int j = 0; j < m; j++) {
            sums[i][j] = all(0);
        }
    }
    for (int k = 0; k < m; k++) { /* one of the examples ahead in each part */
        const esp_real *next = ahead[k];
        const int end = k + 1 < m ? (k + 1) * (n_features / m) : n_features;
        for (; f + LANES <= end; f += LANES, next += m * LANES) {
#pragma GCC unroll 4
            for (int i = 0; i < n; i++) {
                weights[i] = load(rows[i] + f);
            }
#pragma GCC unroll 8
            for (int j = 0; j < m; j++) {
                const vector v = hold(load(x[j] + f));
                __builtin_prefetch(next + j * LANES);
#pragma GCC unroll 4
                for (int i = 0; i < n; i++) {
                    sums[i][j] = multiply_add(weights[i], v, sums[i][j]);
                }
            }
        }
    }
    if (f < n_features) {
#pragma GCC unroll 4
        for (int i = 0; i < n; i++) {
            weights[i] = load_first(rows[i] + f, n_features - f);
        }
#pragma GCC unroll 8
        for (int j = 0; j < m; j++) {
            const vector v = load_first(x[j] + f, n_features - f);
#pragma GCC unroll 4
            for (int i = 0; i < n; i++) {
                sums[i][j] = multiply_add(weights[i], v, sums[i][j]);
            }
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < m; j++) {
        esp_real found[4];
        const vector none = all(0);
        sum_of_each(found, sums[0][j], n > 1 ? sums[1][j] : none, n > 2 ? sums[2][j] : none, none);
#pragma GCC unroll 4
        for (int i = 0; i < n; i++) {
            scores[(ptrdiff_t)j * stride + i] = found[i];
        }
    }
}

typedef void score_function(esp_real *scores, int stride, const esp_real *const *rows,
                            const esp_real *const *x, const esp_real *const *ahead, int n_features);
#define SCORE(n, m)                                                                                \
    static __attribute__((noinline)) void score_##n##_##m(                                         \
        esp_real *scores, int stride, const esp_real *const *rows, const esp_real *const *x,       \
        const esp_real *const *ahead, int n_features)                                              \
    {                                                                                              \
        score_tile(scores, stride, rows, x, ahead, n_features, n, m);                              \
    }
#define SCORES(m) SCORE(1, m) SCORE(2, m) SCORE(3, m)
SCORES(1)
SCORES(2)
SCORES(4)
static score_function *const score_by_size[][ESP_MOST_ROWS] = {
    {score_1_1, score_2_1, score_3_1},
    {score_1_2, score_2_2, score_3_2},
    {score_1_4, score_2_4, score_3_4},
};

/* log2 of the examples of the next tile: the greatest power of two that is left. */
static int tile_of(int n_left)
{
    return n_left >= 4 ? 2 : n_left >= 2;
}

void esp_score_rows(esp_real *scores, int stride, const esp_real *const *rows, int n_rows,
                    const esp_real *const *x, const esp_real *const *ahead, int n_examples,
                    int n_features)
{
    for (int b = 0; b < n_examples;) {
        const int tile = tile_of(n_examples - b);
        score_by_size[tile][n_rows - 1](scores + (ptrdiff_t)b * stride, stride, rows, x + b,
                                        ahead + b, n_features);
        b += 1 << tile;
    }
}

/* ---- combinations: tiles of v vectors of outputs by m examples ---------------------------------
 */

/* left: outputs of a last, short vector, or 0. */
INLINE void combine_tile(const esp_combination *c, int o, int left, const int v, const int m)
{
    vector sums[ESP_MOST_ROW_EXAMPLES][8];
#pragma GCC unroll 8
    for (int j = 0; j < m; j++) {
#pragma GCC unroll 8
        for (int k = 0; k < v; k++) {
            const esp_real *from = c->adds ? c->out[j] : c->base;
            const int at = o + k * LANES;
            sums[j][k] = from == NULL ? all(0)
                         : left > 0   ? load_first(from + at, left)
                                      : load(from + at);
            if (!c->adds && from != NULL && c->base_weights != NULL) {
                sums[j][k] = multiply_add(sums[j][k], all(c->base_weights[j]), all(0));
            }
        }
    }
    for (int r = 0; r < c->n_rows; r++) {
        const esp_real *row = c->rows[r] + o;
        vector values[8];
#pragma GCC unroll 8
        for (int k = 0; k < v; k++) {
            values[k] = left > 0 ? load_first(row, left) : load(row + k * LANES);
        }
#pragma GCC unroll 8
        for (int j = 0; j < m; j++) {
            const vector weight = hold(all(c->weights[(ptrdiff_t)j * c->stride + r]));
#pragma GCC unroll 8
            for (int k = 0; k < v; k++) {
                sums[j][k] = multiply_add(values[k], weight, sums[j][k]);
            }
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < m; j++) {
#pragma GCC unroll 8
        for (int k = 0; k < v; k++) {
            if (left > 0) {
                store_first(c->out[j] + o, left, sums[j][k]);
            } else if (c->bypasses_cache) {
                store_past_cache(c->out[j] + o + k * LANES, sums[j][k]);
            } else {
                store(c->out[j] + o + k * LANES, sums[j][k]);
            }
        }
    }
}

typedef void combine_function(const esp_combination *c);
#define COMBINE(m, v)                                                                              \
    static __attribute__((noinline)) void combine_##m(const esp_combination *c)                    \
    {                                                                                              \
        int o = 0;                                                                                 \
        for (; o + (v)*LANES <= c->n_outputs; o += (v)*LANES) {                                    \
            combine_tile(c, o, 0, v, m);                                                           \
        }                                                                                          \
        for (; o + LANES <= c->n_outputs; o += LANES) {                                            \
            combine_tile(c, o, 0, 1, m);                                                           \
        }                                                                                          \
        if (o < c->n_outputs) {                                                                    \
            combine_tile(c, o, c->n_outputs - o, 1, m);                                            \
        }                                                                                          \
    }
COMBINE(1, 8)
COMBINE(2, LANES == 16 ? 6 : 4)
COMBINE(4, LANES == 16 ? 4 : 2)
static combine_function *const combine_by_size[] = {combine_1, combine_2, combine_4};

void esp_combine_rows(const esp_combination *combination)
{
    for (int b = 0; b < combination->n_examples;) {
        const int tile = tile_of(combination->n_examples - b);
        esp_combination c = *combination;
        c.out += b;
        c.weights += (ptrdiff_t)b * c.stride;
        c.base_weights = c.base_weights != NULL ? c.base_weights + b : NULL;
        combine_by_size[tile](&c);
        b += 1 << tile;
    }
}

void esp_combine_end(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}
