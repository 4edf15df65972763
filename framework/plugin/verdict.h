/* The contract test of a plugin that espalier does not ship, once a file. */
#ifndef ESP_PLUGIN_VERDICT_H
#define ESP_PLUGIN_VERDICT_H

#include "plugin/registry.h"

/* Returns ESP_OK for a plugin that espalier ships, whose tests check it, and for one that passes
 * esp_plugin_check. That it passed is kept in esp_place_cache("checked"), by the SHA-256 of its
 * file and by the sources of the check, so that another file or another check is looked at again.
 * What is refused is not kept: a busy machine or another processor may be the reason. Says on
 * stderr what it does where it checks; a cache that cannot be read or written costs time alone.
 * Errors: ESP_PLUGIN with the reason and what to do. Thread: one, no others may exist. */
int esp_verdict_require(const esp_plugin_entry *entry);

#endif
