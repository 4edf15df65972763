#include "cli/study_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"

enum { MAX_NAMES = 1000 };

int esp_study_exists(bool *exists, esp_store *store, const char *study)
{
    esp_rows *rows = NULL;
    ESP_TRY(esp_rows_open(&rows, store, "SELECT 1 FROM study WHERE name = :study"));
    int status = esp_rows_bind_text(rows, ":study", study);
    if (status == ESP_OK) {
        status = esp_rows_step(rows, exists);
    }
    esp_rows_close(rows);
    return status;
}

int esp_study_not_found(esp_store *store, const char *what, const char *name)
{
    esp_rows *rows = NULL;
    char *names[MAX_NAMES], list[512] = "";
    int count = 0;
    bool has_row = false;
    ESP_TRY(esp_rows_open(&rows, store, "SELECT name FROM study ORDER BY name"));
    int status = ESP_OK;
    while ((status = esp_rows_step(rows, &has_row)) == ESP_OK && has_row && count < MAX_NAMES) {
        names[count] = strdup(esp_rows_text(rows, 0));
        if (names[count] != NULL) {
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "", names[count]);
            count++;
        }
    }
    if (status == ESP_OK) {
        const char *meant = esp_text_suggest(name, (const char *const *)names, (size_t)count);
        status = meant != NULL
                     ? esp_fail(ESP_NOT_FOUND, "no %s '%s' in %s; did you mean '%s'?", what, name,
                                esp_store_path(store), meant)
                     : esp_fail(ESP_NOT_FOUND, "no %s '%s' in %s; it holds %s", what, name,
                                esp_store_path(store), count > 0 ? list : "no study yet");
    }
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    esp_rows_close(rows);
    return status;
}

int esp_study_must_exist(esp_store *store, const char *study)
{
    bool exists = false;
    ESP_TRY(esp_study_exists(&exists, store, study));
    return exists ? ESP_OK : esp_study_not_found(store, "study", study);
}
