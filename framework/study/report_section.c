/* The report section: checked, completed, as JSON for the database. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/reading.h"

static const char figures[] = "learning_curve leaf_heatmap seed_dots";

const char *esp_variant_names(esp_reading *r)
{
    const char *names = "";
    for (int i = 0; i < r->n_variants; i++) {
        names = esp_tree_pool_format(r->pool, "%s%s%s", names, i ? " " : "", r->variants[i].name);
    }
    return names;
}

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
    esp_key_ref ref;
    if (strchr(key, '.') == NULL && esp_word_in("variant training_width leaf_width depth "
                                                "inference_width parameters inference_macs",
                                                key)) {
        return;
    }
    if (!esp_schema_find(&ref, r->registry, key)) {
        esp_schema_unknown(r->problems, r->registry, mark, key, false);
    }
}

typedef void check_item(esp_reading *r, const esp_node *node, const char *text);

static void check_key(esp_reading *r, const esp_node *node, const char *text)
{
    esp_report_key_check(r, node->mark, text);
}

static void check_variant(esp_reading *r, const esp_node *node, const char *text)
{
    esp_report_word_check(r, node, text, esp_variant_names(r), "variant");
}

static void check_figure(esp_reading *r, const esp_node *node, const char *text)
{
    esp_report_word_check(r, node, text, figures, "figure");
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
    const esp_key *key = esp_keys;
    while (strcmp(key->path, path) != 0) {
        key++;
    }
    json_t *list = NULL;
    esp_schema_value(&list, r->problems, &(esp_key_ref){.key = key}, path, node);
    bool single = node != NULL && node->type == ESP_NODE_SCALAR;
    for (int i = 0; node != NULL && check != NULL && i < (single ? 1 : node->n); i++) {
        const esp_node *item = single ? node : node->items[i];
        if (item->type == ESP_NODE_SCALAR && !esp_node_is_null(item)) {
            check(r, item, item->text);
        }
    }
    return list;
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

/* ---- published ------------------------------------------------------------------------------ */

static bool file_is_found(esp_reading *r, const char *file)
{
    const char *slash = strrchr(r->path, '/');
    const char *folder =
        slash != NULL ? esp_tree_pool_format(r->pool, "%.*s", (int)(slash - r->path + 1), r->path)
                      : "";
    const char *places[] = {
        *file == '/' ? file : esp_tree_pool_format(r->pool, "%s%s", folder, file),
        esp_tree_pool_format(r->pool, "%s../analysis/published/%s", folder, file),
        esp_tree_pool_format(r->pool, "analysis/published/%s", file),
        esp_tree_pool_format(r->pool, "%s/analysis/published/%s", ESPALIER_SOURCE_DIR, file),
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (access(places[i], R_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* A map of texts; keys checked as variants, values as keys of cells, where asked. */
static json_t *text_map(esp_reading *r, const esp_node *published, const char *name,
                        bool keys_are_variants, bool values_are_keys)
{
    json_t *object = json_object();
    const esp_node *map = esp_node_get(published, name);
    if (map == NULL || esp_node_is_null(map)) {
        return object;
    }
    if (map->type != ESP_NODE_MAP) {
        esp_problem(r->problems, ESP_ERROR, map->mark, "report.published.%s must be a map", name);
        return object;
    }
    for (int i = 0; i < map->n; i++) {
        const esp_node *value = map->items[i];
        if (value->type != ESP_NODE_SCALAR) {
            esp_problem(r->problems, ESP_ERROR, value->mark, "report.published.%s.%s must be text",
                        name, map->keys[i]);
            continue;
        }
        if (keys_are_variants && !esp_word_in(esp_variant_names(r), map->keys[i])) {
            esp_problem(r->problems, ESP_ERROR, map->key_marks[i], "unknown variant '%s'%s",
                        map->keys[i], esp_word_hint(r->pool, map->keys[i], esp_variant_names(r)));
        }
        if (values_are_keys) {
            esp_report_key_check(r, value->mark, value->text);
        }
        json_object_set_new(object, map->keys[i], json_string(esp_node_text(r->pool, value)));
    }
    return object;
}

static json_t *read_published(esp_reading *r, const esp_node *report)
{
    const esp_node *published = esp_node_get(report, "published");
    if (published == NULL || esp_node_is_null(published)) {
        return json_null();
    }
    if (published->type != ESP_NODE_MAP) {
        esp_problem(r->problems, ESP_ERROR, published->mark, "report.published must be a map");
        return json_null();
    }
    for (int i = 0; i < published->n; i++) {
        if (!esp_word_in("file where join variant", published->keys[i])) {
            esp_schema_unknown(
                r->problems, r->registry, published->key_marks[i],
                esp_tree_pool_format(r->pool, "report.published.%s", published->keys[i]), true);
        }
    }
    static const char *const required[] = {"file", "join", "variant"};
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        const char *path = esp_tree_pool_format(r->pool, "report.published.%s", required[i]);
        if (esp_node_get(published, required[i]) == NULL &&
            !esp_problems_excused(r->problems, path)) {
            esp_problem(r->problems, ESP_ERROR, published->mark, "%s is required", path);
        }
    }
    json_t *object = json_object();
    const esp_node *file = esp_node_get(published, "file");
    if (file != NULL && file->type == ESP_NODE_SCALAR) {
        if (!file_is_found(r, file->text)) {
            esp_problem(r->problems, ESP_ERROR, file->mark,
                        "there is no '%s' beside the study or in analysis/published", file->text);
        }
        json_object_set_new(object, "file", json_string(file->text));
    }
    json_object_set_new(object, "where", text_map(r, published, "where", false, false));
    json_object_set_new(object, "join", text_map(r, published, "join", false, true));
    json_object_set_new(object, "variant", text_map(r, published, "variant", true, false));
    return object;
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
        if (!esp_word_in("rows columns metrics at figures baseline_rows published",
                         report->keys[i])) {
            esp_schema_unknown(r->problems, r->registry, report->key_marks[i],
                               esp_tree_pool_format(r->pool, "report.%s", report->keys[i]), true);
        }
    }
    json_t *object = json_object();
    json_t *rows = text_list(r, report, "rows", check_key);
    json_object_set_new(object, "rows", rows != NULL ? rows : swept_keys(cells, n_cells));
    json_object_set_new(object, "columns", text_list(r, report, "columns", check_key));
    json_object_set_new(object, "metrics", text_list(r, report, "metrics", NULL));
    json_object_set_new(object, "at", text_list(r, report, "at", check_at));
    json_object_set_new(object, "figures", text_list(r, report, "figures", check_figure));
    json_object_set_new(object, "baseline_rows",
                        text_list(r, report, "baseline_rows", check_variant));
    json_object_set_new(object, "published", read_published(r, report));
    json_object_set_new(object, "contrasts", esp_contrasts_read(r, cells, n_cells));
    char *text = esp_json_text(object);
    json_decref(object);
    return text;
}
