/* B examples, O outputs, H hidden units of a head. */
#include "nn/head_pass.h"

#include <string.h>

#include "core/status.h"

static esp_head_batch head_batch(const esp_network *network, int index, esp_mode mode,
                                 const esp_real *input)
{
    const esp_head_layout *head = &network->heads[index];
    return (esp_head_batch){.struct_size = sizeof(esp_head_batch),
                            .mode = mode,
                            .n_examples = network->n_examples,
                            .stride = network->stride,
                            .dims = &network->dims,
                            .labels = network->labels,
                            .hidden =
                                network->projections + (ptrdiff_t)head->first_row * network->stride,
                            .input = input,
                            .tensors = (const esp_real *const *)head->tensors,
                            .input_macs = head->input_macs};
}

static size_t logits_bytes(const esp_network *network)
{
    return sizeof(esp_real) * (size_t)network->config.n_outputs * (size_t)network->stride;
}

static int check_guards(const esp_instance *head, const char *what, const esp_real *values,
                        size_t bytes)
{
    return esp_is_guarded(values, bytes)
               ? ESP_OK
               : esp_fail(ESP_FAILED,
                          "plugin '%s' wrote outside its %s; `espalier plugins check` says more",
                          head->plugin->name, what);
}

int esp_heads_forward(esp_network *network, esp_real *logits, esp_mode mode, bool keep_inputs,
                      bool evaluate)
{
    const size_t bytes = logits_bytes(network);
    if (network->ablated & ESP_ABLATED_MODEL) {
        memset(logits, 0, bytes);
    }
    for (int i = 0; i < network->config.n_heads; i++) {
        esp_instance *head = network->config.heads[i];
        const esp_head_ops *ops = head->plugin->head;
        if (network->ablated & 1u << i) {
            continue;
        }
        esp_real *input = keep_inputs ? network->heads[i].input : network->between;
        memcpy(input, logits, bytes);
        esp_head_batch batch = head_batch(network, i, mode, input);
        esp_instance_begin(head, mode);
        ESP_TRY(esp_instance_end(head, ops->forward(head->state, &head->host, &batch, logits)));
        ESP_TRY(check_guards(head, "output", logits, bytes));
        if (evaluate && ops->evaluate != NULL) {
            esp_instance_begin(head, mode);
            ESP_TRY(
                esp_instance_end(head, ops->evaluate(head->state, &head->host, &batch, logits)));
        }
    }
    return ESP_OK;
}

/* Where a head's tensors begin in the network's list. */
static const esp_tensor *own_tensors(const esp_network *network, int index)
{
    const esp_tensor *tensor = network->tensors + network->n_own;
    for (int i = 0; i <= index; i++) {
        const esp_head_decl *decl = &network->heads[i].decl;
        tensor += decl->n_hidden > 0 ? 2 : 0;
        tensor += i < index ? decl->n_tensors : 0;
    }
    return tensor;
}

/* Of what a head gave for each example, [rows x B]. */
static int check_finite(const esp_instance *head, const char *what, const esp_real *values,
                        ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride)
{
    int bad = 0;
    for (ptrdiff_t r = 0; r < rows; r++) {
        for (ptrdiff_t b = 0; b < columns; b++) {
            const esp_real value = values[r * stride + b];
            bad |= !(value - value == 0);
        }
    }
    return !bad ? ESP_OK
                : esp_fail(ESP_FAILED, "plugin '%s' gave a %s that is not finite",
                           head->plugin->name, what);
}

/* Takes over what a head's backward wrote. */
static int collect_gradients(esp_network *network, int index)
{
    const esp_instance *instance = network->config.heads[index];
    const esp_head_layout *head = &network->heads[index];
    const size_t stride = (size_t)network->stride;
    const size_t hidden = sizeof(esp_real) * (size_t)head->decl.n_hidden * stride;
    ESP_TRY(
        check_guards(instance, "gradient of the input", network->between, logits_bytes(network)));
    ESP_TRY(check_guards(instance, "gradient of the hidden units", head->d_hidden, hidden));
    ESP_TRY(check_finite(instance, "gradient of the input", network->between,
                         network->config.n_outputs, network->n_examples, network->stride));
    ESP_TRY(check_finite(instance, "gradient of the hidden units", head->d_hidden,
                         head->decl.n_hidden, network->n_examples, network->stride));
    memcpy(network->d_logits, network->between, logits_bytes(network));
    memcpy(network->d_projections + (size_t)head->first_row * stride, head->d_hidden, hidden);
    const esp_tensor *tensors = own_tensors(network, index);
    for (int k = 0; k < head->decl.n_tensors; k++) {
        const size_t bytes = sizeof(esp_real) * tensors[k].count;
        const ptrdiff_t count = (ptrdiff_t)tensors[k].count;
        ESP_TRY(check_guards(instance, "gradient of a tensor", head->d_tensors[k], bytes));
        ESP_TRY(
            check_finite(instance, "gradient of a tensor", head->d_tensors[k], 1, count, count));
        memcpy(network->gradients + tensors[k].offset, head->d_tensors[k], bytes);
    }
    return ESP_OK;
}

int esp_heads_backward(esp_network *network)
{
    for (int i = network->config.n_heads - 1; i >= 0; i--) {
        esp_instance *instance = network->config.heads[i];
        esp_head_layout *head = &network->heads[i];
        const esp_tensor *tensors = own_tensors(network, i);
        for (int k = 0; k < head->decl.n_tensors; k++) {
            memset(head->d_tensors[k], 0, sizeof(esp_real) * tensors[k].count);
        }
        esp_head_batch batch = head_batch(network, i, ESP_TRAINING, head->input);
        esp_head_gradients d = {.struct_size = sizeof d,
                                .output = network->d_logits,
                                .input = network->between,
                                .hidden = head->d_hidden,
                                .tensors = head->d_tensors};
        esp_instance_begin(instance, ESP_TRAINING);
        ESP_TRY(esp_instance_end(instance, instance->plugin->head->backward(
                                               instance->state, &instance->host, &batch, &d)));
        ESP_TRY(collect_gradients(network, i));
    }
    return ESP_OK;
}
