/* A report as text, Markdown, LaTeX, CSV or JSON. */
#ifndef ESP_REPORT_RENDER_H
#define ESP_REPORT_RENDER_H

#include <stdio.h>

#include "report/report_tables.h"

typedef struct esp_report_format {
    const char *name;
    /* Errors: ESP_MEMORY; ESP_IO where out does not take it. Thread: the report's. */
    int (*render)(FILE *out, esp_report *report);
} esp_report_format;

/* All formats, by name. Errors: ESP_USAGE naming those there are. Thread: any. */
int esp_report_format_find(const esp_report_format **out, const char *name);

/* For reading; text keeps within a terminal where names are short. Control characters of names are
 * shown as '?'. */
int esp_render_text(FILE *out, esp_report *report);
int esp_render_markdown(FILE *out, esp_report *report);

/* A document that pdflatex, xelatex and lualatex compile, with booktabs; each table stands between
 * comments, to be taken into a paper. */
int esp_render_latex(FILE *out, esp_report *report);

/* For programs: every cell, metric and epoch, full precision, fractions; undefined is empty or
 * null. */
int esp_render_csv(FILE *out, esp_report *report);
int esp_render_json(FILE *out, esp_report *report);

/* ---- for renderers --------------------------------------------------------------------------- */

/* Text without control characters, which become '?': nothing in a name may steer a terminal. */
void esp_put_plain(FILE *out, const char *text, bool keep_lines);

/* Text in a line or a table's cell of Markdown, with nothing that Markdown would read. */
void esp_put_markdown(FILE *out, const char *text);

/* Flushes. Errors: ESP_IO where anything was not taken. */
int esp_render_finish(FILE *out);

#endif
