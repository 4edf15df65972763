/* Localized optimizers: a leaf, node or expert is updated only once enough examples used it; until
 * then its gradient gathers. The remedy for the batches that shrink as a tree routes: a leaf of
 * 2^d sees 1/2^d of each batch.
 *
 * A block is one node or leaf of an fff, one expert of a moe, with all its weights and biases. What
 * belongs to no block (heads, a gate) is updated at every step.
 * Source: local_adam.py and local_sgd.py of the authors of arXiv 2308.14711
 * (github.com/pbelcak/fastfeedforward), with three differences: a node is used by the examples that
 * reach it (theirs also counts those whose path left the tree's branch above); hard usage is of the
 * nodes' own choices, also where regions leak (theirs is of the leaked ones; soft usage is leaked
 * in both); and momentum is that of torch.optim.SGD (theirs steps along the buffer as it was before
 * the step). */
#ifndef ESP_NN_LOCALIZED_H
#define ESP_NN_LOCALIZED_H

#include <stdbool.h>
#include <stdint.h>

#include "nn/network.h"
#include "nn/optimizer.h"

/* The first n_nodes blocks are nodes, the others leaves or experts. All memory is the caller's. */
typedef struct esp_localized {
    esp_real *pending; /* [n_trainable] gradients not yet applied, summed over steps */
    double *usage;     /* [n_blocks] examples since each block's last update */
    int64_t *steps;    /* [n_blocks] updates since the last reset */
} esp_localized;

/* How many blocks a model has: 0 where it has none (ff, fff_nodes). */
int esp_localized_blocks(const esp_model_config *model);

/* Adds the last forward's usage: by hard choices (an example counts for one leaf and the nodes on
 * its path), or soft, by the weights of the mixture. Thread: the trial's. */
void esp_localized_count(esp_localized *localized, const esp_network *network, bool soft);

/* One step with network->gradients, the optimizer's begin already called: blocks used by at least
 * local_batch_size examples are updated by their pending gradient * local_batch_size / usage, with
 * their own count of steps. first, second [n_trainable] as esp_optimizer_apply's. Thread: the
 * trial's. */
void esp_localized_step(esp_localized *localized, esp_network *network,
                        const esp_optimizer *optimizer, esp_real *first, esp_real *second,
                        int local_batch_size);

/* Forgets all that is pending. */
void esp_localized_reset(esp_localized *localized, const esp_network *network);

#endif
