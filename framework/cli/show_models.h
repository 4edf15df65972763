/* `espalier show`: what model files say of where they come from. */
#ifndef ESP_CLI_SHOW_MODELS_H
#define ESP_CLI_SHOW_MODELS_H

#include <jansson.h>
#include <stdbool.h>

/* Whether an argument names a model's file rather than a trial or a study. Thread: any. */
bool esp_is_model_path(const char *name);

/* {"file": .., "trial": .., "study": .., "variant": .., "cell": .., "seed": ..} of a file, keys
 * that it lacks left out. *out owned by the caller. Errors: ESP_NOT_FOUND, ESP_DATA. Thread: any.
 */
int esp_model_to_json(json_t **out, const char *path);

/* The same of each model in a trial's folder, by name; a file that cannot be read has an "error".
 * Empty where there is no folder. Owned by the caller. Thread: any. */
json_t *esp_models_to_json(const char *folder);

/* One of them as a line. Thread: any. */
void esp_model_print(const json_t *model);

#endif
