/* Tables of numbers as text: RFC 4180, a line of names first. Lines end with "\n", "\r\n" or "\r";
 * lines of nothing but blanks hold no row. */
#ifndef ESP_DATA_CSV_H
#define ESP_DATA_CSV_H

#include <stddef.h>

#include "data/format.h"

/* The names of a table's columns, in order; owned. */
typedef struct esp_csv_header {
    char **names;
    uint32_t count;
    uint32_t label; /* which of them is the label */
    size_t line;    /* where they stand, from 1 */
} esp_csv_header;

/* Reads text [size + 1], whose last byte is NUL (and which is written to: quoted fields are
 * unescaped in place): header, then a line an example; the column called label [whole
 * numbers from 0 to 255, or text, whose names part->names holds] into part->labels, the others in
 * order into part->values. What is left in header and part is the caller's to free, also on
 * failure. Errors: ESP_DATA as FILE:LINE:COLUMN, what was expected and what was found; ESP_MEMORY.
 * Thread: any. */
int esp_csv_parse(esp_csv_header *header, esp_part *part, const char *path, char *text, size_t size,
                  const char *label);
void esp_csv_header_free(esp_csv_header *header);

#endif
