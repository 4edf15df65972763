/* espalier plugins check: the contract test of one, some or all plugins, with a summary. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/plugins.h"
#include "core/clock.h"
#include "core/status.h"
#include "plugin/check.h"

typedef struct result {
    const char *path;
    bool passed;
    esp_check_verdict verdict;
    char *lines; /* what the check printed, a line a check */
    char *reason;
    double seconds;
} result;

bool esp_plugins_is_file(const char *word)
{
    return strchr(word, '.') || *word == '/';
}

/* The message without the path that it starts with. */
static const char *without_path(const char *message, const char *path)
{
    size_t length = strlen(path);
    bool repeats = strncmp(message, path, length) == 0 && strncmp(message + length, ": ", 2) == 0;
    return repeats ? message + length + 2 : message;
}

static int check_file(result *found, const char *path)
{
    size_t size = 0;
    *found = (result){.path = path};
    FILE *lines = open_memstream(&found->lines, &size);
    if (lines == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for what the check says");
    }
    double from = esp_clock_seconds();
    int status = esp_plugin_check(&found->verdict, path, lines);
    found->seconds = esp_clock_seconds() - from;
    found->passed = status == ESP_OK;
    found->reason = status == ESP_OK ? NULL : strdup(without_path(esp_message(), path));
    fclose(lines);
    return status == ESP_MEMORY || status == ESP_IO ? status : ESP_OK;
}

/* ---- as text --------------------------------------------------------------------------------- */

static void print_one(const result *found)
{
    printf("%s\n%s%s\n\n", found->path, found->lines, found->passed ? "passed" : found->reason);
    fflush(stdout);
}

static void print_summary(const result *results, size_t count)
{
    int width = (int)strlen("NAME");
    for (size_t i = 0; i < count; i++) {
        int length = (int)strlen(results[i].verdict.name);
        width = length > width ? length : width;
    }
    printf("%-4s  %-*s  %-7s  %-14s  %-5s  %-7s  %s\n", "KIND", width, "NAME", "ELEMENT",
           "GRADIENT ERROR", "CASES", "SECONDS", "RESULT");
    for (size_t i = 0; i < count; i++) {
        const esp_check_verdict *verdict = &results[i].verdict;
        char error[32] = "-";
        if (verdict->n_gradients > 0) {
            snprintf(error, sizeof error, "%.1e", verdict->worst);
        }
        printf("%-4s  %-*s  %-7s  %-14s  %-5d  %-7.2f  %s\n",
               verdict->kind ? esp_plugins_kind_text(verdict->kind) : "?", width,
               verdict->kind ? verdict->name : "?",
               verdict->real_size == 4   ? "float"
               : verdict->real_size == 8 ? "double"
                                         : "?",
               error, verdict->n_gradients, results[i].seconds,
               results[i].passed ? "passed" : results[i].reason);
    }
}

/* ---- as JSON --------------------------------------------------------------------------------- */

/* "ok gradients: ..." lines without their "ok ". */
static json_t *lines_to_json(const char *lines)
{
    json_t *array = json_array();
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");
        size_t skip = strncmp(lines, "ok ", 3) == 0 ? 3 : 0;
        json_array_append_new(array, json_stringn(lines + skip, length - skip));
        lines += length + (lines[length] == '\n');
    }
    return array;
}

static json_t *result_to_json(const result *found)
{
    const esp_check_verdict *verdict = &found->verdict;
    json_t *object = json_pack("{s:s, s:b, s:s?, s:s?, s:s?, s:s?, s:o, s:f}", "path", found->path,
                               "passed", found->passed, "reason", found->reason, "kind",
                               verdict->kind ? esp_plugins_kind_text(verdict->kind) : NULL, "name",
                               verdict->kind ? verdict->name : NULL, "version",
                               verdict->kind ? verdict->version : NULL, "checks",
                               lines_to_json(found->lines), "seconds", found->seconds);
    if (verdict->kind) {
        json_object_set_new(object, "element_bytes", json_integer(verdict->real_size));
    }
    if (verdict->n_gradients > 0) {
        json_object_set_new(object, "gradients",
                            json_pack("{s:i, s:f, s:f}", "cases", verdict->n_gradients, "worst",
                                      verdict->worst, "tolerance", verdict->tolerance));
    }
    return object;
}

/* ---- which ----------------------------------------------------------------------------------- */

/* A name that leads nowhere is said before anything is checked. */
static int paths_of_names(const char **paths, const plugins_arguments *given,
                          const esp_registry *registry)
{
    for (size_t i = 0; i < given->n_names; i++) {
        const esp_plugin_entry *entry;
        paths[i] = given->names[i];
        if (!esp_plugins_is_file(given->names[i])) {
            ESP_TRY(esp_plugins_find(&entry, registry, given->names[i]));
            paths[i] = entry->path;
        } else if (access(paths[i], F_OK) != 0) {
            return esp_fail(ESP_NOT_FOUND,
                            "%s: %s; a name without a dot is looked up among what "
                            "`espalier plugins ls` lists",
                            paths[i], strerror(errno));
        }
    }
    return ESP_OK;
}

/* What the registry refused is checked too: it says why once more. */
static size_t paths_of_all(const char **paths, const esp_registry *registry)
{
    size_t count = 0;
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        if (!entry->is_hidden) {
            paths[count++] = entry->path;
        }
    }
    return count;
}

int esp_plugins_check(const plugins_arguments *given, const esp_registry *registry)
{
    if (given->all && given->n_names > 0) {
        return esp_fail(ESP_USAGE, "`espalier plugins check` takes files or names, or --all");
    }
    int status = ESP_OK;
    size_t most = given->n_names > 0 ? given->n_names : (size_t)esp_registry_count(registry);
    size_t count = given->n_names, n_checked = 0, n_refused = 0;
    const char **paths = calloc(most + 1, sizeof *paths);
    result *results = calloc(most + 1, sizeof *results);
    json_t *array = json_array();
    if (paths == NULL || results == NULL || array == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for %zu plugins", most);
        goto out;
    }
    if (given->n_names > 0) {
        ESP_TRY_OUT(paths_of_names(paths, given, registry));
    } else {
        count = paths_of_all(paths, registry);
    }
    for (; n_checked < count; n_checked++) {
        result *found = &results[n_checked];
        ESP_TRY_OUT(check_file(found, paths[n_checked]));
        n_refused += !found->passed;
        if (given->json) {
            json_array_append_new(array, result_to_json(found));
        } else {
            print_one(found);
        }
    }
    if (given->json) {
        ESP_TRY_OUT(esp_plugins_print_json(json_incref(array)));
    } else if (count > 1) {
        print_summary(results, count);
    }
    if (n_refused > 0) {
        status = esp_fail(ESP_PLUGIN, "%zu of %zu plugins refused", n_refused, count);
    }
out:
    for (size_t i = 0; results != NULL && i < most; i++) {
        free(results[i].lines);
        free(results[i].reason);
    }
    free(results);
    free(paths);
    json_decref(array);
    return status;
}
