/* Within report/: what the functions that lay out one table share. */
#ifndef ESP_REPORT_TABLE_BUILD_H
#define ESP_REPORT_TABLE_BUILD_H

#include "report/report_tables.h"

/* ---- numbers as words (table_words.c) -------------------------------------------------------- */

/* Whether a metric's values are printed in percent. */
bool esp_in_percent(const esp_report_metric *metric);

/* "leaf_width" for model.leaf_width, "data" for data.name. */
const char *esp_words_key(esp_report *report, const char *key);

/* A value of a metric, "-" where undefined; percent for accuracies, whose variance is in points. */
const char *esp_words_number(esp_report *report, const esp_report_metric *metric, double value);
const char *esp_words_variance(esp_report *report, const esp_report_metric *metric, double value);

/* "85.00 ± 5.00"; the center alone where the width is undefined. */
const char *esp_words_plus_minus(esp_report *report, const esp_report_metric *metric, double center,
                                 double width);
const char *esp_words_ratio(esp_report *report, double value);

/* "+5.00 (3)": a mean difference and its pairs. */
const char *esp_words_delta(esp_report *report, const esp_report_metric *metric,
                            const esp_paired *paired);

/* "3", or where not all are done "2/3", "2/3, 1 failed". */
const char *esp_words_count(esp_report *report, const esp_report_cell *cell, int n);

/* ---- the order of cells (table_layout.c) ----------------------------------------------------- */

/* A cell's place: groups by the first row key, baseline variants first in each, then rows, columns.
 */
typedef struct esp_place {
    const esp_report_cell *cell;
    int group, not_baseline, row, column, index;
} esp_place;

typedef struct esp_layout {
    esp_words rows, columns; /* the keys that tell cells apart */
    int n, n_columns;        /* cells; distinct column tuples */
    esp_place *places;       /* [n] in order */
} esp_layout;

int esp_layout_make(esp_layout *out, esp_report *report);

/* For each cell the first one with the same values of the first n_keys keys: its number. NULL
 * without memory, which the pool's status then says. */
int *esp_layout_firsts(esp_report *report, const esp_words *keys, int n_keys);

/* ---- a table (table_layout.c) ---------------------------------------------------------------- */

/* A table of n_rows empty rows. Errors: ESP_MEMORY. */
int esp_table_make(esp_table *out, esp_report *report, int n_labels, int n_columns, int n_rows);

/* A table with a column for each key of rows (and columns), room for n_numbers more, and for all
 * rows; n_rows is 0. */
int esp_table_start(esp_table *out, esp_report *report, const esp_layout *plan, bool with_columns,
                    int n_numbers);

/* Starts a row with a place's labels; returns its first number. */
const char **esp_table_row(esp_table *table, const esp_layout *plan, const esp_place *at,
                           const esp_place *before);

/* Headings of the numbers. */
void esp_table_headings(esp_table *table, const char *const *headings, int n);

/* Title and subtitle of a table about one metric at one epoch: "<metric><suffix>". */
void esp_table_title(esp_table *table, esp_report *report, const char *name, int at, int metric,
                     const char *suffix);

/* Rows of one line each need nothing between them. */
void esp_table_close(esp_table *table);

/* ---- tables, a file each --------------------------------------------------------------------- */

/* Rows against columns, as the section asks: mean ± sd. */
int esp_table_overview(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m);

/* One line a cell, all its statistics. */
int esp_table_cells(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m);

/* One line for each pair of cells that a contrast compares. */
int esp_table_contrasts(esp_table *out, esp_report *report, int at, int m);

/* Published values beside ours. */
int esp_table_published(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m);

/* How evenly the leaves are used; only cells that route. */
int esp_table_leaves(esp_table *out, esp_report *report, const esp_layout *plan);

#endif
