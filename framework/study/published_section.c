/* The published section of a study's report: checked, against the file it names too. */
#include <stdlib.h>
#include <string.h>

#include "core/place.h"
#include "core/status.h"
#include "core/text.h"
#include "study/published_csv.h"
#include "study/reading.h"

/* ---- against the file ------------------------------------------------------------------------ */

/* Whether the file has a column for each key of a map; says which it lacks. */
static bool has_columns(esp_reading *r, const esp_published_csv *csv, const esp_node *map)
{
    bool all = true;
    for (int i = 0; map != NULL && map->type == ESP_NODE_MAP && i < map->n; i++) {
        if (esp_published_csv_column(csv, map->keys[i]) >= 0) {
            continue;
        }
        const char *meant = esp_text_suggest(map->keys[i], csv->columns, (size_t)csv->n_columns);
        esp_problem(r->problems, ESP_ERROR, map->key_marks[i], "%s has no column '%s'%s%s%s",
                    csv->path, map->keys[i], meant ? "; did you mean '" : "", meant ? meant : "",
                    meant ? "'?" : "");
        all = false;
    }
    return all;
}

static bool line_has(esp_reading *r, const esp_published_csv *csv, int line, const esp_node *where,
                     int key)
{
    return esp_published_same(esp_published_csv_field(csv, line, where->keys[key]),
                              esp_node_text(r->pool, where->items[key]));
}

static void check_where(esp_reading *r, const esp_published_csv *csv, const esp_node *where)
{
    if (where == NULL || where->type != ESP_NODE_MAP) {
        return;
    }
    int n_lines = 0, lacking = 0;
    for (int line = 0; line < csv->n_lines; line++) {
        bool all = true;
        for (int i = 0; i < where->n; i++) {
            all = all && line_has(r, csv, line, where, i);
        }
        n_lines += all;
    }
    for (int i = 0; n_lines == 0 && i < where->n; i++) {
        bool any = false;
        for (int line = 0; line < csv->n_lines; line++) {
            any = any || line_has(r, csv, line, where, i);
        }
        if (!any) {
            esp_problem(r->problems, ESP_ERROR, where->items[i]->mark, "%s has no row with %s %s",
                        csv->path, where->keys[i], esp_node_text(r->pool, where->items[i]));
            lacking++;
        }
    }
    if (n_lines == 0 && lacking == 0) {
        esp_problem(r->problems, ESP_ERROR, where->mark, "%s has no row with %s", csv->path,
                    esp_node_text(r->pool, where));
    }
}

static void check_models(esp_reading *r, const esp_published_csv *csv, const esp_node *variants)
{
    const char **models = esp_tree_pool_take(r->pool, sizeof *models * (size_t)(csv->n_lines + 1));
    const char *known = "";
    size_t n = 0;
    for (int line = 0; line < csv->n_lines; line++) {
        const char *model = esp_published_csv_field(csv, line, "model");
        bool listed = false;
        for (size_t i = 0; i < n; i++) {
            listed = listed || strcmp(models[i], model) == 0;
        }
        if (!listed) {
            models[n++] = model;
            known = esp_tree_pool_format(r->pool, "%s%s%s", known, *known ? ", " : "", model);
        }
    }
    for (int i = 0; variants != NULL && variants->type == ESP_NODE_MAP && i < variants->n; i++) {
        const char *wanted = esp_node_text(r->pool, variants->items[i]);
        bool listed = false;
        for (size_t k = 0; k < n; k++) {
            listed = listed || strcmp(models[k], wanted) == 0;
        }
        const char *meant = listed ? NULL : esp_text_suggest(wanted, models, n);
        if (!listed) {
            esp_problem(r->problems, ESP_ERROR, variants->items[i]->mark,
                        "%s has no row of model '%s'; %s%s%s", csv->path, wanted,
                        meant ? "did you mean '" : "known: ", meant ? meant : known,
                        meant ? "'?" : "");
        }
    }
}

/* Whether it holds what published values are read from. */
static bool is_published(esp_reading *r, const esp_published_csv *csv, const esp_node *file)
{
    static const char *const needed[] = {"model", "split", "routing", "best"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (esp_published_csv_column(csv, needed[i]) < 0) {
            esp_problem(r->problems, ESP_ERROR, file->mark,
                        "%s is no file of published values: it has no column '%s'", csv->path,
                        needed[i]);
            return false;
        }
    }
    for (int line = 0; line < csv->n_lines; line++) {
        esp_published_value value;
        if (esp_published_csv_value(&value, csv, line) != ESP_OK) {
            esp_problem(r->problems, ESP_ERROR, file->mark, "%s", esp_message());
            return false;
        }
    }
    return true;
}

static void check_file(esp_reading *r, const esp_node *published, const esp_node *file)
{
    const char *slash = strrchr(r->path, '/');
    const char *folder =
        slash != NULL ? esp_tree_pool_format(r->pool, "%.*s", (int)(slash - r->path), r->path)
                      : ".";
    esp_text_pool pool = {0};
    esp_published_csv csv;
    char *data = esp_place_data();
    const char *path = esp_published_find(&pool, file->text, folder, data);
    if (path == NULL) {
        esp_problem(r->problems, ESP_ERROR, file->mark,
                    "there is no '%s' beside the study or in analysis/published", file->text);
    } else if (esp_published_csv_read(&csv, path, &pool) != ESP_OK) {
        esp_problem(r->problems, ESP_ERROR, file->mark, "%s", esp_message());
    } else if (is_published(r, &csv, file)) {
        const esp_node *where = esp_node_get(published, "where");
        if (has_columns(r, &csv, where)) {
            check_where(r, &csv, where);
        }
        has_columns(r, &csv, esp_node_get(published, "join"));
        check_models(r, &csv, esp_node_get(published, "variant"));
    }
    esp_pool_free(&pool);
    free(data);
}

/* ---- the section ----------------------------------------------------------------------------- */

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
        if (keys_are_variants && !esp_word_in(r->variant_names, map->keys[i])) {
            esp_problem(r->problems, ESP_ERROR, map->key_marks[i], "unknown variant '%s'%s",
                        map->keys[i], esp_word_hint(r->pool, map->keys[i], r->variant_names));
        }
        if (values_are_keys) {
            esp_report_key_check(r, value->mark, value->text);
        }
        json_object_set_new(object, map->keys[i], json_string(esp_node_text(r->pool, value)));
    }
    return object;
}

json_t *esp_published_read(esp_reading *r, const esp_node *report)
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
        check_file(r, published, file);
        json_object_set_new(object, "file", json_string(file->text));
    }
    json_object_set_new(object, "where", text_map(r, published, "where", false, false));
    json_object_set_new(object, "join", text_map(r, published, "join", false, true));
    json_object_set_new(object, "variant", text_map(r, published, "variant", true, false));
    return object;
}
