/* One network of one trial: what routes, leaves (or experts, or neurons), heads.
 *
 * All projections of the input are rows of one matrix, so that the first layer is one product:
 *   fff, ff    nodes, then L * l hidden units leaf by leaf, then each head's hidden units;
 *   moe        E gate logits, with noise E more for its scale, then E * l hidden units, then
 * heads'; fff_nodes  the neurons, which are scores and hidden units at once, then heads'. The
 * second layer is one product too: output weights and biases are rows of one matrix that multiplies
 * [combine * hidden; combine] (fff_nodes: path * hidden, without biases). Activations are (rows,
 * B), example index fastest. B examples, F features, O outputs, N scores, L leaves, H hidden units,
 * P projections, l leaf width.
 */
#ifndef ESP_NN_NETWORK_H
#define ESP_NN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "nn/architecture.h"
#include "nn/byte_product.h"
#include "nn/gate.h"
#include "plugin/instance.h"

enum { ESP_NETWORK_MAX_HEADS = 4, ESP_NETWORK_MAX_TENSORS = 8 + 10 * ESP_NETWORK_MAX_HEADS };

typedef struct esp_network_config {
    esp_model_config model;
    int n_features, n_outputs;
    int batch_size;      /* most examples a call will see */
    uint64_t noise_seed; /* of dropout, region leak and the gate's noise */
    int n_heads;
    esp_instance *heads[ESP_NETWORK_MAX_HEADS]; /* outlive the network */
} esp_network_config;

/* A model's own tensors, in published order. */
enum {
    ESP_NODE_WEIGHTS, /* gate_weights of moe */
    ESP_NODE_BIASES,  /* gate_noise_weights of moe */
    ESP_W1,           /* linear_in.weight of fff_nodes */
    ESP_B1,           /* linear_in.bias */
    ESP_W2,           /* linear_out.weight */
    ESP_B2,           /* fff_nodes: none */
    ESP_ROUTING_BIAS, /* moe: moved by plugins, see after_step; for choosing only */
    ESP_N_OWN_TENSORS
};

/* A parameter tensor by its name and shape in checkpoints. */
typedef struct esp_tensor {
    const char *name;
    int rank;
    int64_t shape[4];
    size_t count;
    size_t offset;   /* of its values in esp_network.parameters */
    bool transposed; /* file [g x F x h] or [F x h], memory [g x h x F] or [h x F] */
    esp_group group;
    bool is_bias;
    bool trainable;
    double center, bound; /* initial values: uniform within center +- bound */
} esp_tensor;

typedef struct esp_head_layout {
    esp_head_decl decl;
    int first_row;                      /* of its projections */
    double input_macs;                  /* see esp_head_batch */
    esp_real *tensors[ESP_MAX_TENSORS]; /* values */
    esp_real *input;                    /* (O, B) what it was given, in training */
    /* what it writes in backward, guarded; copied to gradients and d_projections when it is done */
    esp_real *d_hidden; /* (H, B) */
    esp_real *d_tensors[ESP_MAX_TENSORS];
} esp_head_layout;

/* Parts left out of a forward pass, to see what each is worth: 1u << i is head i, whose input
 * becomes its output; the model's logits become 0. */
#define ESP_ABLATED_MODEL (1u << 31)

/* Parameters that training changes: all but the tail, without what is frozen. */
typedef struct esp_range {
    size_t first, count;
} esp_range;

typedef struct esp_network {
    esp_network_config config;
    esp_dims dims;
    bool routes;
    int n_nodes, n_leaves, n_hidden, n_projections; /* N, L, H, P */
    int n_router;                                   /* rows before the hidden units */
    int n_mixed; /* rows of the second layer: H, with biases + L */
    int stride;
    uint32_t step;    /* of training: set by the caller before a forward, keys what is drawn */
    uint32_t ablated; /* in evaluation, set by the caller */

    size_t n_parameters, n_trainable; /* those that no tensor trains come last */
    int n_ranges;
    esp_range ranges[ESP_NETWORK_MAX_TENSORS];
    esp_real *parameters, *gradients; /* [n_parameters] */
    int n_tensors, n_own;             /* the model's own come first, then the heads' */
    esp_tensor tensors[ESP_NETWORK_MAX_TENSORS];
    int own[ESP_N_OWN_TENSORS]; /* by ESP_NODE_WEIGHTS, ...: index of tensors, or -1 */
    esp_head_layout heads[ESP_NETWORK_MAX_HEADS];

    /* of the last forward */
    int n_examples;
    float *features;      /* [B x F], filled by the caller, */
    esp_byte_batch bytes; /* or bytes.bytes [B x row], unless bytes.unit is ESP_BY_BLAS; all but
                             scale and shift are the network's to say */
    bool from_bytes;      /* set by the caller: the batch is in bytes */
    uint8_t *byte_rows;   /* what bytes points to, to be written */
    float *byte_space;
    int32_t *labels;       /* (B), filled by the caller */
    esp_real *input;       /* [B x F]; is features where esp_real is float */
    esp_real *projections; /* (P, B): scores z, hidden units, heads' */
    esp_real *scores;      /* (N, B) the part of projections that plugins see as z */
    esp_real *hidden;      /* (H, B) activated; of projections where they are rectified in place */
    esp_real *probabilities; /* (N, B) fff: sigmoid of the scores */
    esp_real *branch;        /* (N, B) fff: what the mixture is made of; probabilities, or after */
    esp_real *leaked;        /* (N, B) region leak: 1 where children changed places */
    esp_real *reach;         /* (N, B) */
    esp_real *kept;          /* (H, B) dropout: factor of each hidden unit */
    esp_real *path;          /* (H, B) fff_nodes: neurons on the path */
    esp_real *weighted;      /* (H, B): combine * hidden; combine follows it */
    esp_real *combine;       /* (L, B) weight of each leaf's output */
    esp_real *mixture;       /* (L, B); combine, but of a switch gate; NULL: fff_nodes */
    esp_real *load;          /* [L] of a gate, else NULL */
    esp_real *normals;       /* (E, B) a gate's noise */
    esp_real *noisy;         /* (E, B) */
    esp_real *logits;        /* (O, B) soft; guarded, as the two below: heads write them */
    esp_real *hard_logits;   /* (O, B) after esp_network_forward_hard */
    esp_real *between;       /* (O, B) */
    int32_t *choices;        /* (K, B) hard choices */
    bool drops, leaks;       /* in the last forward */
    esp_gate gate;

    /* gradients at the views; to be filled (or zeroed) before backward */
    esp_real *d_logits, *d_scores, *d_probabilities, *d_mixture, *d_load;

    esp_real *d_projections; /* (P, B) */
    esp_real *d_weighted;    /* (H + L, B) */
    esp_real *d_combine;     /* (L, B); d_mixture, but of a switch gate */
    esp_real *d_branch;      /* (N, B); d_probabilities where branch is probabilities */
    esp_real *value;         /* (N, B) */
    esp_arena arena;
} esp_network;

/* What plugins are told of a model with this configuration. Thread: any. */
esp_dims esp_network_dims(const esp_network_config *config);

/* [ESP_N_OWN_TENSORS]; "" where the kind lacks one. */
const char *const *esp_own_tensor_names(esp_model_kind kind);
/* One with count 0 where the network lacks it. */
const esp_tensor *esp_own_tensor(const esp_network *network, int which);

/* Where the routing bias [L] stands, or NULL where choices have none. Thread: the trial's. */
esp_real *esp_network_routing_bias(esp_network *network);

/* Lays out a network in one block of memory. *out owned by the caller. Errors: ESP_MEMORY;
 * ESP_PLUGIN where a head's declaration does not fit. Thread: the trial's. */
int esp_network_create(esp_network **out, const esp_network_config *config);
void esp_network_destroy(esp_network *network);

/* Initial weights as published: nodes, gate, w1, b1 uniform within 1/sqrt(F); w2, b2 within
 * 1/sqrt(l), fff_nodes: 1/sqrt(trees (d + 1)); times node_scale and leaf_scale; heads as declared.
 * Each tensor has its own substream of "init". Thread: the trial's. */
void esp_network_initialize(esp_network *network, uint64_t seed);

/* Soft forward of network->features for n_examples: scores, probabilities, mixture, logits and hard
 * choices. Allocates nothing. Errors: ESP_FAILED where a head fails (its host holds the message).
 * Thread: the trial's. */
int esp_network_forward(esp_network *network, int n_examples, esp_mode mode);

/* After forward: hard_logits, each example's logits by its one chosen leaf (descent). Where nothing
 * is mixed - ff, moe, fff_nodes - it equals logits. Overwrites `weighted` and, of fff, `mixture`.
 * Thread: the trial's. */
int esp_network_forward_hard(esp_network *network, esp_mode mode);

/* After forward, with d_* filled: all of gradients overwritten with the derivative of the sum that
 * d_* are derivatives of. Allocates nothing. Errors: as forward. Thread: the trial's. */
int esp_network_backward(esp_network *network);

/* Zeroes d_logits, d_scores, d_probabilities, d_mixture and d_load for the last forward's examples.
 */
void esp_network_zero_view_gradients(esp_network *network);

/* Copies a tensor between memory (parameters or an array laid out like it: base) and the order of
 * checkpoints (values [count]). Thread: the trial's. */
void esp_tensor_export(float *values, const esp_tensor *tensor, const esp_real *base);
void esp_tensor_import(esp_real *base, const esp_tensor *tensor, const float *values);

#endif
