/* Parameters of plugins: from text and numbers in a study to the members of a state. */
#ifndef ESP_PLUGIN_PARAMS_H
#define ESP_PLUGIN_PARAMS_H

#include <stdbool.h>

#include "espalier_plugin.h"

enum { ESP_MAX_PARAMS = 32, ESP_MAX_NAME = 40 };

/* One value for each row of the plugin's table, in its order. Choices hold their index. */
typedef struct esp_params {
    double values[ESP_MAX_PARAMS];
} esp_params;

void esp_params_default(esp_params *out, const esp_plugin *plugin);

/* The row of that name, or -1. Thread: any. */
int esp_params_find(const esp_plugin *plugin, const char *name);

/* Reads one value as a study writes it ("0.5", "true", "node_sum"), checking type and range.
 * Errors: ESP_USAGE; the message says what is allowed (and what may have been meant), without the
 * place. Thread: any. */
int esp_params_parse(double *out, const esp_param *param, const char *text);

/* The reverse, as a study would write it; out [64]. */
void esp_params_print(char out[64], const esp_param *param, double value);

/* Writes the values into a state by the table's offsets. */
void esp_params_fill(void *state, const esp_plugin *plugin, const esp_params *params);

/* Whether text may name a plugin, a parameter or a metric, by the rule as messages say it. Thread:
 * any. */
#define ESP_NAME_RULE "a-z 0-9 _, a letter first, at most 40 characters"
bool esp_name_is_sound(const char *text);

/* Inspects a plugin's parameter table: names, types, ranges, places in the state. Returns true, or
 * false with what is wrong in reason [count]. Thread: any. */
bool esp_params_inspect(char *reason, size_t count, const esp_plugin *plugin);

#endif
