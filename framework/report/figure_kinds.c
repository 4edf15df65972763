#include "report/figure_kinds.h"

#include <math.h>
#include <string.h>

void esp_figure_set_metric(esp_plot *plot, const esp_figure_wish *wish, const char *usual)
{
    const esp_report *report = plot->report;
    const char *name = wish->metric != NULL ? wish->metric : usual;
    if (name == NULL) { /* the test metric that the tables are about, else the first */
        name = report->metrics[0].name;
        for (int i = report->n_metrics - 1; i >= 0; i--) {
            if (strcmp(report->metrics[i].split, "test") == 0) {
                name = report->metrics[i].name;
            }
        }
    }
    const size_t split = strcspn(name, ".");
    plot->split = esp_pool_format(plot->pool, "%.*s", (int)split, name);
    plot->metric = name[split] == '.' ? name + split + 1 : "";
    plot->value_name = esp_plot_metric_label(plot->pool, plot->split, plot->metric);
}

void esp_figure_set_split(esp_plot *plot, const esp_figure_wish *wish, const char *usual)
{
    plot->split = wish->split != NULL ? wish->split : usual;
}

int esp_figure_set_at(esp_plot *plot, esp_store *store, const esp_figure_wish *wish)
{
    plot->at = wish->at != NULL ? wish->at : plot->report->ats[0].name;
    return esp_plot_describe_at(plot, store);
}

void esp_figure_start_curves(esp_plot *plot)
{
    plot->draw = ESP_DRAW_CURVES;
    plot->x_label = "epoch";
    plot->whole_x = true;
}

esp_plot_row esp_figure_row(esp_plot *plot, const esp_plot_value *value, const char *y_label)
{
    const int index = plot->trials[value->trial].cell;
    const esp_report_cell *cell = &plot->report->cells[index];
    return (esp_plot_row){
        .panel = y_label != NULL
                     ? esp_plot_panel_of(plot, esp_plot_grid_point(plot, cell, NULL), y_label)
                     : -1,
        .series = esp_plot_series_of(plot, cell->variant),
        .cell = index,
        .trial = value->trial,
        .epoch = value->epoch,
        .leaf = -1,
        .group = value->phase * 1000000 + value->phase_epoch,
        .x = value->epoch,
        .y = value->value,
        .low = NAN,
        .high = NAN};
}

esp_figure_build *esp_figure_kind(const char *kind)
{
    static const struct {
        const char *name;
        esp_figure_build *build;
    } kinds[] = {
        {"learning_curve", esp_figure_learning_curve},
        {"leaf_heatmap", esp_figure_leaf_heatmap},
        {"leaf_histogram", esp_figure_leaf_histogram},
        {"balance", esp_figure_balance},
        {"soft_hard_gap", esp_figure_gap},
        {"node_entropy", esp_figure_node_entropy},
        {"sweep", esp_figure_sweep},
        {"seed_dots", esp_figure_seed_dots},
        {"spread", esp_figure_spread},
        {"cost", esp_figure_cost},
        {"early_exit", esp_figure_early_exit},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, kind) == 0) {
            return kinds[i].build;
        }
    }
    return NULL;
}
