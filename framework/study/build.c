/* A draft's tree into a cell: built-ins filled in, phases resolved, everything checked together. */
#include <stdlib.h>
#include <string.h>

#include "study/build.h"

/* ---- sections as JSON ----------------------------------------------------------------------- */

void esp_build_require(builder *b, const esp_node *tree, const char *path, const char *what)
{
    const char *section = esp_tree_pool_format(b->r->pool, "%.*s", (int)strcspn(path, "."), path);
    const esp_node *above = esp_node_get(tree, section);
    bool misread = above != NULL && above->type != ESP_NODE_MAP && !esp_node_is_null(above);
    if (!misread && !esp_problems_excused(b->r->problems, path) &&
        !esp_problems_excused(b->r->problems, section)) {
        esp_problem(b->r->problems, ESP_ERROR, esp_node_key_mark(tree, path), "%s is required%s",
                    path, what);
    }
    b->sound = false;
}

/* "moe has it", "fff, ff have it". */
static const char *kinds_having(esp_tree_pool *pool, const char *kinds)
{
    const char *words = "", *rest = kinds;
    for (; *rest != '\0'; rest += strspn(rest, " ")) {
        const int length = (int)strcspn(rest, " ");
        words = esp_tree_pool_format(pool, "%s%s%.*s", words, *words ? ", " : "", length, rest);
        rest += length;
    }
    return esp_tree_pool_format(pool, "%s %s it", words, strchr(kinds, ' ') ? "have" : "has");
}

json_t *esp_build_complete(builder *b, const esp_node *tree, const char *prefix,
                           const char *pattern, const char *kind)
{
    json_t *object = json_object();
    size_t length = strlen(pattern);
    for (const esp_key *key = esp_keys; key->path != NULL; key++) {
        if (!esp_path_covers(pattern, key->path) || key->path[length] == '\0' ||
            strchr(key->path + length, '*') || key->flags & ESP_KEY_OF_STUDY) {
            continue;
        }
        const char *rest = key->path + length + 1;
        const char *path = esp_tree_pool_format(b->r->pool, "%s.%s", prefix, rest);
        const esp_node *node = esp_node_find(tree, path);
        if (key->kinds != NULL && kind != NULL && !esp_word_in(key->kinds, kind)) {
            if (node != NULL && strchr(rest, '.') == NULL) {
                esp_problem(b->r->problems, ESP_ERROR, esp_node_key_mark(tree, path),
                            "%s is not a key of %s kind '%s' (%s); to change the kind replace the "
                            "whole map, %s: {kind: %s, ..}",
                            path, prefix, kind, kinds_having(b->r->pool, key->kinds), prefix, kind);
                b->sound = false;
            }
            continue;
        }
        /* Widths, weights and schedules, and what is within their maps, are read by themselves. */
        if (key->type == ESP_KEY_MAP || key->type == ESP_KEY_WIDTH || key->type == ESP_KEY_WEIGHT ||
            strstr(rest, "width.") != NULL || strncmp(rest, "weight.", 7) == 0 ||
            strncmp(rest, "schedule.", 9) == 0 || strcmp(rest, "set") == 0) {
            continue;
        }
        json_t *value = NULL;
        esp_schema_value(&value, b->r->problems, &(esp_key_ref){.key = key}, path, node);
        if (value == NULL && node == NULL && key->flags & ESP_KEY_REQUIRED &&
            (key->kinds == NULL || kind != NULL)) {
            esp_build_require(b, tree, path, "");
        }
        if (value == NULL) {
            b->sound = b->sound && node == NULL;
            continue;
        }
        json_t *parent = object;
        const char *dot = strchr(rest, '.');
        if (dot != NULL) {
            const char *inner = esp_tree_pool_format(b->r->pool, "%.*s", (int)(dot - rest), rest);
            if (json_object_get(object, inner) == NULL) {
                json_object_set_new(object, inner, json_object());
            }
            parent = json_object_get(object, inner);
            rest = dot + 1;
        }
        json_object_set_new(parent, rest, value);
    }
    return object;
}

/* The map of plugins at losses or heads. */
static json_t *complete_plugins(builder *b, const esp_node *tree, const char *section)
{
    json_t *object = json_object();
    const esp_node *map = esp_node_get(tree, section);
    bool losses = strcmp(section, "losses") == 0;
    for (int i = 0; map != NULL && map->type == ESP_NODE_MAP && i < map->n; i++) {
        const char *path = esp_tree_pool_format(b->r->pool, "%s.%s", section, map->keys[i]);
        esp_key_ref ref;
        if (!esp_schema_find(&ref, b->r->registry, path) || ref.plugin == NULL) {
            b->sound = b->plugins_known = false;
            continue;
        }
        json_t *one = losses ? esp_build_complete(b, tree, path, "losses.*", NULL) : json_object();
        if (losses) {
            esp_build_weight(b, tree, path, one);
        }
        for (uint32_t k = 0; k < ref.plugin->n_params; k++) {
            const esp_key_ref param = {.plugin = ref.plugin, .param = &ref.plugin->params[k]};
            const char *below = esp_tree_pool_format(b->r->pool, "%s.%s", path, param.param->name);
            json_t *value = NULL;
            esp_schema_value(&value, b->r->problems, &param, below, esp_node_find(tree, below));
            b->sound = b->sound && value != NULL;
            json_object_set_new(one, param.param->name, value);
        }
        json_object_set_new(object, map->keys[i], one);
    }
    return object;
}

static json_t *complete_optimizer(builder *b, const esp_node *tree)
{
    const esp_node *kind = esp_node_find(tree, "optimizer.kind");
    const char *name = kind != NULL ? kind->text : "adam";
    bool known = esp_word_in("adam adamw sgd local_adam local_sgd", name);
    json_t *object = esp_build_complete(b, tree, "optimizer", "optimizer", known ? name : NULL);
    if (strcmp(name, "adamw") == 0 && esp_node_find(tree, "optimizer.weight_decay") == NULL) {
        json_object_set_new(object, "weight_decay", json_real(0.01));
    }
    json_object_set_new(object, "schedule", esp_build_schedule(b, tree));
    return object;
}

/* What may differ between phases, at one phase. */
static json_t *complete_stage(builder *b, const esp_node *tree)
{
    json_t *stage = json_object();
    json_object_set_new(stage, "losses", complete_plugins(b, tree, "losses"));
    json_object_set_new(stage, "optimizer", complete_optimizer(b, tree));
    for (const esp_key *key = esp_keys; key->path != NULL; key++) {
        if (key->flags & ESP_KEY_IN_PHASE && strchr(key->path, '.') == NULL &&
            key->type != ESP_KEY_MAP) {
            json_t *value = NULL;
            esp_schema_value(&value, b->r->problems, &(esp_key_ref){.key = key}, key->path,
                             esp_node_get(tree, key->path));
            b->sound = b->sound && value != NULL;
            json_object_set_new(stage, key->path, value);
        }
    }
    const esp_node *stopping = esp_node_get(tree, "early_stopping");
    bool enabled = stopping != NULL && stopping->type == ESP_NODE_MAP;
    json_object_set_new(stage, "early_stopping",
                        enabled
                            ? esp_build_complete(b, tree, "early_stopping", "early_stopping", NULL)
                            : json_null());
    return stage;
}

/* ---- phases --------------------------------------------------------------------------------- */

const esp_assignment *esp_build_assigned_at(const esp_draft *draft, const char *path)
{
    for (int i = draft->n_assigned - 1; i >= 0; i--) {
        if (esp_path_covers(draft->assigned[i].path, path)) {
            return &draft->assigned[i];
        }
    }
    return NULL;
}

static bool is_zero(const esp_node *node)
{
    double value = 1;
    return node->type == ESP_NODE_SCALAR && esp_text_number(&value, node->text) && value == 0;
}

/* A value someone asked for must not be silently overridden by a phase. */
static void check_overridden(builder *b, const char *phase, const char *path, const esp_node *value)
{
    if (value->type == ESP_NODE_MAP) {
        for (int i = 0; i < value->n; i++) {
            check_overridden(b, phase,
                             esp_tree_pool_format(b->r->pool, "%s.%s", path, value->keys[i]),
                             value->items[i]);
        }
        return;
    }
    const esp_assignment *asked = esp_build_assigned_at(b->draft, path);
    const char *own = esp_tree_pool_format(b->r->pool, "phases.%s.set.%s", phase, path);
    size_t length = strlen(path);
    bool weight = length > 7 && strcmp(path + length - 7, ".weight") == 0;
    if (asked == NULL || (weight && is_zero(value)) ||
        esp_build_assigned_at(b->draft, own) != NULL) {
        return;
    }
    char place[512];
    esp_mark_print(place, sizeof place, b->r->problems, value->mark);
    esp_problem(
        b->r->problems, ESP_ERROR, asked->key_mark,
        "%s is set to %s here, but phase '%s' sets it to %s (%s); set %s too, or that alone", path,
        esp_node_text(b->r->pool, asked->value), phase, esp_node_text(b->r->pool, value), place,
        own);
    b->sound = false;
}

static json_t *complete_phase(builder *b, const char *name)
{
    esp_reading *r = b->r;
    const esp_tree_pool_mark here = esp_tree_pool_here(r->pool);
    const char *path = esp_tree_pool_format(r->pool, "phases.%s", name);
    const esp_node *whole = b->draft->tree;
    const esp_node *set = esp_node_find(whole, esp_tree_pool_format(r->pool, "%s.set", path));
    esp_node *tree = esp_node_make(r->pool, ESP_NODE_MAP, whole->mark);
    for (int i = 0; i < whole->n; i++) {
        if (strcmp(whole->keys[i], "phases") != 0) {
            esp_node_append(r->pool, tree, whole->keys[i], whole->key_marks[i],
                            esp_node_copy(r->pool, whole->items[i]));
        }
    }
    for (int i = 0; set != NULL && set->type == ESP_NODE_MAP && i < set->n; i++) {
        check_overridden(b, name, set->keys[i], set->items[i]);
        esp_key_ref ref;
        if (esp_schema_find(&ref, r->registry, set->keys[i])) {
            esp_node_assign(r->pool, tree, set->keys[i], set->key_marks[i], set->items[i]);
        }
    }
    json_t *phase = esp_build_complete(b, b->draft->tree, path, "phases.*", NULL);
    json_t *stage = complete_stage(b, tree);
    json_object_update(phase, stage);
    json_decref(stage);
    esp_build_budget(b, path);
    esp_tree_pool_rewind(r->pool, here);
    return phase;
}

/* Every phase has the same terms: one that a phase lacks is there with weight 0. */
static void share_terms(json_t *stages[], int n_stages)
{
    for (int from = 0; from < n_stages; from++) {
        const char *name = NULL;
        json_t *term = NULL;
        json_object_foreach(json_object_get(stages[from], "losses"), name, term)
        {
            for (int to = 0; to < n_stages; to++) {
                json_t *losses = json_object_get(stages[to], "losses");
                if (json_object_get(losses, name) == NULL) {
                    json_t *silent = json_deep_copy(term);
                    json_object_set_new(silent, "weight", json_real(0));
                    json_object_set_new(losses, name, silent);
                }
            }
        }
    }
}

static void complete_phases(builder *b)
{
    const esp_node *tree = b->draft->tree;
    const esp_node *phases = esp_node_get(tree, "phases");
    json_t *object = json_object();
    json_object_set_new(b->config, "phases", object);
    if (phases == NULL || phases->type != ESP_NODE_MAP || phases->n == 0) {
        esp_build_require(b, tree, "phases", ", such as phases: {train: {epochs: 100}}");
        return;
    }
    if (phases->n > ESP_MAX_PHASES) {
        esp_problem(b->r->problems, ESP_ERROR, phases->mark, "more than %d phases", ESP_MAX_PHASES);
        b->sound = false;
        return;
    }
    json_t *stages[ESP_MAX_PHASES + 1] = {b->config};
    b->n_phases = phases->n;
    b->phase_names = phases->keys;
    for (int i = 0; i < phases->n; i++) {
        stages[i + 1] = complete_phase(b, phases->keys[i]);
        json_object_set_new(object, phases->keys[i], stages[i + 1]);
    }
    share_terms(stages, phases->n + 1);
}

/* ---- all ------------------------------------------------------------------------------------ */

static void build_data(builder *b)
{
    json_t *data = esp_build_complete(b, b->draft->tree, "data", "data", NULL);
    json_object_set_new(b->config, "data", data);
    esp_data_section_read(b, data);
}

static void build_selection(builder *b)
{
    esp_reading *r = b->r;
    const esp_node *tree = b->draft->tree;
    json_t *selection = esp_build_complete(b, tree, "selection", "selection", NULL);
    json_object_set_new(b->config, "selection", selection);
    if (esp_node_find(tree, "selection.monitor") != NULL) {
        return;
    }
    double validation =
        json_number_value(json_object_get(json_object_get(b->config, "data"), "validation"));
    json_t *monitors = json_array();
    if (validation > 0) {
        json_array_append_new(monitors, json_string("validation.hard_accuracy"));
    }
    json_object_set_new(selection, "monitor", monitors);
    esp_problem(r->problems, ESP_NOTE, r->defaults_mark, "%s",
                validation > 0
                    ? "selection.monitor is not set: reports show the epoch best by "
                      "validation.hard_accuracy"
                    : "selection.monitor is not set: reports show each trial's last epoch");
}

bool esp_cell_build(esp_cell *out, esp_reading *r, const esp_draft *draft)
{
    *out = (esp_cell){.reference = -1};
    builder b = {.r = r, .draft = draft, .cell = out, .sound = true, .plugins_known = true};
    const esp_tree_pool_mark here = esp_tree_pool_here(r->pool);
    b.config = json_object();
    build_data(&b);
    esp_build_model(&b);
    json_object_set_new(b.config, "heads", complete_plugins(&b, draft->tree, "heads"));
    const esp_node *losses = esp_node_get(draft->tree, "losses");
    if (losses == NULL || losses->type != ESP_NODE_MAP || losses->n == 0) {
        esp_build_require(&b, draft->tree, "losses",
                          ", such as losses: {cross_entropy: {weight: 1}}");
        b.plugins_known = false;
    }
    json_t *stage = complete_stage(&b, draft->tree);
    json_object_update(b.config, stage);
    json_decref(stage);
    complete_phases(&b);
    build_selection(&b);
    json_object_set_new(b.config, "evaluation",
                        esp_build_complete(&b, draft->tree, "evaluation", "evaluation", NULL));
    json_object_set_new(b.config, "checkpoint",
                        esp_build_complete(&b, draft->tree, "checkpoint", "checkpoint", NULL));
    json_object_set_new(b.config, "limits",
                        esp_build_complete(&b, draft->tree, "limits", "limits", NULL));
    esp_cell_fill(&b);
    if (b.sound) {
        esp_cell_describe(&b);
    }
    json_decref(b.config);
    esp_tree_pool_rewind(r->pool, here);
    return b.sound;
}
