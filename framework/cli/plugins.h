/* Parts of `espalier plugins`. */
#ifndef ESP_CLI_PLUGINS_H
#define ESP_CLI_PLUGINS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "plugin/registry.h"

enum { PLUGINS_MAX_NAMES = 64 };

typedef struct plugins_arguments {
    const char *action;
    const char *names[PLUGINS_MAX_NAMES];
    size_t n_names;
    const char *directory; /* --dir, or NULL */
    const char *role;      /* --role, or NULL */
    bool json, has_format, all;
} plugins_arguments;

/* "loss" or "head". */
const char *esp_plugins_kind_text(esp_kind kind);

/* Whether a word is a path rather than a plugin's name. */
bool esp_plugins_is_file(const char *word);

/* By "name", "loss/name" or "head/name". Errors: ESP_NOT_FOUND; ESP_USAGE where two have the name.
 */
int esp_plugins_find(const esp_plugin_entry **out, const esp_registry *registry,
                     const char *wanted);

/* Prints and releases value. */
int esp_plugins_print_json(json_t *value);

/* The contract test of files and names, or of all. Errors: ESP_PLUGIN where one is refused. */
int esp_plugins_check(const plugins_arguments *given, const esp_registry *registry);

/* Writes the start of a new plugin. */
int esp_plugins_new(const plugins_arguments *given, const esp_registry *registry);

#endif
