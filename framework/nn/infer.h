/* Hard inference as a model would be served: each example costs its one path. Of fff the nodes and
 * the leaf that an example descends to, of fff_nodes the neurons on its paths, of moe the gate and
 * one expert, of ff all. The values are those of esp_network_forward_hard up to rounding. Of trees
 * an example's do not depend on the batch it comes in; BLAS multiplies for a gate and for ff, and
 * rounds as the batch's size makes it. B examples, F features, O outputs, N nodes, L leaves, H
 * hidden units, K choices. */
#ifndef ESP_NN_INFER_H
#define ESP_NN_INFER_H

#include "core/arena.h"
#include "nn/network.h"

/* Where the weights are: in a network's memory, or anywhere in the same order. */
typedef struct esp_inference_weights {
    const esp_real *router;        /* [N x F] of fff and moe; else NULL */
    const esp_real *router_biases; /* [N] of fff; else NULL */
    const esp_real *first;         /* [H x F] */
    const esp_real *first_biases;  /* [H] */
    const esp_real *second;        /* [H x O] */
    const esp_real *second_biases; /* [L x O]; fff_nodes: NULL */
    const esp_real *routing_bias;  /* [L] of moe, or NULL */
} esp_inference_weights;

typedef struct esp_inference esp_inference;

/* Memory for calls of up to most_examples; the weights are used where they are and outlive it.
 * Errors: ESP_USAGE where a moe has more than one choice; ESP_MEMORY. Thread: any. */
int esp_inference_create(esp_inference **out, const esp_model_config *model, int n_features,
                         int n_outputs, int most_examples, const esp_inference_weights *weights);
void esp_inference_destroy(esp_inference *inference);

/* The weights of a network, whose heads are not evaluated. Valid as long as it is. */
esp_inference_weights esp_inference_weights_of(const esp_network *network);

/* outputs [B x O] and choices [B x K] (as esp_network.choices; ff: untouched) of x [B x F]; example
 * by example, unlike a network's arrays. Allocates nothing. Thread: one at a time for an inference;
 * several may share weights. */
void esp_infer(esp_real *outputs, int32_t *choices, esp_inference *inference, const esp_real *x,
               int n_examples);

#endif
