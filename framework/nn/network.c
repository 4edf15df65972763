/* Memory, tensors and initial weights of a network; its passes are in network_pass.c. */
#include "nn/network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "core/status.h"
#include "plugin/head.h"

const char *const esp_own_tensor_names[ESP_N_OWN_TENSORS] = {[ESP_NODE_WEIGHTS] = "node_weights",
                                                             [ESP_NODE_BIASES] = "node_biases",
                                                             [ESP_W1] = "w1s",
                                                             [ESP_B1] = "b1s",
                                                             [ESP_W2] = "w2s",
                                                             [ESP_B2] = "b2s"};

static int round_up(int count)
{
    return (count + 15) & ~15;
}

/* Appends a tensor of `count` values at the current end of the parameters. */
static esp_tensor *add_tensor(esp_network *network, esp_tensor tensor)
{
    tensor.count = 1;
    for (int i = 0; i < tensor.rank; i++) {
        tensor.count *= (size_t)tensor.shape[i];
    }
    esp_tensor *added = &network->tensors[network->n_tensors++];
    *added = tensor;
    return added;
}

static void place(esp_network *network, esp_tensor *tensor)
{
    tensor->offset = network->n_parameters;
    network->n_parameters += tensor->count;
}

static int declare_heads(esp_network *network)
{
    esp_head_decl decls[ESP_NETWORK_MAX_HEADS];
    int row = network->n_nodes + network->n_hidden;
    for (int i = 0; i < network->config.n_heads; i++) {
        esp_head_layout *head = &network->heads[i];
        ESP_TRY(esp_head_declare(&head->decl, network->config.heads[i], &network->dims));
        decls[i] = head->decl;
        head->first_row = row;
        row += head->decl.n_hidden;
    }
    network->n_projections = row;
    return esp_head_names_differ(decls, network->config.n_heads, esp_own_tensor_names,
                                 ESP_N_OWN_TENSORS);
}

/* Order in memory: all projection rows, projection biases, w2s with b2s below, heads' own tensors;
 * what is not trained comes last. The list of tensors keeps the published order. */
static void lay_out_tensors(esp_network *network)
{
    const esp_network_config *config = &network->config;
    const int64_t features = config->n_features, outputs = config->n_outputs;
    const int64_t leaves = network->n_leaves, width = config->leaf_width, nodes = network->n_nodes;
    const double input_bound = 1 / sqrt((double)features), leaf_bound = 1 / sqrt((double)width);
    const esp_tensor base[] = {
        [ESP_NODE_WEIGHTS] = {.rank = 2, .shape = {nodes, features}, .group = ESP_GROUP_NODES},
        [ESP_NODE_BIASES] = {.rank = 2,
                             .shape = {nodes, 1},
                             .group = ESP_GROUP_NODES,
                             .is_bias = true},
        [ESP_W1] = {.rank = 3, .shape = {leaves, features, width}, .transposed = true},
        [ESP_B1] = {.rank = 2, .shape = {leaves, width}, .is_bias = true},
        [ESP_W2] = {.rank = 3, .shape = {leaves, width, outputs}, .bound = leaf_bound},
        [ESP_B2] = {.rank = 2, .shape = {leaves, outputs}, .bound = leaf_bound, .is_bias = true},
    };
    for (size_t i = 0; i < sizeof base / sizeof *base; i++) {
        esp_tensor *tensor = add_tensor(network, base[i]);
        tensor->name = esp_own_tensor_names[i];
        tensor->trainable = true;
        tensor->group = tensor->group ? tensor->group : ESP_GROUP_LEAVES;
        tensor->bound = tensor->bound > 0 ? tensor->bound : input_bound;
    }
    for (int i = 0; i < config->n_heads; i++) {
        const esp_head_decl *decl = &network->heads[i].decl;
        const esp_tensor common = {
            .group = ESP_GROUP_HEADS, .trainable = true, .bound = input_bound};
        if (decl->n_hidden > 0) {
            esp_tensor weights = common, biases = common;
            weights.name = decl->projection_weight_name;
            weights.rank = 3;
            weights.shape[0] = 1;
            weights.shape[1] = features;
            weights.shape[2] = decl->n_hidden;
            weights.transposed = true;
            biases.name = decl->projection_bias_name;
            biases.rank = 2;
            biases.shape[0] = 1;
            biases.shape[1] = decl->n_hidden;
            biases.is_bias = true;
            add_tensor(network, weights);
            add_tensor(network, biases);
        }
        for (int t = 0; t < decl->n_tensors; t++) {
            esp_tensor own = common;
            own.name = decl->tensors[t].name;
            own.rank = decl->tensors[t].rank;
            for (int r = 0; r < own.rank; r++) {
                own.shape[r] = decl->tensors[t].shape[r];
            }
            own.trainable = decl->tensors[t].trainable != 0;
            own.center = decl->tensors[t].center;
            own.bound = decl->tensors[t].bound;
            add_tensor(network, own);
        }
    }
}

/* Which tensors are runs of the fused matrices, in the order these need them. */
static void place_tensors(esp_network *network)
{
    esp_tensor *tensors = network->tensors;
    const int head_first = ESP_N_OWN_TENSORS;
    place(network, &tensors[ESP_NODE_WEIGHTS]);
    place(network, &tensors[ESP_W1]);
    for (int i = 0, t = head_first; i < network->config.n_heads; i++) {
        const esp_head_decl *decl = &network->heads[i].decl;
        if (decl->n_hidden > 0) {
            place(network, &tensors[t]);
        }
        t += (decl->n_hidden > 0 ? 2 : 0) + decl->n_tensors;
    }
    place(network, &tensors[ESP_NODE_BIASES]);
    place(network, &tensors[ESP_B1]);
    for (int i = 0, t = head_first; i < network->config.n_heads; i++) {
        const esp_head_decl *decl = &network->heads[i].decl;
        if (decl->n_hidden > 0) {
            place(network, &tensors[t + 1]);
        }
        t += (decl->n_hidden > 0 ? 2 : 0) + decl->n_tensors;
    }
    place(network, &tensors[ESP_W2]);
    place(network, &tensors[ESP_B2]);
    for (int trainable = 1; trainable >= 0; trainable--) {
        for (int i = 0, t = head_first; i < network->config.n_heads; i++) {
            const esp_head_decl *decl = &network->heads[i].decl;
            t += decl->n_hidden > 0 ? 2 : 0;
            for (int k = 0; k < decl->n_tensors; k++, t++) {
                if (tensors[t].trainable == (trainable == 1)) {
                    place(network, &tensors[t]);
                }
            }
        }
        if (trainable == 1) {
            network->n_trainable = network->n_parameters;
        }
    }
}

/* Takes all arrays out of the arena: once to measure it, once for real. */
static void take_arrays(esp_network *network, esp_arena *arena)
{
    const size_t stride = (size_t)network->stride;
    const size_t nodes = (size_t)network->n_nodes, leaves = (size_t)network->n_leaves;
    const size_t rows = (size_t)network->n_projections, outputs = (size_t)network->config.n_outputs;
    const size_t mixed = (size_t)network->n_hidden + leaves;
    const size_t features = (size_t)network->config.n_features;
    network->parameters = ESP_TAKE(arena, esp_real, network->n_parameters);
    network->gradients = ESP_TAKE(arena, esp_real, network->n_parameters);
    network->features = ESP_TAKE(arena, float, stride *features);
    network->labels = ESP_TAKE(arena, int32_t, stride);
    network->input = sizeof(esp_real) == sizeof(float)
                         ? (esp_real *)(void *)network->features
                         : ESP_TAKE(arena, esp_real, stride * features);
    network->projections = ESP_TAKE(arena, esp_real, rows * stride);
    network->probabilities = ESP_TAKE(arena, esp_real, nodes * stride);
    network->reach = ESP_TAKE(arena, esp_real, nodes * stride);
    network->weighted = ESP_TAKE(arena, esp_real, mixed * stride);
    network->mixture =
        network->weighted ? network->weighted + (size_t)network->n_hidden * stride : NULL;
    network->logits = ESP_TAKE(arena, esp_real, outputs * stride);
    network->hard_logits = ESP_TAKE(arena, esp_real, outputs * stride);
    network->between = ESP_TAKE(arena, esp_real, outputs * stride);
    network->choices = ESP_TAKE(arena, int32_t, stride);
    network->d_logits = ESP_TAKE(arena, esp_real, outputs * stride);
    network->d_scores = ESP_TAKE(arena, esp_real, nodes * stride);
    network->d_probabilities = ESP_TAKE(arena, esp_real, nodes * stride);
    network->d_mixture = ESP_TAKE(arena, esp_real, leaves * stride);
    network->d_projections = ESP_TAKE(arena, esp_real, rows * stride);
    network->d_weighted = ESP_TAKE(arena, esp_real, mixed * stride);
    network->value = ESP_TAKE(arena, esp_real, nodes * stride);
    for (int i = 0; i < network->config.n_heads; i++) {
        network->heads[i].input = ESP_TAKE(arena, esp_real, outputs * stride);
    }
}

static void point_heads(esp_network *network)
{
    for (int i = 0, t = ESP_N_OWN_TENSORS; i < network->config.n_heads; i++) {
        esp_head_layout *head = &network->heads[i];
        t += head->decl.n_hidden > 0 ? 2 : 0;
        for (int k = 0; k < head->decl.n_tensors; k++, t++) {
            head->tensors[k] = network->parameters + network->tensors[t].offset;
            head->tensor_gradients[k] = network->gradients + network->tensors[t].offset;
        }
    }
}

esp_dims esp_network_dims(const esp_network_config *config)
{
    return (esp_dims){.struct_size = sizeof(esp_dims),
                      .routing = config->routes ? ESP_ROUTING_TREE : ESP_ROUTING_NONE,
                      .n_features = config->n_features,
                      .n_outputs = config->n_outputs,
                      .n_nodes = (1 << config->depth) - 1,
                      .n_leaves = 1 << config->depth,
                      .n_choices = config->routes ? 1 : 0,
                      .depth = config->depth,
                      .leaf_width = config->leaf_width,
                      .batch_size = config->batch_size};
}

int esp_network_create(esp_network **out, const esp_network_config *config)
{
    esp_network *network = calloc(1, sizeof *network);
    if (network == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a network");
    }
    network->config = *config;
    network->n_leaves = 1 << config->depth;
    network->n_nodes = network->n_leaves - 1;
    network->n_hidden = network->n_leaves * config->leaf_width;
    network->stride = round_up(config->batch_size);
    network->dims = esp_network_dims(config);
    int status = declare_heads(network);
    if (status == ESP_OK) {
        lay_out_tensors(network);
        place_tensors(network);
        esp_arena measure = {0};
        take_arrays(network, &measure);
        status = esp_arena_create(&network->arena, measure.used);
    }
    if (status != ESP_OK) {
        free(network);
        return status;
    }
    take_arrays(network, &network->arena);
    point_heads(network);
    *out = network;
    return ESP_OK;
}

void esp_network_destroy(esp_network *network)
{
    if (network != NULL) {
        esp_arena_destroy(&network->arena);
        free(network);
    }
}

void esp_network_initialize(esp_network *network, uint64_t seed)
{
    for (int i = 0; i < network->n_tensors; i++) {
        const esp_tensor *tensor = &network->tensors[i];
        esp_rng rng = esp_rng_make(seed, "init", (uint32_t)i);
        esp_real *values = network->parameters + tensor->offset;
        for (size_t j = 0; j < tensor->count; j++) {
            double unit = 2 * esp_rng_uniform(&rng) - 1;
            values[j] = (esp_real)(tensor->center + tensor->bound * unit);
        }
    }
}

/* Where in memory the file's value stands. */
static size_t memory_index(const esp_tensor *tensor, size_t file)
{
    if (!tensor->transposed) {
        return tensor->offset + file;
    }
    size_t features = (size_t)tensor->shape[1], width = (size_t)tensor->shape[2];
    size_t group = file / (features * width), within = file % (features * width);
    size_t feature = within / width, unit = within % width;
    return tensor->offset + (group * width + unit) * features + feature;
}

void esp_tensor_export(float *values, const esp_tensor *tensor, const esp_real *base)
{
    for (size_t file = 0; file < tensor->count; file++) {
        values[file] = (float)base[memory_index(tensor, file)];
    }
}

void esp_tensor_import(esp_real *base, const esp_tensor *tensor, const float *values)
{
    for (size_t file = 0; file < tensor->count; file++) {
        base[memory_index(tensor, file)] = (esp_real)values[file];
    }
}
