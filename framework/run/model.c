/* Opening a model for evaluation: the architecture is read off names, shapes and what metadata
 * there is, so that models published by others open as ours do. F features, O outputs. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/status.h"
#include "core/text.h"
#include "plugin/head.h"
#include "run/checkpoint.h"
#include "store/safetensors.h"

static int require(const esp_safetensor **out, const esp_safetensors *file, const char *name,
                   int rank, const char *path)
{
    *out = esp_safetensors_find(file, name);
    if (*out == NULL) {
        return esp_fail(ESP_DATA, "%s: tensor '%s' is missing; this is not a model of espalier",
                        path, name);
    }
    if ((*out)->rank != rank || strcmp((*out)->dtype, "F32") != 0) {
        return esp_fail(ESP_DATA, "%s: tensor '%s': expected rank %d of F32, found rank %d of %s",
                        path, name, rank, (*out)->rank, (*out)->dtype);
    }
    return ESP_OK;
}

static int require_shape(const esp_safetensor **out, const esp_safetensors *file, const char *name,
                         int rank, const int64_t *shape, const char *path)
{
    ESP_TRY(require(out, file, name, rank, path));
    for (int r = 0; r < rank; r++) {
        if ((*out)->shape[r] != shape[r]) {
            return esp_fail(ESP_DATA,
                            "%s: tensor '%s', dimension %d: expected %" PRId64 ", found %" PRId64,
                            path, name, r, shape[r], (*out)->shape[r]);
        }
    }
    return ESP_OK;
}

enum { MAX_WIDTH = 1 << 20, MAX_FEATURES = 1 << 24, MAX_DEPTH = 20 };

static int check_range(const char *path, const char *what, int64_t value, int64_t low, int64_t high)
{
    return value >= low && value <= high
               ? ESP_OK
               : esp_fail(ESP_DATA, "%s: %s is %" PRId64 ", not from %" PRId64 " to %" PRId64, path,
                          what, value, low, high);
}

/* A whole number of the metadata. */
static int read_meta(int *out, const esp_safetensors *file, const char *key, int low, int high,
                     const char *path)
{
    const char *text = esp_safetensors_meta_of(file, key);
    char *end = NULL;
    const long value = text != NULL ? strtol(text, &end, 10) : 0;
    if (text == NULL || end == text || *end != '\0') {
        return esp_fail(ESP_DATA, "%s: metadata '%s' is missing or not a number", path, key);
    }
    ESP_TRY(check_range(path, key, value, low, high));
    *out = (int)value;
    return ESP_OK;
}

/* A number of the metadata; *out is unchanged where it says nothing. */
static int read_number(double *out, const esp_safetensors *file, const char *key, const char *path)
{
    const char *text = esp_safetensors_meta_of(file, key);
    char *end = NULL;
    const double value = text != NULL ? strtod(text, &end) : *out;
    if (text != NULL && (end == text || *end != '\0' || !isfinite(value))) {
        return esp_fail(ESP_DATA, "%s: metadata '%s': expected a number, found '%s'", path, key,
                        text);
    }
    *out = value;
    return ESP_OK;
}

/* Index of a word of the metadata among names, or fallback where it says nothing. */
static int read_word(int *out, const esp_safetensors *file, const char *key,
                     const char *const *names, int fallback, const char *path)
{
    const char *word = esp_safetensors_meta_of(file, key);
    *out = fallback;
    for (int i = 0; word != NULL && names[i] != NULL; i++) {
        if (strcmp(word, names[i]) == 0) {
            *out = i;
            return ESP_OK;
        }
    }
    return word == NULL
               ? ESP_OK
               : esp_fail(ESP_DATA, "%s: metadata '%s' has no value '%s'", path, key, word);
}

/* L leaves or experts of one hidden layer each: w1s [L x F x l], w2s [L x l x O]. A tensor of no
 * bytes can claim any width: what memory is taken by must be in the file. */
static int read_leaves(esp_network_config *config, int *leaves, int *width,
                       const esp_safetensors *file, const char *path)
{
    const esp_safetensor *w1 = NULL, *w2 = NULL;
    ESP_TRY(require(&w1, file, "w1s", 3, path));
    ESP_TRY(require(&w2, file, "w2s", 3, path));
    ESP_TRY(check_range(path, "the number of leaves", w1->shape[0], 1, MAX_WIDTH));
    ESP_TRY(check_range(path, "the number of features", w1->shape[1], 1, MAX_FEATURES));
    ESP_TRY(check_range(path, "the leaf width", w1->shape[2], 1, MAX_WIDTH));
    ESP_TRY(check_range(path, "the training width", w1->shape[0] * w1->shape[2], 1, INT32_MAX / 4));
    ESP_TRY(check_range(path, "the number of outputs", w2->shape[2], 1, MAX_WIDTH));
    const int64_t expected[] = {w1->shape[0], w1->shape[2], w2->shape[2]};
    ESP_TRY(require_shape(&w2, file, "w2s", 3, expected, path));
    *leaves = (int)w1->shape[0];
    *width = (int)w1->shape[2];
    config->n_features = (int)w1->shape[1];
    config->n_outputs = (int)w2->shape[2];
    return ESP_OK;
}

static int read_fff(esp_network_config *config, const esp_safetensors *file, const char *path)
{
    int leaves = 0, width = 0, depth = 0;
    ESP_TRY(read_leaves(config, &leaves, &width, file, path));
    while (1 << depth < leaves) {
        depth++;
    }
    if (1 << depth != leaves) {
        return esp_fail(ESP_DATA,
                        "%s: w1s is [%d, %d, %d]: the number of leaves must be a power of two",
                        path, leaves, config->n_features, width);
    }
    config->model = esp_model_fff(depth, width);
    return ESP_OK;
}

static int read_ff(esp_network_config *config, const esp_safetensors *file, const char *path)
{
    int leaves = 0, width = 0;
    ESP_TRY(read_leaves(config, &leaves, &width, file, path));
    ESP_TRY(check_range(path, "the number of leaves of an ff", leaves, 1, 1));
    config->model = esp_model_ff(width);
    return ESP_OK;
}

static int read_moe(esp_network_config *config, const esp_safetensors *file, const char *path)
{
    static const char *const gates[] = {"top_k", "switch", NULL};
    const esp_safetensor *found = NULL, *noise = NULL;
    int experts = 0, width = 0, top_k = 0, gate = 0;
    ESP_TRY(read_leaves(config, &experts, &width, file, path));
    ESP_TRY(read_meta(&top_k, file, "top_k", 1, experts, path));
    config->model = esp_model_moe(experts, width, top_k);
    ESP_TRY(read_word(&gate, file, "gate", gates, (int)config->model.gate, path));
    config->model.gate = (esp_gate_kind)gate;
    const int64_t weights[] = {experts, config->n_features};
    ESP_TRY(require_shape(&found, file, "gate_weights", 2, weights, path));
    ESP_TRY(require(&noise, file, "gate_noise_weights", 2, path));
    config->model.noise = noise->shape[0] > 0;
    return config->model.noise ? require_shape(&noise, file, "gate_noise_weights", 2, weights, path)
                               : ESP_OK;
}

static int read_fff_nodes(esp_network_config *config, const esp_safetensors *file, const char *path)
{
    const esp_safetensor *in = NULL, *out = NULL;
    int trees = 0, depth = 0;
    ESP_TRY(require(&in, file, "linear_in.weight", 2, path));
    ESP_TRY(require(&out, file, "linear_out.weight", 2, path));
    ESP_TRY(read_meta(&trees, file, "trees", 1, MAX_WIDTH, path));
    ESP_TRY(read_meta(&depth, file, "depth", 0, MAX_DEPTH, path));
    const int64_t neurons = ((int64_t)trees << (depth + 1)) - trees;
    ESP_TRY(check_range(path, "the number of neurons", neurons, 1, 2 * MAX_WIDTH));
    ESP_TRY(check_range(path, "the number of features", in->shape[1], 1, MAX_FEATURES));
    ESP_TRY(check_range(path, "the number of outputs", out->shape[0], 1, MAX_WIDTH));
    const int64_t in_shape[] = {neurons, in->shape[1]}, out_shape[] = {out->shape[0], neurons};
    ESP_TRY(require_shape(&in, file, "linear_in.weight", 2, in_shape, path));
    ESP_TRY(require_shape(&out, file, "linear_out.weight", 2, out_shape, path));
    config->n_features = (int)in->shape[1];
    config->n_outputs = (int)out->shape[0];
    config->model = esp_model_fff_nodes(trees, depth);
    return ESP_OK;
}

/* Published files say nothing of themselves: they are fff. */
static int read_architecture(esp_network_config *config, const esp_safetensors *file,
                             const char *path)
{
    static int (*const read[])(esp_network_config *, const esp_safetensors *, const char *) = {
        [ESP_MODEL_FFF] = read_fff,
        [ESP_MODEL_FF] = read_ff,
        [ESP_MODEL_MOE] = read_moe,
        [ESP_MODEL_FFF_NODES] = read_fff_nodes,
    };
    static const char *const kinds[] = {"fff", "ff", "moe", "fff_nodes", NULL};
    static const char *const activations[] = {"relu", "gelu", NULL};
    int kind = 0, activation = 0;
    ESP_TRY(read_word(&kind, file, "model", kinds, ESP_MODEL_FFF, path));
    ESP_TRY(read[kind](config, file, path));
    ESP_TRY(
        read_word(&activation, file, "activation", activations, config->model.activation, path));
    config->model.activation = (esp_activation)activation;
    return ESP_OK;
}

/* Whether the file holds what a head declares, before memory is taken for it. */
static int check_head(esp_instance *head, const esp_dims *dims, const esp_safetensors *file,
                      const char *path)
{
    esp_head_decl decl;
    const esp_safetensor *found = NULL;
    ESP_TRY(esp_head_declare(&decl, head, dims));
    if (decl.n_hidden > 0) {
        const int64_t weights[] = {1, dims->n_features, decl.n_hidden};
        const int64_t biases[] = {1, decl.n_hidden};
        ESP_TRY(require_shape(&found, file, decl.projection_weight_name, 3, weights, path));
        ESP_TRY(require_shape(&found, file, decl.projection_bias_name, 2, biases, path));
    }
    for (int t = 0; t < decl.n_tensors; t++) {
        int64_t shape[ESP_SAFETENSORS_RANK];
        for (int r = 0; r < decl.tensors[t].rank; r++) {
            shape[r] = decl.tensors[t].shape[r];
        }
        ESP_TRY(
            require_shape(&found, file, decl.tensors[t].name, decl.tensors[t].rank, shape, path));
    }
    return ESP_OK;
}

static int add_head(esp_model *model, esp_network_config *config, const esp_plugin *plugin,
                    const esp_params *params, const esp_safetensors *file, const char *path)
{
    const esp_dims dims = esp_network_dims(config);
    esp_instance *head = &model->heads[model->n_heads];
    ESP_TRY(esp_instance_create(head, plugin, params, &dims, &model->noise));
    config->heads[model->n_heads++] = head;
    config->n_heads = model->n_heads;
    return check_head(head, &dims, file, path);
}

static int find_head(const esp_plugin **out, const esp_registry *registry, const char *name,
                     const char *path)
{
    *out = name ? esp_registry_find(registry, ESP_HEAD, name) : NULL;
    if (*out == NULL) {
        return esp_fail(ESP_NOT_FOUND, "%s: its head '%s' is not among the plugins here", path,
                        name ? name : "?");
    }
    return ESP_OK;
}

/* Heads as our metadata lists them. */
static int add_listed_heads(esp_model *model, esp_network_config *config, json_t *heads,
                            const esp_safetensors *file, const esp_registry *registry,
                            const char *path)
{
    size_t i;
    json_t *entry;
    json_array_foreach(heads, i, entry)
    {
        const esp_plugin *plugin = NULL;
        esp_params params;
        if (i >= ESP_NETWORK_MAX_HEADS) {
            return esp_fail(ESP_DATA, "%s: more than %d heads", path, ESP_NETWORK_MAX_HEADS);
        }
        ESP_TRY(
            find_head(&plugin, registry, json_string_value(json_object_get(entry, "name")), path));
        esp_params_default(&params, plugin);
        const char *key;
        json_t *value;
        json_object_foreach(json_object_get(entry, "parameters"), key, value)
        {
            int row = esp_params_find(plugin, key);
            if (row < 0 || !json_is_string(value)) {
                return esp_fail(ESP_DATA, "%s: head '%s' has no parameter '%s'", path, plugin->name,
                                key);
            }
            if (esp_params_parse(&params.values[row], &plugin->params[row],
                                 json_string_value(value)) != ESP_OK) {
                return esp_fail_prefix(ESP_DATA, "%s: head '%s'", path, plugin->name);
            }
        }
        ESP_TRY(add_head(model, config, plugin, &params, file, path));
    }
    return ESP_OK;
}

static int add_heads(esp_model *model, esp_network_config *config, const esp_safetensors *file,
                     const esp_registry *registry, const char *path)
{
    const char *listed = esp_safetensors_meta_of(file, "heads");
    if (listed != NULL) {
        json_t *heads = json_loads(listed, 0, NULL);
        int status = json_is_array(heads)
                         ? add_listed_heads(model, config, heads, file, registry, path)
                         : esp_fail(ESP_DATA, "%s: metadata 'heads' is not a list", path);
        json_decref(heads);
        return status;
    }
    /* A published master leaf carries no description but its tensors. */
    const esp_safetensor *magic = esp_safetensors_find(file, "magic_w1");
    if (magic != NULL) {
        const esp_plugin *plugin = NULL;
        esp_params params;
        ESP_TRY(find_head(&plugin, registry, "master_leaf", path));
        esp_params_default(&params, plugin);
        int row = esp_params_find(plugin, "width");
        if (row < 0 || magic->rank != 3) {
            return esp_fail(ESP_DATA, "%s: tensor 'magic_w1': expected rank 3", path);
        }
        params.values[row] = (double)magic->shape[2];
        return add_head(model, config, plugin, &params, file, path);
    }
    return ESP_OK;
}

/* Warns about each tensor that is not finite: such a model's answers mean nothing. */
static void warn_unless_finite(const float *values, size_t count, const char *name,
                               const char *path)
{
    size_t i = 0;
    while (i < count && isfinite(values[i])) {
        i++;
    }
    if (i < count) {
        esp_log_warning("%s: tensor '%s' holds %g, at %zu", path, name, (double)values[i], i);
    }
}

static int load_tensors(esp_network *network, const esp_safetensors *file, const char *path)
{
    for (int i = 0; i < network->n_tensors; i++) {
        const esp_tensor *tensor = &network->tensors[i];
        const esp_safetensor *found = NULL;
        if (tensor->count == 0) {
            continue;
        }
        ESP_TRY(require_shape(&found, file, tensor->name, tensor->rank, tensor->shape, path));
        float *aligned = malloc(found->count + 1);
        if (aligned == NULL) {
            return esp_fail(ESP_MEMORY, "%s: no memory", path);
        }
        memcpy(aligned, found->bytes, found->count);
        warn_unless_finite(aligned, tensor->count, tensor->name, path);
        esp_tensor_import(network->parameters, tensor, aligned);
        free(aligned);
    }
    return ESP_OK;
}

/* A tensor that nothing reads, such as an output bias that fff_nodes have none of, or a
 * normalization whose metadata was lost. Warns, because the file's author computes something else.
 */
static void warn_of_unread(const esp_network *network, const esp_safetensors *file,
                           const char *path)
{
    const bool measured = esp_safetensors_meta_of(file, "normalize") != NULL;
    const char *first = NULL;
    int n_unread = 0;
    for (int i = 0; i < esp_safetensors_count(file); i++) {
        const char *name = esp_safetensors_at(file, i)->name;
        bool read = measured &&
                    (strcmp(name, "normalize_scale") == 0 || strcmp(name, "normalize_shift") == 0);
        for (int t = 0; t < network->n_tensors; t++) {
            read = read || strcmp(name, network->tensors[t].name) == 0;
        }
        first = first == NULL && !read ? name : first;
        n_unread += !read;
    }
    if (n_unread > 0) {
        esp_log_warning("%s: %d tensor%s left out that this %s has not: '%s'%s", path, n_unread,
                        n_unread > 1 ? "s are" : " is",
                        esp_model_kind_name(network->config.model.kind), first,
                        n_unread > 1 ? ", ..." : "");
    }
}

/* The classes of which not all examples were kept: {"3": 0.1}. */
static int load_keep(esp_model *model, const char *text, const char *path)
{
    json_t *kept = json_loads(text, 0, NULL);
    const char *name;
    json_t *value;
    double *keep = malloc(sizeof *keep * ESP_MAX_CLASSES);
    int status = keep == NULL ? esp_fail(ESP_MEMORY, "%s: no memory", path)
                 : json_is_object(kept)
                     ? ESP_OK
                     : esp_fail(ESP_DATA, "%s: metadata 'keep' is not a map", path);
    model->partition.keep = keep;
    for (int i = 0; keep != NULL && i < ESP_MAX_CLASSES; i++) {
        keep[i] = 1;
    }
    json_object_foreach(kept, name, value)
    {
        char *end = NULL;
        const long class_index = strtol(name, &end, 10);
        const double fraction = json_number_value(value);
        if (status == ESP_OK &&
            (end == name || *end != '\0' || class_index < 0 || class_index >= ESP_MAX_CLASSES ||
             !(fraction > 0 && fraction <= 1))) {
            status =
                esp_fail(ESP_DATA, "%s: metadata 'keep' of class '%s' is malformed", path, name);
        }
        if (status == ESP_OK) {
            keep[class_index] = fraction;
        }
    }
    json_decref(kept);
    return status;
}

/* Means and deviations that were measured: scales and shifts of each feature. */
static int load_measured(esp_model *model, const esp_safetensors *file, const char *path)
{
    const int64_t n_features = model->network->config.n_features;
    const size_t count = (size_t)n_features;
    const esp_safetensor *scales = NULL, *shifts = NULL;
    ESP_TRY(require_shape(&scales, file, "normalize_scale", 1, &n_features, path));
    ESP_TRY(require_shape(&shifts, file, "normalize_shift", 1, &n_features, path));
    float *both = malloc(2 * sizeof *both * count);
    if (both == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    model->normalization = (esp_normalization){.scales = both, .shifts = both + count};
    memcpy(both, scales->bytes, sizeof *both * count);
    memcpy(both + count, shifts->bytes, sizeof *both * count);
    warn_unless_finite(both, count, scales->name, path);
    warn_unless_finite(both + count, count, shifts->name, path);
    return ESP_OK;
}

/* How its data were normalized: measured, by one mean and std, or as published. */
static int load_normalization(esp_model *model, const esp_safetensors *file, const char *path)
{
    static const char *const kinds[] = {"fixed", "per_feature", "per_channel", NULL};
    int kind = ESP_NORMALIZE_FIXED;
    ESP_TRY(read_word(&kind, file, "normalize", kinds, kind, path));
    if (kind != ESP_NORMALIZE_FIXED) {
        return load_measured(model, file, path);
    }
    model->mean = model->std = 0.5;
    ESP_TRY(read_number(&model->mean, file, "normalize_mean", path));
    ESP_TRY(read_number(&model->std, file, "normalize_std", path));
    return model->std > 0 ? ESP_OK
                          : esp_fail(ESP_DATA, "%s: normalize_std is %g, not greater than 0", path,
                                     model->std);
}

/* Which of its data it was trained on. */
static int load_partition(esp_model *model, const esp_safetensors *file, const char *path)
{
    const char *split_seed = esp_safetensors_meta_of(file, "split_seed");
    const char *keep = esp_safetensors_meta_of(file, "keep");
    ESP_TRY(read_number(&model->partition.validation, file, "validation", path));
    ESP_TRY(read_number(&model->partition.test, file, "test", path));
    if (split_seed != NULL) {
        char *end = NULL;
        model->partition.split_seed = strtoull(split_seed, &end, 10);
        if (*split_seed < '0' || *split_seed > '9' || *end != '\0') {
            return esp_fail(ESP_DATA,
                            "%s: metadata 'split_seed': expected a whole number, found '%s'", path,
                            split_seed);
        }
    }
    return keep != NULL ? load_keep(model, keep, path) : ESP_OK;
}

static int load_from(char *from[ESP_N_FROM], const esp_safetensors *file, const char *path)
{
    for (int i = 0; i < ESP_N_FROM; i++) {
        const char *text = esp_safetensors_meta_of(file, esp_from_names[i]);
        from[i] = text != NULL ? strdup(text) : NULL;
        if (text != NULL && from[i] == NULL) {
            return esp_fail(ESP_MEMORY, "%s: no memory", path);
        }
    }
    return ESP_OK;
}

int esp_model_read_from(char *from[ESP_N_FROM], const char *path)
{
    esp_safetensors *file = NULL;
    memset(from, 0, sizeof *from * ESP_N_FROM);
    ESP_TRY(esp_safetensors_read(&file, path));
    int status = load_from(from, file, path);
    esp_safetensors_free(file);
    return status;
}

/* The names of its classes, where the labels of its data were text. */
static int load_classes(esp_model *model, const esp_safetensors *file, const char *path)
{
    const char *text = esp_safetensors_meta_of(file, "classes");
    json_t *names = text != NULL ? json_loads(text, 0, NULL) : NULL, *name;
    const size_t n = json_array_size(names);
    size_t i;
    int status = ESP_OK;
    if (text == NULL) {
        return ESP_OK;
    }
    if (n != (size_t)model->network->config.n_outputs || n == 0) {
        status = esp_fail(ESP_DATA, "%s: metadata 'classes': expected a list of %d names", path,
                          model->network->config.n_outputs);
        goto out;
    }
    model->class_names = calloc(n, sizeof *model->class_names);
    if (model->class_names == NULL) {
        status = esp_fail(ESP_MEMORY, "%s: no memory", path);
        goto out;
    }
    json_array_foreach(names, i, name)
    {
        if (!json_is_string(name)) {
            status = esp_fail(ESP_DATA, "%s: metadata 'classes': entry %zu is not a name", path, i);
            goto out;
        }
        model->class_names[i] = strdup(json_string_value(name));
        if (model->class_names[i] == NULL) {
            status = esp_fail(ESP_MEMORY, "%s: no memory", path);
            goto out;
        }
        model->n_class_names++;
    }
out:
    json_decref(names);
    return status;
}

int esp_model_open(esp_model **out, const char *path, int batch_size, const esp_registry *registry)
{
    int status = ESP_OK;
    esp_safetensors *file = NULL;
    esp_model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a model");
    }
    esp_network_config config = {.batch_size = batch_size};
    ESP_TRY_OUT(esp_safetensors_read(&file, path));
    ESP_TRY_OUT(read_architecture(&config, file, path));
    ESP_TRY_OUT(add_heads(model, &config, file, registry, path));
    ESP_TRY_OUT(esp_network_create(&model->network, &config));
    ESP_TRY_OUT(load_tensors(model->network, file, path));
    warn_of_unread(model->network, file, path);
    ESP_TRY_OUT(load_partition(model, file, path));
    ESP_TRY_OUT(load_classes(model, file, path));
    ESP_TRY_OUT(load_normalization(model, file, path));
    ESP_TRY_OUT(load_from(model->from, file, path));
    const char *data = esp_safetensors_meta_of(file, "data");
    const char *digest = esp_safetensors_meta_of(file, "data_digest");
    model->trained_on = esp_text_format("%s", data ? data : "");
    model->data_digest = esp_text_format("%s", digest ? digest : "");
    if (model->trained_on == NULL || model->data_digest == NULL) {
        status = esp_fail(ESP_MEMORY, "%s: no memory", path);
        goto out;
    }
    *out = model;
    model = NULL;
out:
    esp_safetensors_free(file);
    esp_model_close(model);
    return status;
}

void esp_model_close(esp_model *model)
{
    if (model == NULL) {
        return;
    }
    esp_network_destroy(model->network);
    for (int i = 0; i < model->n_heads; i++) {
        esp_instance_destroy(&model->heads[i]);
    }
    free((void *)(uintptr_t)model->normalization.scales);
    free((void *)(uintptr_t)model->partition.keep);
    for (int i = 0; i < model->n_class_names; i++) {
        free(model->class_names[i]);
    }
    free(model->class_names);
    free(model->trained_on);
    free(model->data_digest);
    for (int i = 0; i < ESP_N_FROM; i++) {
        free(model->from[i]);
    }
    free(model);
}
