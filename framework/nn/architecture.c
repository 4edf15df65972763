#include "nn/architecture.h"

esp_model_config esp_model_fff(int depth, int leaf_width)
{
    return (esp_model_config){.kind = ESP_MODEL_FFF,
                              .depth = depth,
                              .n_leaves = 1 << depth,
                              .leaf_width = leaf_width,
                              .node_scale = 1,
                              .leaf_scale = 1};
}

esp_model_config esp_model_ff(int width)
{
    return (esp_model_config){
        .kind = ESP_MODEL_FF, .n_leaves = 1, .leaf_width = width, .node_scale = 1, .leaf_scale = 1};
}

esp_model_config esp_model_moe(int n_experts, int expert_width, int top_k)
{
    return (esp_model_config){.kind = ESP_MODEL_MOE,
                              .n_leaves = n_experts,
                              .leaf_width = expert_width,
                              .top_k = top_k,
                              .gate = top_k == 1 ? ESP_GATE_SWITCH : ESP_GATE_TOP_K,
                              .node_scale = 1,
                              .leaf_scale = 1};
}

esp_model_config esp_model_fff_nodes(int n_trees, int depth)
{
    return (esp_model_config){.kind = ESP_MODEL_FFF_NODES,
                              .depth = depth,
                              .n_leaves = n_trees << depth,
                              .leaf_width = 1,
                              .n_trees = n_trees,
                              .activation = ESP_GELU,
                              .node_scale = 1,
                              .leaf_scale = 1};
}

const char *esp_model_kind_name(esp_model_kind kind)
{
    static const char *const names[] = {"fff", "ff", "moe", "fff_nodes"};
    return names[kind];
}

int esp_model_scores(const esp_model_config *model)
{
    switch (model->kind) {
    case ESP_MODEL_FFF:
        return model->n_leaves - 1;
    case ESP_MODEL_MOE:
        return model->n_leaves;
    case ESP_MODEL_FFF_NODES:
        return 2 * model->n_leaves - model->n_trees;
    case ESP_MODEL_FF:
        break;
    }
    return 0;
}

int esp_model_router_rows(const esp_model_config *model)
{
    switch (model->kind) {
    case ESP_MODEL_FFF:
        return model->n_leaves - 1;
    case ESP_MODEL_MOE:
        return model->noise ? 2 * model->n_leaves : model->n_leaves;
    case ESP_MODEL_FF:
    case ESP_MODEL_FFF_NODES:
        break;
    }
    return 0;
}

int esp_model_hidden(const esp_model_config *model)
{
    return model->kind == ESP_MODEL_FFF_NODES ? esp_model_scores(model)
                                              : model->n_leaves * model->leaf_width;
}

int esp_model_choices(const esp_model_config *model)
{
    switch (model->kind) {
    case ESP_MODEL_FFF:
        return 1;
    case ESP_MODEL_MOE:
        return model->top_k;
    case ESP_MODEL_FFF_NODES:
        return model->n_trees;
    case ESP_MODEL_FF:
        break;
    }
    return 0;
}

double esp_model_inference_macs(const esp_model_config *model, int n_features, int n_outputs)
{
    const double unit = (double)n_features + n_outputs; /* of one hidden unit */
    const double leaf = model->leaf_width * unit;
    switch (model->kind) {
    case ESP_MODEL_FFF:
        return (double)model->depth * n_features + leaf;
    case ESP_MODEL_MOE:
        return (double)model->n_leaves * n_features + model->top_k * (leaf + n_outputs);
    case ESP_MODEL_FFF_NODES:
        return model->n_trees * (model->depth + 1) * unit;
    case ESP_MODEL_FF:
        break;
    }
    return leaf;
}

uint32_t esp_model_views(esp_model_kind kind)
{
    const uint32_t all = ESP_LOGITS | ESP_PARAMETERS, routed = all | ESP_SCORES | ESP_CHOICES;
    switch (kind) {
    case ESP_MODEL_FFF:
        return routed | ESP_PROBABILITIES | ESP_MIXTURE;
    case ESP_MODEL_MOE:
        return routed | ESP_MIXTURE | ESP_LOAD;
    case ESP_MODEL_FFF_NODES:
        return routed;
    case ESP_MODEL_FF:
        break;
    }
    return all;
}

bool esp_model_routes(const esp_model_config *model)
{
    return model->kind != ESP_MODEL_FF;
}
