#include "cli/published_values.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/place.h"
#include "core/status.h"
#include "core/text.h"

char *esp_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL   ? esp_text_format(".")
           : slash == path ? esp_text_format("/")
                           : esp_text_format("%.*s", (int)(slash - path), path);
}

static bool names_published(const esp_study *study)
{
    json_t *report = study->report != NULL ? json_loads(study->report, 0, NULL) : NULL;
    const bool names = json_object_get(report, "published") != NULL;
    json_decref(report);
    return names;
}

static int store_rows(const char *database, const esp_report_request *request)
{
    esp_store *store = NULL, *writable = NULL;
    esp_report *report = NULL;
    esp_store_published *rows = NULL;
    bool stands = false;
    int n = 0, status = ESP_OK;
    ESP_TRY_OUT(esp_store_open(&store, database, ESP_STORE_READ));
    ESP_TRY_OUT(esp_report_load(&report, store, request));
    if (!report->latest || report->published == NULL) {
        goto out;
    }
    ESP_TRY_OUT(esp_report_published_rows(&rows, &n, report));
    ESP_TRY_OUT(esp_store_published_stands(&stands, store, request->study, rows, n));
    if (!stands) {
        ESP_TRY_OUT(esp_store_open(&writable, database, ESP_STORE_WRITE));
        status = esp_store_set_published(writable, request->study, rows, n);
    }
out:
    esp_report_free(report);
    esp_store_close(writable);
    esp_store_close(store);
    return status;
}

void esp_published_store(const char *database, const esp_study *study)
{
    if (!names_published(study)) {
        return;
    }
    char *data = esp_place_data(), *folder = esp_folder_of(study->path);
    const esp_report_request request = {.study = study->name,
                                        .section = study->report,
                                        .text = study->text,
                                        .study_folder = folder,
                                        .source_folder = data};
    const int status = store_rows(database, &request);
    if (status == ESP_DATA || status == ESP_STORE) {
        esp_log_note("note: view versus_published is not up to date: %s", esp_message());
    }
    free(folder);
    free(data);
}

void esp_published_compare(esp_store *store, esp_report *report)
{
    esp_store_published *rows = NULL;
    bool stands = true;
    int n = 0;
    if (report->latest && report->published != NULL &&
        esp_report_published_rows(&rows, &n, report) == ESP_OK &&
        esp_store_published_stands(&stands, store, report->study, rows, n) == ESP_OK && !stands) {
        esp_log_note("note: the view versus_published holds other values than %s does now; "
                     "`espalier run` of the study's file brings it up to date",
                     report->published->path);
    }
}
