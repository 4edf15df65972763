/* The points of a figure: read from the views, ordered, averaged over seeds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "report/figure_plot.h"
#include "report/report_query.h"

int esp_plot_add(esp_plot *plot, const esp_plot_row *row)
{
    if (plot->n_rows == plot->capacity) {
        const int capacity = plot->capacity > 0 ? 2 * plot->capacity : 1024;
        esp_plot_row *larger = realloc(plot->rows, (size_t)capacity * sizeof *larger);
        if (larger == NULL) {
            return esp_fail(ESP_MEMORY, "no memory for a figure's %d points", capacity);
        }
        plot->rows = larger;
        plot->capacity = capacity;
    }
    plot->rows[plot->n_rows++] = *row;
    return ESP_OK;
}

/* ---- cells, panels, series ------------------------------------------------------------------- */

/* Whether the figure is of this cell (variants, where). */
static bool is_cell_wanted(const esp_figure_wish *wish, const esp_report_cell *cell)
{
    bool wanted = wish->variants.n == 0;
    for (int i = 0; i < wish->variants.n; i++) {
        wanted = wanted || strcmp(wish->variants.at[i], cell->variant) == 0;
    }
    for (int i = 0; i < wish->where.n; i++) {
        const char *value = esp_report_value(cell, wish->where.at[i].column);
        wanted = wanted && value != NULL && strcmp(value, wish->where.at[i].value) == 0;
    }
    return wanted;
}

int esp_plot_panel_of(esp_plot *plot, const char *title, const char *y_label)
{
    for (int i = 0; i < plot->n_panels; i++) {
        if (strcmp(plot->panels[i].title, title) == 0 &&
            strcmp(plot->panels[i].y_label, y_label) == 0) {
            return i;
        }
    }
    plot->panels[plot->n_panels] = (esp_plot_panel){.title = title, .y_label = y_label};
    return plot->n_panels++;
}

int esp_plot_series_of(esp_plot *plot, const char *variant)
{
    for (int i = 0; i < plot->n_series; i++) {
        if (strcmp(plot->series[i].variant, variant) == 0) {
            return i;
        }
    }
    plot->series[plot->n_series] = (esp_plot_series){
        .variant = variant, .style = esp_palette_style(esp_palette_index(plot->report, variant))};
    return plot->n_series++;
}

const char *esp_plot_grid_point(esp_plot *plot, const esp_report_cell *cell, const char *without)
{
    const char **kept = &plot->grid_points[cell - plot->report->cells], *text = "";
    if (without == NULL && *kept != NULL) {
        return *kept;
    }
    for (int i = 0; i < cell->n_swept; i++) {
        if (without == NULL || strcmp(cell->swept[i].key, without) != 0) {
            text = esp_pool_format(plot->pool, "%s%s%s=%s", text, *text ? " " : "",
                                   cell->swept[i].key, cell->swept[i].value);
        }
    }
    if (without == NULL) {
        *kept = text;
    }
    return text;
}

/* ---- trials ---------------------------------------------------------------------------------- */

static bool is_seed_wanted(const esp_figure_wish *wish, const char *seed)
{
    bool wanted = wish->seeds.n == 0;
    for (int i = 0; i < wish->seeds.n; i++) {
        wanted = wanted || strcmp(wish->seeds.at[i], seed) == 0;
    }
    return wanted;
}

int esp_plot_load_trials(esp_plot *plot, esp_store *store, const esp_figure_wish *wish)
{
    const esp_report *report = plot->report;
    size_t planned = 0;
    for (int i = 0; i < report->n_cells; i++) {
        planned += (size_t)report->cells[i].planned;
    }
    plot->trials = esp_pool_take(plot->pool, (planned + 1) * sizeof *plot->trials);
    ESP_TRY(esp_pool_status(plot->pool));
    esp_rows *rows = NULL;
    int status = ESP_OK, cell = 0;
    ESP_TRY_OUT(esp_report_ask(
        &rows, store, report,
        "SELECT t.cell_key, t.seed, t.trial_id, t.status FROM study_trial t JOIN cell c ON"
        " c.id = t.cell_key WHERE t.study = :study AND t.revision = :revision"
        " ORDER BY c.ordinal, t.seed_init, t.seed_order, t.seed_noise, t.trial_id"));
    while (esp_report_next(rows, &status)) {
        while (cell < report->n_cells && report->cells[cell].key != esp_rows_integer(rows, 0)) {
            cell++;
        }
        if (cell == report->n_cells || (size_t)plot->n_trials == planned) {
            break; /* of a run that joined since the cells were counted */
        }
        const char *seed = esp_rows_text(rows, 1), *state = esp_rows_text(rows, 3);
        if (is_cell_wanted(wish, &report->cells[cell]) && is_seed_wanted(wish, seed)) {
            plot->trials[plot->n_trials++] =
                (esp_plot_trial){.cell = cell,
                                 .seed = esp_pool_format(plot->pool, "%s", seed),
                                 .id = esp_pool_format(plot->pool, "%s", esp_rows_text(rows, 2)),
                                 .status = esp_pool_format(plot->pool, "%s", state),
                                 .done = strcmp(state, "done") == 0};
        }
    }
    if (status == ESP_OK) {
        status = esp_pool_status(plot->pool);
    }
out:
    esp_rows_close(rows);
    return status;
}

static bool is_trial(const esp_plot *plot, int trial, int64_t cell_key, const char *id)
{
    return plot->report->cells[plot->trials[trial].cell].key == cell_key &&
           strcmp(plot->trials[trial].id, id) == 0;
}

bool esp_plot_find_trial(esp_plot_cursor *cursor, const esp_plot *plot, esp_rows *rows)
{
    const int64_t cell_key = esp_rows_integer(rows, 0);
    const char *id = esp_rows_text(rows, 1);
    if (cursor->passed_cell == cell_key && strcmp(cursor->passed, id) == 0) {
        return false;
    }
    for (int k = 0; k < plot->n_trials; k++) {
        const int trial = (cursor->trial + k) % plot->n_trials;
        if (is_trial(plot, trial, cell_key, id)) {
            cursor->trial = trial;
            return true;
        }
    }
    cursor->passed_cell = cell_key;
    snprintf(cursor->passed, sizeof cursor->passed, "%s", id);
    return false;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Epochs of all trials together that a figure holds; of more, every so many. */
enum { MOST_EPOCHS = 200000 };

/* Phases by name, in the order in which they are met. */
enum { MAX_PHASES = 256 };
typedef struct phase_list {
    int n;
    const char *names[MAX_PHASES];
} phase_list;

static int phase_of(phase_list *phases, esp_plot *plot, const char *name)
{
    for (int i = 0; i < phases->n; i++) {
        if (strcmp(phases->names[i], name) == 0) {
            return i;
        }
    }
    if (phases->n == MAX_PHASES) {
        return MAX_PHASES - 1;
    }
    phases->names[phases->n] = esp_pool_format(plot->pool, "%s", name);
    return phases->n++;
}

static void mark_phase(esp_plot *plot, int panel, const char *name, int epoch)
{
    esp_plot_panel *at = &plot->panels[panel];
    for (int i = 0; i < at->n_marks; i++) {
        esp_plot_mark *mark = &at->marks[i];
        if (strcmp(mark->label, name) == 0) {
            mark->first = epoch < mark->first ? epoch : mark->first;
            mark->last = epoch > mark->last ? epoch : mark->last;
            return;
        }
    }
    if (at->n_marks < ESP_MAX_MARKS) {
        at->marks[at->n_marks++] = (esp_plot_mark){name, epoch, epoch};
    }
}

int esp_plot_thin(esp_plot *plot, esp_store *store)
{
    int n = 0;
    ESP_TRY(esp_report_count(&n, store, plot->report,
                             "SELECT count(*) FROM study_trial t CROSS JOIN epoch e ON e.trial ="
                             " t.trial_key WHERE t.study = :study AND t.revision = :revision"));
    const int most = plot->pairs ? MOST_EPOCHS / 2 : MOST_EPOCHS;
    plot->thinned = (n + most - 1) / most;
    plot->thinned = plot->thinned > 1 ? plot->thinned : 1;
    return ESP_OK;
}

int esp_plot_each_epoch(esp_plot *plot, esp_store *store, const char *metric, esp_plot_take *take,
                        void *context)
{
    esp_rows *rows = NULL;
    phase_list *phases = esp_pool_take(plot->pool, sizeof *phases);
    int status = esp_pool_status(plot->pool);
    esp_plot_cursor cursor = {.passed_cell = -1};
    ESP_TRY_OUT(status);
    ESP_TRY_OUT(esp_plot_thin(plot, store));
    ESP_TRY_OUT(esp_report_ask(
        &rows, store, plot->report,
        "SELECT l.cell_key, l.trial_id, l.epoch, l.phase, l.phase_epoch, l.value"
        " FROM learning_curve_all l JOIN cell c ON c.id = l.cell_key WHERE l.study = :study AND"
        " l.revision = :revision AND l.split = :split AND l.metric = :metric AND (l.phase_epoch %"
        " :stride = 0 OR l.phase_epoch = 1) ORDER BY c.ordinal,"
        " l.seed_init, l.seed_order, l.seed_noise, l.trial_id, l.epoch"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":split", plot->split));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":metric", metric));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":stride", plot->thinned));
    while (status == ESP_OK && esp_report_next(rows, &status)) {
        if (!esp_plot_find_trial(&cursor, plot, rows)) {
            continue;
        }
        const int phase = phase_of(phases, plot, esp_rows_text(rows, 3));
        const esp_plot_value value = {.trial = cursor.trial,
                                      .epoch = (int)esp_rows_integer(rows, 2),
                                      .phase = phase,
                                      .phase_epoch = (int)esp_rows_integer(rows, 4),
                                      .value = esp_rows_real(rows, 5)};
        const int before = plot->n_rows;
        status = take(plot, &value, context);
        if (status == ESP_OK && plot->n_rows > before && value.phase_epoch == 1) {
            mark_phase(plot, plot->rows[before].panel, phases->names[phase], value.epoch);
        }
    }
out:
    esp_rows_close(rows);
    return status;
}

int esp_plot_each_final(esp_plot *plot, esp_store *store, const char *metric, esp_plot_take *take,
                        void *context)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    esp_plot_cursor cursor = {.passed_cell = -1};
    ESP_TRY_OUT(esp_report_ask(
        &rows, store, plot->report,
        "SELECT f.cell_key, f.trial_id, f.epoch, f.value FROM trial_final_all f JOIN cell c ON"
        " c.id = f.cell_key WHERE f.study = :study AND f.revision = :revision AND"
        " f.status = 'done' AND f.at = :at AND f.split = :split AND f.metric = :metric"
        " ORDER BY c.ordinal, f.seed_init, f.seed_order, f.seed_noise, f.trial_id"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":at", plot->at));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":split", plot->split));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":metric", metric));
    while (status == ESP_OK && esp_report_next(rows, &status)) {
        if (!esp_plot_find_trial(&cursor, plot, rows)) {
            continue;
        }
        const esp_plot_value value = {.trial = cursor.trial,
                                      .epoch = (int)esp_rows_integer(rows, 2),
                                      .value = esp_rows_real(rows, 3)};
        status = take(plot, &value, context);
    }
out:
    esp_rows_close(rows);
    return status;
}

int esp_plot_describe_at(esp_plot *plot, esp_store *store)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    const char *monitors = "", *saw = plot->at_words;
    bool by_test = false;
    ESP_TRY_OUT(esp_report_ask(&rows, store, plot->report,
                               "SELECT DISTINCT s.monitor FROM study_trial t JOIN selection s ON"
                               " s.trial = t.trial_key WHERE t.study = :study AND t.revision ="
                               " :revision AND s.at = :at AND s.monitor <> '' ORDER BY 1"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":at", plot->at));
    while (esp_report_next(rows, &status)) {
        const char *monitor = esp_rows_text(rows, 0);
        by_test = by_test || strncmp(monitor, "test.", 5) == 0;
        monitors = esp_pool_format(plot->pool, "%s%s%s", monitors, *monitors ? ", " : "", monitor);
    }
    const char *at = *monitors ? esp_pool_format(plot->pool, "at the epoch selected by %s%s",
                                                 monitors, by_test ? " (the test set!)" : "")
                               : "at the last epoch";
    plot->at_words = esp_pool_format(plot->pool, "%s%s%s", at, *saw ? "; " : "", saw);
out:
    esp_rows_close(rows);
    return status;
}

/* ---- order and means ------------------------------------------------------------------------- */

static int order(double a, double b)
{
    return (a > b) - (a < b);
}

static int by_group(const void *left, const void *right)
{
    const esp_plot_row *a = left, *b = right;
    const int difference[] = {a->panel - b->panel, a->series - b->series, a->cell - b->cell,
                              a->group - b->group, a->trial - b->trial};
    for (size_t i = 0; i < sizeof difference / sizeof *difference; i++) {
        if (difference[i] != 0) {
            return difference[i];
        }
    }
    return order(a->x, b->x);
}

static int by_place(const void *left, const void *right)
{
    const esp_plot_row *a = left, *b = right;
    const int mean_a = a->trial < 0, mean_b = b->trial < 0;
    const int difference[] = {a->panel - b->panel, a->series - b->series, mean_a - mean_b,
                              a->trial - b->trial};
    for (size_t i = 0; i < sizeof difference / sizeof *difference; i++) {
        if (difference[i] != 0) {
            return difference[i];
        }
    }
    return a->x != b->x ? order(a->x, b->x) : a->leaf - b->leaf;
}

static int count_done(const esp_plot *plot, int cell)
{
    int n = 0;
    for (int i = 0; i < plot->n_trials; i++) {
        n += plot->trials[i].cell == cell && plot->trials[i].done;
    }
    return n;
}

static bool same_group(const esp_plot_row *a, const esp_plot_row *b)
{
    return a->panel == b->panel && a->series == b->series && a->cell == b->cell &&
           a->group == b->group;
}

/* The mean of a group, rows[first] to rows[end - 1], n of whose trials should all have a value. */
static int add_mean(esp_plot *plot, double *values, int first, int end, int n_done)
{
    double x = 0;
    int n = 0;
    for (int i = first; i < end; i++) {
        if (plot->trials[plot->rows[i].trial].done) {
            values[n++] = plot->rows[i].y;
            x += plot->rows[i].x;
        }
    }
    if (n == 0 || n != n_done) {
        plot->means_stop = plot->means_stop || n > 0;
        return ESP_OK;
    }
    const esp_stats stats = esp_stats_of(values, n, ESP_BETTER_NEITHER);
    esp_plot_row mean = plot->rows[first];
    mean.trial = mean.epoch = mean.leaf = -1;
    mean.n = n;
    mean.x = x / n;
    mean.y = stats.mean;
    mean.low = n > 1 ? stats.mean - stats.sd : NAN;
    mean.high = n > 1 ? stats.mean + stats.sd : NAN;
    return esp_plot_add(plot, &mean);
}

int esp_plot_finish(esp_plot *plot)
{
    const int n_seed_rows = plot->n_rows;
    double *values = malloc(((size_t)plot->n_trials + 1) * sizeof *values);
    int status = values == NULL ? esp_fail(ESP_MEMORY, "no memory for a figure's means") : ESP_OK;
    if (n_seed_rows > 0) {
        qsort(plot->rows, (size_t)n_seed_rows, sizeof *plot->rows, by_group);
    }
    int cell = -1, n_done = 0;
    const int n_averaged = plot->draw == ESP_DRAW_HEATMAP ? 0 : n_seed_rows;
    for (int i = 0, end; status == ESP_OK && i < n_averaged; i = end) {
        for (end = i + 1; end < n_seed_rows && same_group(&plot->rows[i], &plot->rows[end]);) {
            end++;
        }
        if (plot->rows[i].cell != cell) {
            cell = plot->rows[i].cell;
            n_done = count_done(plot, cell);
        }
        status = add_mean(plot, values, i, end, n_done);
    }
    if (status == ESP_OK && plot->n_rows > 0) {
        qsort(plot->rows, (size_t)plot->n_rows, sizeof *plot->rows, by_place);
    }
    free(values);
    return status;
}
