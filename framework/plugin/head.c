#include "plugin/head.h"

#include <string.h>

#include "core/status.h"

enum { MAX_HIDDEN = 65536, MAX_RANK = 4 };

static int inspect_tensor(const esp_tensor_decl *tensor, const char *head)
{
    if (tensor->name == NULL || !esp_name_is_sound(tensor->name)) {
        return esp_fail(ESP_PLUGIN, "head '%s' declares a tensor whose name is not " ESP_NAME_RULE,
                        head);
    }
    if (tensor->rank < 0 || tensor->rank > MAX_RANK) {
        return esp_fail(ESP_PLUGIN,
                        "head '%s' declares tensor '%s' of rank %d; 0 to %d are possible", head,
                        tensor->name, tensor->rank, (int)MAX_RANK);
    }
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] < 1) {
            return esp_fail(ESP_PLUGIN, "head '%s' declares tensor '%s' with dimension %d of %d",
                            head, tensor->name, i, tensor->shape[i]);
        }
    }
    return ESP_OK;
}

int esp_head_declare(esp_head_decl *out, esp_instance *head, const esp_dims *dims)
{
    const char *name = head->plugin->name;
    *out = (esp_head_decl){.struct_size = sizeof *out};
    esp_instance_begin(head, ESP_TRAINING);
    int result = head->plugin->head->declare(head->state, &head->host, dims, out);
    if (esp_instance_end(head, result) != ESP_OK) {
        return esp_fail(ESP_PLUGIN, "%s", esp_message());
    }
    if (out->n_hidden < 0 || out->n_hidden > MAX_HIDDEN || out->n_tensors < 0 ||
        out->n_tensors > ESP_MAX_TENSORS) {
        return esp_fail(ESP_PLUGIN, "head '%s' declares %d hidden units and %d tensors", name,
                        out->n_hidden, out->n_tensors);
    }
    if (out->n_hidden > 0 &&
        (out->projection_weight_name == NULL || !esp_name_is_sound(out->projection_weight_name) ||
         out->projection_bias_name == NULL || !esp_name_is_sound(out->projection_bias_name))) {
        return esp_fail(ESP_PLUGIN, "head '%s' does not name its projections", name);
    }
    if (out->biases >> out->n_tensors != 0) {
        return esp_fail(ESP_PLUGIN, "head '%s' declares biases (bits %#x) beyond its %d tensors",
                        name, (unsigned)out->biases, out->n_tensors);
    }
    for (int i = 0; i < out->n_tensors; i++) {
        ESP_TRY(inspect_tensor(&out->tensors[i], name));
    }
    return ESP_OK;
}

enum { MAX_NAMES = 64 };

static int add_name(const char **names, int *n, const char *name)
{
    for (int i = 0; i < *n; i++) {
        if (strcmp(names[i], name) == 0) {
            return esp_fail(ESP_PLUGIN, "two tensors of this model are named '%s'", name);
        }
    }
    if (*n < MAX_NAMES) {
        names[(*n)++] = name;
    }
    return ESP_OK;
}

int esp_head_names_differ(const esp_head_decl *heads, int n_heads, const char *const *taken,
                          int n_taken)
{
    const char *names[MAX_NAMES];
    int n = 0;
    for (int i = 0; i < n_taken; i++) {
        if (*taken[i] != '\0') {
            ESP_TRY(add_name(names, &n, taken[i]));
        }
    }
    for (int i = 0; i < n_heads; i++) {
        if (heads[i].n_hidden > 0) {
            ESP_TRY(add_name(names, &n, heads[i].projection_weight_name));
            ESP_TRY(add_name(names, &n, heads[i].projection_bias_name));
        }
        for (int t = 0; t < heads[i].n_tensors; t++) {
            ESP_TRY(add_name(names, &n, heads[i].tensors[t].name));
        }
    }
    return ESP_OK;
}
