#include "cli/show_environment.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { DIFF_LINES = 12 };

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* The first lines of a diff; the rest is in the JSON. */
static void print_diff(const char *diff, const char *trial, const char *path)
{
    int n_lines = 0;
    for (const char *line = diff; *line != '\0'; n_lines++) {
        const int length = (int)strcspn(line, "\n");
        if (n_lines < DIFF_LINES) {
            printf("    | %.*s\n", length, line);
        }
        line += length;
        line += *line == '\n';
    }
    if (n_lines > DIFF_LINES) {
        printf("    | ... %d more lines; all: espalier query \"SELECT content ->> '$.%s' FROM"
               " environment e JOIN attempt a ON a.environment = e.id JOIN trial t"
               " ON t.id = a.trial WHERE t.trial_id = '%s'\"\n",
               n_lines - DIFF_LINES, path, trial);
    }
}

/* One plugin on one line: what it is known by. */
static void print_plugin(const char *path, const json_t *plugin)
{
    printf("  %-26s version %s  %s  %s\n", path, text_at(plugin, "version"),
           text_at(plugin, "sha256"), text_at(plugin, "file"));
}

/* Every value as "path  value", descending into maps; those that are the same in `but` are left
 * out. How many were printed. */
static int print_values(const char *prefix, const json_t *values, const json_t *but,
                        const char *trial)
{
    const char *key;
    json_t *value;
    int n = 0;
    json_object_foreach((json_t *)(uintptr_t)values, key, value)
    {
        char path[256];
        const json_t *other = json_object_get(but, key);
        const char *text = json_string_value(value);
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", key);
        if (other != NULL && json_equal(value, other)) {
            continue;
        }
        n++;
        if (json_object_get(value, "sha256") != NULL) {
            print_plugin(path, value);
        } else if (json_is_object(value)) {
            n += print_values(path, value, other, trial) - 1;
        } else if (text != NULL && strchr(text, '\n') != NULL) {
            printf("  %s\n", path);
            print_diff(text, trial, path);
        } else if (text != NULL) {
            printf("  %-26s %s\n", path, *text != '\0' ? text : "(not set)");
        } else {
            printf("  %-26s ", path);
            json_dumpf(value, stdout, JSON_ENCODE_ANY);
            putchar('\n');
        }
    }
    return n;
}

void esp_show_environments(const json_t *environments, const char *trial)
{
    const json_t *last = json_object_get(json_array_get(environments, 0), "content");
    size_t i;
    json_t *one;
    json_array_foreach(environments, i, one)
    {
        const char *attempts = text_at(one, "attempts");
        const bool several = strchr(attempts, ',') != NULL;
        if (i == 0) {
            printf("\nenvironment %.8s, of attempt%s %s\n", text_at(one, "hash"),
                   several ? "s" : "", attempts);
            print_values("", last, NULL, trial);
            continue;
        }
        printf("\nenvironment %.8s, of attempt%s %s, where it differs\n", text_at(one, "hash"),
               several ? "s" : "", attempts);
        if (print_values("", json_object_get(one, "content"), last, trial) == 0) {
            puts("  has less recorded");
        }
    }
}
