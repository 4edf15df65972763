/* The figures of a study's report section: checked, as JSON. A figure is a kind, or a map with keys
 * that its kind knows. What the kinds draw is the business of report/figure_kinds.c. */
#include <string.h>

#include "study/reading.h"

static const struct {
    const char *kind, *keys;
    bool routes; /* shows what only a model that routes has */
} kinds[] = {
    {"learning_curve", "metric seeds", false},  {"leaf_heatmap", "split seeds", true},
    {"leaf_histogram", "split at seeds", true}, {"balance", "split seeds", true},
    {"soft_hard_gap", "split seeds", true},     {"node_entropy", "split seeds", true},
    {"sweep", "metric x at seeds", false},      {"seed_dots", "metric x at seeds", false},
    {"spread", "metric x at seeds", false},     {"cost", "metric x at seeds", false},
    {"early_exit", "split at seeds", true},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

typedef struct figure_reading {
    esp_reading *r;
    const esp_cell *cells;
    int n_cells;
} figure_reading;

static const char *all_kinds(esp_reading *r)
{
    const char *names[N_KINDS];
    for (int i = 0; i < N_KINDS; i++) {
        names[i] = kinds[i].kind;
    }
    return esp_tree_pool_join(r->pool, names, N_KINDS, " ");
}

/* Its place in the table, -1 after a problem. */
static int kind_of(const figure_reading *f, const esp_node *node)
{
    if (node == NULL || node->type != ESP_NODE_SCALAR) {
        return -1;
    }
    for (int i = 0; i < N_KINDS; i++) {
        if (strcmp(kinds[i].kind, node->text) != 0) {
            continue;
        }
        bool routes = false, exits = false;
        for (int c = 0; f->r->cells_sound && c < f->n_cells; c++) {
            routes = routes || esp_model_routes(&f->cells[c].model);
            for (int h = 0; h < f->cells[c].n_heads; h++) {
                exits = exits || strcmp(f->cells[c].heads[h].plugin->name, "early_exit") == 0;
            }
        }
        if (f->r->cells_sound && kinds[i].routes && !routes) {
            esp_problem(f->r->problems, ESP_ERROR, node->mark,
                        "figure '%s': no cell has a model that routes", node->text);
        } else if (f->r->cells_sound && strcmp(node->text, "early_exit") == 0 && !exits) {
            esp_problem(f->r->problems, ESP_ERROR, node->mark,
                        "figure 'early_exit': no cell has the head early_exit");
        }
        return i;
    }
    esp_report_word_check(f->r, node, node->text, all_kinds(f->r), "figure");
    return -1;
}

/* ---- values of keys ---------------------------------------------------------------------------
 */

static void check_name(esp_reading *r, const esp_node *node)
{
    esp_label_check(r->problems, node->mark, "figure", node->text, false, 60);
}

static void check_split(const figure_reading *f, const esp_node *node)
{
    bool held_out = !f->r->cells_sound;
    for (int i = 0; i < f->n_cells && !held_out; i++) {
        held_out = f->cells[i].data.partition.validation > 0;
    }
    if (!esp_word_in("train validation test", node->text)) {
        esp_report_word_check(f->r, node, node->text, "train validation test", "split");
    } else if (strcmp(node->text, "validation") == 0 && !held_out) {
        esp_problem(f->r->problems, ESP_ERROR, node->mark,
                    "no cell has a validation split; set data.validation, such as 0.1");
    }
}

/* A key of a figure that is one word. */
static json_t *read_word(const figure_reading *f, const char *key, const esp_node *node)
{
    esp_reading *r = f->r;
    if (node->type != ESP_NODE_SCALAR || esp_node_is_null(node)) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "%s of a figure must be a word", key);
        return NULL;
    }
    if (strcmp(key, "name") == 0) {
        check_name(r, node);
    } else if (strcmp(key, "metric") == 0 &&
               esp_metric_check(r->problems, node->mark, node->text)) {
        esp_report_metric_check(r, node, f->cells, f->n_cells);
    } else if (strcmp(key, "x") == 0) {
        esp_report_key_check(r, node->mark, node->text);
    } else if (strcmp(key, "at") == 0) {
        esp_report_at_check(r, node, f->cells, f->n_cells);
    } else if (strcmp(key, "split") == 0) {
        check_split(f, node);
    }
    return json_string(node->text);
}

static json_t *read_variants(esp_reading *r, const esp_node *node)
{
    json_t *list = json_array();
    const bool single = node->type == ESP_NODE_SCALAR;
    for (int i = 0; i < (single ? 1 : node->n); i++) {
        const esp_node *item = single ? node : node->items[i];
        const char *text = esp_node_text(r->pool, item);
        if (node->type == ESP_NODE_MAP || item->type != ESP_NODE_SCALAR) {
            esp_problem(r->problems, ESP_ERROR, item->mark, "variants of a figure are a list");
            break;
        }
        esp_report_word_check(r, item, text, r->variant_names, "variant");
        json_array_append_new(list, json_string(text));
    }
    return list;
}

/* Seeds as the study writes them, as labels of trials. */
static json_t *read_seeds(esp_reading *r, const esp_node *node)
{
    esp_seed *seeds = NULL;
    int n = 0;
    bool missing = false; /* the first is said, not all hundred */
    json_t *list = json_array();
    esp_seeds_read(&seeds, &n, r, node);
    for (int i = 0; i < n; i++) {
        const unsigned long long init = seeds[i].init, order = seeds[i].order;
        const unsigned long long noise = seeds[i].noise;
        const char *label = seeds[i].mapped
                                ? esp_tree_pool_format(r->pool, "init=%llu,order=%llu,noise=%llu",
                                                       init, order, noise)
                                : esp_tree_pool_format(r->pool, "%llu", init);
        if (!missing && !esp_seed_in(&seeds[i], r->seeds, r->n_seeds)) {
            missing = true;
            esp_problem(r->problems, ESP_ERROR, node->mark, "the study has no seed %s", label);
        }
        json_array_append_new(list, json_string(label));
    }
    return list;
}

/* Which cells: {data.name: mnist}. */
static void read_where(const figure_reading *f, json_t *where, esp_mark mark, const char *key,
                       const esp_node *value)
{
    esp_reading *r = f->r;
    if (value->type == ESP_NODE_MAP && value->n > 0) {
        for (int i = 0; i < value->n; i++) {
            read_where(
                f, where, value->key_marks[i],
                esp_tree_pool_format(r->pool, "%s%s%s", key, *key ? "." : "", value->keys[i]),
                value->items[i]);
        }
        return;
    }
    if (*key == '\0' || value->type != ESP_NODE_SCALAR) {
        esp_problem(r->problems, ESP_ERROR, value->mark,
                    "where of a figure is a map of keys, such as {data.name: mnist}");
        return;
    }
    const char *text = esp_node_text(r->pool, value);
    const int before = esp_problems_errors(r->problems);
    esp_report_key_check(r, mark, key);
    bool any = !r->cells_sound || esp_problems_errors(r->problems) > before;
    for (int i = 0; i < f->n_cells && !any; i++) {
        const char *has =
            strcmp(key, "variant") == 0 ? f->cells[i].variant : esp_cell_param(&f->cells[i], key);
        any = has != NULL && strcmp(has, text) == 0;
    }
    if (!any) {
        esp_problem(r->problems, r->n_sets > 0 ? ESP_WARNING : ESP_ERROR, value->mark,
                    "figures: no cell has %s %s", key, text);
    }
    json_object_set_new(where, key, json_string(text));
}

/* ---- a figure ---------------------------------------------------------------------------------
 */

static json_t *read_map(const figure_reading *f, const esp_node *map)
{
    esp_reading *r = f->r;
    json_t *figure = json_object();
    const esp_node *kind = esp_node_get(map, "kind");
    const int index = kind_of(f, kind);
    if (kind == NULL || kind->type != ESP_NODE_SCALAR) {
        esp_problem(r->problems, ESP_ERROR, map->mark,
                    "a figure needs a kind, such as {kind: sweep, x: model.leaf_width}");
    }
    const char *known =
        index < 0
            ? "kind name title variants where metric split x at seeds"
            : esp_tree_pool_format(r->pool, "kind name title variants where %s", kinds[index].keys);
    for (int i = 0; i < map->n; i++) {
        const char *key = map->keys[i];
        const esp_node *node = map->items[i];
        json_t *value = NULL;
        if (!esp_word_in(known, key)) {
            esp_problem(r->problems, ESP_ERROR, map->key_marks[i],
                        "unknown key '%s' in a figure%s%s%s", key, index >= 0 ? " of kind " : "",
                        index >= 0 ? kinds[index].kind : "", esp_word_hint(r->pool, key, known));
        } else if (strcmp(key, "variants") == 0) {
            value = read_variants(r, node);
        } else if (strcmp(key, "seeds") == 0) {
            value = read_seeds(r, node);
        } else if (strcmp(key, "where") == 0) {
            value = json_object();
            read_where(f, value, map->key_marks[i], "", node);
        } else {
            value = read_word(f, key, node);
        }
        if (value != NULL) {
            json_object_set_new(figure, key, value);
        }
    }
    return figure;
}

/* Two figures of one name would be one file. */
static void check_names(esp_reading *r, const esp_node *list)
{
    for (int i = 0; i < list->n; i++) {
        const esp_node *name = esp_node_get(list->items[i], "name");
        for (int k = 0; k < i && name != NULL && name->type == ESP_NODE_SCALAR; k++) {
            const esp_node *other = esp_node_get(list->items[k], "name");
            if (other != NULL && other->type == ESP_NODE_SCALAR &&
                strcmp(name->text, other->text) == 0) {
                esp_problem(r->problems, ESP_ERROR, name->mark, "two figures are named '%s'",
                            name->text);
            }
        }
    }
}

json_t *esp_figures_read(esp_reading *r, const esp_node *report, const esp_cell *cells, int n_cells)
{
    const figure_reading f = {r, cells, n_cells};
    const esp_node *node = esp_node_get(report, "figures");
    json_t *list = json_array();
    if (node == NULL || esp_node_is_null(node)) {
        return list;
    }
    const bool single = node->type != ESP_NODE_LIST;
    for (int i = 0; i < (single ? 1 : node->n); i++) {
        const esp_node *item = single ? node : node->items[i];
        if (item->type == ESP_NODE_MAP) {
            json_array_append_new(list, read_map(&f, item));
        } else if (item->type == ESP_NODE_SCALAR) {
            kind_of(&f, item);
            json_array_append_new(list, json_string(item->text));
        } else {
            esp_problem(r->problems, ESP_ERROR, item->mark,
                        "a figure is a kind, or a map such as {kind: sweep, x: model.leaf_width}");
        }
    }
    if (!single) {
        check_names(r, node);
    }
    return list;
}
