/* One network of one trial: a tree of leaves (fff), or a single leaf (ff, depth 0), with heads.
 *
 * All projections of the input are rows of one matrix, so that the first layer is one product:
 *   rows 0..N-1 nodes, then L * l hidden units leaf by leaf, then each head's hidden units.
 * The second layer is one product too: leaf output weights and biases are rows of one matrix that
 * multiplies [mixture * hidden; mixture].
 * Activations are (rows, B), example index fastest. B examples, F features, O outputs, N nodes,
 * L leaves, P projections, l leaf width.
 */
#ifndef ESP_NN_NETWORK_H
#define ESP_NN_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "plugin/instance.h"

enum { ESP_NETWORK_MAX_HEADS = 4, ESP_NETWORK_MAX_TENSORS = 6 + 10 * ESP_NETWORK_MAX_HEADS };

typedef struct esp_network_config {
    int n_features, n_outputs;
    int depth, leaf_width;
    bool routes;    /* false: ff, a single leaf without a tree */
    int batch_size; /* most examples a call will see */
    int n_heads;
    esp_instance *heads[ESP_NETWORK_MAX_HEADS]; /* outlive the network */
} esp_network_config;

/* A parameter tensor by its name and shape in checkpoints. */
typedef struct esp_tensor {
    const char *name;
    int rank;
    int64_t shape[4];
    size_t count;
    size_t offset;   /* of its values in esp_network.parameters */
    bool transposed; /* file [g x F x h], memory [g x h x F] */
    esp_group group;
    bool is_bias;
    bool trainable;
    double center, bound; /* initial values: uniform within center +- bound */
} esp_tensor;

typedef struct esp_head_layout {
    esp_head_decl decl;
    int first_row;                      /* of its projections */
    esp_real *tensors[ESP_MAX_TENSORS]; /* values */
    esp_real *tensor_gradients[ESP_MAX_TENSORS];
    esp_real *input; /* (O, B) what it was given, in training */
} esp_head_layout;

typedef struct esp_network {
    esp_network_config config;
    esp_dims dims;
    int n_nodes, n_leaves, n_hidden, n_projections; /* N, L, L * l, P */
    int stride;

    size_t n_parameters, n_trainable; /* the trainable ones come first */
    esp_real *parameters, *gradients; /* [n_parameters] */
    int n_tensors;
    esp_tensor tensors[ESP_NETWORK_MAX_TENSORS];
    esp_head_layout heads[ESP_NETWORK_MAX_HEADS];

    /* of the last forward */
    int n_examples;
    float *features;         /* [B x F], filled by the caller */
    int32_t *labels;         /* (B), filled by the caller */
    esp_real *input;         /* [B x F]; is features where esp_real is float */
    esp_real *projections;   /* (P, B): scores z, then hidden activations, then heads' */
    esp_real *probabilities; /* (N, B) */
    esp_real *reach;         /* (N, B) */
    esp_real *weighted;      /* (L l, B): mixture * hidden; mixture follows it */
    esp_real *mixture;       /* (L, B) */
    esp_real *logits;        /* (O, B) soft */
    esp_real *hard_logits;   /* (O, B) after esp_network_forward_hard */
    esp_real *between;       /* (O, B) */
    int32_t *choices;        /* (B) hard leaves */

    /* gradients at the views; to be filled (or zeroed) before backward */
    esp_real *d_logits, *d_scores, *d_probabilities, *d_mixture;

    esp_real *d_projections; /* (P, B) */
    esp_real *d_weighted;    /* (L l + L, B) */
    esp_real *value;         /* (N, B) */
    esp_arena arena;
} esp_network;

/* What plugins are told of a model with this configuration. Thread: any. */
esp_dims esp_network_dims(const esp_network_config *config);

/* The names of a model's own tensors, in published order. */
enum { ESP_NODE_WEIGHTS, ESP_NODE_BIASES, ESP_W1, ESP_B1, ESP_W2, ESP_B2, ESP_N_OWN_TENSORS };
extern const char *const esp_own_tensor_names[ESP_N_OWN_TENSORS];

/* Lays out a network in one block of memory. *out owned by the caller. Errors: ESP_MEMORY;
 * ESP_PLUGIN where a head's declaration does not fit. Thread: the trial's. */
int esp_network_create(esp_network **out, const esp_network_config *config);
void esp_network_destroy(esp_network *network);

/* Initial weights as published: nodes, w1, b1 uniform within 1/sqrt(F); w2, b2 within 1/sqrt(l);
 * heads as declared. Each tensor has its own substream of "init". Thread: the trial's. */
void esp_network_initialize(esp_network *network, uint64_t seed);

/* Soft forward of network->features for n_examples: scores, probabilities, mixture, logits and hard
 * choices. Allocates nothing. Errors: ESP_FAILED where a head fails (its host holds the message).
 * Thread: the trial's. */
int esp_network_forward(esp_network *network, int n_examples, esp_mode mode);

/* After forward: hard_logits, each example's logits by its one chosen leaf (descent). Where nothing
 * routes it equals logits. Overwrites `weighted`. Thread: the trial's. */
int esp_network_forward_hard(esp_network *network, esp_mode mode);

/* After forward, with d_* filled: all of gradients overwritten with the derivative of the sum that
 * d_* are derivatives of. Allocates nothing. Errors: as forward. Thread: the trial's. */
int esp_network_backward(esp_network *network);

/* Zeroes d_logits, d_scores, d_probabilities and d_mixture for the last forward's examples. */
void esp_network_zero_view_gradients(esp_network *network);

/* Hard inference of one example as it would be served: d node products, one leaf, heads.
 * logits [O]; features [F]; *leaf out. Thread: the trial's; overwrites the batch's activations. */
int esp_network_infer(esp_real *logits, int32_t *leaf, esp_network *network, const float *features);

/* Copies a tensor between memory (parameters or an array laid out like it: base) and the order of
 * checkpoints (values [count]). Thread: the trial's. */
void esp_tensor_export(float *values, const esp_tensor *tensor, const esp_real *base);
void esp_tensor_import(esp_real *base, const esp_tensor *tensor, const float *values);

#endif
