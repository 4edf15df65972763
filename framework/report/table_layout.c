/* The order of cells in tables, and tables to be filled. */
#include "report/table_build.h"

#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "report/report_query.h"

/* A cell by its values for some keys. */
typedef struct tuple {
    const char **values; /* [n_keys], NULL where it has none */
    int n_keys, index;
} tuple;

static int compare_values(const tuple *a, const tuple *b)
{
    for (int i = 0; i < a->n_keys; i++) {
        const char *x = a->values[i], *y = b->values[i];
        int difference = x == NULL || y == NULL ? (x != NULL) - (y != NULL) : strcmp(x, y);
        if (difference != 0) {
            return difference;
        }
    }
    return 0;
}

static int compare_tuples(const void *left, const void *right)
{
    const tuple *a = left, *b = right;
    int difference = compare_values(a, b);
    return difference != 0 ? difference : a->index - b->index;
}

int *esp_layout_firsts(esp_report *report, const esp_words *keys, int n_keys)
{
    size_t n = (size_t)report->n_cells;
    int *firsts = esp_pool_take(&report->pool, (n + 1) * sizeof *firsts);
    tuple *sorted = esp_pool_take(&report->pool, (n + 1) * sizeof *sorted);
    const char **values =
        esp_pool_take(&report->pool, (n + 1) * ((size_t)n_keys + 1) * sizeof *values);
    if (firsts == NULL || sorted == NULL || values == NULL) {
        return NULL;
    }
    for (int i = 0; i < report->n_cells; i++) {
        sorted[i] = (tuple){values + i * n_keys, n_keys, i};
        for (int k = 0; k < n_keys; k++) {
            sorted[i].values[k] = esp_report_value(&report->cells[i], keys->at[k]);
        }
    }
    qsort(sorted, n, sizeof *sorted, compare_tuples);
    for (size_t i = 0; i < n; i++) {
        bool again = i > 0 && compare_values(&sorted[i - 1], &sorted[i]) == 0;
        firsts[sorted[i].index] = again ? firsts[sorted[i - 1].index] : sorted[i].index;
    }
    return firsts;
}

/* Whether rows and columns together do not tell all cells apart. */
static bool is_ambiguous(esp_report *report, const esp_words *rows, const esp_words *columns)
{
    esp_words both = {
        .at = esp_pool_take(&report->pool, ((size_t)(rows->n + columns->n) + 1) * sizeof *both.at)};
    for (int i = 0; i < rows->n + columns->n && both.at != NULL; i++) {
        both.at[both.n++] = i < rows->n ? rows->at[i] : columns->at[i - rows->n];
    }
    const int *firsts = both.at != NULL ? esp_layout_firsts(report, &both, both.n) : NULL;
    bool found = both.n == 0;
    for (int i = 0; i < report->n_cells && firsts != NULL; i++) {
        found = found || firsts[i] != i;
    }
    return found;
}

static int compare_places(const void *left, const void *right)
{
    const esp_place *a = left, *b = right;
    const int differences[] = {a->group - b->group, a->not_baseline - b->not_baseline,
                               a->row - b->row, a->column - b->column, a->index - b->index};
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
        if (differences[i] != 0) {
            return differences[i];
        }
    }
    return 0;
}

bool esp_is_baseline(const esp_report *report, const esp_report_cell *cell)
{
    for (int k = 0; k < report->section.baseline_rows.n; k++) {
        if (strcmp(cell->variant, report->section.baseline_rows.at[k]) == 0) {
            return true;
        }
    }
    return false;
}

int esp_layout_make(esp_layout *out, esp_report *report)
{
    *out = (esp_layout){.columns = report->section.columns, .n = report->n_cells};
    const esp_words *rows = &report->section.rows;
    out->rows.at = esp_pool_take(&report->pool, ((size_t)rows->n + 1) * sizeof *out->rows.at);
    out->places = esp_pool_take(&report->pool, (size_t)out->n * sizeof *out->places);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < rows->n; i++) {
        out->rows.at[out->rows.n++] = rows->at[i];
    }
    /* Cells that the section's keys do not tell apart get their label in front of them. */
    if (is_ambiguous(report, rows, &out->columns)) {
        out->rows.at[out->rows.n++] = "cell";
    }
    const int *groups = esp_layout_firsts(report, &out->rows, out->rows.n > 0);
    const int *row_of = esp_layout_firsts(report, &out->rows, out->rows.n);
    const int *column_of = esp_layout_firsts(report, &out->columns, out->columns.n);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < out->n; i++) {
        esp_place *at = &out->places[i];
        *at = (esp_place){.cell = &report->cells[i], .index = i};
        at->group = out->rows.n > 1 ? groups[i] : 0;
        at->row = row_of[i];
        at->column = column_of[i];
        out->n_columns += at->column == i;
        at->not_baseline = !esp_is_baseline(report, at->cell);
    }
    if (out->n > 0) {
        qsort(out->places, (size_t)out->n, sizeof *out->places, compare_places);
    }
    return ESP_OK;
}

/* ---- a table --------------------------------------------------------------------------------- */

int esp_table_make(esp_table *out, esp_report *report, int n_labels, int n_columns, int n_rows)
{
    *out = (esp_table){.name = "",
                       .title = "",
                       .subtitle = "",
                       .query = "",
                       .n_labels = n_labels,
                       .n_columns = n_columns,
                       .n_rows = n_rows};
    size_t width = (size_t)n_columns, height = (size_t)n_rows + 1;
    out->headings = esp_pool_take(&report->pool, width * sizeof *out->headings);
    out->cells = esp_pool_take(&report->pool, width * height * sizeof *out->cells);
    out->gap = esp_pool_take(&report->pool, height * sizeof *out->gap);
    out->groups = esp_pool_take(&report->pool, height * sizeof *out->groups);
    ESP_TRY(esp_pool_status(&report->pool));
    for (size_t i = 0; i < width * height; i++) {
        out->cells[i] = "";
    }
    for (size_t i = 0; i < width; i++) {
        out->headings[i] = "";
    }
    return ESP_OK;
}

void esp_table_headings(esp_table *table, const char *const *headings, int n)
{
    for (int i = 0; i < n; i++) {
        table->headings[table->n_labels + i] = headings[i];
    }
}

void esp_table_title(esp_table *table, esp_report *report, const char *name, int at, int metric,
                     const char *suffix)
{
    const esp_report_metric *of = &report->metrics[metric];
    table->name = name;
    table->title =
        esp_pool_format(&report->pool, "%s%s", esp_report_metric_title(report, of), suffix);
    table->subtitle = esp_pool_format(&report->pool, "%s, %s", of->name,
                                      esp_report_at_phrase(report, &report->ats[at]));
}

int esp_table_start(esp_table *out, esp_report *report, const esp_layout *plan, bool with_columns,
                    int n_numbers)
{
    int n_labels = plan->rows.n + (with_columns ? plan->columns.n : 0);
    ESP_TRY(esp_table_make(out, report, n_labels, n_labels + n_numbers, plan->n));
    out->n_rows = 0;
    ESP_TRY(esp_report_words(&out->keys, report, plan->rows.n + plan->columns.n));
    for (int i = 0; i < plan->rows.n + plan->columns.n; i++) {
        out->keys.at[out->keys.n++] =
            i < plan->rows.n ? plan->rows.at[i] : plan->columns.at[i - plan->rows.n];
    }
    return ESP_OK;
}

const char **esp_table_row(esp_table *table, const esp_layout *plan, const esp_place *at,
                           const esp_place *before)
{
    const char **row = &table->cells[table->n_rows * table->n_columns];
    for (int i = 0; i < table->n_labels; i++) {
        const char *value = esp_report_value(
            at->cell, i < plan->rows.n ? plan->rows.at[i] : plan->columns.at[i - plan->rows.n]);
        row[i] = value != NULL ? value : "-";
    }
    table->gap[table->n_rows] = before == NULL               ? 0
                                : at->group != before->group ? 2
                                : at->row != before->row     ? 1
                                                             : 0;
    table->n_rows++;
    return row + table->n_labels;
}

int esp_table_close(esp_table *table, esp_report *report)
{
    const esp_words others = {.n = table->n_columns - table->n_labels,
                              .at = table->headings + table->n_labels};
    for (int i = 0; i < table->keys.n && i < table->n_labels; i++) {
        table->headings[i] = esp_key_words(&report->pool, table->keys.at[i], &table->keys, &others);
    }
    bool several = false;
    for (int i = 1; i < table->n_rows; i++) {
        several = several || table->gap[i] == 0;
    }
    for (int i = 0; i < table->n_rows && !several; i++) {
        table->gap[i] = table->gap[i] == 2 ? 2 : 0;
    }
    return esp_pool_status(&report->pool);
}
