#include "report/report_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

/* ---- words ----------------------------------------------------------------------------------- */

static bool is_accuracy(const esp_report_metric *metric)
{
    return metric->better == ESP_BETTER_HIGHER;
}

const char *esp_report_metric_title(esp_report *report, const esp_report_metric *metric)
{
    static const struct {
        const char *key, *words;
    } known[] = {
        {"soft_accuracy", "accuracy, soft routing, percent"},
        {"hard_accuracy", "accuracy, hard routing, percent"},
        {"running_soft_accuracy", "accuracy over the epoch's batches, soft routing, percent"},
        {"soft_loss", "loss of the task terms, soft routing, nats"},
        {"hard_loss", "loss of the task terms, hard routing, nats"},
        {"running_loss", "weighted total loss over the epoch's batches, soft routing, nats"},
    };
    const char *split = strcmp(metric->split, "train") == 0        ? "Train"
                        : strcmp(metric->split, "validation") == 0 ? "Validation"
                        : strcmp(metric->split, "test") == 0       ? "Test"
                                                                   : metric->split;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].key, metric->key) == 0) {
            return esp_pool_format(&report->pool, "%s %s", split, known[i].words);
        }
    }
    return esp_pool_format(&report->pool, "%s %s", split, metric->key);
}

const char *esp_report_at_phrase(esp_report *report, const esp_report_at *at)
{
    const bool saw = report->training_saw_test != NULL;
    if (strcmp(at->name, "last") == 0) {
        return saw ? "at the last epoch (training looked at the test set!)" : "at the last epoch";
    }
    if (*at->monitors == '\0') {
        return esp_pool_format(&report->pool, "%s%s",
                               report->done > 0
                                   ? "at the last epoch: the study names nothing to select one by"
                                   : "at the selected epoch",
                               saw ? " (training looked at the test set!)" : "");
    }
    return esp_pool_format(&report->pool, "at the epoch selected by %s%s", at->monitors,
                           strstr(at->monitors, "test.") != NULL ? " (the test set!)"
                           : saw ? " (training looked at the test set!)"
                                 : "");
}

/* "leaf_width" for model.leaf_width, "data" for data.name. */
static const char *heading_of(esp_report *report, const char *key)
{
    const char *last = strrchr(key, '.');
    if (last == NULL) {
        return key;
    }
    if (strcmp(last, ".name") == 0) {
        const char *start = last;
        while (start > key && start[-1] != '.') {
            start--;
        }
        return esp_pool_format(&report->pool, "%.*s", (int)(last - start), start);
    }
    return last + 1;
}

/* A number of a metric: percent for accuracies. */
static const char *number(esp_report *report, const esp_report_metric *metric, double value)
{
    if (isnan(value)) {
        return "-";
    }
    return is_accuracy(metric) ? esp_pool_format(&report->pool, "%.2f", 100 * value)
                               : esp_pool_format(&report->pool, "%.4f", value);
}

static const char *variance(esp_report *report, const esp_report_metric *metric, double value)
{
    double scaled = is_accuracy(metric) ? 1e4 * value : value;
    return isnan(scaled)                            ? "-"
           : scaled >= 0.005 && is_accuracy(metric) ? esp_pool_format(&report->pool, "%.2f", scaled)
           : scaled == 0                            ? "0"
                         : esp_pool_format(&report->pool, "%.2g", scaled);
}

static const char *plus_minus(esp_report *report, const esp_report_metric *metric, double center,
                              double width)
{
    return isnan(center) ? "-"
           : isnan(width)
               ? number(report, metric, center)
               : esp_pool_format(&report->pool, "%s ± %s", number(report, metric, center),
                                 number(report, metric, width));
}

static const char *ratio(esp_report *report, double value)
{
    return isnan(value) ? "-"
                        : esp_pool_format(&report->pool, value >= 0.1 ? "%.2f" : "%.2g", value);
}

/* "+5.00 (3)": a mean difference and its pairs. */
static const char *delta(esp_report *report, const esp_report_metric *metric,
                         const esp_paired *paired)
{
    bool percent = is_accuracy(metric);
    return paired->n == 0 ? "-"
                          : esp_pool_format(&report->pool, percent ? "%+.2f (%d)" : "%+.4f (%d)",
                                            paired->mean * (percent ? 100 : 1), paired->n);
}

/* "3", or where not all are done "2/3", "2/3, 1 failed". */
static const char *count_of(esp_report *report, const esp_report_cell *cell, int n)
{
    if (n == cell->planned) {
        return esp_pool_format(&report->pool, "%d", n);
    }
    return cell->failed == 0
               ? esp_pool_format(&report->pool, "%d/%d", n, cell->planned)
               : esp_pool_format(&report->pool, "%d/%d, %d failed", n, cell->planned, cell->failed);
}

/* ---- the order of cells ---------------------------------------------------------------------- */

/* A cell's place: groups by the first row key, baseline variants first in each, then rows, columns.
 */
typedef struct place {
    const esp_report_cell *cell;
    int group, not_baseline, row, column, index;
} place;

typedef struct layout {
    esp_words rows, columns; /* the keys that tell cells apart */
    int n, n_columns;        /* cells; distinct column tuples */
    place *places;           /* [n] in order */
} layout;

static bool same_values(const esp_report_cell *a, const esp_report_cell *b, const esp_words *keys,
                        int n_keys)
{
    for (int i = 0; i < n_keys; i++) {
        const char *x = esp_report_value(a, keys->at[i]), *y = esp_report_value(b, keys->at[i]);
        if (x == NULL || y == NULL ? x != y : strcmp(x, y) != 0) {
            return false;
        }
    }
    return true;
}

/* The first cell with the same values: their number. */
static int first_like(const esp_report *report, int index, const esp_words *keys, int n_keys)
{
    int i = 0;
    while (i < index && !same_values(&report->cells[i], &report->cells[index], keys, n_keys)) {
        i++;
    }
    return i;
}

static int compare_places(const void *left, const void *right)
{
    const place *a = left, *b = right;
    const int differences[] = {a->group - b->group, a->not_baseline - b->not_baseline,
                               a->row - b->row, a->column - b->column, a->index - b->index};
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
        if (differences[i] != 0) {
            return differences[i];
        }
    }
    return 0;
}

static int lay_out(layout *out, esp_report *report)
{
    *out = (layout){.columns = report->section.columns, .n = report->n_cells};
    const esp_words *rows = &report->section.rows;
    out->rows.at = esp_pool_take(&report->pool, ((size_t)rows->n + 1) * sizeof *out->rows.at);
    out->places = esp_pool_take(&report->pool, (size_t)out->n * sizeof *out->places);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < rows->n; i++) {
        out->rows.at[out->rows.n++] = rows->at[i];
    }
    /* Cells that the section's keys do not tell apart get their label in front of them. */
    bool ambiguous = rows->n + out->columns.n == 0;
    for (int i = 0; i < out->n && !ambiguous; i++) {
        for (int j = 0; j < i && !ambiguous; j++) {
            ambiguous =
                same_values(&report->cells[i], &report->cells[j], rows, rows->n) &&
                same_values(&report->cells[i], &report->cells[j], &out->columns, out->columns.n);
        }
    }
    if (ambiguous) {
        out->rows.at[out->rows.n++] = "cell";
    }
    for (int i = 0; i < out->n; i++) {
        place *at = &out->places[i];
        *at = (place){.cell = &report->cells[i], .not_baseline = 1, .index = i};
        at->group = out->rows.n > 1 ? first_like(report, i, &out->rows, 1) : 0;
        at->row = first_like(report, i, &out->rows, out->rows.n);
        at->column = first_like(report, i, &out->columns, out->columns.n);
        out->n_columns += at->column == i;
        for (int k = 0; k < report->section.baseline_rows.n; k++) {
            if (strcmp(at->cell->variant, report->section.baseline_rows.at[k]) == 0) {
                at->not_baseline = 0;
            }
        }
    }
    if (out->n > 0) {
        qsort(out->places, (size_t)out->n, sizeof *out->places, compare_places);
    }
    return ESP_OK;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* A table with a column for each key of rows (and columns), and room for n_numbers more. */
static int start_table(esp_table *out, esp_report *report, const layout *plan, bool with_columns,
                       int n_numbers)
{
    *out = (esp_table){.title = "", .subtitle = ""};
    int n_labels = plan->rows.n + (with_columns ? plan->columns.n : 0);
    size_t width = (size_t)(n_labels + n_numbers), height = (size_t)plan->n + 1;
    out->headings = esp_pool_take(&report->pool, width * sizeof *out->headings);
    out->cells = esp_pool_take(&report->pool, width * height * sizeof *out->cells);
    out->gap = esp_pool_take(&report->pool, height * sizeof *out->gap);
    ESP_TRY(esp_pool_status(&report->pool));
    out->n_labels = n_labels;
    out->n_columns = (int)width;
    for (int i = 0; i < n_labels; i++) {
        out->headings[i] = heading_of(
            report, i < plan->rows.n ? plan->rows.at[i] : plan->columns.at[i - plan->rows.n]);
    }
    for (size_t i = 0; i < width * height; i++) {
        out->cells[i] = "";
    }
    return ESP_OK;
}

/* Starts a row with a place's labels; returns its first number. */
static const char **start_row(esp_table *table, const layout *plan, const place *at,
                              const place *before)
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

/* Rows of one line each need nothing between them. */
static void close_rows(esp_table *table)
{
    bool several = false;
    for (int i = 1; i < table->n_rows; i++) {
        several = several || table->gap[i] == 0;
    }
    for (int i = 0; i < table->n_rows && !several; i++) {
        table->gap[i] = table->gap[i] == 2 ? 2 : 0;
    }
}

static bool is_reference(const esp_report *report, const esp_report_cell *cell)
{
    for (int i = 0; i < report->n_cells; i++) {
        if (report->cells[i].reference >= 0 && &report->cells[report->cells[i].reference] == cell) {
            return true;
        }
    }
    return false;
}

static bool any_reference(const esp_report *report)
{
    for (int i = 0; i < report->n_cells; i++) {
        if (report->cells[i].reference >= 0) {
            return true;
        }
    }
    return false;
}

/* One line a cell, all its statistics. */
static int statistics_table(esp_table *out, esp_report *report, const layout *plan, int at, int m)
{
    static const char *const headings[] = {
        "n", "mean", "sd", "variance", "best ± spread", "var. ratio", "delta (pairs)"};
    const esp_report_metric *metric = &report->metrics[m];
    bool compared = any_reference(report);
    ESP_TRY(start_table(out, report, plan, true, compared ? 7 : 5));
    memcpy(out->headings + out->n_labels, headings, (compared ? 7 : 5) * sizeof *headings);
    out->title = esp_report_metric_title(report, metric);
    out->subtitle = esp_pool_format(&report->pool, "%s, %s", metric->name,
                                    esp_report_at_phrase(report, &report->ats[at]));
    for (int i = 0; i < plan->n; i++) {
        const esp_report_cell *cell = plan->places[i].cell;
        const esp_report_series *series = esp_report_series_of(report, cell, at, m);
        const esp_stats *stats = &series->stats;
        const char **row = start_row(out, plan, &plan->places[i], i ? &plan->places[i - 1] : NULL);
        row[0] = count_of(report, cell, stats->n);
        row[1] = number(report, metric, stats->mean);
        row[2] = number(report, metric, stats->sd);
        row[3] = variance(report, metric, stats->variance);
        row[4] = plus_minus(report, metric, stats->best, stats->n > 1 ? stats->spread : NAN);
        if (!compared) {
            continue;
        }
        if (cell->reference < 0) {
            row[5] = is_reference(report, cell) ? "reference" : "-";
            row[6] = is_reference(report, cell) ? "" : "-";
            continue;
        }
        /* A variance of two values says too little to divide by or into. */
        const esp_report_cell *other = &report->cells[cell->reference];
        bool enough = stats->n >= 3 && esp_report_series_of(report, other, at, m)->stats.n >= 3;
        row[5] = ratio(report, enough ? series->variance_ratio : NAN);
        row[6] = delta(report, metric, &series->paired);
    }
    return esp_pool_status(&report->pool);
}

/* Rows against columns, as the section asks: mean ± sd. */
static int overview_table(esp_table *out, esp_report *report, const layout *plan, int at, int m)
{
    const esp_report_metric *metric = &report->metrics[m];
    ESP_TRY(start_table(out, report, plan, false, plan->n_columns));
    out->title =
        esp_pool_format(&report->pool, "%s: mean ± sd", esp_report_metric_title(report, metric));
    out->subtitle = esp_pool_format(&report->pool, "%s, %s", metric->name,
                                    esp_report_at_phrase(report, &report->ats[at]));
    int n = 0, *column_of = esp_pool_take(&report->pool, (size_t)plan->n * sizeof *column_of);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < report->n_cells; i++) {
        int first = first_like(report, i, &plan->columns, plan->columns.n);
        column_of[i] = first == i ? n++ : column_of[first];
        if (first == i) {
            const char *heading = "";
            for (int k = 0; k < plan->columns.n; k++) {
                const char *value = esp_report_value(&report->cells[i], plan->columns.at[k]);
                heading = esp_pool_format(&report->pool, "%s%s%s", heading, k ? " / " : "",
                                          value ? value : "-");
            }
            out->headings[out->n_labels + column_of[i]] = heading;
        }
    }
    const char **row = NULL;
    for (int i = 0; i < plan->n; i++) {
        const place *place_of = &plan->places[i], *before = i ? &plan->places[i - 1] : NULL;
        if (before == NULL || before->row != place_of->row || before->group != place_of->group ||
            before->not_baseline != place_of->not_baseline) {
            row = start_row(out, plan, place_of, before);
        }
        const esp_stats *stats = &esp_report_series_of(report, place_of->cell, at, m)->stats;
        const char *text = plus_minus(report, metric, stats->mean, stats->sd);
        if (stats->n > 0 && stats->n < place_of->cell->planned) {
            text = esp_pool_format(&report->pool, "%s (n %d)", text, stats->n);
        }
        row[column_of[place_of->index]] = text;
    }
    return esp_pool_status(&report->pool);
}

static const char *swept_value(const esp_report_cell *cell, const char *key)
{
    for (int i = 0; i < cell->n_swept; i++) {
        if (strcmp(cell->swept[i].key, key) == 0) {
            return cell->swept[i].value;
        }
    }
    return NULL;
}

/* The swept keys of a cell that another has with the same value, or those it has not. */
static const char *keys_of(esp_report *report, const esp_report_cell *cell,
                           const esp_report_cell *other, bool shared)
{
    const char *text = "";
    for (int i = 0; i < cell->n_swept; i++) {
        const char *value = swept_value(other, cell->swept[i].key);
        if ((value != NULL && strcmp(value, cell->swept[i].value) == 0) == shared) {
            text = esp_pool_format(&report->pool, "%s%s%s=%s", text, *text ? " " : "",
                                   cell->swept[i].key, cell->swept[i].value);
        }
    }
    return text;
}

/* One line for each pair of cells that a contrast compares. */
static int contrast_table(esp_table *out, esp_report *report, int at, int m)
{
    static const char *const headings[] = {
        "where", "A", "B", "n A", "mean A", "n B", "mean B", "A - B (pairs)", "var. ratio A/B"};
    enum { N_COLUMNS = sizeof headings / sizeof *headings, N_LABELS = 3 };
    const esp_report_metric *metric = &report->metrics[m];
    size_t height = (size_t)report->n_pairs;
    *out = (esp_table){.n_columns = N_COLUMNS, .n_labels = N_LABELS, .n_rows = report->n_pairs};
    out->headings = esp_pool_take(&report->pool, sizeof headings);
    out->cells = esp_pool_take(&report->pool, height * N_COLUMNS * sizeof *out->cells);
    out->gap = esp_pool_take(&report->pool, height * sizeof *out->gap);
    ESP_TRY(esp_pool_status(&report->pool));
    memcpy(out->headings, headings, sizeof headings);
    out->title =
        esp_pool_format(&report->pool, "%s: contrasts", esp_report_metric_title(report, metric));
    out->subtitle = esp_pool_format(&report->pool, "%s, %s", metric->name,
                                    esp_report_at_phrase(report, &report->ats[at]));
    for (int i = 0; i < report->n_pairs; i++) {
        const esp_report_pair *pair = &report->pairs[i];
        const esp_report_cell *sides[] = {pair->a, pair->b};
        const esp_report_difference *difference = &pair->differences[at * report->n_metrics + m];
        const char **row = &out->cells[i * N_COLUMNS];
        for (int k = 0; k < 2; k++) {
            const esp_stats *stats = &esp_report_series_of(report, sides[k], at, m)->stats;
            const char *own = keys_of(report, sides[k], sides[1 - k], false);
            row[1 + k] =
                esp_pool_format(&report->pool, "%s%s%s", sides[k]->variant, *own ? " " : "", own);
            row[N_LABELS + 2 * k] = count_of(report, sides[k], stats->n);
            row[N_LABELS + 2 * k + 1] = number(report, metric, stats->mean);
        }
        row[0] = keys_of(report, pair->a, pair->b, true);
        row[7] = delta(report, metric, &difference->paired);
        row[8] = ratio(report, difference->variance_ratio);
        out->gap[i] = i > 0 && pair->contrast != pair[-1].contrast ? 1 : 0;
    }
    return esp_pool_status(&report->pool);
}

/* Published values beside ours. */
static int published_table(esp_table *out, esp_report *report, const layout *plan, int at, int m)
{
    static const char *const headings[] = {
        "n",     "ours best ± spread", "published best ± spread", "its ± is", "routing", "runs",
        "source"};
    const esp_report_metric *metric = &report->metrics[m];
    layout lines = *plan;
    lines.n = 0;
    for (int i = 0; i < plan->n; i++) {
        lines.n += esp_report_series_of(report, plan->places[i].cell, at, m)->n_published;
    }
    ESP_TRY(start_table(out, report, &lines, true, 7));
    memcpy(out->headings + out->n_labels, headings, sizeof headings);
    out->title = esp_pool_format(&report->pool, "%s: published beside ours",
                                 esp_report_metric_title(report, metric));
    out->subtitle = esp_pool_format(&report->pool, "ours: %s, %s", metric->name,
                                    esp_report_at_phrase(report, &report->ats[at]));
    const place *before = NULL;
    for (int i = 0; i < plan->n; i++) {
        const esp_report_series *series = esp_report_series_of(report, plan->places[i].cell, at, m);
        for (int k = 0; k < series->n_published; k++) {
            const esp_published_value *value = &series->published[k];
            const char **row = start_row(out, plan, &plan->places[i], before);
            before = &plan->places[i];
            row[0] = count_of(report, plan->places[i].cell, series->stats.n);
            row[1] = plus_minus(report, metric, series->stats.best,
                                series->stats.n > 1 ? series->stats.spread : NAN);
            row[2] = isnan(value->best) ? "-"
                     : isnan(value->spread)
                         ? esp_pool_format(&report->pool, "%.1f", 100 * value->best)
                         : esp_pool_format(&report->pool, "%.1f ± %.1f", 100 * value->best,
                                           100 * value->spread);
            row[3] = *value->spread_is ? value->spread_is : "-";
            row[4] = value->routing;
            row[5] = value->runs > 0 ? esp_pool_format(&report->pool, "%d", value->runs) : "-";
            row[6] = value->source;
        }
    }
    return esp_pool_status(&report->pool);
}

/* How evenly the leaves are used; only cells that route. */
static int leaf_table(esp_table *out, esp_report *report, const layout *plan)
{
    static const char *const headings[] = {"n", "leaves", "dead leaves", "load entropy",
                                           "largest share"};
    ESP_TRY(start_table(out, report, plan, true, 5));
    memcpy(out->headings + out->n_labels, headings, sizeof headings);
    out->title = "Use of leaves by test examples, hard routing: means over seeds";
    out->subtitle = esp_pool_format(
        &report->pool, "%s; dead: never chosen; entropy: 1 where all leaves get equal shares",
        esp_report_at_phrase(report, &report->ats[0]));
    const place *before = NULL;
    for (int i = 0; i < plan->n; i++) {
        const esp_report_cell *cell = plan->places[i].cell;
        if (cell->n_routed == 0 || !(cell->leaves > 1)) {
            continue;
        }
        const char **row = start_row(out, plan, &plan->places[i], before);
        before = &plan->places[i];
        row[0] = count_of(report, cell, cell->n_routed);
        row[1] = esp_pool_format(&report->pool, "%.0f", cell->leaves);
        row[2] = esp_pool_format(&report->pool, "%.1f", cell->dead);
        row[3] = esp_pool_format(&report->pool, "%.3f", cell->entropy);
        row[4] = esp_pool_format(&report->pool, "%.1f %%", 100 * cell->max_share);
    }
    return esp_pool_status(&report->pool);
}

static bool has_published(const esp_report *report, int m)
{
    for (int i = 0; i < report->n_cells; i++) {
        if (report->cells[i].series[m].n_published > 0) {
            return true;
        }
    }
    return false;
}

int esp_page_make(esp_page **out, esp_report *report)
{
    layout plan;
    ESP_TRY(lay_out(&plan, report));
    size_t capacity = (size_t)(4 * report->n_ats * report->n_metrics + 1);
    esp_page *page = esp_pool_take(&report->pool, sizeof *page);
    ESP_TRY(esp_pool_status(&report->pool));
    page->tables = esp_pool_take(&report->pool, capacity * sizeof *page->tables);
    page->notes.at = esp_pool_take(&report->pool, ESP_MAX_NOTES * sizeof *page->notes.at);
    ESP_TRY(esp_pool_status(&report->pool));
    page->title = *report->title
                      ? esp_pool_format(&report->pool, "%s: %s", report->study, report->title)
                      : report->study;
    for (int at = 0; at < report->n_ats; at++) {
        for (int m = 0; m < report->n_metrics; m++) {
            if (plan.columns.n > 0 && plan.rows.n > 0 && plan.n_columns > 1) {
                ESP_TRY(overview_table(&page->tables[page->n_tables++], report, &plan, at, m));
            }
            ESP_TRY(statistics_table(&page->tables[page->n_tables++], report, &plan, at, m));
            if (report->n_pairs > 0) {
                ESP_TRY(contrast_table(&page->tables[page->n_tables++], report, at, m));
            }
            if (has_published(report, m)) {
                ESP_TRY(published_table(&page->tables[page->n_tables++], report, &plan, at, m));
            }
        }
    }
    esp_table *leaves = &page->tables[page->n_tables];
    ESP_TRY(leaf_table(leaves, report, &plan));
    page->n_tables += leaves->n_rows > 0;
    for (int i = 0; i < page->n_tables; i++) {
        close_rows(&page->tables[i]);
    }
    esp_page_add_notes(page, report);
    *out = page;
    return esp_pool_status(&report->pool);
}
