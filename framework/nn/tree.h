/* The differentiable binary tree: from node probabilities to the mixture over leaves and back, and
 * hard descent. Node i of level j is 2^j - 1 + i; p is the weight of the right child. Arrays are
 * (rows, B) with the example index fastest, stride elements between rows.
 * Source: arXiv 2308.14711, algorithm 1; arXiv 2405.16836, eq. 1. */
#ifndef ESP_NN_TREE_H
#define ESP_NN_TREE_H

#include <stdint.h>

#include "espalier_plugin.h"

/* reach (N, B): the probability of reaching each node; mixture (L, B): the product along each
 * leaf's path. Both overwritten. probabilities (N, B). depth 0: mixture 1. Thread: the trial's. */
void esp_tree_mix(esp_real *mixture, esp_real *reach, const esp_real *probabilities, int depth,
                  int n_examples, int stride);

/* d_probabilities (N, B) += derivative through the mixture of d_mixture (L, B). value (N, B) is
 * working space. No division, so saturated nodes are exact. Thread: the trial's. */
void esp_tree_mix_backward(esp_real *d_probabilities, esp_real *value, const esp_real *d_mixture,
                           const esp_real *reach, const esp_real *probabilities, int depth,
                           int n_examples, int stride);

/* leaves (B): the leaf each example reaches, going right iff z >= 0. scores (N, B).
 * Thread: the trial's. */
void esp_tree_descend(int32_t *leaves, const esp_real *scores, int depth, int n_examples,
                      int stride);

#endif
