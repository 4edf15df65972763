/* Within report/: intervals and tests for programs. */
#ifndef ESP_REPORT_RENDER_STATISTICS_H
#define ESP_REPORT_RENDER_STATISTICS_H

#include <jansson.h>

#include "report/inference.h"

/* A number; null where it is not finite. New. */
json_t *esp_json_number(double value);

/* Text; what is not UTF-8 keeps its ASCII; null for NULL. New. */
json_t *esp_json_word(esp_report *report, const char *text);

/* A list of texts, words [n]. New. */
json_t *esp_json_words(esp_report *report, const char *const *words, int n);

/* [low, high]. New. */
json_t *esp_json_interval(esp_interval interval);

/* Adds what is inferred of one cell: median, interval, test_error, failures. */
void esp_json_add_seeds(json_t *out, const esp_report *report, const esp_seed_inference *one);

/* All comparisons of all metrics at all epochs, with what they pool to. *out new. Errors:
 * ESP_MEMORY. */
int esp_json_comparisons(json_t **out, esp_report *report);

/* The same for a line of CSV: names of columns, and their numbers. one and compared may be NULL. */
enum { ESP_N_STATISTICS = 29 };
extern const char *const esp_statistics_columns[ESP_N_STATISTICS];
void esp_statistics_values(double out[ESP_N_STATISTICS], const esp_seed_inference *one,
                           const esp_comparison *compared);

#endif
