/* Exact evaluation of a network on a split: soft and hard loss and accuracy, every term, mixture
 * statistics and leaf counts. */
#ifndef ESP_RUN_EVALUATE_H
#define ESP_RUN_EVALUATE_H

#include "data/dataset.h"
#include "nn/network.h"
#include "run/loss_sum.h"
#include "store/store.h"

/* Which examples, and how what is stored becomes numbers. */
typedef struct esp_view_of_data {
    const esp_examples *examples;
    const uint32_t *indices; /* NULL: all, in order */
    uint32_t count;
    esp_normalization normalization;
} esp_view_of_data;

typedef struct esp_evaluation {
    bool done;
    int first_not_finite; /* the batch, from 1, at which a loss ceased to be finite; 0: none */
    double metrics[ESP_N_METRICS];
    double terms[ESP_MAX_TERMS]; /* unweighted; task terms on soft logits; NaN: not called */
    /* where the model routes, means over examples: */
    double node_entropy;    /* and over nodes; nats */
    double mixture_entropy; /* nats */
    double mixture_max;     /* the largest weight of a leaf */
    int64_t *leaf_counts;   /* [L], owned by the caller */
} esp_evaluation;

/* Copies the labels and gathers the features of examples first..first+count-1 of the view. */
void esp_load_batch(esp_network *network, const esp_view_of_data *data, uint32_t first,
                    uint32_t count);

/* Evaluates in batches of batch_size examples; terms that are not means over examples (balance) are
 * averaged over these. out->leaf_counts given by the caller. Errors: those of plugins. Thread: the
 * trial's. */
int esp_evaluate(esp_evaluation *out, esp_network *network, esp_loss_sum *losses,
                 const esp_view_of_data *data, int batch_size, esp_position position);

/* counts [L]: adds the last forward's hard choices; nothing where nothing routes. */
void esp_count_choices(int64_t *counts, const esp_network *network);

/* How many of the last forward's examples have their label's logit largest (first wins ties). */
int esp_count_correct(const esp_network *network, const esp_real *logits);

#endif
