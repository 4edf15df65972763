/* Within report/: what the functions that lay out one table share. */
#ifndef ESP_REPORT_TABLE_BUILD_H
#define ESP_REPORT_TABLE_BUILD_H

#include "report/inference.h"
#include "report/key_words.h"
#include "report/report_tables.h"

/* ---- numbers as words (table_words.c) -------------------------------------------------------- */

/* Whether a metric's values are printed in percent. */
bool esp_in_percent(const esp_report_metric *metric);

/* A key by a name that no other key of the section's rows and columns has: "leaf_width", "data",
 * "balance.weight" beside "hardening.weight". */
const char *esp_words_key(esp_report *report, const char *key);

/* "leaf_width 8, variant": a cell's values of keys[first] and the n - 1 after it, with their names
 * where named, except for variants and data sets, which speak for themselves. */
const char *esp_words_values(esp_report *report, const esp_report_cell *cell, const esp_words *keys,
                             int first, int n, const char *separator, bool named);

/* A value of a metric, "-" where undefined; percent for accuracies, whose variance is in points. */
const char *esp_words_number(esp_report *report, const esp_report_metric *metric, double value);
const char *esp_words_variance(esp_report *report, const esp_report_metric *metric, double value);

/* "85.00 ± 5.00"; the center alone where the width is undefined. */
const char *esp_words_plus_minus(esp_report *report, const esp_report_metric *metric, double center,
                                 double width);
const char *esp_words_ratio(esp_report *report, double value);

/* "+5.00": a difference. */
const char *esp_words_signed(esp_report *report, const esp_report_metric *metric, double value);

/* "+5.00 (3)": a mean difference and its pairs. */
const char *esp_words_delta(esp_report *report, const esp_report_metric *metric,
                            const esp_paired *paired);

/* ", 2 builds" where the cell's trials mix files of a plugin, else "". */
const char *esp_words_builds(esp_report *report, const esp_report_cell *cell);

/* "3", or where not all are done "2/3", "2/3, 1 failed"; "not asked" where no run was to train it;
 * with the builds it mixes. */
const char *esp_words_count(esp_report *report, const esp_report_cell *cell, int n);

/* "[84.10, 85.90]", of a metric's values; "-" where undefined. As percent with a sign: a
 * difference.
 */
const char *esp_words_interval(esp_report *report, const esp_report_metric *metric,
                               esp_interval interval);

/* "[0, 52] %", of a rate: with as many digits as tell its ends from 0, from 100 and from one
 * another, so that no interval reads as if it were none. */
const char *esp_words_rate_interval(esp_report *report, esp_interval interval);

/* The same of ratios, from their logarithms. */
const char *esp_words_ratio_interval(esp_report *report, esp_interval logarithms);

/* "0.012", "<0.0001"; "n < 3" where there are too few seeds, "-" where it is undefined. */
const char *esp_words_p(esp_report *report, double p, bool too_few);

/* "95 % interval": a heading. */
const char *esp_words_confidence(esp_report *report);

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

/* Whether the section prints the cell's variant first in each group. */
bool esp_is_baseline(const esp_report *report, const esp_report_cell *cell);

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

/* Ends a table that has all its headings: labels that are called like another column get longer
 * names; rows of one line each need nothing between them. Errors: ESP_MEMORY. */
int esp_table_close(esp_table *table, esp_report *report);

/* ---- tables, a file each --------------------------------------------------------------------- */

/* Rows against columns, as the section asks: mean ± sd. */
int esp_table_overview(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m);

/* One line a cell, all its statistics. */
int esp_table_cells(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m);

/* A cell's seeds: median, interval, failures, values. */
int esp_table_seeds(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m);

/* One line for each pair of cells that are compared: contrasts, or cells and their references.
 * First what is read, then all tests, then the spreads. */
int esp_table_contrasts(esp_table *out, esp_report *report, int at, int m);
int esp_table_tests(esp_table *out, esp_report *report, int at, int m);
int esp_table_spreads(esp_table *out, esp_report *report, int at, int m);

/* One line for each comparison that several cells make: pooled over them. No rows where none does.
 */
int esp_table_pooled(esp_table *out, esp_report *report, int at, int m);

/* Several epochs of the same trials side by side. */
int esp_table_ats(esp_table *out, esp_report *report, const esp_layout *plan, int m);

/* As papers print it: best ± spread, metrics over variants, row keys as groups. */
int esp_table_paper(esp_table *out, esp_report *report, const esp_layout *plan, int at);

/* Published values beside ours. */
int esp_table_published(esp_table *out, esp_report *report, const esp_layout *plan, int at, int m);

/* How evenly the leaves are used; only cells that route. */
int esp_table_leaves(esp_table *out, esp_report *report, const esp_layout *plan);

#endif
