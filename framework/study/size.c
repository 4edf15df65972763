/* F input features, O outputs, N nodes, L leaves, l hidden units of a leaf, d levels. */
#include "study/size.h"

#include <math.h>
#include <string.h>

#include "core/status.h"
#include "plugin/instance.h"

esp_size esp_size_of_model(const esp_model_config *model, uint32_t n_features, uint32_t n_outputs)
{
    double F = n_features, O = n_outputs, l = model->leaf_width, d = model->depth;
    double L = ldexp(1, model->depth), N = L - 1;
    return (esp_size){
        .parameters = N * (F + 1) + L * (l * (F + 1) + O * (l + 1)),
        .inference_macs = d * F + l * (F + O),
        /* forward, and the same again for the gradient of the weights; hidden to output also back
         * to the hidden units */
        .training_macs = 2 * F * (N + L * l) + 3 * L * l * O + 2 * L * O,
        .n_hidden = (int)(N + L * l),
    };
}

int esp_size_match(const char *what, const esp_model_config *fff, uint32_t n_features,
                   uint32_t n_outputs)
{
    double F = n_features, O = n_outputs;
    esp_size size = esp_size_of_model(fff, n_features, n_outputs);
    double width = 0;
    if (strcmp(what, "training_width") == 0) {
        width = ldexp(fff->leaf_width, fff->depth);
    } else if (strcmp(what, "inference_width") == 0) {
        width = fff->leaf_width + fff->depth;
    } else if (strcmp(what, "parameters") == 0) {
        width = round((size.parameters - O) / (F + O + 1));
    } else {
        width = round(size.inference_macs / (F + O));
    }
    return width < 1 ? 1 : (int)width;
}

void esp_cell_dims(esp_dims *out, const esp_cell *cell, int phase, uint32_t n_features,
                   uint32_t n_outputs)
{
    bool tree = cell->model.kind == ESP_MODEL_FFF;
    *out = (esp_dims){.struct_size = sizeof *out,
                      .routing = tree ? ESP_ROUTING_TREE : ESP_ROUTING_NONE,
                      .n_features = (int32_t)n_features,
                      .n_outputs = (int32_t)n_outputs,
                      .n_nodes = (1 << cell->model.depth) - 1,
                      .n_leaves = 1 << cell->model.depth,
                      .n_choices = 1,
                      .depth = cell->model.depth,
                      .leaf_width = cell->model.leaf_width,
                      .batch_size = phase < cell->n_phases ? cell->phases[phase].batch_size : 1};
}

int esp_size_of_cell(esp_size *out, const esp_cell *cell)
{
    uint32_t F = 0, O = 0;
    ESP_TRY(esp_dataset_describe(cell->data.name, NULL, &F, &O, NULL, NULL));
    *out = esp_size_of_model(&cell->model, F, O);
    esp_dims dims;
    esp_cell_dims(&dims, cell, 0, F, O);
    for (int i = 0; i < cell->n_heads; i++) {
        esp_instance head;
        esp_rng noise = esp_rng_make(0, "noise", 0);
        ESP_TRY(esp_instance_create(&head, cell->heads[i].plugin, &cell->heads[i].params, &dims,
                                    &noise));
        esp_head_decl decl = {.struct_size = sizeof decl};
        esp_instance_begin(&head);
        int failed = head.plugin->head->declare(head.state, &head.host, &dims, &decl);
        int status =
            failed ? esp_fail(ESP_PLUGIN, "%s: %s", head.plugin->name, head.failure) : ESP_OK;
        esp_instance_destroy(&head);
        ESP_TRY(status);
        double count = decl.n_hidden * ((double)F + 1);
        for (int t = 0; t < decl.n_tensors; t++) {
            double elements = 1;
            for (int k = 0; k < decl.tensors[t].rank; k++) {
                elements *= decl.tensors[t].shape[k];
            }
            count += elements;
        }
        out->parameters += count;
        out->inference_macs += decl.inference_macs;
        out->training_macs += 2 * decl.inference_macs + (double)decl.n_hidden * O;
        out->n_hidden += decl.n_hidden;
    }
    return ESP_OK;
}
