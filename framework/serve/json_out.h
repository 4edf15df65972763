/* JSON straight to a stream: answers to a page are long lists of numbers. */
#ifndef ESP_SERVE_JSON_OUT_H
#define ESP_SERVE_JSON_OUT_H

#include <stdio.h>

#include "store/store.h"

/* A string with its quotes; bytes that are not UTF-8 become U+FFFD; "null" for NULL. It may stand
 * in a <script> too. Thread: any, as below. */
void esp_json_put_text(FILE *out, const char *text);

/* The shortest digits that are the same number; NaN and infinities are null. */
void esp_json_put_real(FILE *out, double value);

typedef struct esp_json_limit {
    size_t rows, bytes;
} esp_json_limit;

/* {"columns": [...], "rows": [[...], ...], "truncated": false}: all rows, or those that the limit
 * admits (NULL: none). Blobs are strings as SQL writes them. Errors: the rows'. */
int esp_json_put_table(FILE *out, esp_rows *rows, const esp_json_limit *limit);

#endif
