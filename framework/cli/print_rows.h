/* Rows of a query on paper: aligned text, Markdown, CSV, JSON or its lines. All but text stream. */
#ifndef ESP_CLI_PRINT_ROWS_H
#define ESP_CLI_PRINT_ROWS_H

#include <jansson.h>
#include <stdio.h>

#include "store/store.h"

/* Blobs print as SQL writes them, X'00ff'. */
typedef enum esp_row_format {
    ESP_ROWS_TEXT, /* columns aligned, numbers to the right with 6 digits, NULL as - */
    ESP_ROWS_MD,
    ESP_ROWS_CSV,  /* RFC 4180, NULL as nothing */
    ESP_ROWS_JSON, /* an array of objects, repeated column names as name, name:1, ...; infinities as
                      strings */
    ESP_ROWS_JSON_LINES /* the objects, a line each */
} esp_row_format;

/* "text", "md", "csv" or "json". Errors: ESP_USAGE. Thread: any, as all below. */
int esp_row_format_parse(esp_row_format *format, const char *name);

/* Prints all rows; indent: spaces before each line of text. *n_rows may be NULL. Errors: ESP_STORE,
 * ESP_MEMORY. */
int esp_print_rows(size_t *n_rows, esp_rows *rows, esp_row_format format, int indent, FILE *out);

/* All rows as an array of objects, owned by the caller. Errors: ESP_STORE, ESP_MEMORY. */
int esp_rows_to_json(json_t **array, esp_rows *rows);

/* A query with one text parameter :name, or none where value is NULL. Owned by the caller. */
int esp_rows_of(esp_rows **rows, esp_store *store, const char *sql, const char *value);

#endif
