/* The keys of the report section about statistics: checked, as JSON. */
#include <string.h>

#include "study/reading.h"

/* One value below report, checked by the table of keys; NULL where it is not written or not sound.
 */
static json_t *value_of(esp_reading *r, const esp_node *map, const char *path)
{
    const esp_node *node = esp_node_get(map, strrchr(path, '.') + 1);
    const esp_key *key = esp_schema_key(path);
    json_t *value = NULL;
    if (node != NULL) {
        esp_schema_value(&value, r->problems, &(esp_key_ref){.key = key}, path, node);
    } else if (key->flags & ESP_KEY_REQUIRED && !esp_problems_excused(r->problems, path)) {
        esp_problem(r->problems, ESP_ERROR, map->mark, "%s is required", path);
    }
    return value;
}

static void set(json_t *object, const char *key, json_t *value)
{
    if (value != NULL) {
        json_object_set_new(object, key, value);
    }
}

/* Metrics that the report compares: what is not among them has no numbers there. */
static void check_among(esp_reading *r, const esp_node *node, const json_t *metrics)
{
    const char *known = "";
    if (node == NULL || node->type != ESP_NODE_SCALAR) {
        return;
    }
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        const char *name = json_string_value(json_array_get(metrics, i));
        known = name == NULL
                    ? known
                    : esp_tree_pool_format(r->pool, "%s%s%s", known, *known ? " " : "", name);
    }
    if (!esp_word_in(known, node->text)) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "'%s' is not among report.metrics%s",
                    node->text, esp_word_hint(r->pool, node->text, known));
    }
}

/* A map below report, its keys checked; NULL where there is none. */
static const esp_node *map_of(esp_reading *r, const esp_node *report, const char *name,
                              const char *keys)
{
    const esp_node *map = esp_node_get(report, name);
    if (map == NULL || esp_node_is_null(map)) {
        return NULL;
    }
    if (map->type != ESP_NODE_MAP) {
        esp_problem(r->problems, ESP_ERROR, map->mark, "report.%s must be a map, {%s}", name, keys);
        return NULL;
    }
    for (int i = 0; i < map->n; i++) {
        if (!esp_word_in(keys, map->keys[i])) {
            esp_schema_unknown(r->problems, r->registry, map->key_marks[i],
                               esp_tree_pool_format(r->pool, "report.%s.%s", name, map->keys[i]),
                               true);
        }
    }
    return map;
}

static bool is_epochs(const char *metric)
{
    return esp_metric_epochs_to(strchr(metric, '.') + 1) != NULL;
}

static bool is_accuracy(const char *metric)
{
    return !is_epochs(metric) && esp_metric_is_accuracy(metric);
}

/* Accuracies are fractions: 80 is meant to be 0.8. */
static void fraction_check(esp_reading *r, const char *metric, const json_t *value,
                           const esp_node *node)
{
    const double number = json_number_value(value);
    if (is_accuracy(metric) && (number < 0 || number > 1)) {
        esp_problem(r->problems, ESP_ERROR, node->mark, "%s is a fraction: between 0 and 1",
                    metric);
    }
}

/* A limit that every good run would miss. */
static void check_side(esp_reading *r, const char *metric, const esp_node *below,
                       const esp_node *above)
{
    const bool loss = strstr(metric, ".loss.") != NULL || strstr(metric, "_loss") != NULL;
    if (above != NULL && is_accuracy(metric)) {
        esp_problem(r->problems, ESP_ERROR, above->mark, "%s fails where it is low; write below",
                    metric);
    } else if (below != NULL && (is_epochs(metric) || loss)) {
        esp_problem(r->problems, ESP_ERROR, below->mark, "%s fails where it is high; write above",
                    metric);
    }
}

static json_t *failure_of(esp_reading *r, const esp_node *report, const esp_cell *cells,
                          int n_cells)
{
    const esp_node *map = map_of(r, report, "failure", "metric below above");
    if (map == NULL) {
        return NULL;
    }
    json_t *object = json_object();
    set(object, "metric", value_of(r, map, "report.failure.metric"));
    set(object, "below", value_of(r, map, "report.failure.below"));
    set(object, "above", value_of(r, map, "report.failure.above"));
    const esp_node *below = esp_node_get(map, "below"), *above = esp_node_get(map, "above");
    if ((below == NULL) == (above == NULL)) {
        esp_problem(r->problems, ESP_ERROR, map->mark,
                    "report.failure takes one of below (accuracies) and above (losses)");
    }
    const char *metric = json_string_value(json_object_get(object, "metric"));
    if (metric != NULL) {
        esp_report_metric_check(r, esp_node_get(map, "metric"), cells, n_cells);
        fraction_check(r, metric, json_object_get(object, below ? "below" : "above"),
                       below ? below : above);
        check_side(r, metric, below, above);
    }
    return object;
}

static json_t *equivalence_of(esp_reading *r, const esp_node *report, const json_t *metrics)
{
    const esp_node *map = map_of(r, report, "equivalence", "metric margin");
    if (map == NULL) {
        return NULL;
    }
    json_t *object = json_object();
    set(object, "metric", value_of(r, map, "report.equivalence.metric"));
    set(object, "margin", value_of(r, map, "report.equivalence.margin"));
    const char *metric = json_string_value(json_object_get(object, "metric"));
    if (metric != NULL) {
        check_among(r, esp_node_get(map, "metric"), metrics);
        fraction_check(r, metric, json_object_get(object, "margin"), esp_node_get(map, "margin"));
    }
    return object;
}

void esp_statistics_read(json_t *object, esp_reading *r, const esp_node *report,
                         const json_t *metrics, const esp_cell *cells, int n_cells)
{
    if (report == NULL) {
        return;
    }
    set(object, "layout", value_of(r, report, "report.layout"));
    set(object, "primary", value_of(r, report, "report.primary"));
    set(object, "confidence", value_of(r, report, "report.confidence"));
    set(object, "interval", value_of(r, report, "report.interval"));
    set(object, "bootstrap_seed", value_of(r, report, "report.bootstrap_seed"));
    if (json_object_get(object, "primary") != NULL) {
        check_among(r, esp_node_get(report, "primary"), metrics);
    }
    set(object, "failure", failure_of(r, report, cells, n_cells));
    set(object, "equivalence", equivalence_of(r, report, metrics));
}
