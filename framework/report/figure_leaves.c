/* What a figure shows of leaves. */
#include "core/status.h"
#include "report/figure_plot.h"
#include "report/report_query.h"

int esp_plot_each_balance(esp_plot *plot, esp_store *store, esp_plot_take *take)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    esp_plot_cursor cursor = {.passed_cell = -1};
    ESP_TRY_OUT(esp_plot_thin(plot, store));
    ESP_TRY_OUT(esp_report_ask(
        &rows, store, plot->report,
        "SELECT t.cell_key, t.trial_id, b.epoch, b.leaves, b.dead, b.entropy FROM study_trial t"
        " JOIN cell c ON c.id = t.cell_key CROSS JOIN leaf_balance b ON b.trial_id = t.trial_id AND"
        " b.split = :split AND b.epoch % :stride = 0 WHERE t.study = :study AND t.revision ="
        " :revision"
        " ORDER BY c.ordinal, t.seed_init, t.seed_order, t.seed_noise, t.trial_id, b.epoch"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":split", plot->split));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":stride", plot->thinned));
    while (status == ESP_OK && esp_report_next(rows, &status)) {
        if (esp_plot_find_trial(&cursor, plot, rows)) {
            const int epoch = (int)esp_rows_integer(rows, 2);
            const esp_plot_value value = {
                .trial = cursor.trial, .epoch = epoch, .phase_epoch = epoch};
            double values[2] = {esp_rows_real(rows, 5),
                                esp_rows_real(rows, 4) / esp_rows_real(rows, 3)};
            status = take(plot, &value, values);
        }
    }
out:
    esp_rows_close(rows);
    return status;
}

/* Steps through rows of cell_key, trial_id, epoch, leaf, count, count of all leaves. */
static int take_leaves(esp_plot *plot, esp_rows *rows, esp_plot_take_leaf *take, void *context)
{
    int status = ESP_OK;
    esp_plot_cursor cursor = {.passed_cell = -1};
    while (status == ESP_OK && esp_report_next(rows, &status)) {
        const double all = esp_rows_real(rows, 5);
        if (esp_plot_find_trial(&cursor, plot, rows) && all > 0) {
            const esp_plot_value value = {.trial = cursor.trial,
                                          .epoch = (int)esp_rows_integer(rows, 2),
                                          .phase = (int)esp_rows_integer(rows, 3)};
            status = take(plot, &value, esp_rows_real(rows, 4) / all, context);
        }
    }
    return status;
}

int esp_plot_each_leaf(esp_plot *plot, esp_store *store, esp_plot_take_leaf *take, void *context)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_report_ask(
        &rows, store, plot->report,
        "SELECT t.cell_key, t.trial_id, l.epoch, j.key, j.value, (SELECT total(value) FROM"
        " json_each(l.counts)) FROM study_trial t JOIN cell c ON c.id = t.cell_key CROSS JOIN"
        " selection s ON s.trial = t.trial_key AND s.at = :at CROSS JOIN leaf_counts l ON"
        " l.trial_id = t.trial_id AND l.split = :split AND l.epoch = s.epoch CROSS JOIN"
        " json_each(l.counts) j WHERE t.study = :study AND t.revision = :revision AND"
        " t.status = 'done' AND l.counts IS NOT NULL ORDER BY c.ordinal, t.seed_init, t.seed_order,"
        " t.seed_noise, t.trial_id, j.value DESC, j.key"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":split", plot->split));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":at", plot->at));
    status = take_leaves(plot, rows, take, context);
out:
    esp_rows_close(rows);
    return status;
}

int esp_plot_each_leaf_of(esp_plot *plot, esp_store *store, int trial, esp_plot_take_leaf *take,
                          void *context)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(
        &rows, store,
        "SELECT :cell, l.trial_id, l.epoch, j.key, j.value, (SELECT total(value) FROM"
        " json_each(l.counts)) FROM leaf_counts l CROSS JOIN json_each(l.counts) j WHERE"
        " l.trial_id = :trial AND l.split = :split AND l.counts IS NOT NULL ORDER BY l.epoch,"
        " j.key"));
    ESP_TRY_OUT(
        esp_rows_bind_integer(rows, ":cell", plot->report->cells[plot->trials[trial].cell].key));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":trial", plot->trials[trial].id));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":split", plot->split));
    status = take_leaves(plot, rows, take, context);
out:
    esp_rows_close(rows);
    return status;
}

/* ---- evenly spaced epochs ---------------------------------------------------------------------
 */

/* Of one panel, whose rows are [first, end) by epoch: which epochs stay. Returns the new end. */
static int thin(esp_plot *plot, int first, int end, int to)
{
    enum { MOST = 150 };
    const esp_plot_row *rows = plot->rows;
    const int start = rows[first].epoch, last = rows[end - 1].epoch;
    int step = 0;
    for (int i = first; i < end && step == 0; i++) {
        step = rows[i].epoch - start;
    }
    step = step > 0 ? step : 1;
    step *= ((last - start) / step + MOST - 1) / MOST > 1
                ? ((last - start) / step + MOST - 1) / MOST
                : 1;
    plot->thinned = step > plot->thinned ? step : plot->thinned;
    int expected = start;
    for (int i = first; i < end; i++) {
        if (rows[i].epoch == expected + step) {
            expected += step;
        }
        if (rows[i].epoch == expected) { /* past a gap nothing is expected, nothing stays */
            plot->rows[to++] = rows[i];
        }
    }
    return to;
}

void esp_plot_make_regular(esp_plot *plot)
{
    int to = 0;
    for (int first = 0, end; first < plot->n_rows; first = end) {
        for (end = first; end < plot->n_rows && plot->rows[end].panel == plot->rows[first].panel;) {
            end++;
        }
        to = thin(plot, first, end, to);
    }
    plot->n_rows = to;
}
