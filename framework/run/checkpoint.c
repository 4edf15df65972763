/* Writing and reading of models and training states. Opening a model for evaluation: model.c. */
#include "run/checkpoint.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/status.h"
#include "core/text.h"
#include "store/safetensors.h"

/* ---- models ---------------------------------------------------------------------------------- */

const char *const esp_from_names[ESP_N_FROM] = {"trial", "study", "variant", "cell", "seed"};

/* The heads with their parameters as JSON text; owned by the caller. */
static char *describe_heads(const esp_cell *cell)
{
    json_t *heads = json_array();
    for (int i = 0; i < cell->n_heads; i++) {
        const esp_plugin *plugin = cell->heads[i].plugin;
        json_t *params = json_object();
        for (uint32_t p = 0; p < plugin->n_params; p++) {
            char text[64];
            esp_params_print(text, &plugin->params[p], cell->heads[i].params.values[p]);
            json_object_set_new(params, plugin->params[p].name, json_string(text));
        }
        json_array_append_new(heads, json_pack("{s:s, s:s, s:o}", "name", plugin->name, "version",
                                               plugin->version, "parameters", params));
    }
    char *text = json_dumps(heads, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(heads);
    return text;
}

/* The classes of which not all examples are kept, as JSON text: {"3":0.1}; owned by the caller. */
static char *describe_keep(const esp_cell *cell)
{
    const double *keep = cell->data.partition.keep;
    json_t *object = json_object();
    for (int i = 0; keep != NULL && i < ESP_MAX_CLASSES; i++) {
        if (keep[i] != 1) {
            char name[8];
            snprintf(name, sizeof name, "%d", i);
            json_object_set_new(object, name, json_real(keep[i]));
        }
    }
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    json_decref(object);
    return text;
}

/* The names of the classes as JSON text: ["cat","dog"]; owned by the caller. */
static char *describe_classes(const esp_training *training)
{
    json_t *names = json_array();
    for (int i = 0; training->class_names != NULL && i < training->network->config.n_outputs; i++) {
        json_array_append_new(names, json_string(training->class_names[i]));
    }
    char *text = json_dumps(names, JSON_COMPACT);
    json_decref(names);
    return text;
}

static esp_safetensor feature_tensor(const char *name, const float *values,
                                     const esp_network *network)
{
    const int64_t n_features = network->config.n_features;
    return (esp_safetensor){.name = name,
                            .dtype = "F32",
                            .rank = 1,
                            .shape = {n_features},
                            .bytes = values,
                            .count = sizeof *values * (size_t)n_features};
}

enum { MAX_MODEL_META = 32 };

/* What a model's file says of it, in a fixed order. */
typedef struct model_metadata {
    esp_safetensors_meta pairs[MAX_MODEL_META];
    char numbers[MAX_MODEL_META][32];
    int n;
} model_metadata;

static void say(model_metadata *out, const char *key, const char *value)
{
    out->pairs[out->n++] = (esp_safetensors_meta){key, value};
}

static void say_number(model_metadata *out, const char *key, double value)
{
    snprintf(out->numbers[out->n], sizeof out->numbers[0], "%.17g", value);
    say(out, key, out->numbers[out->n]);
}

/* What builds the network again from the file alone, and where it comes from. Of what shapes tell,
 * it repeats depth and leaf width only. */
static void describe_model(model_metadata *out, const esp_training *training, const char *study,
                           const char *heads, const char *keep, const char *classes)
{
    const esp_cell *cell = training->cell;
    const char *const from[ESP_N_FROM] = {training->trial->id, study, cell->variant, cell->label,
                                          training->trial->seed};
    const esp_model_config *model = &cell->model;
    say(out, "format", "pt");
    say(out, "model", esp_model_kind_name(model->kind));
    say_number(out, "depth", model->depth);
    say_number(out, "leaf_width", model->leaf_width);
    if (model->kind == ESP_MODEL_MOE) {
        say_number(out, "top_k", model->top_k);
        say(out, "gate", model->gate == ESP_GATE_SWITCH ? "switch" : "top_k");
    }
    if (model->kind == ESP_MODEL_FFF_NODES) {
        say_number(out, "trees", model->n_trees);
    }
    say(out, "activation", model->activation == ESP_GELU ? "gelu" : "relu");
    say(out, "heads", heads);
    say(out, "data", cell->data.name);
    say_number(out, "normalize_mean", cell->data.mean);
    say_number(out, "normalize_std", cell->data.std);
    say_number(out, "validation", cell->data.partition.validation);
    snprintf(out->numbers[out->n], sizeof out->numbers[0], "%" PRIu64,
             cell->data.partition.split_seed);
    say(out, "split_seed", out->numbers[out->n]);
    if (cell->data.normalize != ESP_NORMALIZE_FIXED) {
        say(out, "normalize", esp_normalize_kind_name(cell->data.normalize));
    }
    if (cell->data.partition.keep != NULL) {
        say(out, "keep", keep);
    }
    if (cell->data.partition.test > 0) {
        say_number(out, "test", cell->data.partition.test);
        say(out, "data_digest", cell->data.digest);
    }
    if (training->class_names != NULL) {
        say(out, "classes", classes);
    }
    for (int i = 0; i < ESP_N_FROM; i++) {
        say(out, esp_from_names[i], from[i]);
    }
}

int esp_checkpoint_write_model(const char *path, char *digest, const esp_training *training,
                               const char *study, const esp_real *parameters)
{
    const esp_network *network = training->network;
    const esp_cell *cell = training->cell;
    esp_safetensor tensors[ESP_NETWORK_MAX_TENSORS + 2];
    int n_tensors = network->n_tensors, status = ESP_OK;
    model_metadata metadata = {0};
    char *heads = describe_heads(cell), *keep = describe_keep(cell);
    char *classes = describe_classes(training);
    float *values = malloc(sizeof(float) * (network->n_parameters + 1));
    if (heads == NULL || keep == NULL || classes == NULL || values == NULL) {
        status = esp_fail(ESP_MEMORY, "%s: no memory for a checkpoint", path);
        goto out;
    }
    size_t used = 0;
    for (int i = 0; i < network->n_tensors; i++) {
        const esp_tensor *tensor = &network->tensors[i];
        tensors[i] = (esp_safetensor){.name = tensor->name,
                                      .dtype = "F32",
                                      .rank = tensor->rank,
                                      .bytes = values + used,
                                      .count = sizeof(float) * tensor->count};
        memcpy(tensors[i].shape, tensor->shape, sizeof tensors[i].shape);
        esp_tensor_export(values + used, tensor, parameters);
        used += tensor->count;
    }
    if (training->splits[ESP_TRAIN].normalization.scales != NULL) {
        tensors[n_tensors++] = feature_tensor("normalize_scale", training->scales, network);
        tensors[n_tensors++] = feature_tensor("normalize_shift", training->shifts, network);
    }
    describe_model(&metadata, training, study, heads, keep, classes);
    ESP_TRY_OUT(esp_safetensors_write(path, tensors, n_tensors, metadata.pairs, metadata.n));
    if (digest != NULL) {
        ESP_TRY_OUT(esp_sha256_file(digest, path));
    }
out:
    free(values);
    free(heads);
    free(keep);
    free(classes);
    return status;
}

/* ---- training states ------------------------------------------------------------------------- */

enum {
    MAX_STATE_TENSORS = 8 + ESP_MAX_MONITORS + ESP_MAX_TERMS + ESP_MAX_HEADS,
    MAX_META = 20 + 6 * ESP_MAX_MONITORS
};

/* What is collected for one file, names and values kept until it is written. */
typedef struct state_file {
    esp_safetensor tensors[MAX_STATE_TENSORS];
    char names[MAX_STATE_TENSORS][96];
    void *owned[MAX_STATE_TENSORS];
    int n_tensors;
    esp_safetensors_meta metadata[MAX_META];
    char keys[MAX_META][48], values[MAX_META][80];
    int n_metadata;
} state_file;

static const char *real_dtype(void)
{
    return sizeof(esp_real) == sizeof(float) ? "F32" : "F64";
}

static esp_safetensor *put(state_file *file, const char *dtype, const void *bytes, size_t size,
                           size_t count)
{
    esp_safetensor *tensor = &file->tensors[file->n_tensors];
    *tensor = (esp_safetensor){.name = file->names[file->n_tensors],
                               .dtype = dtype,
                               .rank = 1,
                               .shape = {(int64_t)count},
                               .bytes = bytes,
                               .count = size * count};
    file->n_tensors++;
    return tensor;
}

static void put_reals(state_file *file, const char *name, const esp_real *values, size_t count)
{
    snprintf(file->names[file->n_tensors], sizeof file->names[0], "%s", name);
    put(file, real_dtype(), values, sizeof(esp_real), count);
}

static void put_integer(state_file *file, const char *key, int64_t value)
{
    int i = file->n_metadata++;
    snprintf(file->keys[i], sizeof file->keys[i], "%s", key);
    snprintf(file->values[i], sizeof file->values[i], "%" PRId64, value);
    file->metadata[i] = (esp_safetensors_meta){file->keys[i], file->values[i]};
}

/* Hexadecimal, so that it reads back to the same bits. */
static void put_double(state_file *file, const char *key, double value)
{
    put_integer(file, key, 0);
    snprintf(file->values[file->n_metadata - 1], sizeof file->values[0], "%a", value);
}

static int put_plugin(state_file *file, const char *kind, const esp_instance *instance)
{
    void *bytes = NULL;
    size_t count = 0;
    ESP_TRY(esp_instance_save(&bytes, &count, instance));
    snprintf(file->names[file->n_tensors], sizeof file->names[0], "%s.%s", kind,
             instance->plugin->name);
    file->owned[file->n_tensors] = bytes;
    put(file, "U8", bytes, 1, count);
    return ESP_OK;
}

static int put_plugins(state_file *file, const esp_training *training)
{
    for (int i = 0; i < training->losses.n_terms; i++) {
        if (training->losses.usable[i]) {
            ESP_TRY(put_plugin(file, "loss", &training->losses.terms[i]));
        }
    }
    for (int i = 0; i < training->n_heads; i++) {
        ESP_TRY(put_plugin(file, "head", &training->heads[i]));
    }
    return ESP_OK;
}

/* What a localized optimizer gathers, where any phase has one. */
static void put_localized(state_file *file, const esp_training *training)
{
    const esp_localized *localized = &training->localized;
    const esp_network *network = training->network;
    if (!esp_training_is_localized(training)) {
        return;
    }
    const size_t blocks = (size_t)esp_localized_blocks(&network->config.model);
    put_reals(file, "pending_gradients", localized->pending, network->n_trainable);
    snprintf(file->names[file->n_tensors], sizeof file->names[0], "block_usage");
    put(file, "F64", localized->usage, sizeof *localized->usage, blocks);
    snprintf(file->names[file->n_tensors], sizeof file->names[0], "block_steps");
    put(file, "I64", localized->steps, sizeof *localized->steps, blocks);
}

int esp_checkpoint_write_state(const char *path, const esp_training *training)
{
    const esp_network *network = training->network;
    state_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for a checkpoint", path);
    }
    int status = ESP_OK;
    put_reals(file, "parameters", network->parameters, network->n_parameters);
    put_reals(file, "first_moment", training->first_moment, network->n_trainable);
    put_reals(file, "second_moment", training->second_moment, network->n_trainable);
    put_localized(file, training);
    ESP_TRY_OUT(put_plugins(file, training));
    put_integer(file, "phase", training->phase);
    put_integer(file, "epoch", training->epoch);
    put_integer(file, "phase_epoch", training->phase_epoch);
    put_integer(file, "phase_steps", training->phase_steps);
    put_integer(file, "step", training->step);
    put_integer(file, "batches", training->batches);
    put_integer(file, "optimizer_step", training->optimizer.step);
    put_integer(file, "noise_position", (int64_t)training->noise.position);
    put_double(file, "stopping_best", training->stopping_best);
    put_integer(file, "stopping_waited", training->stopping_waited);
    put_double(file, "plateau_rate", training->plateau.rate);
    put_double(file, "plateau_best", training->plateau.best);
    put_integer(file, "plateau_waited", training->plateau.waited);
    for (int i = 0; i < training->n_best; i++) {
        char key[48];
        snprintf(key, sizeof key, "best_%d", i);
        put_reals(file, key, training->best[i].parameters, network->n_parameters);
        snprintf(key, sizeof key, "best_%d_epoch", i);
        put_integer(file, key, training->best[i].epoch);
        snprintf(key, sizeof key, "best_%d_phase", i);
        put_integer(file, key, training->best[i].phase);
        snprintf(key, sizeof key, "best_%d_phase_epoch", i);
        put_integer(file, key, training->best[i].phase_epoch);
        snprintf(key, sizeof key, "best_%d_phase_steps", i);
        put_integer(file, key, training->best[i].phase_steps);
        snprintf(key, sizeof key, "best_%d_value", i);
        put_double(file, key, training->best[i].value);
    }
    put_integer(file, "trial", 0); /* its id, in the value */
    snprintf(file->values[file->n_metadata - 1], sizeof file->values[0], "%s", training->trial->id);
    ESP_TRY_OUT(esp_safetensors_write_sealed(path, file->tensors, file->n_tensors, file->metadata,
                                             file->n_metadata));
out:
    for (int i = 0; i < file->n_tensors; i++) {
        free(file->owned[i]);
    }
    free(file);
    return status;
}

static int get_bytes(void *values, const char *dtype, size_t size, size_t count,
                     const esp_safetensors *file, const char *name, const char *path)
{
    const esp_safetensor *tensor = esp_safetensors_find(file, name);
    if (tensor == NULL || strcmp(tensor->dtype, dtype) != 0 || tensor->count != size * count) {
        return esp_fail(ESP_DATA, "%s: tensor '%s': expected %zu values of %s, found %zu bytes",
                        path, name, count, dtype, tensor ? tensor->count : 0);
    }
    memcpy(values, tensor->bytes, tensor->count);
    return ESP_OK;
}

static int get_reals(esp_real *values, size_t count, const esp_safetensors *file, const char *name,
                     const char *path)
{
    return get_bytes(values, real_dtype(), sizeof(esp_real), count, file, name, path);
}

static int get_integer(int64_t *value, const esp_safetensors *file, const char *key,
                       const char *path)
{
    const char *text = esp_safetensors_meta_of(file, key);
    char *end = NULL;
    *value = text ? strtoll(text, &end, 10) : 0;
    if (text == NULL || *end || end == text) {
        return esp_fail(ESP_DATA, "%s: metadata '%s' is missing or not a number", path, key);
    }
    return ESP_OK;
}

static int get_double(double *value, const esp_safetensors *file, const char *key, const char *path)
{
    const char *text = esp_safetensors_meta_of(file, key);
    char *end = NULL;
    *value = text ? strtod(text, &end) : NAN;
    if (text == NULL || *end || end == text) {
        return esp_fail(ESP_DATA, "%s: metadata '%s' is missing or not a number", path, key);
    }
    return ESP_OK;
}

static int get_plugin(esp_instance *instance, const esp_safetensors *file, const char *kind,
                      const char *path)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", kind, instance->plugin->name);
    const esp_safetensor *tensor = esp_safetensors_find(file, name);
    if (tensor == NULL) {
        return esp_fail(ESP_DATA, "%s: the state of %s is missing", path, name);
    }
    return esp_instance_load(instance, tensor->bytes, tensor->count);
}

static int get_localized(esp_training *training, const esp_safetensors *file, const char *path)
{
    const esp_localized *localized = &training->localized;
    const esp_network *network = training->network;
    if (!esp_training_is_localized(training)) {
        return ESP_OK;
    }
    const size_t blocks = (size_t)esp_localized_blocks(&network->config.model);
    ESP_TRY(get_reals(localized->pending, network->n_trainable, file, "pending_gradients", path));
    ESP_TRY(get_bytes(localized->usage, "F64", sizeof *localized->usage, blocks, file,
                      "block_usage", path));
    return get_bytes(localized->steps, "I64", sizeof *localized->steps, blocks, file, "block_steps",
                     path);
}

static int get_plateau(esp_plateau *plateau, const esp_safetensors *file, const char *path)
{
    int64_t waited;
    ESP_TRY(get_double(&plateau->rate, file, "plateau_rate", path));
    ESP_TRY(get_double(&plateau->best, file, "plateau_best", path));
    ESP_TRY(get_integer(&waited, file, "plateau_waited", path));
    plateau->waited = (int)waited;
    return ESP_OK;
}

static int get_position(esp_training *training, const esp_safetensors *file, const char *path)
{
    int64_t phase, epoch, phase_epoch, waited, noise;
    ESP_TRY(get_integer(&phase, file, "phase", path));
    ESP_TRY(get_integer(&epoch, file, "epoch", path));
    ESP_TRY(get_integer(&phase_epoch, file, "phase_epoch", path));
    ESP_TRY(get_integer(&training->phase_steps, file, "phase_steps", path));
    ESP_TRY(get_integer(&training->step, file, "step", path));
    ESP_TRY(get_integer(&training->batches, file, "batches", path));
    ESP_TRY(get_integer(&noise, file, "noise_position", path));
    ESP_TRY(get_integer(&waited, file, "stopping_waited", path));
    ESP_TRY(get_double(&training->stopping_best, file, "stopping_best", path));
    if (phase < 0 || phase >= training->cell->n_phases || epoch < 0 || phase_epoch < 0) {
        return esp_fail(ESP_DATA, "%s: phase %" PRId64 ", epoch %" PRId64 " is not in this study",
                        path, phase, epoch);
    }
    esp_training_continue_phase(training, (int)phase);
    ESP_TRY(get_integer(&training->optimizer.step, file, "optimizer_step", path));
    ESP_TRY(get_plateau(&training->plateau, file, path));
    training->epoch = (int)epoch;
    training->phase_epoch = (int)phase_epoch;
    training->stopping_waited = (int)waited;
    training->noise.position = (uint64_t)noise;
    return ESP_OK;
}

static int get_best(esp_training *training, int index, const esp_safetensors *file,
                    const char *path)
{
    esp_best *best = &training->best[index];
    char key[48];
    int64_t epoch, phase, phase_epoch;
    snprintf(key, sizeof key, "best_%d", index);
    ESP_TRY(get_reals(best->parameters, training->network->n_parameters, file, key, path));
    snprintf(key, sizeof key, "best_%d_epoch", index);
    ESP_TRY(get_integer(&epoch, file, key, path));
    snprintf(key, sizeof key, "best_%d_value", index);
    ESP_TRY(get_double(&best->value, file, key, path));
    snprintf(key, sizeof key, "best_%d_phase", index);
    ESP_TRY(get_integer(&phase, file, key, path));
    snprintf(key, sizeof key, "best_%d_phase_epoch", index);
    ESP_TRY(get_integer(&phase_epoch, file, key, path));
    snprintf(key, sizeof key, "best_%d_phase_steps", index);
    ESP_TRY(get_integer(&best->phase_steps, file, key, path));
    best->epoch = (int)epoch;
    best->phase = (int)phase;
    best->phase_epoch = (int)phase_epoch;
    return ESP_OK;
}

int esp_checkpoint_read_state(esp_training *training, const char *path)
{
    esp_network *network = training->network;
    esp_safetensors *file = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_safetensors_read(&file, path));
    const char *trial = esp_safetensors_meta_of(file, "trial");
    if (trial == NULL || strcmp(trial, training->trial->id) != 0) {
        status = esp_fail(ESP_DATA, "%s: belongs to trial %s, not to %s", path,
                          trial ? trial : "(none)", training->trial->id);
        goto out;
    }
    ESP_TRY_OUT(get_reals(network->parameters, network->n_parameters, file, "parameters", path));
    ESP_TRY_OUT(
        get_reals(training->first_moment, network->n_trainable, file, "first_moment", path));
    ESP_TRY_OUT(
        get_reals(training->second_moment, network->n_trainable, file, "second_moment", path));
    ESP_TRY_OUT(get_position(training, file, path));
    ESP_TRY_OUT(get_localized(training, file, path));
    for (int i = 0; i < training->n_best; i++) {
        ESP_TRY_OUT(get_best(training, i, file, path));
    }
    for (int i = 0; i < training->losses.n_terms; i++) {
        if (training->losses.usable[i]) {
            ESP_TRY_OUT(get_plugin(&training->losses.terms[i], file, "loss", path));
        }
    }
    for (int i = 0; i < training->n_heads; i++) {
        ESP_TRY_OUT(get_plugin(&training->heads[i], file, "head", path));
    }
out:
    esp_safetensors_free(file);
    return status;
}
