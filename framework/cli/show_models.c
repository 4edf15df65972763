#include "cli/show_models.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "run/checkpoint.h"

static const char ending[] = ".safetensors";

bool esp_is_model_path(const char *name)
{
    const size_t length = strlen(name), tail = sizeof ending - 1;
    return length > tail && strcmp(name + length - tail, ending) == 0;
}

static int is_model(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && esp_is_model_path(entry->d_name) &&
           strcmp(entry->d_name, "state.safetensors") != 0;
}

int esp_model_to_json(json_t **out, const char *path)
{
    char *from[ESP_N_FROM];
    const char *slash = strrchr(path, '/');
    *out = NULL;
    int status = esp_model_read_from(from, path);
    if (status == ESP_OK) {
        *out = json_pack("{s:s}", "file", slash != NULL ? slash + 1 : path);
    }
    for (int i = 0; i < ESP_N_FROM; i++) {
        if (status == ESP_OK && from[i] != NULL) {
            json_object_set_new(*out, esp_from_names[i], json_string(from[i]));
        }
        free(from[i]);
    }
    return status;
}

json_t *esp_models_to_json(const char *folder)
{
    struct dirent **entries = NULL;
    json_t *models = json_array();
    const int n = scandir(folder, &entries, is_model, alphasort);
    for (int i = 0; i < n; i++) {
        json_t *model = NULL;
        char *path = esp_text_format("%s/%s", folder, entries[i]->d_name);
        if (path == NULL || esp_model_to_json(&model, path) != ESP_OK) {
            model = json_pack("{s:s, s:s}", "file", entries[i]->d_name, "error",
                              path != NULL ? esp_message() : "no memory");
        }
        json_array_append_new(models, model);
        free(path);
        free(entries[i]);
    }
    free(entries);
    return models;
}

void esp_model_print(const json_t *model)
{
    const char *error = json_string_value(json_object_get(model, "error"));
    const char *file = json_string_value(json_object_get(model, "file"));
    if (error != NULL) {
        printf("  %s: %s\n", file, error);
        return;
    }
    if (json_object_get(model, esp_from_names[ESP_FROM_TRIAL]) == NULL) {
        printf("  %s: does not say where it comes from\n", file);
        return;
    }
    const char *text[ESP_N_FROM];
    for (int i = 0; i < ESP_N_FROM; i++) {
        text[i] = json_string_value(json_object_get(model, esp_from_names[i]));
        text[i] = text[i] != NULL ? text[i] : "?";
    }
    printf("  %s: trained as %s %s, seed %s: trial %s\n", file, text[ESP_FROM_STUDY],
           text[ESP_FROM_CELL], text[ESP_FROM_SEED], text[ESP_FROM_TRIAL]);
}
