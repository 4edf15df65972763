/* The model of a cell: from its section of the draft to the struct that a network is made from. */
#include <math.h>
#include <string.h>

#include "study/build.h"
#include "study/size.h"

enum { MAX_WIDTH = 1 << 20, MAX_DEPTH = 20 };

static const char *const model_kinds[] = {"fff", "ff", "moe", "fff_nodes"};

static void complain(builder *b, const char *path, const char *text)
{
    esp_problem(b->r->problems, ESP_ERROR, esp_node_mark(b->draft->tree, path), "%s", text);
    b->sound = false;
}

/* A key that the kind must have; false after a problem. */
static bool read_integer(builder *b, int *out, const json_t *model, const char *key)
{
    const char *path = esp_tree_pool_format(b->r->pool, "model.%s", key);
    const json_t *value = json_object_get(model, key);
    *out = (int)json_integer_value(value);
    if (value == NULL && esp_node_find(b->draft->tree, path) == NULL) {
        const char *kind = json_string_value(json_object_get(model, "kind"));
        esp_build_require(
            b, b->draft->tree, path,
            esp_tree_pool_format(b->r->pool, " for model kind '%s'", kind ? kind : ""));
    }
    return value != NULL;
}

/* ---- trees ---------------------------------------------------------------------------------- */

/* The depth at which a tree of these leaves has the width; false after a problem. */
static bool find_depth(builder *b, int *depth, json_int_t width, json_int_t leaf_width,
                       const char *leaf_path)
{
    json_int_t low = leaf_width;
    for (*depth = 0; low * 2 <= width; low *= 2) {
        (*depth)++;
    }
    if (low != width) {
        complain(b, leaf_path,
                 esp_tree_pool_format(
                     b->r->pool,
                     "training_width %lld is not leaf_width %lld times a power of two; nearest: "
                     "training_width %lld or %lld",
                     (long long)width, (long long)leaf_width, (long long)low,
                     (long long)(low < width ? 2 * low : low)));
        return false;
    }
    return true;
}

/* depth and leaf_width from {training_width | depth, leaf_width} at prefix. */
static bool read_tree(builder *b, int *depth, int *leaf_width, const char *prefix,
                      const json_t *model)
{
    esp_reading *r = b->r;
    const esp_node *tree = b->draft->tree;
    const char *paths[3];
    static const char *const names[] = {"training_width", "depth", "leaf_width"};
    json_int_t values[3];
    bool given[3];
    for (int i = 0; i < 3; i++) {
        paths[i] = esp_tree_pool_format(r->pool, "%s.%s", prefix, names[i]);
        given[i] = esp_node_find(tree, paths[i]) != NULL;
        values[i] = json_integer_value(json_object_get(model, names[i]));
        if (given[i] && json_object_get(model, names[i]) == NULL) {
            return b->sound = false;
        }
    }
    if (given[0] && given[1]) {
        esp_problem(r->problems, ESP_ERROR, esp_node_key_mark(tree, paths[1]),
                    "%s and %s are both given; one follows from the other", paths[1], paths[0]);
        return b->sound = false;
    }
    if (!given[0] && !given[1]) {
        esp_build_require(b, tree, paths[0], " (or depth)");
    }
    if (!given[2]) {
        esp_build_require(b, tree, paths[2], "");
    }
    if (!given[2] || (!given[0] && !given[1])) {
        return false;
    }
    *leaf_width = (int)values[2];
    *depth = (int)values[1];
    if (given[0] && !find_depth(b, depth, values[0], values[2], paths[2])) {
        return false;
    }
    if (ldexp(*leaf_width, *depth) > MAX_WIDTH || *depth > MAX_DEPTH) {
        complain(b, paths[2],
                 esp_tree_pool_format(r->pool, "a training width of %.0f is more than %d",
                                      ldexp(*leaf_width, *depth), MAX_WIDTH));
        return false;
    }
    return true;
}

/* ---- widths --------------------------------------------------------------------------------- */

/* The fff that a width is matched to, from the keys of `of`, which are kept. */
static bool read_matched(builder *b, esp_model_config *fff, json_t *of, const char *path)
{
    static const char *const names[] = {"training_width", "depth", "leaf_width"};
    int depth = 0, leaf_width = 0;
    for (int i = 0; i < 3; i++) {
        const char *below = esp_tree_pool_format(b->r->pool, "%s.of.%s", path, names[i]);
        const esp_node *at = esp_node_find(b->draft->tree, below);
        esp_key_ref ref;
        if (at != NULL && esp_schema_find(&ref, b->r->registry, below)) {
            json_t *value = NULL;
            esp_schema_value(&value, b->r->problems, &ref, below, at);
            json_object_set_new(of, names[i], value);
        }
    }
    const char *prefix = esp_tree_pool_format(b->r->pool, "%s.of", path);
    if (!read_tree(b, &depth, &leaf_width, prefix, of)) {
        return false;
    }
    *fff = esp_model_fff(depth, leaf_width);
    return true;
}

/* Sets leaf_width of a model that is complete but for it, from the key at path: a number, or what
 * matches an fff. */
static void build_width(builder *b, esp_model_config *out, json_t *model, const char *path)
{
    const esp_node *tree = b->draft->tree, *node = esp_node_find(tree, path);
    const char *key = strchr(path, '.') + 1;
    if (node == NULL) {
        esp_build_require(b, tree, path,
                          esp_tree_pool_format(b->r->pool, " for model kind '%s'",
                                               esp_model_kind_name(out->kind)));
        return;
    }
    if (node->type != ESP_NODE_MAP) {
        esp_key_ref ref;
        json_t *value = NULL;
        esp_schema_find(&ref, b->r->registry, path);
        esp_schema_value(&value, b->r->problems, &ref, path, node);
        b->sound = b->sound && value != NULL;
        out->leaf_width = (int)json_integer_value(value);
        json_object_set_new(model, key, value != NULL ? value : json_null());
        return;
    }
    json_t *of = json_object();
    const char *match_path = esp_tree_pool_format(b->r->pool, "%s.match", path);
    const esp_node *match = esp_node_find(tree, match_path);
    esp_model_config fff;
    if (match == NULL) {
        esp_build_require(b, tree, match_path, "");
    } else if (read_matched(b, &fff, of, path) && b->data_known && b->sound) {
        double width =
            esp_size_match(match->text, out, &fff, b->data.n_features, b->data.n_classes);
        if (!(width >= 1 && width <= MAX_WIDTH)) {
            complain(b, path,
                     esp_tree_pool_format(
                         b->r->pool,
                         "no %s from 1 to %d gives this %s the %s of that fff: it would be %.0f",
                         key, MAX_WIDTH, esp_model_kind_name(out->kind), match->text, width));
            width = 1;
        }
        out->leaf_width = (int)width;
        json_object_set_new(model, "width_from",
                            json_pack("{s:s,s:O}", "match", match->text, "of", of));
        json_object_set_new(model, key, json_integer(out->leaf_width));
    }
    json_decref(of);
}

/* ---- kinds ---------------------------------------------------------------------------------- */

static void build_fff(builder *b, json_t *model)
{
    esp_cell *cell = b->cell;
    int depth = 0, leaf_width = 1;
    read_tree(b, &depth, &leaf_width, "model", model);
    if (b->sound) {
        cell->model = esp_model_fff(depth, leaf_width);
        cell->training_width = leaf_width << depth;
        cell->inference_width = leaf_width + depth;
    }
    json_object_set_new(model, "training_width", json_integer(cell->training_width));
    json_object_set_new(model, "depth", json_integer(cell->model.depth));
}

static void build_ff(builder *b, json_t *model)
{
    esp_cell *cell = b->cell;
    cell->model = esp_model_ff(1);
    build_width(b, &cell->model, model, "model.width");
    cell->training_width = cell->inference_width = cell->model.leaf_width;
}

static void build_moe(builder *b, json_t *model)
{
    esp_cell *cell = b->cell;
    int experts = 0, top_k = 0;
    bool known = read_integer(b, &experts, model, "experts");
    known = read_integer(b, &top_k, model, "top_k") && known;
    cell->model = esp_model_moe(experts, 1, top_k);
    if (known && top_k > experts) {
        complain(b, "model.top_k",
                 esp_tree_pool_format(b->r->pool, "top_k %d is more than the %d experts", top_k,
                                      experts));
    }
    cell->model.noise = json_is_true(json_object_get(model, "noise"));
    cell->model.noise_epsilon = json_number_value(json_object_get(model, "noise_epsilon"));
    if (cell->model.noise_epsilon > 0 && !cell->model.noise) {
        complain(
            b, "model.noise_epsilon",
            "model.noise_epsilon does nothing without model.noise; set that too, or leave both "
            "out");
    }
    const char *gate = json_string_value(json_object_get(model, "gate"));
    if (gate != NULL) {
        cell->model.gate = strcmp(gate, "switch") == 0 ? ESP_GATE_SWITCH : ESP_GATE_TOP_K;
    } else {
        json_object_set_new(model, "gate",
                            json_string(cell->model.gate == ESP_GATE_SWITCH ? "switch" : "top_k"));
    }
    if (known && top_k == 1 && cell->model.gate == ESP_GATE_TOP_K) {
        esp_problem(b->r->problems, ESP_WARNING, esp_node_mark(b->draft->tree, "model.gate"),
                    "a top_k gate gives its one expert the weight 1: no gradient of a task reaches "
                    "it; gate: switch does not have that trouble");
    }
    build_width(b, &cell->model, model, "model.expert_width");
    const double width = (double)experts * cell->model.leaf_width;
    if (width > MAX_WIDTH) {
        complain(b, "model.experts",
                 esp_tree_pool_format(b->r->pool,
                                      "%d experts of width %d are a training width of "
                                      "%.0f, which is more than %d",
                                      experts, cell->model.leaf_width, width, MAX_WIDTH));
        return;
    }
    cell->training_width = (int)width;
    cell->inference_width = top_k * cell->model.leaf_width + experts;
}

static void build_fff_nodes(builder *b, json_t *model)
{
    esp_cell *cell = b->cell;
    int trees = 0, depth = 0;
    bool known = read_integer(b, &trees, model, "trees");
    known = read_integer(b, &depth, model, "depth") && known;
    const double width = ldexp(trees, depth + 1) - trees;
    if (known && width > MAX_WIDTH) {
        complain(b, "model.trees",
                 esp_tree_pool_format(
                     b->r->pool, "%d trees of depth %d have %.0f neurons, which is more than %d",
                     trees, depth, width, MAX_WIDTH));
    }
    if (known && b->sound) {
        cell->model = esp_model_fff_nodes(trees, depth);
        cell->training_width = (int)width;
        cell->inference_width = trees * (depth + 1);
    }
    if (esp_node_find(b->draft->tree, "model.activation") == NULL) {
        json_object_set_new(model, "activation", json_string("gelu"));
    }
}

/* ---- what kinds share ----------------------------------------------------------------------- */

/* Groups to freeze, in one order whatever is written, so that they are one configuration. */
static void build_frozen(builder *b, json_t *model)
{
    static const char *const groups[] = {"nodes", "leaves", "heads"};
    static const esp_group bits[] = {ESP_GROUP_NODES, ESP_GROUP_LEAVES, ESP_GROUP_HEADS};
    esp_model_config *out = &b->cell->model;
    const json_t *written = json_object_get(model, "freeze");
    const bool nodes = out->kind == ESP_MODEL_FFF || out->kind == ESP_MODEL_MOE;
    const esp_node *heads = esp_node_get(b->draft->tree, "heads");
    const bool has_heads = heads != NULL && heads->type == ESP_NODE_MAP && heads->n > 0;
    for (size_t i = 0; i < json_array_size(written); i++) {
        const char *word = json_string_value(json_array_get(written, i));
        int group = 0;
        while (word != NULL && group < 3 && strcmp(word, groups[group]) != 0) {
            group++;
        }
        if (word == NULL || group == 3) {
            complain(b, "model.freeze",
                     esp_tree_pool_format(
                         b->r->pool, "model.freeze has no choice '%s'%s", word ? word : "",
                         esp_word_hint(b->r->pool, word ? word : "", "nodes leaves heads")));
        } else if ((group == 0 && !nodes) || (group == 2 && !has_heads)) {
            complain(b, "model.freeze",
                     esp_tree_pool_format(b->r->pool, "this model of kind '%s' has no %s to freeze",
                                          esp_model_kind_name(out->kind), word));
        } else {
            out->frozen |= 1u << bits[group];
        }
    }
    json_t *sorted = json_array();
    bool trains = false;
    for (int group = 0; group < 3; group++) {
        const bool frozen = out->frozen & 1u << bits[group];
        const bool there = group == 0 ? nodes : group == 1 || has_heads;
        trains = trains || (there && !frozen);
        if (frozen) {
            json_array_append_new(sorted, json_string(groups[group]));
        }
    }
    json_object_set_new(model, "freeze", sorted);
    if (!trains) {
        complain(b, "model.freeze", "model.freeze leaves nothing to train");
    }
}

static void build_common(builder *b, json_t *model)
{
    esp_model_config *out = &b->cell->model;
    const char *activation = json_string_value(json_object_get(model, "activation"));
    out->activation = activation != NULL && strcmp(activation, "gelu") == 0 ? ESP_GELU : ESP_RELU;
    out->dropout = json_number_value(json_object_get(model, "dropout"));
    out->region_leak = json_number_value(json_object_get(model, "region_leak"));
    out->train_hardened = json_is_true(json_object_get(model, "train_hardened"));
    const json_t *scale = json_object_get(model, "node_scale");
    out->node_scale = scale != NULL ? json_number_value(scale) : 1;
    scale = json_object_get(model, "leaf_scale");
    out->leaf_scale = scale != NULL ? json_number_value(scale) : 1;
    build_frozen(b, model);
}

void esp_build_model(builder *b)
{
    static void (*const build[])(builder *, json_t *) = {
        [ESP_MODEL_FFF] = build_fff,
        [ESP_MODEL_FF] = build_ff,
        [ESP_MODEL_MOE] = build_moe,
        [ESP_MODEL_FFF_NODES] = build_fff_nodes,
    };
    const esp_node *kind = esp_node_find(b->draft->tree, "model.kind");
    for (int i = 0; kind != NULL && kind->text != NULL && i < 4; i++) {
        if (strcmp(kind->text, model_kinds[i]) == 0) {
            json_t *model = esp_build_complete(b, b->draft->tree, "model", "model", model_kinds[i]);
            json_object_set_new(b->config, "model", model);
            b->cell->model.kind = (esp_model_kind)i;
            build[i](b, model);
            build_common(b, model);
            return;
        }
    }
    b->sound = false;
    if (kind == NULL) {
        esp_build_require(b, b->draft->tree, "model.kind", ": fff, ff, moe or fff_nodes");
    }
}
