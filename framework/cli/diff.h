/* What espalier diff compares, and what it finds. */
#ifndef ESP_CLI_DIFF_H
#define ESP_CLI_DIFF_H

#include <jansson.h>

#include "report/inference.h"
#include "store/store.h"

typedef enum diff_kind { DIFF_TRIAL, DIFF_VARIANT, DIFF_STUDY } diff_kind;

/* One of the two. cells: an array of {"variant", "label" (the swept keys), "swept": {key: value},
 * "config": {key: value}, "seeds": {key: value}}, one cell for a trial. environment, trial,
 * metrics: {key: value}; values are texts, several of them separated by commas. */
typedef struct diff_side {
    diff_kind kind;
    char *study, *variant; /* NULL for a trial; variant NULL: all of them */
    int revision;          /* of the study */
    bool has_revision;     /* it was named */
    char trial[17];
    char *title;
    json_t *cells, *environment, *facts, *metrics;
} diff_side;

/* "trial", "variant", "study". */
const char *esp_diff_kind_name(diff_kind kind);

/* Reads what name means: STUDY[@REVISION], STUDY[@REVISION]:VARIANT, else a trial's id or the
 * beginning of one. *out is
 * released by esp_diff_free also where this fails. Errors: ESP_NOT_FOUND, ESP_STORE, ESP_MEMORY. */
int esp_diff_read(diff_side *out, esp_store *store, const char *name);
void esp_diff_free(diff_side *side);

/* An array of {"section", "key", "a", "b"}, "variant" where it is of one variant only, also "cell"
 * where of one cell, "delta" for metrics. Cells are compared with those of the same swept values.
 * Owned by the caller. */
json_t *esp_diff_compare(const diff_side sides[2]);

/* Means, differences and tests of the sides' primary metric, of all cells that have a counterpart.
 */
typedef struct diff_results {
    char *name;
    esp_report *report;
    const esp_inference *inference;
    int metric;
} diff_results;

/* The store then shows both sides beside each other. Released by esp_diff_results_free also where
 * this fails. Errors: as esp_report_choose and esp_report_load. */
int esp_diff_results_read(diff_results *out, esp_store *store, const char *const names[2]);
void esp_diff_results_free(diff_results *results);
/* {"metric", "at", "confidence", "comparisons": [{"a", "b", ..}]}; owned by the caller. */
json_t *esp_diff_results_json(const diff_results *results);
void esp_diff_results_print(const diff_results *results);

void esp_diff_print_text(const json_t *differences, const diff_side sides[2]);
/* results NULL: none. */
int esp_diff_print_json(json_t *differences, const diff_side sides[2], const diff_results *results);

#endif
