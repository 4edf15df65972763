/* HTML for reading: escapes, the frame of a page, tables. A page is one file that asks for nothing
 * else: its style and script (page.css, page.js) stand inside. All texts are untrusted. */
#ifndef ESP_REPORT_HTML_H
#define ESP_REPORT_HTML_H

#include <stdio.h>

#include "report/report_tables.h"

/* Text between tags, or within an attribute's double quotes. What no HTML may hold (control
 * characters, bytes that are not UTF-8) becomes U+FFFD. Errors: the stream's. Thread: any. */
void esp_html_text(FILE *out, const char *text);

/* printf of markup where %s is escaped as by esp_html_text; the only other conversions are %d, %ld,
 * %zu and %%. The format itself is markup. */
void esp_html_print(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A page from <!DOCTYPE html> to the start of <main>, and its end. */
typedef struct esp_html_frame {
    const char *title;  /* of the window */
    const char *style;  /* CSS after the page's own; NULL: none */
    const char *script; /* JavaScript after the page's own; NULL: none */
    bool live;          /* the script may ask the server it came from */
} esp_html_frame;

/* The page's content security policy admits its own scripts by their hashes, so that no text can
 * bring another. Errors: ESP_MEMORY. Thread: any. */
int esp_html_begin(FILE *out, const esp_html_frame *frame);
void esp_html_end(FILE *out);

/* A table under a heading, in a box of its own that scrolls; sortable where scripts run. id is
 * unique in the page and of [a-z0-9-]. */
void esp_html_table(FILE *out, const esp_table *table, const char *id);

#endif
