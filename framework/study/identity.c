/* What makes two trials the same: the configuration without names and cadences, as canonical JSON,
 * the seeds, the data's content, the plugins' versions and the trainer's. */
#include "study/build.h"

#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/status.h"
#include "core/text.h"
#include "study/size.h"

/* ---- JSON as text --------------------------------------------------------------------------- */

static int compare_keys(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void write_value(FILE *out, const json_t *value);

static void write_object(FILE *out, const json_t *object)
{
    size_t n = json_object_size(object), at = 0;
    const char **keys = calloc(n + 1, sizeof *keys);
    const char *key = NULL;
    json_t *value = NULL;
    fputc('{', out);
    json_object_foreach((json_t *)object, key, value)
    {
        if (keys != NULL) {
            keys[at++] = key;
        }
    }
    if (at > 1) {
        qsort(keys, at, sizeof *keys, compare_keys);
    }
    for (size_t i = 0; i < at; i++) {
        fprintf(out, "%s\"%s\":", i ? "," : "", keys[i]);
        write_value(out, json_object_get(object, keys[i]));
    }
    fputc('}', out);
    free(keys);
}

/* jansson prints 0.1 as 0.10000000000000001 in some versions and not in others; an identity must
 * not depend on that. */
static void write_value(FILE *out, const json_t *value)
{
    if (json_is_object(value)) {
        write_object(out, value);
    } else if (json_is_array(value)) {
        fputc('[', out);
        for (size_t i = 0; i < json_array_size(value); i++) {
            fputs(i ? "," : "", out);
            write_value(out, json_array_get(value, i));
        }
        fputc(']', out);
    } else if (json_is_real(value)) {
        char number[32];
        esp_text_print_number(number, json_real_value(value));
        fputs(number, out);
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        fputs(text != NULL ? text : "null", out);
        free(text);
    }
}

char *esp_json_text(const json_t *value)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    write_value(out, value);
    fclose(out);
    return text;
}

/* ---- identity ------------------------------------------------------------------------------- */

/* Parameters as old as the identity itself. Later ones enter only where they differ from their
 * default, so that a plugin may gain parameters and keep its trials; these always have. */
static bool is_first_param(const char *path)
{
    static const char first[] = "losses.balance.configured_batch losses.hardening.reduction "
                                "heads.master_leaf.width heads.master_leaf.k "
                                "heads.master_leaf.k_trainable";
    return esp_word_in(first, path);
}

/* Whether a value is the one its key has where nothing is written. */
static bool is_built_in(const esp_key_ref *ref, const char *path, const json_t *value)
{
    json_t *fallback = NULL;
    if (json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0)) {
        return true;
    }
    esp_schema_value(&fallback, NULL, ref, path, NULL);
    bool same = fallback != NULL && json_equal((json_t *)value, fallback);
    json_decref(fallback);
    return same;
}

static json_t *identity_of(const esp_registry *registry, const json_t *value, const char *path);

/* Adds the identity of what lies at path, if it has one. */
static void add_identity(json_t *object, const char *key, const esp_registry *registry,
                         const json_t *value, const char *path)
{
    esp_key_ref ref;
    if (!esp_schema_find(&ref, registry, path) ||
        (ref.param == NULL && !(ref.key->flags & ESP_KEY_IDENTITY))) {
        return;
    }
    json_t *identity = identity_of(registry, value, path);
    bool where_changed =
        ref.param != NULL ? !is_first_param(path) : ref.key->flags & ESP_KEY_WHERE_CHANGED;
    if (where_changed && is_built_in(&ref, path, identity)) {
        json_decref(identity);
    } else {
        json_object_set_new(object, key, identity);
    }
}

/* A copy of what lies at path with identity keys alone. */
static json_t *identity_of(const esp_registry *registry, const json_t *value, const char *path)
{
    if (!json_is_object(value)) {
        return json_deep_copy(value);
    }
    json_t *object = json_object();
    const char *key = NULL;
    json_t *child = NULL;
    json_object_foreach((json_t *)value, key, child)
    {
        char *below = esp_text_format("%s.%s", path, key);
        if (below != NULL) {
            add_identity(object, key, registry, child, below);
        }
        free(below);
    }
    return object;
}

static json_t *identity_of_phase(const esp_registry *registry, const json_t *phase,
                                 const char *name)
{
    json_t *object = json_pack("{s:s}", "name", name);
    const char *key = NULL;
    json_t *child = NULL;
    json_object_foreach((json_t *)phase, key, child)
    {
        char *own = esp_text_format("phases.%s.%s", name, key);
        esp_key_ref ref;
        bool of_phase = own != NULL && esp_schema_find(&ref, registry, own);
        add_identity(object, key, registry, child, of_phase ? own : key);
        free(own);
    }
    json_object_del(object, "set");
    if (json_object_get(object, "steps") != NULL) {
        json_object_del(object, "epochs"); /* follow from the steps */
    }
    return object;
}

json_t *esp_identity_make(const esp_registry *registry, const json_t *config)
{
    json_t *identity = json_object();
    static const char *const sections[] = {"data", "model", "selection"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        const json_t *section = json_object_get(config, sections[i]);
        json_object_set_new(identity, sections[i], identity_of(registry, section, sections[i]));
    }
    /* A width that was matched is the width; so is a depth, however it was given. */
    json_t *model = json_object_get(identity, "model");
    if (json_object_get(model, "depth") != NULL) {
        json_object_del(model, "training_width");
    }
    /* Order counts for heads and phases, and objects are sorted: lists. */
    json_t *heads = json_array(), *phases = json_array();
    const char *name = NULL;
    json_t *child = NULL;
    json_object_foreach(json_object_get(config, "heads"), name, child)
    {
        char *path = esp_text_format("heads.%s", name);
        json_array_append_new(heads,
                              json_pack("{s:s,s:o}", "name", name, "parameters",
                                        identity_of(registry, child, path != NULL ? path : name)));
        free(path);
    }
    json_object_foreach(json_object_get(config, "phases"), name, child)
    {
        json_array_append_new(phases, identity_of_phase(registry, child, name));
    }
    json_object_set_new(identity, "heads", heads);
    json_object_set_new(identity, "phases", phases);
    return identity;
}

static void add_plugin(esp_digest *digest, const char *kind, const esp_plugin *plugin)
{
    char *line = esp_text_format("%s/%s/%s\n", kind, plugin->name, plugin->version);
    if (line != NULL) {
        esp_digest_add(digest, line, strlen(line));
    }
    free(line);
}

int esp_trial_identify(esp_trial *trial, const esp_cell *cell, const char *data_digest)
{
    esp_digest *digest = NULL;
    ESP_TRY(esp_digest_create(&digest));
    char seeds[256], hex[ESP_SHA256_HEX];
    snprintf(seeds, sizeof seeds, "\ninit=%llu,order=%llu,noise=%llu\n%s\ntrainer=%d\n",
             (unsigned long long)trial->seed_init, (unsigned long long)trial->seed_order,
             (unsigned long long)trial->seed_noise, data_digest, ESP_TRAINER_VERSION);
    esp_digest_add(digest, cell->identity, strlen(cell->identity));
    esp_digest_add(digest, seeds, strlen(seeds));
    for (int i = 0; i < cell->phases[0].n_terms; i++) {
        add_plugin(digest, "loss", cell->phases[0].terms[i].plugin);
    }
    for (int i = 0; i < cell->n_heads; i++) {
        add_plugin(digest, "head", cell->heads[i].plugin);
    }
    esp_digest_finish(digest, hex);
    snprintf(trial->id, sizeof trial->id, "%.16s", hex);
    return ESP_OK;
}

/* ---- description ---------------------------------------------------------------------------- */

typedef struct param_list {
    esp_key_value *items;
    int n, capacity;
} param_list;

static void add_param(param_list *list, const char *key, const char *value)
{
    if (list->n == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 64;
        esp_key_value *wider = realloc(list->items, sizeof *wider * (size_t)capacity);
        if (wider == NULL) {
            return;
        }
        list->items = wider;
        list->capacity = capacity;
    }
    list->items[list->n++] = (esp_key_value){strdup(key), strdup(value)};
}

/* As a study would write it. */
static const char *value_text(esp_tree_pool *pool, const json_t *value)
{
    if (json_is_string(value)) {
        return json_string_value(value);
    }
    if (json_is_array(value)) {
        const char *text = "[";
        for (size_t i = 0; i < json_array_size(value); i++) {
            text = esp_tree_pool_format(pool, "%s%s%s", text, i ? ", " : "",
                                        value_text(pool, json_array_get(value, i)));
        }
        return esp_tree_pool_format(pool, "%s]", text);
    }
    char *text = esp_json_text(value);
    const char *copy = esp_tree_pool_format(pool, "%s", text != NULL ? text : "");
    free(text);
    return copy;
}

/* A weight that changes: "linear 0 to 3 over 10 epochs". */
static const char *ramp_text(esp_tree_pool *pool, const json_t *ramp)
{
    return esp_tree_pool_format(pool, "%s %s to %s over %s %ss",
                                value_text(pool, json_object_get(ramp, "schedule")),
                                value_text(pool, json_object_get(ramp, "from")),
                                value_text(pool, json_object_get(ramp, "to")),
                                value_text(pool, json_object_get(ramp, "over")),
                                value_text(pool, json_object_get(ramp, "by")));
}

static void flatten(param_list *list, esp_tree_pool *pool, const char *path, const json_t *value)
{
    if (!json_is_object(value) || json_object_size(value) == 0) {
        add_param(list, path, value_text(pool, value));
        return;
    }
    if (json_object_get(value, "schedule") != NULL && json_object_get(value, "over") != NULL) {
        add_param(list, path, ramp_text(pool, value)); /* for reports, in one word */
    }
    const char *key = NULL;
    json_t *child = NULL;
    json_object_foreach((json_t *)value, key, child)
    {
        flatten(list, pool, *path ? esp_tree_pool_format(pool, "%s.%s", path, key) : key, child);
    }
}

static void add_number(param_list *list, const char *key, double value)
{
    char text[32];
    esp_text_print_number(text, value);
    add_param(list, key, text);
}

static void describe_sets(builder *b)
{
    json_t *phases = json_object_get(b->config, "phases");
    for (int i = 0; i < b->n_phases; i++) {
        const char *path = esp_tree_pool_format(b->r->pool, "phases.%s.set", b->phase_names[i]);
        const esp_node *set = esp_node_find(b->draft->tree, path);
        json_t *written = json_object();
        for (int k = 0; set != NULL && set->type == ESP_NODE_MAP && k < set->n; k++) {
            json_object_set_new(written, set->keys[k],
                                json_string(esp_node_text(b->r->pool, set->items[k])));
        }
        json_object_set_new(json_object_get(phases, b->phase_names[i]), "set", written);
    }
}

void esp_cell_describe(builder *b)
{
    esp_cell *cell = b->cell;
    esp_tree_pool *pool = b->r->pool;
    json_t *identity = esp_identity_make(b->r->registry, b->config);
    cell->identity = esp_json_text(identity);
    json_decref(identity);
    describe_sets(b);
    cell->config = esp_json_text(b->config);
    cell->variant = strdup(b->draft->variant->name);
    cell->n_swept = b->draft->n_swept;
    cell->swept = calloc((size_t)cell->n_swept + 1, sizeof *cell->swept);
    const char *label = b->draft->variant->name;
    for (int i = 0; cell->swept != NULL && i < cell->n_swept; i++) {
        const char *value = esp_node_text(pool, b->draft->swept[i].value);
        label = esp_tree_pool_format(pool, "%s %s=%s", label, b->draft->swept[i].path, value);
        cell->swept[i] = (esp_key_value){strdup(b->draft->swept[i].path), strdup(value)};
    }
    cell->label = strdup(label);
    param_list list = {0};
    flatten(&list, pool, "", b->config);
    if (esp_data_section_keep_text(b) != NULL) {
        add_param(&list, "data.keep", esp_data_section_keep_text(b));
    }
    add_number(&list, "training_width", cell->training_width);
    add_number(&list, "leaf_width", cell->model.leaf_width);
    add_number(&list, "depth", cell->model.depth);
    add_number(&list, "inference_width", cell->inference_width);
    esp_size size;
    if (esp_size_of_cell(&size, cell) == ESP_OK) {
        add_number(&list, "parameters", size.parameters);
        add_number(&list, "inference_macs", size.inference_macs);
        add_number(&list, "training_macs", size.training_macs);
    } else {
        esp_problem(b->r->problems, ESP_ERROR, esp_node_mark(b->draft->tree, "heads"), "%s",
                    esp_message());
        b->sound = false;
    }
    if (b->sound && size.training_bytes > ESP_MAX_TRAINING_BYTES) {
        esp_problem(
            b->r->problems, ESP_ERROR, esp_node_mark(b->draft->tree, "model"),
            "a trial of this model would take about %.0f GB of memory (%.0f parameters, and "
            "%d rows for each example of a batch); more than %.0f GB is refused",
            size.training_bytes / 1e9, size.parameters, size.n_hidden,
            ESP_MAX_TRAINING_BYTES / 1e9);
        b->sound = false;
    }
    cell->params = list.items;
    cell->n_params = list.n;
}

const char *esp_cell_param(const esp_cell *cell, const char *key)
{
    for (int i = 0; i < cell->n_params; i++) {
        if (strcmp(cell->params[i].key, key) == 0) {
            return cell->params[i].value;
        }
    }
    return NULL;
}
