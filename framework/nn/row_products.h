/* Products of a few rows of weights with a few examples, wherever each of them stands: what
 * descending a tree and evaluating one leaf come to. Sums run in an order that depends on the
 * length of rows alone, so an example's numbers do not hang on the examples beside it.
 * m examples, n rows of weights, F features, O outputs. */
#ifndef ESP_NN_ROW_PRODUCTS_H
#define ESP_NN_ROW_PRODUCTS_H

#include <stdbool.h>

#include "espalier_plugin.h"

/* Most examples and rows of one call: what the nearest cache holds twice, and registers once. */
enum { ESP_MOST_ROW_EXAMPLES = 4, ESP_MOST_ROWS = 3 };

/* scores [m x stride], of them n <= ESP_MOST_ROWS are written, = rows [n][F] . x [m][F];
 * m <= ESP_MOST_ROW_EXAMPLES. ahead [m]: the examples of a next call, fetched into the cache
 * meanwhile. Thread: any. */
void esp_score_rows(esp_real *scores, int stride, const esp_real *const *rows, int n_rows,
                    const esp_real *const *x, const esp_real *const *ahead, int n_examples,
                    int n_features);

typedef struct esp_combination {
    esp_real *const *out;    /* [m][O] */
    const esp_real *weights; /* [m x stride] */
    int stride;
    const esp_real *const *rows; /* [n][O], any n */
    int n_rows;
    const esp_real *base;         /* [O], or NULL: 0 */
    const esp_real *base_weights; /* [m] factors of base, or NULL: 1 */
    bool adds;                    /* to out, whatever base is */
    bool bypasses_cache;          /* where out is a multiple of a vector and aligned to one */
    int n_examples, n_outputs;
} esp_combination;

/* out = base + weights . rows. Thread: any. */
void esp_combine_rows(const esp_combination *combination);

/* Makes outputs that bypassed the cache visible to other threads. Thread: that which wrote them. */
void esp_combine_end(void);

#endif
