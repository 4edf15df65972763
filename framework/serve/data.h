/* What answers made of queries share. */
#ifndef ESP_SERVE_DATA_H
#define ESP_SERVE_DATA_H

#include <stdio.h>

#include "serve/request.h"

/* Values of a statement's parameters :study, :trial, ...; those a statement lacks are ignored. */
typedef struct esp_data_values {
    const char *study, *trial, *at, *split, *metric;
} esp_data_values;

/* Errors: the rows', as below; close *rows also then. */
int esp_data_open(esp_rows **rows, esp_store *store, const char *sql, const esp_data_values *v);

/* "name": {"columns": ..., "rows": ...} */
int esp_data_table(FILE *out, const char *name, esp_store *store, const char *sql,
                   const esp_data_values *v);

/* The request's metric, "test.hard_accuracy" where it has none, as v's split and metric: both in a
 * copy that the caller frees. Errors: ESP_USAGE, ESP_MEMORY. */
int esp_data_metric(char **copy, esp_data_values *v, const esp_request *request);

#endif
