/* The data section of a cell: what the data set is, which examples are kept, how its numbers are
 * normalized. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "study/build.h"

static void complain_at(builder *b, esp_mark mark, const char *text)
{
    esp_problem(b->r->problems, ESP_ERROR, mark, "%s", text);
    b->sound = false;
}

/* Most cells of a study have the same data set, and reading a large one takes seconds. */
static void describe(builder *b, const char *name)
{
    esp_reading *r = b->r;
    esp_described found;
    for (int i = 0; i < r->n_described; i++) {
        if (strcmp(r->described[i].name, name) == 0) {
            b->data = r->described[i].is;
            b->data_known = true;
            return;
        }
    }
    if (esp_dataset_describe(&found.is, name) != ESP_OK) {
        complain_at(b, esp_node_mark(b->draft->tree, "data.name"), esp_message());
        return;
    }
    snprintf(found.name, sizeof found.name, "%s", name);
    if (r->n_described == ESP_MAX_DESCRIBED) {
        free(r->described[--r->n_described].is.class_names);
    }
    r->described[r->n_described++] = found;
    b->data = found.is;
    b->data_known = true;
}

/* A measured normalization has no mean and std of its own. */
static void read_normalize(builder *b, json_t *data)
{
    json_t *normalize = json_object_get(data, "normalize");
    const char *kind = json_string_value(json_object_get(normalize, "kind"));
    static const char *const fixed[] = {"mean", "std"};
    if (kind == NULL || strcmp(kind, "fixed") == 0) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        const char *path = esp_tree_pool_format(b->r->pool, "data.normalize.%s", fixed[i]);
        if (esp_node_find(b->draft->tree, path) != NULL) {
            complain_at(b, esp_node_key_mark(b->draft->tree, path),
                        esp_tree_pool_format(b->r->pool,
                                             "%s is not a key of data.normalize kind '%s', which "
                                             "measures it; replace the whole map, data.normalize: "
                                             "{kind: %s}",
                                             path, kind, kind));
        }
        json_object_del(normalize, fixed[i]);
    }
}

/* The class that a word means: its name where labels are text, else its number; or -1. */
static long class_of(const builder *b, const char *word)
{
    const long n_classes = b->data_known ? (long)b->data.n_classes : ESP_MAX_CLASSES;
    char plain[32];
    for (long i = 0; b->data_known && b->data.class_names != NULL && i < n_classes; i++) {
        if (strcmp(b->data.class_names[i], word) == 0) {
            return i;
        }
    }
    const long number = strtol(word, NULL, 10);
    snprintf(plain, sizeof plain, "%ld", number);
    return strcmp(plain, word) == 0 && number >= 0 && number < n_classes ? number : -1;
}

static void complain_of_class(builder *b, esp_mark mark, const char *word)
{
    const long n_classes = b->data_known ? (long)b->data.n_classes : ESP_MAX_CLASSES;
    char *const *names = b->data_known ? b->data.class_names : NULL;
    const char *meant = names != NULL
                            ? esp_text_suggest(word, (const char *const *)names, b->data.n_classes)
                            : NULL;
    complain_at(
        b, mark,
        esp_tree_pool_format(b->r->pool, "data.keep has no class '%s'%s%s%s; there are %s%s%s%ld%s",
                             word, meant != NULL ? "; did you mean '" : "",
                             meant != NULL ? meant : "", meant != NULL ? "'?" : "",
                             names != NULL ? "'" : "0", names != NULL ? names[0] : "",
                             names != NULL ? "' and others, by number 0 to " : " to ",
                             n_classes - 1, names != NULL ? " (`espalier data info`)" : ""));
}

/* keep: {CLASS: FRACTION}, into the configuration by the class's number. */
static void read_keep(builder *b, json_t *data)
{
    esp_tree_pool *pool = b->r->pool;
    const esp_node *map = esp_node_find(b->draft->tree, "data.keep");
    json_t *keep = json_object();
    for (int i = 0; map != NULL && map->type == ESP_NODE_MAP && i < map->n; i++) {
        const long class_index = class_of(b, map->keys[i]);
        const char *number = esp_tree_pool_format(pool, "%ld", class_index);
        if (class_index < 0) {
            complain_of_class(b, map->key_marks[i], map->keys[i]);
            continue;
        }
        if (json_object_get(keep, number) != NULL) {
            complain_at(b, map->key_marks[i],
                        esp_tree_pool_format(pool,
                                             "data.keep has class '%s' twice, by its name and "
                                             "by its number %s",
                                             map->keys[i], number));
            continue;
        }
        esp_key_ref ref;
        json_t *value = NULL;
        if (esp_schema_find(&ref, b->r->registry, "data.keep.0")) { /* any class's */
            const char *path = esp_tree_pool_format(pool, "data.keep.%s", map->keys[i]);
            esp_schema_value(&value, b->r->problems, &ref, path, map->items[i]);
        }
        b->sound = b->sound && value != NULL;
        json_object_set_new(keep, number, value);
    }
    if (json_object_size(keep) > 0) {
        json_object_set(data, "keep", keep);
    }
    json_decref(keep);
}

void esp_data_section_read(builder *b, json_t *data)
{
    const char *name = json_string_value(json_object_get(data, "name"));
    if (name == NULL) {
        b->sound = false;
        return;
    }
    describe(b, name);
    read_normalize(b, data);
    read_keep(b, data);
}

/* ---- into the structs ------------------------------------------------------------------------ */

/* Training examples of the largest class; where no file was read to count, of each, were all of one
 * size. What takes too much or nothing of the largest does so of all: only that is an error here.
 */
static double largest_class(const builder *b)
{
    return b->data.n_largest > 0 ? b->data.n_largest : (double)b->data.n_train / b->data.n_classes;
}

static const char *in_class(const builder *b)
{
    return b->data.n_largest > 0 ? "in its largest class" : "a class";
}

/* Training examples without those that are split off as test, were all classes of one size. */
static double without_test(const builder *b)
{
    const double fraction = b->cell->data.partition.test;
    const double n_classes = b->data.n_classes > 0 ? b->data.n_classes : 1;
    const double count = b->data.n_train / n_classes;
    const double tested = fmin(round(fraction * count), fmax(count - 1, 0));
    return n_classes * (count - tested);
}

static void check_test(builder *b)
{
    const double fraction = b->cell->data.partition.test;
    const esp_mark mark = esp_node_mark(b->draft->tree, fraction > 0 ? "data.test" : "data.name");
    const bool refused = !(fraction > 0) && esp_node_find(b->draft->tree, "data.test") != NULL &&
                         json_object_get(json_object_get(b->config, "data"), "test") == NULL;
    if (!b->data_known || refused) {
        return;
    }
    if (esp_partition_check_test(b->cell->data.name, b->data.n_test, fraction) != ESP_OK) {
        complain_at(b, mark, esp_message());
    } else if (fraction > 0 && b->data.n_largest == 1) {
        complain_at(
            b, mark,
            esp_tree_pool_format(b->r->pool,
                                 "data.test splits off nothing of %s, which has one example "
                                 "a class: it trains; add examples",
                                 b->cell->data.name));
    } else if (fraction > 0 && round(fraction * largest_class(b)) < 1) {
        const double count = largest_class(b);
        complain_at(b, mark,
                    esp_tree_pool_format(b->r->pool,
                                         "data.test %g splits off nothing of %s, which has %.0f "
                                         "examples %s; split off %g or more",
                                         fraction, b->cell->data.name, count, in_class(b),
                                         ceil(50 / count) / 100));
    }
}

/* A stratified split rounds class by class. What it makes of smaller classes than the largest is
 * the run's to say. */
static void check_validation(builder *b)
{
    const double fraction = b->cell->data.partition.validation;
    if (!b->data_known || !(fraction > 0) || b->data.n_classes == 0) {
        return;
    }
    const double test = b->cell->data.partition.test, all = largest_class(b);
    const double count = all - fmin(round(test * all), fmax(all - 1, 0));
    const double held_out = round(fraction * count);
    const esp_mark mark = esp_node_mark(b->draft->tree, "data.validation");
    if (held_out < 1) {
        complain_at(b, mark,
                    esp_tree_pool_format(b->r->pool,
                                         "data.validation %g holds out nothing of %s, which has "
                                         "%.0f examples %s; hold out %g or more",
                                         fraction, b->cell->data.name, count, in_class(b),
                                         ceil(50 / count) / 100));
    } else if (held_out >= floor(count)) {
        complain_at(b, mark,
                    esp_tree_pool_format(b->r->pool,
                                         "data.validation %g leaves nothing of %s to train on, "
                                         "which has %.0f examples %s; hold out less",
                                         fraction, b->cell->data.name, count, in_class(b)));
    }
}

/* Whether a class can have an example left, were all of them of that class: who thins a class has
 * it large, and what is found with the labels at hand is the run's to say. */
static void check_keep(builder *b)
{
    const esp_partition_rule *rule = &b->cell->data.partition;
    const double count = (1 - rule->validation) * without_test(b);
    for (uint32_t i = 0; rule->keep != NULL && b->data_known && i < b->data.n_classes; i++) {
        const char *path =
            b->data.class_names != NULL
                ? esp_tree_pool_format(b->r->pool, "data.keep.%s", b->data.class_names[i])
                : esp_tree_pool_format(b->r->pool, "data.keep.%u", i);
        if (round(rule->keep[i] * count) < 1) {
            complain_at(b, esp_node_mark(b->draft->tree, path),
                        esp_tree_pool_format(b->r->pool,
                                             "%s %g leaves nothing of %s, which has %.0f examples "
                                             "to train on; keep more",
                                             path, rule->keep[i], b->cell->data.name, count));
        }
    }
}

/* NULL where all is kept. */
static double *fill_keep(builder *b, const json_t *data)
{
    const json_t *kept = json_object_get(data, "keep");
    const char *name = NULL;
    json_t *value = NULL;
    bool some = false;
    double *keep = kept != NULL ? malloc(sizeof *keep * ESP_MAX_CLASSES) : NULL;
    for (int i = 0; keep != NULL && i < ESP_MAX_CLASSES; i++) {
        keep[i] = 1;
    }
    json_object_foreach((json_t *)kept, name, value)
    {
        const int class_index = atoi(name);
        if (keep != NULL && class_index < ESP_MAX_CLASSES) {
            keep[class_index] = json_number_value(value);
            some = some || keep[class_index] != 1;
        }
    }
    if (kept != NULL && keep == NULL) {
        complain_at(b, esp_node_mark(b->draft->tree, "data.keep"), "out of memory");
    }
    if (!some) {
        free(keep);
        keep = NULL;
    }
    return keep;
}

void esp_data_section_fill(builder *b)
{
    const json_t *data = json_object_get(b->config, "data");
    const json_t *normalize = json_object_get(data, "normalize");
    const char *name = json_string_value(json_object_get(data, "name"));
    const char *kind = json_string_value(json_object_get(normalize, "kind"));
    esp_data_config *out = &b->cell->data;
    *out = (esp_data_config){
        .name = strdup(name != NULL ? name : ""),
        .partition = {.test = json_number_value(json_object_get(data, "test")),
                      .validation = json_number_value(json_object_get(data, "validation")),
                      .split_seed =
                          (uint64_t)json_integer_value(json_object_get(data, "split_seed")),
                      .keep = fill_keep(b, data)},
        .mean = json_number_value(json_object_get(normalize, "mean")),
        .std = json_number_value(json_object_get(normalize, "std")),
        .n_features = b->data.n_features,
        .n_classes = b->data.n_classes,
    };
    out->n_train = (uint32_t)round(without_test(b));
    memcpy(out->digest, b->data.digest, sizeof out->digest);
    for (int k = ESP_NORMALIZE_FIXED; kind != NULL && k <= ESP_NORMALIZE_PER_CHANNEL; k++) {
        if (strcmp(kind, esp_normalize_kind_name((esp_normalize_kind)k)) == 0) {
            out->normalize = (esp_normalize_kind)k;
        }
    }
    check_test(b);
    check_validation(b);
    check_keep(b);
}

const char *esp_data_section_keep_text(const builder *b)
{
    const json_t *keep = json_object_get(json_object_get(b->config, "data"), "keep");
    const char *text = NULL, *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)keep, name, value)
    {
        char number[32];
        esp_text_print_number(number, json_number_value(value));
        text = esp_tree_pool_format(b->r->pool, "%s%s%s: %s", text != NULL ? text : "",
                                    text != NULL ? ", " : "", name, number);
    }
    return text != NULL ? esp_tree_pool_format(b->r->pool, "{%s}", text) : NULL;
}

double esp_data_section_n_train(const builder *b)
{
    const esp_partition_rule *rule = &b->cell->data.partition;
    double share = rule->keep != NULL ? 0 : 1;
    for (uint32_t i = 0; rule->keep != NULL && i < b->data.n_classes; i++) {
        share += rule->keep[i] / b->data.n_classes;
    }
    return (1 - rule->validation) * share * without_test(b);
}
