/* A report as a page: its sections one by one, so that another page can hold some of them. */
#ifndef ESP_REPORT_HTML_REPORT_H
#define ESP_REPORT_HTML_REPORT_H

#include <stdio.h>

#include "report/report_tables.h"
#include "report/report_trials.h"

/* The whole page. Errors: ESP_MEMORY; ESP_STORE; ESP_IO where out does not take it. Thread: the
 * report's. */
int esp_render_html(FILE *out, esp_report *report);

/* What follows are <section> elements with a heading each; each writes nothing where it has nothing
 * to say. Thread: the report's. */

/* What was asked, how far it is, what came out, in words. */
void esp_html_summary(FILE *out, const esp_report *report, const esp_page *page);
void esp_html_tables(FILE *out, const esp_page *page);
void esp_html_notes(FILE *out, const esp_page *page);

/* Trials that failed, by what they said. */
void esp_html_failures(FILE *out, const esp_report *report, const esp_report_trials *trials);

/* Every trial, folded: its values, epochs, attempts. Of large studies the first ones, and how many
 * were left out. */
int esp_html_trials(FILE *out, esp_report *report, const esp_report_trials *trials);

/* Which programs, plugins, data and machines the values come from. */
int esp_html_provenance(FILE *out, esp_report *report);

/* The commands and the study's text that give these values again. */
int esp_html_reproduce(FILE *out, esp_report *report, const esp_page *page);

#endif
