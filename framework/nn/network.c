/* The memory of a network; its tensors are in tensors.c, its passes in network_pass.c. */
#include "nn/network.h"

#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "nn/blas.h"
#include "nn/tensors.h"
#include "plugin/head.h"

static int round_up(int count)
{
    return (count + 15) & ~15;
}

static int declare_heads(esp_network *network)
{
    esp_head_decl decls[ESP_NETWORK_MAX_HEADS];
    int row = network->n_router + network->n_hidden;
    double macs = esp_model_inference_macs(&network->config.model, network->config.n_features,
                                           network->config.n_outputs);
    for (int i = 0; i < network->config.n_heads; i++) {
        esp_head_layout *head = &network->heads[i];
        ESP_TRY(esp_head_declare(&head->decl, network->config.heads[i], &network->dims));
        decls[i] = head->decl;
        head->first_row = row;
        head->input_macs = macs;
        macs += head->decl.inference_macs;
        row += head->decl.n_hidden;
    }
    network->n_projections = row;
    return esp_head_names_differ(decls, network->config.n_heads,
                                 esp_own_tensor_names(network->config.model.kind),
                                 ESP_N_OWN_TENSORS);
}

/* What training alone needs of a kind of model. */
static void take_drawn(esp_network *network, esp_arena *arena)
{
    const esp_model_config *model = &network->config.model;
    const size_t stride = (size_t)network->stride, scores = (size_t)network->n_nodes * stride;
    const bool changes_branches = model->region_leak > 0 || model->train_hardened;
    network->kept =
        model->dropout > 0 ? ESP_TAKE(arena, esp_real, (size_t)network->n_hidden * stride) : NULL;
    network->leaked = model->region_leak > 0 ? ESP_TAKE(arena, esp_real, scores) : NULL;
    network->branch = changes_branches ? ESP_TAKE(arena, esp_real, scores) : network->probabilities;
    network->d_branch =
        changes_branches ? ESP_TAKE(arena, esp_real, scores) : network->d_probabilities;
    network->normals = model->noise ? ESP_TAKE(arena, esp_real, scores) : NULL;
}

static void take_views(esp_network *network, esp_arena *arena)
{
    const esp_model_config *model = &network->config.model;
    const size_t stride = (size_t)network->stride, leaves = (size_t)network->n_leaves;
    const size_t scores = (size_t)network->n_nodes * stride;
    const bool tree = model->kind == ESP_MODEL_FFF, moe = model->kind == ESP_MODEL_MOE;
    const bool apart = moe && model->gate == ESP_GATE_SWITCH;
    const bool path = model->kind == ESP_MODEL_FFF_NODES;
    network->probabilities = tree ? ESP_TAKE(arena, esp_real, scores) : NULL;
    network->reach = tree ? ESP_TAKE(arena, esp_real, scores) : NULL;
    network->value = tree ? ESP_TAKE(arena, esp_real, scores) : NULL;
    network->d_probabilities = tree ? ESP_TAKE(arena, esp_real, scores) : NULL;
    network->d_scores = ESP_TAKE(arena, esp_real, scores);
    network->noisy = moe ? ESP_TAKE(arena, esp_real, scores) : NULL;
    network->load = moe ? ESP_TAKE(arena, esp_real, leaves) : NULL;
    network->d_load = moe ? ESP_TAKE(arena, esp_real, leaves) : NULL;
    network->path = path ? ESP_TAKE(arena, esp_real, (size_t)network->n_hidden * stride) : NULL;
    network->mixture = apart  ? ESP_TAKE(arena, esp_real, leaves * stride)
                       : path ? NULL
                              : network->combine;
    network->d_mixture = path ? NULL : ESP_TAKE(arena, esp_real, leaves * stride);
    network->d_combine = apart ? ESP_TAKE(arena, esp_real, leaves * stride) : network->d_mixture;
    network->choices =
        ESP_TAKE(arena, int32_t, stride * (size_t)(network->routes ? esp_model_choices(model) : 1));
}

static void take_heads(esp_network *network, esp_arena *arena)
{
    const size_t stride = (size_t)network->stride, outputs = (size_t)network->config.n_outputs;
    for (int i = 0, t = network->n_own; i < network->config.n_heads; i++) {
        esp_head_layout *head = &network->heads[i];
        const int n_hidden = head->decl.n_hidden;
        head->input = ESP_TAKE(arena, esp_real, outputs * stride);
        head->d_hidden = ESP_TAKE_GUARDED(arena, esp_real, (size_t)n_hidden * stride);
        t += n_hidden > 0 ? 2 : 0;
        for (int k = 0; k < head->decl.n_tensors; k++, t++) {
            if (arena->base != NULL) {
                head->tensors[k] = network->parameters + network->tensors[t].offset;
            }
            head->d_tensors[k] = ESP_TAKE_GUARDED(arena, esp_real, network->tensors[t].count);
        }
    }
}

/* Takes all arrays out of the arena: once to measure it, once for real. */
static void take_arrays(esp_network *network, esp_arena *arena)
{
    const size_t stride = (size_t)network->stride;
    const size_t rows = (size_t)network->n_projections, outputs = (size_t)network->config.n_outputs;
    const size_t features = (size_t)network->config.n_features;
    const size_t hidden = (size_t)network->n_hidden * stride;
    const bool in_place = network->config.model.activation == ESP_RELU &&
                          network->config.model.kind != ESP_MODEL_FFF_NODES;
    network->parameters = ESP_TAKE(arena, esp_real, network->n_parameters);
    network->gradients = ESP_TAKE(arena, esp_real, network->n_parameters);
    network->features = ESP_TAKE(arena, float, stride *features);
    network->labels = ESP_TAKE(arena, int32_t, stride);
    if (network->bytes.unit != ESP_BY_BLAS) {
        const int row = esp_byte_row(network->config.n_features);
        network->byte_rows = ESP_TAKE(arena, uint8_t, stride * (size_t)row);
        network->byte_space =
            ESP_TAKE(arena, float,
                     esp_byte_product_space(network->bytes.unit, network->stride, (int)features));
        network->bytes.bytes = network->byte_rows;
        network->bytes.row = row;
        network->bytes.n_features = network->config.n_features;
    }
    network->input = sizeof(esp_real) == sizeof(float)
                         ? (esp_real *)(void *)network->features
                         : ESP_TAKE(arena, esp_real, stride * features);
    network->projections = ESP_TAKE(arena, esp_real, rows * stride);
    network->scores = network->projections;
    network->weighted = ESP_TAKE(arena, esp_real, (size_t)network->n_mixed * stride);
    network->d_projections = ESP_TAKE(arena, esp_real, rows * stride);
    network->d_weighted = ESP_TAKE(arena, esp_real, (size_t)network->n_mixed * stride);
    network->logits = ESP_TAKE_GUARDED(arena, esp_real, outputs * stride);
    network->hard_logits = ESP_TAKE_GUARDED(arena, esp_real, outputs * stride);
    network->between = ESP_TAKE_GUARDED(arena, esp_real, outputs * stride);
    network->d_logits = ESP_TAKE(arena, esp_real, outputs * stride);
    network->hidden = ESP_TAKE(arena, esp_real, in_place ? 0 : hidden);
    if (arena->base != NULL) {
        network->combine = network->weighted + hidden;
        network->hidden =
            in_place ? network->projections + (size_t)network->n_router * stride : network->hidden;
    }
    take_views(network, arena);
    take_drawn(network, arena);
    take_heads(network, arena);
}

esp_dims esp_network_dims(const esp_network_config *config)
{
    static const esp_routing routing[] = {[ESP_MODEL_FFF] = ESP_ROUTING_TREE,
                                          [ESP_MODEL_FF] = ESP_ROUTING_NONE,
                                          [ESP_MODEL_MOE] = ESP_ROUTING_GATE,
                                          [ESP_MODEL_FFF_NODES] = ESP_ROUTING_NODES};
    const esp_model_config *model = &config->model;
    return (esp_dims){.struct_size = sizeof(esp_dims),
                      .routing = routing[model->kind],
                      .n_features = config->n_features,
                      .n_outputs = config->n_outputs,
                      .n_nodes = model->kind == ESP_MODEL_MOE ? 0 : esp_model_scores(model),
                      .n_leaves = model->n_leaves,
                      .n_choices = esp_model_choices(model),
                      .depth = model->depth,
                      .leaf_width = model->leaf_width,
                      .batch_size = config->batch_size};
}

int esp_network_create(esp_network **out, const esp_network_config *config)
{
    esp_network *network = calloc(1, sizeof *network);
    if (network == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a network");
    }
    network->config = *config;
    network->routes = esp_model_routes(&config->model);
    network->n_leaves = config->model.n_leaves;
    network->n_nodes = esp_model_scores(&config->model);
    network->n_router = esp_model_router_rows(&config->model);
    network->n_hidden = esp_model_hidden(&config->model);
    network->n_mixed =
        network->n_hidden + (config->model.kind == ESP_MODEL_FFF_NODES ? 0 : network->n_leaves);
    network->stride = round_up(config->batch_size);
    network->dims = esp_network_dims(config);
    int status = esp_blas_prepare();
    if (status == ESP_OK) {
        status = declare_heads(network);
    }
    if (status == ESP_OK && sizeof(esp_real) == sizeof(float)) {
        status = esp_byte_unit_choose(&network->bytes.unit);
    }
    if (status == ESP_OK) {
        esp_tensors_lay_out(network);
        esp_arena measure = {0};
        take_arrays(network, &measure);
        status = esp_arena_create(&network->arena, measure.used);
    }
    if (status != ESP_OK) {
        free(network);
        return status;
    }
    take_arrays(network, &network->arena);
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
