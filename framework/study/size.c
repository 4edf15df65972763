/* F input features, O outputs, L leaves or experts, l hidden units of one. */
#include "study/size.h"

#include <math.h>
#include <string.h>

#include "core/status.h"
#include "nn/network.h"
#include "plugin/head.h"

/* Multiply-adds of training are those of the implementation: all leaves, experts and neurons are
 * computed for every example. Forward, the same again for the gradient of the weights, and from
 * outputs also back to the hidden units and, by the output biases, to the mixture. */
esp_size esp_size_of_model(const esp_model_config *model, uint32_t n_features, uint32_t n_outputs)
{
    const double F = n_features, O = n_outputs, l = model->leaf_width, L = model->n_leaves;
    const double leaves = L * (l * (F + 1) + O * (l + 1));
    const double leaves_training = 2 * F * L * l + 3 * L * (l + 1) * O;
    const double router = esp_model_router_rows(model); /* of fff with a bias each */
    double parameters = leaves, training = leaves_training + 2 * F * router;
    switch (model->kind) {
    case ESP_MODEL_FFF:
        parameters += router * (F + 1);
        break;
    case ESP_MODEL_MOE:
        parameters += router * F;
        break;
    case ESP_MODEL_FFF_NODES: {
        const double neurons = esp_model_scores(model);
        parameters = neurons * (F + 1 + O);
        training = 2 * F * neurons + 3 * neurons * O;
        break;
    }
    case ESP_MODEL_FF:
        break;
    }
    return (esp_size){.parameters = parameters,
                      .inference_macs =
                          esp_model_inference_macs(model, (int)n_features, (int)n_outputs),
                      .training_macs = training,
                      .n_hidden = esp_model_router_rows(model) + esp_model_hidden(model)};
}

/* What a model of this leaf width has of what is matched; linear in the width. */
static double measure(const char *what, esp_model_config model, int leaf_width, uint32_t n_features,
                      uint32_t n_outputs)
{
    model.leaf_width = leaf_width;
    if (strcmp(what, "training_width") == 0) {
        return (double)model.n_leaves * leaf_width;
    }
    if (strcmp(what, "inference_width") == 0) {
        return model.kind == ESP_MODEL_MOE ? (double)model.top_k * leaf_width + model.n_leaves
                                           : leaf_width + model.depth;
    }
    const esp_size size = esp_size_of_model(&model, n_features, n_outputs);
    return strcmp(what, "parameters") == 0 ? size.parameters : size.inference_macs;
}

double esp_size_match(const char *what, const esp_model_config *model, const esp_model_config *fff,
                      uint32_t n_features, uint32_t n_outputs)
{
    const double wanted = measure(what, *fff, fff->leaf_width, n_features, n_outputs);
    const double none = measure(what, *model, 0, n_features, n_outputs);
    const double one = measure(what, *model, 1, n_features, n_outputs);
    return round((wanted - none) / (one - none));
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

/* Values, gradients and two moments of all parameters, a copy for each monitor; of a batch the
 * features, and some eight rows for each row of the projections. */
static double training_bytes(const esp_size *size, const esp_cell *cell)
{
    double batch = 1;
    for (int i = 0; i < cell->n_phases; i++) {
        batch = fmax(batch, cell->phases[i].batch_size);
    }
    return sizeof(esp_real) * (size->parameters * (4 + cell->n_monitors) +
                               batch * (cell->data.n_features + 8.0 * size->n_hidden));
}

int esp_size_of_cell(esp_size *out, const esp_cell *cell)
{
    const uint32_t F = cell->data.n_features, O = cell->data.n_classes;
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
    out->training_bytes = training_bytes(out, cell);
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

double esp_cell_passes(const esp_cell *cell)
{
    double passes = 0;
    for (int i = 0; i < cell->n_phases; i++) {
        const esp_phase_config *phase = &cell->phases[i];
        passes +=
            phase->steps > 0 ? (double)phase->steps / (double)phase->epoch_steps : phase->epochs;
    }
    return passes;
}
