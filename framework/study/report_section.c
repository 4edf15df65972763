/* The report section: checked, completed, as JSON for the database. */
#include <stdlib.h>
#include <string.h>

#include "study/reading.h"

void esp_report_word_check(esp_reading *r, const esp_node *node, const char *word,
                           const char *known, const char *what)
{
    if (!esp_word_in(known, word)) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "unknown %s '%s'%s", what, word,
                    esp_word_hint(r->pool, word, known));
    }
}

void esp_report_key_check(esp_reading *r, esp_mark mark, const char *key)
{
    static const char derived[] = "variant training_width leaf_width depth inference_width "
                                  "parameters inference_macs training_macs";
    esp_key_ref ref;
    if (strchr(key, '.') == NULL && esp_word_in(derived, key)) {
        return;
    }
    if (!esp_schema_find(&ref, r->registry, key)) {
        const char *hint = esp_word_hint(r->pool, key, derived);
        if (strchr(key, '.') == NULL && strstr(hint, "mean '") != NULL) {
            esp_problem(r->problems, ESP_ERROR, mark, "unknown key '%s'%s", key, hint);
        } else {
            esp_schema_unknown(r->problems, r->registry, mark, key, false);
        }
    }
}

typedef void check_item(esp_reading *r, const esp_node *node, const char *text);

static void check_key(esp_reading *r, const esp_node *node, const char *text)
{
    esp_report_key_check(r, node->mark, text);
}

static void check_variant(esp_reading *r, const esp_node *node, const char *text)
{
    esp_report_word_check(r, node, text, r->variant_names, "variant");
}

static void check_at(esp_reading *r, const esp_node *node, const char *text)
{
    if (strncmp(text, "selected:", 9) == 0) {
        esp_metric_check(r->problems, node->mark, text + 9);
    } else {
        esp_report_word_check(r, node, text, "selected last", "epoch");
    }
}

/* A key of the report that takes one text or a list; the built-in where it is not written. */
static json_t *text_list(esp_reading *r, const esp_node *report, const char *name,
                         check_item *check)
{
    const esp_node *node = esp_node_get(report, name);
    const char *path = esp_tree_pool_format(r->pool, "report.%s", name);
    json_t *list = NULL;
    esp_schema_value(&list, r->problems, &(esp_key_ref){.key = esp_schema_key(path)}, path, node);
    bool single = node != NULL && node->type == ESP_NODE_SCALAR;
    for (int i = 0; node != NULL && check != NULL && i < (single ? 1 : node->n); i++) {
        const esp_node *item = single ? node : node->items[i];
        if (item->type == ESP_NODE_SCALAR && !esp_node_is_null(item)) {
            check(r, item, item->text);
        }
    }
    return list;
}

/* The same of a key without which a report would be empty. */
static json_t *some_of(esp_reading *r, const esp_node *report, const char *name, check_item *check)
{
    const esp_node *node = esp_node_get(report, name);
    if (node != NULL && node->type == ESP_NODE_LIST && node->n == 0) {
        esp_problem(r->problems, ESP_ERROR, node->mark,
                    "report.%s is an empty list; leave the key out for the built-in", name);
    }
    return text_list(r, report, name, check);
}

static json_t *swept_keys(const esp_cell *cells, int n_cells)
{
    json_t *keys = json_array();
    for (int i = 0; i < n_cells; i++) {
        for (int k = 0; k < cells[i].n_swept; k++) {
            bool known = false;
            for (size_t j = 0; j < json_array_size(keys); j++) {
                known = known || strcmp(json_string_value(json_array_get(keys, j)),
                                        cells[i].swept[k].key) == 0;
            }
            if (!known) {
                json_array_append_new(keys, json_string(cells[i].swept[k].key));
            }
        }
    }
    return keys;
}

/* ---- what the cells cannot give -------------------------------------------------------------- */

typedef struct cell_list {
    const esp_cell *cells;
    int n;
} cell_list;

/* Names of all terms, and of all heads where asked, of all cells. */
static const char *plugin_names(esp_reading *r, const cell_list *list, bool heads)
{
    const char *names = "";
    for (int i = 0; i < list->n; i++) {
        const esp_cell *cell = &list->cells[i];
        int n_terms = cell->phases[0].n_terms, n = n_terms + (heads ? cell->n_heads : 0);
        for (int k = 0; k < n; k++) {
            const esp_plugin *plugin =
                k < n_terms ? cell->phases[0].terms[k].plugin : cell->heads[k - n_terms].plugin;
            if (!esp_word_in(names, plugin->name)) {
                names =
                    esp_tree_pool_format(r->pool, "%s%s%s", names, *names ? " " : "", plugin->name);
            }
        }
    }
    return names;
}

/* A metric that no cell will ever have. */
static void check_metric(esp_reading *r, const esp_node *node, const cell_list *list)
{
    const char *dot = strchr(node->text, '.');
    const char *metric = dot != NULL ? dot + 1 : "", *inner = strchr(metric, '.');
    const uint32_t needs = esp_metric_views(metric);
    bool held_out = false, measured = false;
    for (int i = 0; i < list->n; i++) {
        measured = measured || !(needs & ~esp_model_views(list->cells[i].model.kind));
        held_out = held_out || list->cells[i].data.partition.validation > 0;
    }
    if (strncmp(node->text, "validation.", 11) == 0 && !held_out) {
        esp_problem(r->problems, ESP_ERROR, node->mark,
                    "'%s': no cell has a validation split; set data.validation, such as 0.1",
                    node->text);
    }
    if (!measured) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "'%s': no cell has a model with %s",
                    node->text, esp_view_names(r->pool, needs));
    }
    if (inner == NULL) {
        return;
    }
    bool of_term = strncmp(metric, "loss.", 5) == 0;
    const char *plugin =
        of_term ? inner + 1 : esp_tree_pool_format(r->pool, "%.*s", (int)(inner - metric), metric);
    const char *known = plugin_names(r, list, !of_term);
    if (!esp_word_in(known, plugin)) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "'%s': no cell has a term%s '%s'%s",
                    node->text, of_term ? "" : " or head", plugin,
                    esp_word_hint(r->pool, plugin, known));
    }
}

void esp_report_metric_check(esp_reading *r, const esp_node *node, const esp_cell *cells,
                             int n_cells)
{
    if (r->cells_sound) {
        check_metric(r, node, &(cell_list){cells, n_cells});
    }
}

/* An epoch that no selection chooses: the first monitor's is `selected`, only further ones have
 * their own. */
static void check_selection(esp_reading *r, const esp_node *node, const cell_list *list)
{
    if (strncmp(node->text, "selected:", 9) != 0) {
        return;
    }
    const char *wanted = node->text + 9, *further = "";
    bool first = false;
    for (int i = 0; i < list->n; i++) {
        const esp_cell *cell = &list->cells[i];
        first = first || (cell->n_monitors > 0 && strcmp(cell->monitors[0].name, wanted) == 0);
        for (int k = 1; k < cell->n_monitors; k++) {
            if (!esp_word_in(further, cell->monitors[k].name)) {
                further = esp_tree_pool_format(r->pool, "%s%s%s", further, *further ? " " : "",
                                               cell->monitors[k].name);
            }
        }
    }
    if (esp_word_in(further, wanted)) {
        return;
    }
    if (first) {
        esp_problem(r->problems, ESP_ERROR, node->mark,
                    "'%s' is the first of selection.monitor; its epoch is called selected", wanted);
    } else {
        esp_problem(r->problems, ESP_ERROR, node->mark,
                    "no epoch is selected by '%s'; list it in selection.monitor, after the first%s",
                    wanted, *further ? esp_word_hint(r->pool, wanted, further) : "");
    }
}

void esp_report_at_check(esp_reading *r, const esp_node *node, const esp_cell *cells, int n_cells)
{
    check_at(r, node, node->text);
    if (r->cells_sound) {
        check_selection(r, node, &(cell_list){cells, n_cells});
    }
}

static void check_each(esp_reading *r, const esp_node *report, const char *name,
                       const cell_list *list,
                       void (*check)(esp_reading *, const esp_node *, const cell_list *))
{
    const esp_node *node = esp_node_get(report, name);
    bool single = node != NULL && node->type == ESP_NODE_SCALAR;
    for (int i = 0; node != NULL && i < (single ? 1 : node->n); i++) {
        const esp_node *item = single ? node : node->items[i];
        if (item->type == ESP_NODE_SCALAR && !esp_node_is_null(item)) {
            check(r, item, list);
        }
    }
}

char *esp_report_read(esp_reading *r, const esp_cell *cells, int n_cells)
{
    const esp_node *report = esp_node_get(r->root, "report");
    if (report != NULL && report->type != ESP_NODE_MAP) {
        if (!esp_node_is_null(report)) {
            esp_problem(r->problems, ESP_ERROR, report->mark, "report must be a map");
        }
        report = NULL;
    }
    for (int i = 0; report != NULL && i < report->n; i++) {
        if (!esp_word_in(
                "rows columns metrics at figures baseline_rows published " ESP_STATISTICS_KEYS,
                report->keys[i])) {
            esp_schema_unknown(r->problems, r->registry, report->key_marks[i],
                               esp_tree_pool_format(r->pool, "report.%s", report->keys[i]), true);
        }
    }
    json_t *object = json_object();
    json_t *rows = text_list(r, report, "rows", check_key);
    json_object_set_new(object, "rows", rows != NULL ? rows : swept_keys(cells, n_cells));
    json_object_set_new(object, "columns", text_list(r, report, "columns", check_key));
    json_object_set_new(object, "metrics", some_of(r, report, "metrics", NULL));
    json_object_set_new(object, "at", some_of(r, report, "at", check_at));
    json_object_set_new(object, "figures", esp_figures_read(r, report, cells, n_cells));
    json_object_set_new(object, "baseline_rows",
                        text_list(r, report, "baseline_rows", check_variant));
    json_object_set_new(object, "published", esp_published_read(r, report));
    esp_statistics_read(object, r, report, json_object_get(object, "metrics"), cells, n_cells);
    if (r->cells_sound) {
        const cell_list list = {cells, n_cells};
        check_each(r, report, "metrics", &list, check_metric);
        check_each(r, report, "at", &list, check_selection);
    }
    json_object_set_new(object, "contrasts", esp_contrasts_read(r, cells, n_cells));
    char *text = esp_json_text(object);
    json_decref(object);
    return text;
}
