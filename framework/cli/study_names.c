#include "cli/study_names.h"

#include <ctype.h>
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

static int not_a_trial(esp_store *store, const char *name)
{
    bool is_study = false;
    ESP_TRY(esp_study_exists(&is_study, store, name));
    return is_study
               ? esp_fail(ESP_NOT_FOUND,
                          "'%s' is a study; a trial is wanted: `espalier ls %s` lists its trials",
                          name, name)
               : esp_study_not_found(store, "study or trial", name);
}

int esp_trial_find(char id[17], esp_store *store, const char *prefix)
{
    esp_rows *rows = NULL;
    char list[256] = "";
    bool has_row = false, hex = strlen(prefix) <= 16;
    for (const char *next = prefix; *next != '\0'; next++) {
        hex = hex && isxdigit((unsigned char)*next);
    }
    if (!hex) {
        return not_a_trial(store, prefix);
    }
    int status = ESP_OK, count = 0;
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT trial_id FROM trial WHERE trial_id LIKE"
                              " :prefix || '%' ORDER BY trial_id LIMIT 6"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":prefix", prefix));
    for (;; count++) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        size_t used = strlen(list);
        snprintf(id, 17, "%s", esp_rows_text(rows, 0));
        snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "",
                 count < 5 ? id : "...");
    }
    if (count == 0) {
        status = not_a_trial(store, prefix);
    } else if (count > 1) {
        status = esp_fail(ESP_USAGE, "'%s' begins more than one trial: %s", prefix, list);
    }
out:
    esp_rows_close(rows);
    return status;
}
