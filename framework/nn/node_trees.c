#include "nn/node_trees.h"

#include <string.h>

void esp_node_trees_descend(esp_real *path, int32_t *choices, const esp_real *scores, int n_trees,
                            int depth, int n_examples, int stride)
{
    const int nodes = (2 << depth) - 1;
    memset(path, 0, sizeof(esp_real) * (size_t)n_trees * (size_t)nodes * (size_t)stride);
    for (int tree = 0; tree < n_trees; tree++) {
        const ptrdiff_t first = (ptrdiff_t)tree * nodes * stride;
        for (int b = 0; b < n_examples; b++) {
            int node = 0;
            path[first + b] = 1;
            for (int level = 0; level < depth; level++) {
                node = 2 * node + 1 + (scores[first + (ptrdiff_t)node * stride + b] > 0);
                path[first + (ptrdiff_t)node * stride + b] = 1;
            }
            choices[(ptrdiff_t)tree * stride + b] = (tree << depth) + node - ((1 << depth) - 1);
        }
    }
}
