/* Within report/: queries about one revision of a study. */
#ifndef ESP_REPORT_REPORT_QUERY_H
#define ESP_REPORT_REPORT_QUERY_H

#include "report/report.h"

/* A statement with :study and :revision bound; close *out also after a failure. */
int esp_report_ask(esp_rows **out, esp_store *store, const esp_report *report, const char *sql);

/* Steps to the next row; false at the end and on a failure, which status then holds. */
bool esp_report_next(esp_rows *rows, int *status);

/* A copy of the text that lives as long as the report; "" for NULL. */
const char *esp_report_keep(esp_report *report, const char *text);

/* An empty list with room for capacity words. */
int esp_report_words(esp_words *out, esp_report *report, int capacity);

/* The first column of the first row, as a number; 0 without a row. */
int esp_report_count(int *out, esp_store *store, const esp_report *report, const char *sql);

/* Fills cells, their configurations, how their trials ended. */
int esp_report_load_cells(esp_report *report, esp_store *store);

/* The cell with that key in the database, or NULL. */
esp_report_cell *esp_report_cell_of(const esp_report *report, int64_t key);

/* Counts trials beyond the failure limit, the test set's examples, builds of plugins
 * (report_measures.c). */
int esp_report_load_measures(esp_report *report, esp_store *store);

/* Steps through rows of cell_key, value, seed_init, seed_order, seed_noise into a sample for each
 * cell, samples [n_cells]. */
int esp_report_fill(esp_sample *samples, esp_report *report, esp_rows *rows);

/* Done trials' values of a metric at an epoch, by cell and seed; samples [n_cells]. */
int esp_report_load_sample(esp_sample *samples, esp_report *report, esp_store *store,
                           const char *at, const char *split, const char *metric);

/* Fills every cell's series for the report's metrics and epochs, and its leaves' use. */
int esp_report_load_values(esp_report *report, esp_store *store);

#endif
