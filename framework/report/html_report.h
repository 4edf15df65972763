/* A report as a page, and its sections that have a file of their own. */
#ifndef ESP_REPORT_HTML_REPORT_H
#define ESP_REPORT_HTML_REPORT_H

#include <stdio.h>

#include "report/report_tables.h"
#include "report/report_trials.h"

/* The whole page. Errors: ESP_MEMORY; ESP_STORE; ESP_IO where out does not take it. Thread: the
 * report's. */
int esp_render_html(FILE *out, esp_report *report);

/* What follows are <section> elements with a heading each; each writes nothing where it has nothing
 * to say. Errors: ESP_MEMORY; ESP_STORE. Thread: the report's. */

/* What was asked, how far it is, what came out, in words (html_summary.c). */
int esp_html_summary(FILE *out, esp_report *report, const esp_page *page);

/* The figures that the section asks for, else the usual ones, drawn now (html_figures.c). One that
 * cannot be drawn is said to be so. */
int esp_html_figures(FILE *out, esp_report *report);

/* Trials that failed, by what they said (html_trials.c). */
int esp_html_failures(FILE *out, esp_report *report, const esp_report_trials *trials);

/* Every trial, folded: its values, epochs, attempts (html_trials.c). Of large studies those that
 * failed and the first ones, and how many are left out. */
int esp_html_trials(FILE *out, esp_report *report, const esp_report_trials *trials);

/* Which programs, plugins, data and machines the values come from (html_provenance.c). */
int esp_html_provenance(FILE *out, esp_report *report);

/* The commands and the study's text that give these values again (html_provenance.c). */
int esp_html_reproduce(FILE *out, esp_report *report, const esp_page *page,
                       const esp_report_trials *trials);

#endif
