/* What a model is: its kind and shape, as a study writes it and a network is built from it. */
#ifndef ESP_NN_ARCHITECTURE_H
#define ESP_NN_ARCHITECTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "espalier_plugin.h"

typedef enum esp_model_kind {
    ESP_MODEL_FFF,      /* a tree of leaves: arXiv 2308.14711, algorithm 1 */
    ESP_MODEL_FF,       /* one layer of hidden units; nothing routes */
    ESP_MODEL_MOE,      /* a gate over experts: arXiv 1701.06538 (top k), 2101.03961 (switch) */
    ESP_MODEL_FFF_NODES /* parallel trees of neurons: arXiv 2311.10770 */
} esp_model_kind;

typedef enum esp_activation { ESP_RELU, ESP_GELU } esp_activation;

/* How a gate turns logits into weights: the softmax over the k chosen, or the chosen entries of the
 * softmax over all. */
typedef enum esp_gate_kind { ESP_GATE_TOP_K, ESP_GATE_SWITCH } esp_gate_kind;

typedef struct esp_model_config {
    esp_model_kind kind;
    int depth;      /* fff, fff_nodes: d; else 0 */
    int n_leaves;   /* fff: 2^d; ff: 1; moe: experts; fff_nodes: trees * 2^d */
    int leaf_width; /* l, hidden units of a leaf or an expert; ff: its width; fff_nodes: 1 */
    int n_trees;    /* fff_nodes; else 0 */
    int top_k;      /* moe: experts that see an example; else 0 */
    esp_gate_kind gate;
    bool noise;           /* moe: learned noise on the gate in training */
    double noise_epsilon; /* least standard deviation of that noise */
    esp_activation activation;
    double dropout;      /* of hidden units, in training */
    double region_leak;  /* fff: probability that a node's children change places, in training */
    bool train_hardened; /* fff: hard decisions in training too */
    uint32_t frozen;     /* 1u << esp_group: groups that keep their initial values */
    double node_scale;   /* of the initial weights of nodes or gate: 1 as published */
    double leaf_scale;   /* of those of leaves or experts */
} esp_model_config;

/* The plain model of each kind: relu (fff_nodes: gelu), no noise, nothing frozen. */
esp_model_config esp_model_fff(int depth, int leaf_width);
esp_model_config esp_model_ff(int width);
/* top_k 1 has the switch gate: the softmax over one expert alone would have no gradient. */
esp_model_config esp_model_moe(int n_experts, int expert_width, int top_k);
esp_model_config esp_model_fff_nodes(int n_trees, int depth);

/* "fff", "ff", "moe", "fff_nodes". */
const char *esp_model_kind_name(esp_model_kind kind);

/* Rows of a network, see network.h: scores N (nodes of a tree, gate logits, or all neurons of
 * fff_nodes), router rows that stand before the hidden units, hidden units H. */
int esp_model_scores(const esp_model_config *model);
int esp_model_router_rows(const esp_model_config *model);
int esp_model_hidden(const esp_model_config *model);
int esp_model_choices(const esp_model_config *model); /* K */

/* Multiply-adds of one example at inference, biases and activations not counted: what its one path
 * evaluates; of moe the gate, its experts, and the weighing of their outputs. F features, O
 * outputs. */
double esp_model_inference_macs(const esp_model_config *model, int n_features, int n_outputs);
bool esp_model_routes(const esp_model_config *model);

/* The views of espalier_plugin.h that a model has: ESP_LOGITS | ... */
uint32_t esp_model_views(esp_model_kind kind);

#endif
