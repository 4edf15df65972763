/* Figures of leaves and of their use. */
#include <math.h>

#include "core/status.h"
#include "report/figure_kinds.h"

static int take_balance(esp_plot *plot, const esp_plot_value *value, void *context)
{
    static const char *const labels[] = {"entropy of leaf use (1: even)",
                                         "leaves never chosen (fraction)"};
    static const char *const metrics[] = {"entropy", "dead_fraction"};
    const double *values = context; /* entropy, dead fraction */
    for (int i = 0; i < 2; i++) {
        esp_plot_row row = esp_figure_row(plot, value, labels[i]);
        row.y = values[i];
        plot->panels[row.panel].metric = metrics[i];
        if (!isnan(row.y)) {
            ESP_TRY(esp_plot_add(plot, &row));
        }
    }
    return ESP_OK;
}

int esp_figure_balance(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    esp_figure_set_split(plot, wish, "test");
    esp_figure_start_curves(plot);
    plot->pairs = true;
    plot->metric = "leaf_balance";
    plot->value_name =
        esp_pool_format(plot->pool, "use of leaves by %s examples, hard routing", plot->split);
    figure->title =
        esp_pool_format(plot->pool, "Leaf balance, %s split, hard routing", plot->split);
    return esp_plot_each_balance(plot, store, take_balance);
}

/* Rows come leaf by leaf; a trial's leaves by falling count. */
typedef struct ranking {
    int trial, rank;
} ranking;

static int take_rank(esp_plot *plot, const esp_plot_value *value, double share, void *context)
{
    ranking *at = context;
    at->rank = at->trial == value->trial ? at->rank + 1 : 1;
    at->trial = value->trial;
    esp_plot_row row = esp_figure_row(plot, value, plot->value_name);
    row.x = row.group = at->rank;
    row.leaf = value->phase;
    row.y = share;
    return esp_plot_add(plot, &row);
}

int esp_figure_leaf_histogram(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    ranking at = {-1, 0};
    esp_figure_set_split(plot, wish, "test");
    esp_figure_start_curves(plot);
    plot->x_label = "leaf, by falling share";
    plot->metric = "leaf_share";
    plot->value_name =
        esp_pool_format(plot->pool, "share of %s examples, hard routing (fraction)", plot->split);
    ESP_TRY(esp_figure_set_at(plot, store, wish));
    figure->title = "Share of each leaf";
    return esp_plot_each_leaf(plot, store, take_rank, &at);
}

static int take_leaf(esp_plot *plot, const esp_plot_value *value, double share, void *context)
{
    const esp_plot_trial *trial = &plot->trials[value->trial];
    const esp_report_cell *cell = &plot->report->cells[trial->cell];
    int *panel = context; /* of this trial; -1 before its first row */
    if (*panel < 0) {
        const char *grid = esp_plot_grid_point(plot, cell, NULL);
        *panel = esp_plot_panel_of(plot,
                                   esp_pool_format(plot->pool, "%s%s%s, seed %s", cell->variant,
                                                   *grid ? " " : "", grid, trial->seed),
                                   "leaf");
    }
    esp_plot_row row = esp_figure_row(plot, value, NULL);
    row.panel = *panel;
    row.leaf = value->phase;
    row.y = share;
    return esp_plot_add(plot, &row);
}

/* Of the trials of one cell, [first, end), the first that is done, else the first. */
static int stand_in(const esp_plot *plot, int first, int end)
{
    for (int i = first; i < end; i++) {
        if (plot->trials[i].done) {
            return i;
        }
    }
    return first;
}

/* Of every cell one seed, or those that the study names. */
static int take_trials(esp_plot *plot, esp_store *store, const esp_figure_wish *wish)
{
    for (int first = 0, end; first < plot->n_trials; first = end) {
        for (end = first + 1;
             end < plot->n_trials && plot->trials[end].cell == plot->trials[first].cell;) {
            end++;
        }
        const int one = stand_in(plot, first, end);
        for (int i = first; i < end; i++) {
            int panel = -1;
            if (i != one && wish->seeds.n == 0) {
                continue;
            }
            if (plot->n_panels == ESP_MAX_PANELS) {
                plot->left_out++;
                continue;
            }
            ESP_TRY(esp_plot_each_leaf_of(plot, store, i, take_leaf, &panel));
        }
    }
    return ESP_OK;
}

int esp_figure_leaf_heatmap(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    esp_figure_set_split(plot, wish, "test");
    esp_figure_start_curves(plot);
    plot->draw = ESP_DRAW_HEATMAP;
    plot->metric = "leaf_share";
    plot->value_name = esp_pool_format(
        plot->pool, "share of %s examples by leaf and epoch, hard routing (fraction)", plot->split);
    ESP_TRY(take_trials(plot, store, wish));
    esp_plot_make_regular(plot);
    figure->title =
        esp_pool_format(plot->pool, "Share of %s examples by leaf, hard routing", plot->split);
    figure->caption = wish->seeds.n > 0
                          ? NULL
                          : "Of each cell its first seed is shown: leaf 3 of one seed is not leaf 3"
                            " of another, so a mean over seeds would mean nothing.";
    return ESP_OK;
}
