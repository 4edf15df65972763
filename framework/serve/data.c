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

char *esp_data_metric(esp_data_values *v, const esp_request *request)
{
    const char *name = esp_request_value(request, "metric");
    char *copy = strdup(name != NULL && strchr(name, '.') != NULL ? name : "test.hard_accuracy");
    if (copy != NULL) {
        v->split = copy;
        v->metric = strchr(copy, '.') + 1;
        *strchr(copy, '.') = '\0';
    }
    return copy;
}
