/* A report as text, Markdown, CSV or JSON. */
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

/* For programs: every cell, metric and epoch, full precision, fractions; undefined is empty or
 * null. */
int esp_render_csv(FILE *out, esp_report *report);
int esp_render_json(FILE *out, esp_report *report);

#endif
