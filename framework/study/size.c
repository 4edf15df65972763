/* F input features, O outputs, N nodes, L leaves, l hidden units of a leaf, d levels. */
#include "study/size.h"

#include <math.h>
#include <string.h>

#include "core/status.h"
#include "nn/network.h"
#include "plugin/head.h"

esp_size esp_size_of_model(const esp_model_config *model, uint32_t n_features, uint32_t n_outputs)
{
    double F = n_features, O = n_outputs, l = model->leaf_width;
    double L = ldexp(1, model->depth), N = L - 1;
    return (esp_size){
        .parameters = N * (F + 1) + L * (l * (F + 1) + O * (l + 1)),
        .inference_macs = esp_model_inference_macs(model, (int)n_features, (int)n_outputs),
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
    *out = esp_network_dims(&(esp_network_config){
        .n_features = (int)n_features,
        .n_outputs = (int)n_outputs,
        .model = cell->model,
        .batch_size = phase < cell->n_phases ? cell->phases[phase].batch_size : 1});
}

int esp_size_of_cell(esp_size *out, const esp_cell *cell)
{
    uint32_t F = 0, O = 0;
    ESP_TRY(esp_dataset_describe(cell->data.name, NULL, &F, &O, NULL, NULL));
    *out = esp_size_of_model(&cell->model, F, O);
    esp_dims dims;
    esp_head_decl decls[ESP_MAX_HEADS];
    esp_cell_dims(&dims, cell, 0, F, O);
    for (int i = 0; i < cell->n_heads; i++) {
        esp_instance head;
        esp_rng noise = esp_rng_make(0, "noise", 0);
        ESP_TRY(esp_instance_create(&head, cell->heads[i].plugin, &cell->heads[i].params, &dims,
                                    &noise));
        int status = esp_head_declare(&decls[i], &head, &dims);
        esp_instance_destroy(&head);
        ESP_TRY(status);
        const esp_head_decl decl = decls[i];
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
    return esp_head_names_differ(decls, cell->n_heads, esp_own_tensor_names(cell->model.kind),
                                 ESP_N_OWN_TENSORS);
}

int esp_cell_epochs(const esp_cell *cell)
{
    int epochs = 0;
    for (int i = 0; i < cell->n_phases; i++) {
        epochs += cell->phases[i].epochs;
    }
    return epochs;
}
