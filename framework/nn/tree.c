/* B examples, N = 2^depth - 1 nodes, L = 2^depth leaves. */
#include "nn/tree.h"

#include <stddef.h>

/* The two children of one node share its reach: right takes p, left the rest. */
static void split_reach(esp_real *restrict left, esp_real *restrict right,
                        const esp_real *restrict reach, const esp_real *restrict p, int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        esp_real to_right = reach[b] * p[b];
        right[b] = to_right;
        left[b] = reach[b] * (1 - p[b]);
    }
}

void esp_tree_mix(esp_real *mixture, esp_real *reach, const esp_real *probabilities, int depth,
                  int n_examples, int stride)
{
    esp_real *root = depth == 0 ? mixture : reach;
    for (int b = 0; b < n_examples; b++) {
        root[b] = 1;
    }
    for (int level = 0; level < depth; level++) {
        int first = (1 << level) - 1;
        esp_real *children =
            level + 1 == depth ? mixture : reach + (ptrdiff_t)(2 * first + 1) * stride;
        for (int i = 0; i < 1 << level; i++) {
            ptrdiff_t node = (ptrdiff_t)(first + i) * stride;
            split_reach(children + (ptrdiff_t)(2 * i) * stride,
                        children + (ptrdiff_t)(2 * i + 1) * stride, reach + node,
                        probabilities + node, n_examples);
        }
    }
}

/* value: what one unit of reach at this node is worth; the node's derivative is its reach times the
 * difference of its children's values. */
static void join_values(esp_real *restrict value, esp_real *restrict d_p,
                        const esp_real *restrict left, const esp_real *restrict right,
                        const esp_real *restrict reach, const esp_real *restrict p, int n_examples)
{
    for (int b = 0; b < n_examples; b++) {
        esp_real difference = right[b] - left[b];
        d_p[b] += reach[b] * difference;
        value[b] = left[b] + p[b] * difference;
    }
}

void esp_tree_mix_backward(esp_real *d_probabilities, esp_real *value, const esp_real *d_mixture,
                           const esp_real *reach, const esp_real *probabilities, int depth,
                           int n_examples, int stride)
{
    for (int level = depth - 1; level >= 0; level--) {
        int first = (1 << level) - 1;
        const esp_real *children =
            level + 1 == depth ? d_mixture : value + (ptrdiff_t)(2 * first + 1) * stride;
        for (int i = 0; i < 1 << level; i++) {
            ptrdiff_t node = (ptrdiff_t)(first + i) * stride;
            join_values(value + node, d_probabilities + node,
                        children + (ptrdiff_t)(2 * i) * stride,
                        children + (ptrdiff_t)(2 * i + 1) * stride, reach + node,
                        probabilities + node, n_examples);
        }
    }
}

void esp_tree_descend(int32_t *leaves, const esp_real *scores, int depth, int n_examples,
                      int stride)
{
    for (int b = 0; b < n_examples; b++) {
        int node = 0;
        for (int level = 0; level < depth; level++) {
            node = 2 * node + 1 + (scores[(ptrdiff_t)node * stride + b] >= 0);
        }
        leaves[b] = node - ((1 << depth) - 1);
    }
}
