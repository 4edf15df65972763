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

static int read_earlier(json_t **out, const char *path)
{
    json_error_t error;
    *out = json_load_file(path, 0, &error);
    if (json_is_object(*out)) {
        return ESP_OK;
    }
    const bool is_json = *out != NULL;
    json_decref(*out);
    *out = NULL;
    return is_json || error.line > 0
               ? esp_fail(ESP_DATA, "%s:%d: %s; it must be what `bench --format json` wrote", path,
                          is_json ? 1 : error.line, is_json ? "no object" : error.text)
               : esp_fail(ESP_DATA, "%s", error.text); /* names the file */
}

int esp_bench_check_against(const char *path)
{
    json_t *file = NULL;
    const int status = path != NULL ? read_earlier(&file, path) : ESP_OK;
    json_decref(file);
    return status;
}

/* Ratios on other data tell nothing. */
static int check_data(const json_t *result, const json_t *file, const char *path)
{
    const char *data = json_string_value(json_object_get(result, "data"));
    const char *earlier = json_string_value(json_object_get(file, "data"));
    return data == NULL || earlier == NULL || strcmp(data, earlier) == 0
               ? ESP_OK
               : esp_fail(ESP_DATA, "%s: measured on %s, not on %s", path, earlier, data);
}

int esp_bench_compare(const json_t *result, const char *path, const esp_bench_comparison *what)
{
    json_t *file = NULL;
    const json_t *list = json_object_get(result, what->list), *now, *before;
    size_t i, k;
    int n_compared = 0, n_slower = 0, status = ESP_OK;
    ESP_TRY_OUT(read_earlier(&file, path));
    ESP_TRY_OUT(check_data(result, file, path));
    json_array_foreach(list, i, now)
    {
        json_array_foreach(json_object_get(file, what->list), k, before)
        {
            if (is_same(now, before, what) &&
                json_is_number(json_object_get(before, what->figure))) {
                n_compared++;
                n_slower += is_slower(now, before, what);
            }
        }
    }
    if (n_compared == 0) {
        status = esp_fail(ESP_DATA, "%s: holds none of these %s with their %s", path, what->list,
                          what->figure);
    } else if (n_slower > 0) {
        status =
            esp_fail(ESP_FAILED, "%d of %d %s are more than 15 %% worse by their %s than in %s",
                     n_slower, n_compared, what->list, what->figure, path);
    }
out:
    json_decref(file);
    return status;
}
