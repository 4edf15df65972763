/* The contrasts of a study: pairs of variants or of partial assignments, checked against the cells.
 */
#include <string.h>

#include "study/contrast.h"
#include "study/reading.h"

static void add_key(esp_reading *r, json_t *side, esp_mark mark, const char *key,
                    const esp_node *value)
{
    if (value->type == ESP_NODE_MAP && value->n > 0) {
        for (int i = 0; i < value->n; i++) {
            add_key(r, side, value->key_marks[i],
                    esp_tree_pool_format(r->pool, "%s.%s", key, value->keys[i]), value->items[i]);
        }
        return;
    }
    if (strcmp(key, "variant") == 0) {
        esp_report_word_check(r, value, esp_node_text(r->pool, value), r->variant_names, "variant");
    } else {
        esp_report_key_check(r, mark, key);
    }
    json_object_set_new(side, key, json_string(esp_node_text(r->pool, value)));
}

/* A variant's name, or a partial assignment such as {variant: balanced, model.leaf_width: 8}. */
static json_t *read_side(esp_reading *r, const esp_node *node)
{
    json_t *side = json_object();
    if (node->type == ESP_NODE_SCALAR) {
        add_key(r, side, node->mark, "variant", node);
        return side;
    }
    if (node->n == 0) {
        esp_problem(r->problems, ESP_ERROR, node->mark,
                    "an empty side; name a variant, or keys such as {model.leaf_width: 8}");
    }
    for (int i = 0; i < node->n; i++) {
        add_key(r, side, node->key_marks[i], node->keys[i], node->items[i]);
    }
    return side;
}

/* ---- against the cells ---------------------------------------------------------------------- */

static esp_store_param *pairs_of(esp_reading *r, const esp_key_value *list, int n)
{
    esp_store_param *out = esp_tree_pool_take(r->pool, sizeof *out * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        out[i] = (esp_store_param){list[i].key, list[i].value};
    }
    return out;
}

static esp_contrast_cell *cells_of(esp_reading *r, const esp_cell *cells, int n_cells)
{
    esp_contrast_cell *out = esp_tree_pool_take(r->pool, sizeof *out * (size_t)(n_cells + 1));
    for (int i = 0; i < n_cells; i++) {
        out[i] = (esp_contrast_cell){.variant = cells[i].variant,
                                     .n_params = cells[i].n_params,
                                     .n_swept = cells[i].n_swept,
                                     .params = pairs_of(r, cells[i].params, cells[i].n_params),
                                     .swept = pairs_of(r, cells[i].swept, cells[i].n_swept)};
    }
    return out;
}

static esp_contrast_side side_of(esp_reading *r, json_t *object)
{
    size_t n = json_object_size(object);
    esp_store_param *at = esp_tree_pool_take(r->pool, sizeof *at * (n + 1));
    esp_contrast_side side = {.at = at};
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(object, key, value)
    {
        at[side.n++] =
            (esp_store_param){esp_tree_pool_format(r->pool, "%s", key),
                              esp_tree_pool_format(r->pool, "%s", json_string_value(value))};
    }
    return side;
}

/* What --set has swept away is no mistake of the file. */
static esp_severity severity_of(const esp_reading *r)
{
    return r->n_sets > 0 ? ESP_WARNING : ESP_ERROR;
}

/* Complains of a pair that compares nothing, as long as *n_left comparisons allow to find out. */
static void check_pair(int *n_left, esp_reading *r, const esp_node *pair,
                       const esp_contrast_side sides[2], const esp_contrast_cell *cells,
                       int n_cells)
{
    int n_like[2] = {0, 0}, n_pairs = 0;
    *n_left -= n_cells;
    if (*n_left < 0) {
        return;
    }
    for (int a = 0; a < n_cells; a++) {
        n_like[1] += esp_contrast_is(&cells[a], &sides[1]);
        if (!esp_contrast_is(&cells[a], &sides[0])) {
            continue;
        }
        n_like[0]++;
        for (int b = 0; b < n_cells && n_pairs == 0 && *n_left > 0; b++) {
            (*n_left)--;
            n_pairs += b != a && esp_contrast_is(&cells[b], &sides[1]) &&
                       esp_contrast_agree(&cells[a], &cells[b], sides);
        }
    }
    for (int k = 0; k < 2; k++) {
        if (n_like[k] == 0) {
            esp_problem(r->problems, severity_of(r), pair->items[k]->mark,
                        "contrasts: no cell is like %s", esp_node_text(r->pool, pair->items[k]));
        }
    }
    if (n_like[0] > 0 && n_like[1] > 0 && n_pairs == 0 && *n_left > 0) {
        esp_problem(r->problems, severity_of(r), pair->mark,
                    "contrasts: no cell like %s has a partner like %s with the same value of every "
                    "swept key that they do not both name",
                    esp_node_text(r->pool, pair->items[0]), esp_node_text(r->pool, pair->items[1]));
    }
}

json_t *esp_contrasts_read(esp_reading *r, const esp_cell *cells, int n_cells)
{
    json_t *contrasts = json_array();
    const esp_node *node = esp_node_get(r->root, "contrasts");
    if (node == NULL || node->type != ESP_NODE_LIST) {
        if (node != NULL && !esp_node_is_null(node)) {
            esp_problem(r->problems, ESP_ERROR, node->mark, "contrasts must be a list of pairs");
        }
        return contrasts;
    }
    int n_left = ESP_MAX_COMPARISONS;
    const esp_contrast_cell *described = r->cells_sound ? cells_of(r, cells, n_cells) : NULL;
    for (int i = 0; i < node->n; i++) {
        const esp_node *pair = node->items[i];
        bool is_pair = pair->type == ESP_NODE_LIST && pair->n == 2 &&
                       pair->items[0]->type != ESP_NODE_LIST &&
                       pair->items[1]->type != ESP_NODE_LIST;
        if (!is_pair) {
            esp_problem(r->problems, ESP_ERROR, pair->mark,
                        "a contrast is a pair, such as [balanced, baseline]");
            continue;
        }
        int before = esp_problems_errors(r->problems);
        json_t *sides[2] = {read_side(r, pair->items[0]), read_side(r, pair->items[1])};
        if (json_equal(sides[0], sides[1])) {
            esp_problem(r->problems, ESP_ERROR, pair->mark, "contrasts: %s is paired with itself",
                        esp_node_text(r->pool, pair->items[0]));
        } else if (described != NULL && esp_problems_errors(r->problems) == before) {
            const esp_contrast_side both[2] = {side_of(r, sides[0]), side_of(r, sides[1])};
            check_pair(&n_left, r, pair, both, described, n_cells);
        }
        json_array_append_new(contrasts, json_pack("[oo]", sides[0], sides[1]));
    }
    return contrasts;
}
