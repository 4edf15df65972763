/* What trained a trial, for people. */
#ifndef ESP_CLI_SHOW_ENVIRONMENT_H
#define ESP_CLI_SHOW_ENVIRONMENT_H

#include <jansson.h>

/* environments: an array of {"attempts": "1, 2", "hash", "content": {...}}, the last attempt's
 * first. Prints that one whole, long diffs shortened, and of the others what differs from it. */
void esp_show_environments(const json_t *environments, const char *trial);

#endif
