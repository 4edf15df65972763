#include "serve/data.h"

#include <string.h>

#include "core/status.h"
#include "serve/json_out.h"

int esp_data_open(esp_rows **rows, esp_store *store, const char *sql, const esp_data_values *v)
{
    ESP_TRY(esp_rows_open(rows, store, sql));
    ESP_TRY(esp_rows_bind_text(*rows, ":study", v->study));
    ESP_TRY(esp_rows_bind_text(*rows, ":trial", v->trial));
    ESP_TRY(esp_rows_bind_text(*rows, ":at", v->at));
    ESP_TRY(esp_rows_bind_text(*rows, ":split", v->split));
    return esp_rows_bind_text(*rows, ":metric", v->metric);
}

int esp_data_table(FILE *out, const char *name, esp_store *store, const char *sql,
                   const esp_data_values *v)
{
    esp_rows *rows = NULL;
    int status = esp_data_open(&rows, store, sql, v);
    if (status == ESP_OK) {
        fprintf(out, "\"%s\": ", name);
        status = esp_json_put_table(out, rows, NULL);
    }
    esp_rows_close(rows);
    return status;
}

int esp_data_metric(char **copy, esp_data_values *v, const esp_request *request)
{
    const char *name = esp_request_value(request, "metric");
    if (name != NULL && strchr(name, '.') == NULL) {
        return esp_fail(ESP_USAGE, "'%s' is not a metric of a split, such as test.hard_accuracy",
                        name);
    }
    *copy = strdup(name != NULL ? name : "test.hard_accuracy");
    if (*copy == NULL) {
        return esp_fail(ESP_MEMORY, "no memory");
    }
    v->split = *copy;
    v->metric = strchr(*copy, '.') + 1;
    *strchr(*copy, '.') = '\0';
    return ESP_OK;
}
