/* --against FILE of every subject: what has grown since an earlier result was written. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"
#include "core/log.h"
#include "core/status.h"

static const double most_slower = 1.15;

/* "training_width 16, leaf_width 8" */
static void name_entry(char *out, size_t size, const json_t *entry,
                       const esp_bench_comparison *what)
{
    size_t used = 0;
    *out = '\0';
    for (const char *const *key = what->keys; *key != NULL && used < size; key++) {
        const json_t *value = json_object_get(entry, *key);
        used += json_is_string(value)
                    ? (size_t)snprintf(out + used, size - used, "%s%s %s", used > 0 ? ", " : "",
                                       *key, json_string_value(value))
                    : (size_t)snprintf(out + used, size - used, "%s%s %g", used > 0 ? ", " : "",
                                       *key, json_number_value(value));
    }
}

static bool is_same(const json_t *a, const json_t *b, const esp_bench_comparison *what)
{
    for (const char *const *key = what->keys; *key != NULL; key++) {
        const json_t *value = json_object_get(a, *key);
        if (value == NULL || json_equal(value, json_object_get(b, *key)) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_slower(const json_t *now, const json_t *before, const esp_bench_comparison *what)
{
    const double figure = json_number_value(json_object_get(now, what->figure));
    const double earlier = json_number_value(json_object_get(before, what->figure));
    const bool holds =
        what->more_is_better ? figure * most_slower >= earlier : figure <= most_slower * earlier;
    if (!holds) {
        char name[256];
        name_entry(name, sizeof name, now, what);
        esp_log_warning("%s: %s %.3g, was %.3g", name, what->figure, figure, earlier);
    }
    return !holds;
}

int esp_bench_compare(const json_t *result, const char *path, const esp_bench_comparison *what)
{
    json_error_t error;
    json_t *file = json_load_file(path, 0, &error);
    const json_t *list = json_object_get(result, what->list), *now, *before;
    size_t i, k;
    int n_compared = 0, n_slower = 0;
    if (file == NULL) {
        return esp_fail(ESP_DATA, "%s:%d: %s; it must be what `bench --format json` wrote", path,
                        error.line, error.text);
    }
    json_array_foreach(list, i, now)
    {
        json_array_foreach(json_object_get(file, what->list), k, before)
        {
            if (is_same(now, before, what)) {
                n_compared++;
                n_slower += is_slower(now, before, what);
            }
        }
    }
    json_decref(file);
    if (n_compared == 0) {
        return esp_fail(ESP_DATA, "%s: holds none of these %s", path, what->list);
    }
    return n_slower == 0 ? ESP_OK
                         : esp_fail(ESP_FAILED,
                                    "%d of %d %s are more than 15 %% worse by their %s than in %s",
                                    n_slower, n_compared, what->list, what->figure, path);
}
