/* Variants x grid x zip into drafts of cells. */
#include <string.h>

#include "study/reading.h"

/* ---- reading what is written ---------------------------------------------------------------- */

/* The map at a key; NULL where there is none, or after a problem. */
static const esp_node *map_at(esp_reading *r, const esp_node *parent, const char *key)
{
    const esp_node *node = esp_node_get(parent, key);
    if (node == NULL || node->type == ESP_NODE_MAP) {
        return node;
    }
    if (!esp_node_is_null(node)) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "%s must be a map of keys", key);
    }
    return NULL;
}

static void check_order(esp_reading *r, const esp_node *map)
{
    for (int i = 0; i < map->n; i++) {
        for (int j = 0; j < i; j++) {
            if (esp_path_covers(map->keys[i], map->keys[j])) {
                esp_problem(r->problems, ESP_ERROR, map->key_marks[i],
                            "%s would undo %s above it; write the map first", map->keys[i],
                            map->keys[j]);
            }
        }
    }
}

/* Assignments by path: below defaults, and in a variant's set. */
static void check_set(esp_reading *r, const esp_node *map)
{
    check_order(r, map);
    for (int i = 0; i < map->n; i++) {
        esp_schema_check(r->problems, r->registry, map->keys[i], map->key_marks[i], map->items[i],
                         false);
    }
}

static void check_axis(esp_reading *r, const char *key, esp_mark key_mark, const esp_node *values,
                       const char *where)
{
    if (values->type != ESP_NODE_LIST || values->n == 0) {
        esp_problem(r->problems, ESP_ERROR, values->mark,
                    "%s: %s needs a list of values, such as [1, 2]", where, key);
        return;
    }
    int before = esp_problems_errors(r->problems);
    for (int i = 0; i < values->n && esp_problems_errors(r->problems) == before; i++) {
        esp_schema_check(r->problems, r->registry, key, key_mark, values->items[i], false);
    }
    if (values->n > ESP_MAX_CELLS) {
        esp_problem(r->problems, ESP_ERROR, values->mark, "%s has more than %d values", key,
                    ESP_MAX_CELLS);
        return;
    }
    const char **texts = esp_tree_pool_take(r->pool, sizeof *texts * (size_t)values->n);
    for (int i = 0; i < values->n; i++) {
        texts[i] = esp_node_text(r->pool, values->items[i]);
        for (int j = 0; j < i && strcmp(where, "grid") == 0; j++) {
            if (strcmp(texts[i], texts[j]) == 0) {
                esp_problem(r->problems, ESP_ERROR, values->items[i]->mark,
                            "%s has the value %s twice", key, texts[i]);
                return;
            }
        }
    }
}

static void check_sweep(esp_reading *r, const esp_node *grid, const esp_node *zip)
{
    for (int i = 0; grid != NULL && i < grid->n; i++) {
        check_axis(r, grid->keys[i], grid->key_marks[i], grid->items[i], "grid");
    }
    for (int i = 0; zip != NULL && i < zip->n; i++) {
        check_axis(r, zip->keys[i], zip->key_marks[i], zip->items[i], "zip");
        if (zip->items[i]->n != zip->items[0]->n) {
            esp_problem(r->problems, ESP_ERROR, zip->items[i]->mark,
                        "zip: %s has %d values, %s has %d; they advance together", zip->keys[i],
                        zip->items[i]->n, zip->keys[0], zip->items[0]->n);
        }
        if (esp_node_index(grid, zip->keys[i]) >= 0) {
            esp_problem(r->problems, ESP_ERROR, zip->key_marks[i], "%s is in grid and in zip",
                        zip->keys[i]);
        }
    }
    if (grid != NULL) {
        check_order(r, grid);
    }
    if (zip != NULL) {
        check_order(r, zip);
    }
}

static void read_variant(esp_variant *out, esp_reading *r, const esp_node *node)
{
    for (int i = 0; node->type == ESP_NODE_MAP && i < node->n; i++) {
        if (!esp_word_in("set grid zip reference", node->keys[i])) {
            esp_schema_unknown(
                r->problems, r->registry, node->key_marks[i],
                esp_tree_pool_format(r->pool, "variants.%s.%s", out->name, node->keys[i]), true);
        }
    }
    if (node->type != ESP_NODE_MAP) {
        if (!esp_node_is_null(node)) {
            esp_problem(r->problems, ESP_ERROR, node->mark,
                        "variant '%s' must be a map of set, grid, zip and reference", out->name);
        }
        return;
    }
    const esp_node *reference = esp_node_get(node, "reference");
    if (reference != NULL) {
        esp_key_ref ref = {.key = &(esp_key){.type = ESP_KEY_BOOLEAN}};
        json_t *value = NULL;
        esp_schema_value(&value, r->problems, &ref, "reference", reference);
        out->reference = json_is_true(value);
        json_decref(value);
    }
    out->set = map_at(r, node, "set");
    if (out->set != NULL) {
        check_set(r, out->set);
    }
    /* A grid of its own, be it empty, takes the place of the study's grid and zip. */
    const esp_node *grid = map_at(r, node, "grid"), *zip = map_at(r, node, "zip");
    if (esp_node_get(node, "grid") != NULL) {
        out->grid = grid;
        out->zip = NULL;
    }
    if (esp_node_get(node, "zip") != NULL) {
        out->zip = zip;
    }
    check_sweep(r, grid, zip);
}

void esp_sweep_read(esp_reading *r)
{
    const esp_node *grid = map_at(r, r->root, "grid"), *zip = map_at(r, r->root, "zip");
    check_sweep(r, grid, zip);
    const esp_node *defaults = map_at(r, r->root, "defaults");
    esp_node *tree = esp_node_make(r->pool, ESP_NODE_MAP, r->root->mark);
    if (defaults != NULL) {
        r->defaults_mark = r->root->key_marks[esp_node_index(r->root, "defaults")];
        tree->mark = r->defaults_mark;
        check_set(r, defaults);
        for (int i = 0; i < defaults->n; i++) {
            esp_node_assign(r->pool, tree, defaults->keys[i], defaults->key_marks[i],
                            defaults->items[i]);
        }
    }
    r->defaults = tree;
    const esp_node *variants = map_at(r, r->root, "variants");
    int n = variants != NULL ? variants->n : 0;
    r->variants = esp_tree_pool_take(r->pool, sizeof *r->variants * (size_t)(n + 1));
    r->n_variants = n > 0 ? n : 1;
    if (n == 0) {
        r->variants[0] =
            (esp_variant){.name = "default", .mark = r->defaults_mark, .grid = grid, .zip = zip};
        r->variant_names = "default";
        return;
    }
    r->variant_names = esp_tree_pool_join(r->pool, variants->keys, (size_t)n, " ");
    const char *reference = NULL;
    for (int i = 0; i < n; i++) {
        esp_variant *it = &r->variants[i];
        *it = (esp_variant){
            .name = variants->keys[i], .mark = variants->key_marks[i], .grid = grid, .zip = zip};
        esp_label_check(r->problems, it->mark, "variant", it->name, true, ESP_MAX_LABEL);
        read_variant(it, r, variants->items[i]);
        if (it->reference && reference != NULL) {
            esp_problem(r->problems, ESP_ERROR, it->mark,
                        "two variants are the reference, '%s' and '%s'; name one", reference,
                        it->name);
        }
        reference = it->reference ? it->name : reference;
    }
}

/* ---- expanding ------------------------------------------------------------------------------ */

/* Keys that advance together: one of a grid, or all of a zip. */
typedef struct axis {
    int n_keys, n_values;
    const char **keys;
    esp_mark *marks;
    const esp_node **values; /* lists */
} axis;

static bool takes_lists(const esp_reading *r, const char *path)
{
    esp_key_ref ref;
    return esp_schema_find(&ref, r->registry, path) && ref.key != NULL &&
           (ref.key->type == ESP_KEY_METRICS || ref.key->type == ESP_KEY_TEXTS);
}

/* Adds a key unless --set replaces its sweep; by a list, with that list's values. */
static void add_key(esp_reading *r, axis *out, const char *key, esp_mark mark,
                    const esp_node *values)
{
    for (int i = 0; i < r->n_sets; i++) {
        esp_assignment *set = &r->sets[i];
        if (!esp_path_covers(set->path, key)) {
            continue;
        }
        bool list = set->value->type == ESP_NODE_LIST && set->value->n > 0;
        if (strcmp(set->path, key) != 0 || !list || takes_lists(r, key)) {
            return;
        }
        set->as_sweep = true;
        values = set->value;
        mark = set->key_mark;
    }
    if (values->type != ESP_NODE_LIST || values->n == 0) {
        return;
    }
    out->keys[out->n_keys] = key;
    out->marks[out->n_keys] = mark;
    out->values[out->n_keys++] = values;
    out->n_values = out->n_keys == 1 || values->n < out->n_values ? values->n : out->n_values;
}

static axis make_axis(esp_reading *r, int capacity)
{
    size_t n = (size_t)capacity;
    return (axis){.keys = esp_tree_pool_take(r->pool, sizeof(char *) * n),
                  .marks = esp_tree_pool_take(r->pool, sizeof(esp_mark) * n),
                  .values = esp_tree_pool_take(r->pool, sizeof(esp_node *) * n)};
}

/* Notes every single key below an assignment. */
static void note_assigned(esp_reading *r, esp_draft *draft, int *capacity, const char *path,
                          esp_mark mark, const esp_node *value)
{
    if (value->type == ESP_NODE_MAP) {
        for (int i = 0; i < value->n; i++) {
            note_assigned(r, draft, capacity,
                          esp_tree_pool_format(r->pool, "%s.%s", path, value->keys[i]),
                          value->key_marks[i], value->items[i]);
        }
        return;
    }
    if (draft->n_assigned == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 8;
        esp_assignment *wider = esp_tree_pool_take(r->pool, sizeof *wider * (size_t)*capacity);
        if (draft->n_assigned > 0) {
            memcpy(wider, draft->assigned, sizeof *wider * (size_t)draft->n_assigned);
        }
        draft->assigned = wider;
    }
    draft->assigned[draft->n_assigned++] = (esp_assignment){path, mark, value, false};
}

/* A dotted path into a phase that is not there would make one, so a slip would train more epochs.
 */
static bool phase_is_there(esp_reading *r, const esp_node *tree, const char *path, esp_mark mark,
                           bool complain)
{
    const char *dot = strncmp(path, "phases.", 7) == 0 ? strchr(path + 7, '.') : NULL;
    const esp_node *phases = esp_node_get(tree, "phases");
    if (dot == NULL) {
        return true;
    }
    const char *name = esp_tree_pool_format(r->pool, "%.*s", (int)(dot - path - 7), path + 7);
    if (esp_node_get(phases, name) != NULL) {
        return true;
    }
    if (complain) {
        bool listed = phases != NULL && phases->type == ESP_NODE_MAP;
        const char *names =
            listed ? esp_tree_pool_join(r->pool, phases->keys, (size_t)phases->n, " ") : "";
        esp_problem(r->problems, ESP_ERROR, mark,
                    "unknown key '%s' in phases%s (a phase is added by its map, phases.%s: {..})",
                    name, esp_word_hint(r->pool, name, names), name);
    }
    return false;
}

static void assign(esp_reading *r, esp_draft *draft, int *capacity, const char *path, esp_mark mark,
                   const esp_node *value)
{
    esp_key_ref ref;
    if (!esp_schema_find(&ref, r->registry, path)) {
        return; /* already said */
    }
    if (phase_is_there(r, draft->tree, path, mark, true)) {
        esp_node_assign(r->pool, draft->tree, path, mark, value);
        note_assigned(r, draft, capacity, path, mark, value);
    }
}

static void make_draft(esp_reading *r, const esp_variant *variant, const axis *axes, int n_axes,
                       const int *at)
{
    esp_draft *draft = &r->drafts[r->n_drafts++];
    int capacity = 0, n_swept = 0;
    for (int a = 0; a < n_axes; a++) {
        n_swept += axes[a].n_keys;
    }
    *draft = (esp_draft){.variant = variant, .tree = esp_node_copy(r->pool, r->defaults)};
    draft->swept = esp_tree_pool_take(r->pool, sizeof *draft->swept * (size_t)(n_swept + 1));
    for (int i = 0; variant->set != NULL && i < variant->set->n; i++) {
        assign(r, draft, &capacity, variant->set->keys[i], variant->set->key_marks[i],
               variant->set->items[i]);
    }
    for (int a = 0; a < n_axes; a++) {
        for (int k = 0; k < axes[a].n_keys; k++) {
            const esp_node *value = axes[a].values[k]->items[at[a]];
            assign(r, draft, &capacity, axes[a].keys[k], axes[a].marks[k], value);
            draft->swept[draft->n_swept++] =
                (esp_assignment){axes[a].keys[k], axes[a].marks[k], value, false};
        }
    }
}

/* Within the number of cells there may still be too much in each. */
static bool too_large(esp_reading *r, const esp_variant *variant)
{
    const esp_node *phases = esp_node_get(r->drafts[r->n_drafts - 1].tree, "phases");
    r->n_cell_phases += phases != NULL && phases->type == ESP_NODE_MAP ? phases->n : 0;
    if (r->n_cell_phases > ESP_MAX_CELL_PHASES) {
        esp_problem(r->problems, ESP_ERROR, variant->mark,
                    "the phases of all cells together are more than %d", ESP_MAX_CELL_PHASES);
        return true;
    }
    if (esp_tree_pool_bytes(r->pool) > ESP_MAX_DRAFT_BYTES) {
        esp_problem(r->problems, ESP_ERROR, variant->mark,
                    "the configurations of all cells together are larger than %d MB",
                    ESP_MAX_DRAFT_BYTES >> 20);
        return true;
    }
    return false;
}

/* false where the cells are too many or too large; said. */
static bool expand_variant(esp_reading *r, const esp_variant *variant)
{
    int n_grid = variant->grid != NULL ? variant->grid->n : 0;
    int n_zip = variant->zip != NULL ? variant->zip->n : 0;
    axis *axes = esp_tree_pool_take(r->pool, sizeof *axes * (size_t)(n_grid + 1));
    int *at = esp_tree_pool_take(r->pool, sizeof *at * (size_t)(n_grid + 1));
    int n_axes = 0;
    for (int i = 0; i < n_grid; i++) {
        axis one = make_axis(r, 1);
        add_key(r, &one, variant->grid->keys[i], variant->grid->key_marks[i],
                variant->grid->items[i]);
        if (one.n_keys > 0) {
            axes[n_axes++] = one;
        }
    }
    if (n_zip > 0) {
        axis together = make_axis(r, n_zip);
        for (int i = 0; i < n_zip; i++) {
            add_key(r, &together, variant->zip->keys[i], variant->zip->key_marks[i],
                    variant->zip->items[i]);
        }
        if (together.n_keys > 0) {
            axes[n_axes++] = together;
        }
    }
    double cells = r->n_drafts;
    double crossed = 1;
    for (int a = 0; a < n_axes; a++) {
        crossed *= axes[a].n_values;
    }
    if (cells + crossed > ESP_MAX_CELLS) {
        esp_problem(r->problems, ESP_ERROR, variant->mark,
                    "variant '%s' makes %.0f cells; a study has at most %d", variant->name, crossed,
                    ESP_MAX_CELLS);
        return false;
    }
    for (;;) {
        make_draft(r, variant, axes, n_axes, at);
        if (too_large(r, variant)) {
            return false;
        }
        int a = n_axes - 1;
        while (a >= 0 && ++at[a] == axes[a].n_values) {
            at[a--] = 0;
        }
        if (a < 0) {
            return true;
        }
    }
}

/* ---- --set on drafts ------------------------------------------------------------------------ */

/* Whether a cell has what the path leads into: a kind with such a key; a term, head or phase. */
static bool has_place(esp_reading *r, const esp_node *tree, const char *path)
{
    esp_key_ref ref;
    if (!esp_schema_find(&ref, r->registry, path)) {
        return false;
    }
    const char *section = strncmp(path, "optimizer.", 10) == 0 ? "optimizer.kind" : "model.kind";
    if (ref.key != NULL && ref.key->kinds != NULL) {
        const esp_node *kind = esp_node_find(tree, section);
        const char *name = kind != NULL ? kind->text : "adam";
        return esp_word_in(ref.key->kinds, name);
    }
    bool plugin = strncmp(path, "losses.", 7) == 0 || strncmp(path, "heads.", 6) == 0;
    const char *dot = strchr(path, '.');
    const char *second = dot != NULL ? strchr(dot + 1, '.') : NULL;
    if (plugin && second != NULL) {
        return esp_node_find(
                   tree, esp_tree_pool_format(r->pool, "%.*s", (int)(second - path), path)) != NULL;
    }
    return phase_is_there(r, tree, path, tree->mark, false);
}

static void apply_override(esp_reading *r, const esp_assignment *set)
{
    int n_places = 0;
    for (int i = 0; i < r->n_drafts; i++) {
        n_places += has_place(r, r->drafts[i].tree, set->path);
    }
    for (int i = 0; i < r->n_drafts; i++) {
        esp_draft *draft = &r->drafts[i];
        int capacity = draft->n_assigned;
        /* Where no cell has it, all get it, and say what is wrong with that. */
        if (n_places == 0 || has_place(r, draft->tree, set->path)) {
            assign(r, draft, &capacity, set->path, set->key_mark, set->value);
        }
    }
}

/* ---- exclude -------------------------------------------------------------------------------- */

static bool check_exclusion(esp_reading *r, const esp_node *node)
{
    bool sound = node->type == ESP_NODE_MAP && node->n > 0;
    if (!sound) {
        esp_problem(r->problems, ESP_ERROR, node->mark,
                    "exclude takes a list of maps such as {variant: ff, model.leaf_width: 1}");
        return false;
    }
    for (int i = 0; i < node->n; i++) {
        esp_key_ref ref;
        if (strcmp(node->keys[i], "variant") == 0) {
            continue;
        }
        if (!esp_schema_find(&ref, r->registry, node->keys[i])) {
            esp_schema_unknown(r->problems, r->registry, node->key_marks[i], node->keys[i], false);
            sound = false;
        }
    }
    return sound;
}

static void exclude(esp_reading *r, const esp_node *partial)
{
    int kept = 0;
    for (int i = 0; i < r->n_drafts; i++) {
        bool all = true;
        for (int k = 0; k < partial->n && all; k++) {
            all = esp_draft_has(r, &r->drafts[i], partial->keys[k], partial->items[k]);
        }
        if (!all) {
            r->drafts[kept++] = r->drafts[i];
        }
    }
    if (kept == r->n_drafts && r->n_sets == 0) {
        esp_problem(r->problems, ESP_WARNING, partial->mark, "exclude: no cell is like that");
    }
    r->n_drafts = kept;
}

void esp_sweep_expand(esp_reading *r)
{
    r->drafts = esp_tree_pool_take(r->pool, sizeof *r->drafts * ESP_MAX_CELLS);
    for (int i = 0; i < r->n_variants; i++) {
        if (!expand_variant(r, &r->variants[i])) {
            r->n_drafts = 0; /* one mistake in thousands of cells would be said for each */
            return;
        }
    }
    for (int i = 0; i < r->n_sets; i++) {
        const esp_assignment *set = &r->sets[i];
        for (int k = 0; set->as_sweep && k < set->value->n; k++) {
            esp_schema_check(r->problems, r->registry, set->path, set->key_mark,
                             set->value->items[k], false);
        }
        if (!set->as_sweep) {
            esp_schema_check(r->problems, r->registry, set->path, set->key_mark, set->value, false);
            apply_override(r, set);
        }
    }
    const esp_node *exclusions = esp_node_get(r->root, "exclude");
    if (exclusions == NULL || esp_node_is_null(exclusions)) {
        return;
    }
    if (exclusions->type != ESP_NODE_LIST) {
        esp_problem(r->problems, ESP_ERROR, exclusions->mark, "exclude must be a list of maps");
        return;
    }
    if (exclusions->n > ESP_MAX_EXCLUSIONS) {
        esp_problem(r->problems, ESP_ERROR, exclusions->mark, "exclude lists more than %d maps",
                    ESP_MAX_EXCLUSIONS);
        return;
    }
    const esp_tree_pool_mark here = esp_tree_pool_here(r->pool);
    for (int i = 0; i < exclusions->n; i++) {
        if (check_exclusion(r, exclusions->items[i])) {
            exclude(r, exclusions->items[i]);
        }
        esp_tree_pool_rewind(r->pool, here);
    }
    if (r->n_drafts == 0 && r->n_variants > 0 && esp_problems_errors(r->problems) == 0) {
        esp_problem(r->problems, ESP_ERROR, exclusions->mark, "every cell is excluded");
    }
}
