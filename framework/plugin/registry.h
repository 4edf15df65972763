/* All plugins this process can use. The only place that calls dlopen. */
#ifndef ESP_PLUGIN_REGISTRY_H
#define ESP_PLUGIN_REGISTRY_H

#include <stdbool.h>

#include "espalier_plugin.h"

typedef struct esp_plugin_entry {
    const esp_plugin *plugin; /* NULL where refused */
    char *path;
    char sha256[65];
    const char *at_load; /* what loading it did to the process, and was undone; NULL: nothing */
    char *refusal;       /* why it was refused, or NULL */
    bool is_shipped; /* espalier's own, from the source its developers listed: plugins/shipped.c */
    bool is_hidden;  /* refused only because another of that kind and name is found first */
} esp_plugin_entry;

typedef struct esp_registry esp_registry;

/* Loads every *.so of the plugin folders: ESPALIER_PLUGIN_PATH (colon-separated, searched first),
 * then those that came with this program (loss/ and head/ below each, and the folder itself).
 * The first of a (kind, name) wins. A file that is not a sound plugin is kept as an entry with its
 * refusal and does not stop the others. Leaves this thread in the C locale, and what loading did to
 * the process undone. Call before threads start; nothing is unloaded.
 * Errors: ESP_MEMORY, ESP_NOT_FOUND where not one plugin folder exists. Thread: one. */
int esp_registry_create(esp_registry **out);
void esp_registry_destroy(esp_registry *registry);

int esp_registry_count(const esp_registry *registry);
const esp_plugin_entry *esp_registry_entry(const esp_registry *registry, int index);

/* The plugin of that kind and name, or NULL. Thread: any. */
const esp_plugin *esp_registry_find(const esp_registry *registry, esp_kind kind, const char *name);
const esp_plugin_entry *esp_registry_entry_of(const esp_registry *registry,
                                              const esp_plugin *plugin);

/* Opens one file and inspects its descriptor and parameter table: symbol, ABI tag, sizes, kind and
 * operations, names, ranges, offsets inside the state. On refusal entry->refusal says why and the
 * result is ESP_PLUGIN. path and refusal are the caller's to free. Thread: one. */
int esp_plugin_open(esp_plugin_entry *entry, const char *path);

/* The same, but takes a plugin of either element type: *real_size is 4 or 8; and a file that this
 * process has loaded before is loaded once more, as a copy. For the contract test, which never
 * hands such a plugin to the framework. */
int esp_plugin_open_any(esp_plugin_entry *entry, size_t *real_size, const char *path);

#endif
