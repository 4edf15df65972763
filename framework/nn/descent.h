/* Hard descent of trees that computes only the nodes on each example's path, and of pairs of levels
 * both children: examples are grouped by node, so that a node's weights are read once for all that
 * reach it. Node i of level j is row 2^j - 1 + i. B examples, F features, D levels. */
#ifndef ESP_NN_DESCENT_H
#define ESP_NN_DESCENT_H

#include <stdbool.h>
#include <stdint.h>

#include "espalier_plugin.h"

typedef struct esp_descent {
    const esp_real *rows, *biases; /* [nodes x F], [nodes] */
    int n_features;
    int depth;         /* levels that route; */
    int n_levels;      /* D: depth, or, where the last nodes are neurons, depth + 1 */
    bool neurons;      /* of fff_nodes: right iff z > 0, else iff z >= 0 */
    const esp_real *x; /* [B x F] */
    int32_t *node;     /* (B) in: 0; out: the place in its level of the last node routed to */
    esp_real *scores;  /* [B x D] z of the nodes on the path, or NULL */
    int32_t *spare;    /* (B) working space */
} esp_descent;

/* Takes examples order [count] from level `from` to level `to` <= D. They MUST be sorted by node
 * and are afterwards, too. Thread: the trial's. */
void esp_descend_levels(const esp_descent *descent, int32_t *order, int count, int from, int to);

#endif
