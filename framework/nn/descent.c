#include "nn/descent.h"

#include <stddef.h>
#include <string.h>

#include "nn/row_products.h"

enum { BLOCK = ESP_MOST_ROW_EXAMPLES };

static const esp_real *example(const esp_descent *d, int32_t index)
{
    return d->x + (ptrdiff_t)index * d->n_features;
}

/* Whether an example goes right. NaN goes left, as everywhere. */
static int goes_right(const esp_descent *d, esp_real z)
{
    return d->neurons ? z > 0 : z >= 0;
}

/* One example past a level and, with two, the next; z [3]: its node's, and both children's. */
static void step(const esp_descent *d, int32_t index, int level, int n_levels, const esp_real *z)
{
    int32_t node = d->node[index];
    for (int l = level; l < level + n_levels; l++) {
        const int right = l > level ? 1 + (node & 1) : 0; /* which of z */
        const esp_real score = z[right] + d->biases[(1 << l) - 1 + node];
        if (d->scores != NULL) {
            d->scores[(ptrdiff_t)index * d->n_levels + l] = score;
        }
        if (l < d->depth) {
            node = 2 * node + goes_right(d, score);
        }
    }
    d->node[index] = node;
}

/* Sorts a run of examples, that had one node, by the nodes below it: at most four. */
static void split_run(const esp_descent *d, int32_t *order, int count)
{
    int starts[5] = {0};
    for (int b = 0; b < count; b++) {
        starts[1 + (d->node[order[b]] & 3)]++;
    }
    for (int i = 1; i < 5; i++) {
        starts[i] += starts[i - 1];
    }
    for (int b = 0; b < count; b++) {
        d->spare[starts[d->node[order[b]] & 3]++] = order[b];
    }
    memcpy(order, d->spare, sizeof *order * (size_t)count);
}

/* A run of examples at one node. left: what is in order from the run's first on. */
static void descend_run(const esp_descent *d, int32_t *order, int count, int left, int level,
                        int n_levels)
{
    const int node = d->node[order[0]];
    const esp_real *first = d->rows + (ptrdiff_t)((1 << level) - 1 + node) * d->n_features;
    const ptrdiff_t left_child = (2 << level) - 1 + 2 * node; /* where there is another level */
    const esp_real *child = n_levels == 2 ? d->rows + left_child * d->n_features : first;
    const esp_real *rows[] = {first, child, child + d->n_features};
    for (int b = 0; b < count; b += BLOCK) {
        const int n = count - b < BLOCK ? count - b : BLOCK;
        const esp_real *x[BLOCK], *ahead[BLOCK];
        esp_real z[BLOCK * 3];
        for (int i = 0; i < n; i++) {
            x[i] = example(d, order[b + i]);
            ahead[i] = example(d, order[b + n + i < left ? b + n + i : b + i]);
        }
        esp_score_rows(z, 3, rows, n_levels == 2 ? 3 : 1, x, ahead, n, d->n_features);
        for (int i = 0; i < n; i++) {
            step(d, order[b + i], level, n_levels, z + (ptrdiff_t)i * 3);
        }
    }
    if (count > 1) {
        split_run(d, order, count);
    }
}

void esp_descend_levels(const esp_descent *d, int32_t *order, int count, int from, int to)
{
    for (int level = from, n_levels; level < to; level += n_levels) {
        n_levels = level + 2 <= to ? 2 : 1;
        for (int begin = 0, end; begin < count; begin = end) {
            const int32_t node = d->node[order[begin]];
            for (end = begin + 1; end < count && d->node[order[end]] == node; end++) {
            }
            descend_run(d, order + begin, end - begin, count - begin, level, n_levels);
        }
    }
}
