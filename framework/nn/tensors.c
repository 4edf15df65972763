#include "nn/tensors.h"

#include "core/rng.h"

const char *const *esp_own_tensor_names(esp_model_kind kind)
{
    static const char *const published[ESP_N_OWN_TENSORS] = {
        "node_weights", "node_biases", "w1s", "b1s", "w2s", "b2s", ""};
    static const char *const moe[ESP_N_OWN_TENSORS] = {
        "gate_weights", "gate_noise_weights", "w1s", "b1s", "w2s", "b2s", "routing_bias"};
    static const char *const nodes[ESP_N_OWN_TENSORS] = {
        "", "", "linear_in.weight", "linear_in.bias", "linear_out.weight", "", ""};
    return kind == ESP_MODEL_MOE ? moe : kind == ESP_MODEL_FFF_NODES ? nodes : published;
}

/* Appends a tensor to the list, which keeps the published order. */
static void add_tensor(esp_network *network, esp_tensor tensor)
{
    const uint32_t frozen = network->config.model.frozen;
    tensor.count = 1;
    for (int i = 0; i < tensor.rank; i++) {
        tensor.count *= (size_t)tensor.shape[i];
    }
    tensor.trainable = tensor.trainable && !(frozen & 1u << tensor.group);
    network->tensors[network->n_tensors++] = tensor;
}

static void add_own_tensors(esp_network *network)
{
    const esp_network_config *config = &network->config;
    const esp_model_config *model = &config->model;
    const bool moe = model->kind == ESP_MODEL_MOE, nodes = model->kind == ESP_MODEL_FFF_NODES;
    const int64_t features = config->n_features, outputs = config->n_outputs;
    const int64_t leaves = network->n_leaves, width = model->leaf_width, hidden = network->n_hidden;
    const int64_t scores = network->n_nodes, noise = moe && model->noise ? scores : 0;
    const double input = 1 / sqrt((double)features);
    /* Of UltraFastBERT: as many neurons as an example sees. */
    const double seen = nodes ? (double)model->n_trees * (model->depth + 1) : (double)width;
    const double output = model->leaf_scale / sqrt(seen);
    const esp_tensor tensors[ESP_N_OWN_TENSORS] = {
        [ESP_NODE_WEIGHTS] = {.rank = 2,
                              .shape = {scores, features},
                              .group = ESP_GROUP_NODES,
                              .bound = input * model->node_scale},
        [ESP_NODE_BIASES] = {.rank = 2,
                             .shape = {moe ? noise : scores, moe ? features : 1},
                             .group = ESP_GROUP_NODES,
                             .is_bias = !moe,
                             .bound = input * model->node_scale},
        [ESP_W1] = {.rank = nodes ? 2 : 3,
                    .shape = {nodes ? hidden : leaves, features, width},
                    .group = ESP_GROUP_LEAVES,
                    .bound = input * model->leaf_scale,
                    .transposed = !nodes},
        [ESP_B1] = {.rank = nodes ? 1 : 2,
                    .shape = {nodes ? hidden : leaves, width},
                    .group = ESP_GROUP_LEAVES,
                    .bound = input * model->leaf_scale,
                    .is_bias = true},
        [ESP_W2] = {.rank = nodes ? 2 : 3,
                    .shape = {nodes ? outputs : leaves, nodes ? hidden : width, outputs},
                    .group = ESP_GROUP_LEAVES,
                    .bound = output,
                    .transposed = nodes},
        [ESP_B2] = {.rank = 2,
                    .shape = {leaves, outputs},
                    .group = ESP_GROUP_LEAVES,
                    .bound = output,
                    .is_bias = true},
        [ESP_ROUTING_BIAS] = {.rank = 1,
                              .shape = {leaves},
                              .group = ESP_GROUP_NODES,
                              .is_bias = true},
    };
    for (int i = 0; i < ESP_N_OWN_TENSORS; i++) {
        esp_tensor tensor = tensors[i];
        tensor.name = esp_own_tensor_names(model->kind)[i];
        tensor.trainable = i != ESP_ROUTING_BIAS;
        network->own[i] = *tensor.name != '\0' ? network->n_tensors : -1;
        if (*tensor.name != '\0') {
            add_tensor(network, tensor);
        }
    }
}

/* A head's projections of the input, as [1 x F x H] and [1 x H]. */
static void add_head_projections(esp_network *network, const esp_head_decl *decl,
                                 const esp_tensor *common)
{
    esp_tensor weights = *common, biases = *common;
    weights.name = decl->projection_weight_name;
    weights.rank = 3;
    weights.shape[0] = 1;
    weights.shape[1] = network->config.n_features;
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

static void add_head_tensors(esp_network *network, const esp_head_decl *decl)
{
    const esp_tensor common = {.group = ESP_GROUP_HEADS,
                               .trainable = true,
                               .bound = 1 / sqrt((double)network->config.n_features)};
    if (decl->n_hidden > 0) {
        add_head_projections(network, decl, &common);
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
        own.is_bias = (decl->biases & 1u << t) != 0;
        add_tensor(network, own);
    }
}

static void place(esp_network *network, int index)
{
    if (index < 0) {
        return;
    }
    network->tensors[index].offset = network->n_parameters;
    network->n_parameters += network->tensors[index].count;
}

/* Places the heads' projections: their weights (which 0) or their biases (1). */
static void place_head_projections(esp_network *network, int which)
{
    for (int i = 0, t = network->n_own; i < network->config.n_heads; i++) {
        const esp_head_decl *decl = &network->heads[i].decl;
        if (decl->n_hidden > 0) {
            place(network, t + which);
        }
        t += (decl->n_hidden > 0 ? 2 : 0) + decl->n_tensors;
    }
}

static void place_head_tensors(esp_network *network, bool trainable)
{
    for (int i = 0, t = network->n_own; i < network->config.n_heads; i++) {
        const esp_head_decl *decl = &network->heads[i].decl;
        t += decl->n_hidden > 0 ? 2 : 0;
        for (int k = 0; k < decl->n_tensors; k++, t++) {
            if ((decl->tensors[k].trainable != 0) == trainable) {
                place(network, t);
            }
        }
    }
}

/* Order in memory: all projection rows, projection biases, output weights with their biases below,
 * heads' own tensors; what no training changes comes last. A moe's gate has no biases, and both its
 * tensors are rows. */
static void place_tensors(esp_network *network)
{
    const bool moe = network->config.model.kind == ESP_MODEL_MOE;
    place(network, network->own[ESP_NODE_WEIGHTS]);
    if (moe) {
        place(network, network->own[ESP_NODE_BIASES]);
    }
    place(network, network->own[ESP_W1]);
    place_head_projections(network, 0);
    if (!moe) {
        place(network, network->own[ESP_NODE_BIASES]);
    }
    place(network, network->own[ESP_B1]);
    place_head_projections(network, 1);
    place(network, network->own[ESP_W2]);
    place(network, network->own[ESP_B2]);
    place_head_tensors(network, true);
    network->n_trainable = network->n_parameters;
    place_head_tensors(network, false);
    place(network, network->own[ESP_ROUTING_BIAS]);
}

/* The trainable tensors in order of place, neighbors as one range. */
static void list_ranges(esp_network *network)
{
    for (size_t from = 0; from < network->n_trainable;) {
        const esp_tensor *next = NULL;
        for (int i = 0; i < network->n_tensors && next == NULL; i++) {
            const esp_tensor *tensor = &network->tensors[i];
            next = tensor->count > 0 && tensor->offset == from ? tensor : NULL;
        }
        esp_range *last = network->n_ranges > 0 ? &network->ranges[network->n_ranges - 1] : NULL;
        if (next->trainable && last != NULL && last->first + last->count == from) {
            last->count += next->count;
        } else if (next->trainable) {
            network->ranges[network->n_ranges++] = (esp_range){from, next->count};
        }
        from += next->count;
    }
}

void esp_tensors_lay_out(esp_network *network)
{
    add_own_tensors(network);
    network->n_own = network->n_tensors;
    for (int i = 0; i < network->config.n_heads; i++) {
        add_head_tensors(network, &network->heads[i].decl);
    }
    place_tensors(network);
    list_ranges(network);
}

const esp_tensor *esp_own_tensor(const esp_network *network, int which)
{
    static const esp_tensor absent = {.name = ""};
    return network->own[which] >= 0 ? &network->tensors[network->own[which]] : &absent;
}

esp_real *esp_network_routing_bias(esp_network *network)
{
    const esp_tensor *bias = esp_own_tensor(network, ESP_ROUTING_BIAS);
    return bias->count > 0 ? network->parameters + bias->offset : NULL;
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
    const int last = tensor->rank - 1;
    size_t features = (size_t)tensor->shape[last - 1], width = (size_t)tensor->shape[last];
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
