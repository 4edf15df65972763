#include "run/bench_layers.h"

#include <stdio.h>

static void name_layer(esp_bench_layer *layer)
{
    const esp_model_config *m = &layer->model;
    const char *kind = esp_model_kind_name(m->kind);
    switch (m->kind) {
    case ESP_MODEL_FFF:
        snprintf(layer->name, sizeof layer->name, "%s d=%d l=%d", kind, m->depth, m->leaf_width);
        break;
    case ESP_MODEL_FFF_NODES:
        snprintf(layer->name, sizeof layer->name, "%s %dx%d", kind, m->n_trees, m->depth);
        break;
    case ESP_MODEL_MOE:
        snprintf(layer->name, sizeof layer->name, "%s %dx%d", kind, m->n_leaves, m->leaf_width);
        break;
    case ESP_MODEL_FF:
        snprintf(layer->name, sizeof layer->name, "%s %d", kind, m->leaf_width);
        break;
    }
}

/* dense_width 0: the layer's own hidden units. */
static void add(esp_bench_layer *layers, int *n, esp_model_config model, int n_features,
                int n_outputs, int dense_width)
{
    esp_bench_layer *layer = &layers[(*n)++];
    *layer =
        (esp_bench_layer){.model = model,
                          .n_features = n_features,
                          .n_outputs = n_outputs,
                          .dense_width = dense_width > 0 ? dense_width : esp_model_hidden(&model)};
    name_layer(layer);
}

int esp_bench_layers_default(esp_bench_layer layers[ESP_BENCH_LAYERS])
{
    static const int trees[][2] = {{1, 11}, {4, 9}, {64, 5}};
    static const int wide[][2] = {{3, 64}, {7, 32}, {11, 1}};
    static const int narrow[][2] = {{1, 64}, {4, 8}, {7, 1}, {11, 1}};
    int n = 0;
    for (int i = 0; i < 3; i++) {
        add(layers, &n, esp_model_fff_nodes(trees[i][0], trees[i][1]), 768, 768, 0);
    }
    for (int i = 0; i < 3; i++) {
        add(layers, &n, esp_model_fff(wide[i][0], wide[i][1]), 768, 768, 0);
    }
    add(layers, &n, esp_model_moe(16, 32, 1), 768, 768, 0);
    add(layers, &n, esp_model_moe(128, 32, 1), 768, 768, 0);
    add(layers, &n, esp_model_ff(12), 768, 768, 4095); /* the inference width of fff_nodes 1x11 */
    add(layers, &n, esp_model_ff(3072), 768, 768, 0);
    add(layers, &n, esp_model_ff(4095), 768, 768, 0);
    for (int i = 0; i < 4; i++) {
        add(layers, &n, esp_model_fff(narrow[i][0], narrow[i][1]), 784, 10, 0);
    }
    add(layers, &n, esp_model_moe(16, 8, 1), 784, 10, 0);
    add(layers, &n, esp_model_ff(8), 784, 10, 128); /* the inference width of fff d=7 l=1 */
    add(layers, &n, esp_model_ff(128), 784, 10, 0);
    return n;
}

int esp_bench_layers_grid(esp_bench_layer layers[ESP_BENCH_LAYERS])
{
    int n = 0;
    for (int input = 0; input < 2; input++) {
        for (int depth = 1; depth <= 11; depth++) {
            for (int width = 1; width <= 64; width *= 2) {
                add(layers, &n, esp_model_fff(depth, width), input ? 768 : 784, input ? 768 : 10,
                    0);
            }
        }
    }
    return n;
}

int esp_bench_layers_figure(esp_bench_layer layers[ESP_BENCH_LAYERS], int most_leaves)
{
    int n = 0;
    for (int depth = 1; depth <= 15 && 1 << depth <= most_leaves; depth++) {
        add(layers, &n, esp_model_fff(depth, 32), 768, 768, 0);
        add(layers, &n, esp_model_moe(1 << depth, 32, 1), 768, 768, 0);
    }
    return n;
}
