/* Parallel trees whose every node is a neuron (UltraFastBERT's FFF): the nodes on each example's
 * path. Trees of 2^(d+1) - 1 nodes stand one after another; node i of level j of a tree is its
 * 2^j - 1 + i. Arrays are (rows, B), example index fastest. Source: arXiv 2311.10770, algorithm 1
 * (CMM): d + 1 nodes of each tree see an example, right iff z > 0. */
#ifndef ESP_NN_NODE_TREES_H
#define ESP_NN_NODE_TREES_H

#include "nn/architecture.h"

/* path (N, B): 1 for the nodes on the path, else 0; choices (T, B): tree * 2^d + leaf, the place of
 * the path's last node in its level. scores (N, B). Thread: the trial's. */
void esp_node_trees_descend(esp_real *path, int32_t *choices, const esp_real *scores, int n_trees,
                            int depth, int n_examples, int stride);

#endif
