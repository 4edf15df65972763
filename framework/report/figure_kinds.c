/* The kinds of figures: what of the database becomes a point, and where it stands. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "report/figure_plot.h"

/* "test.hard_accuracy" as split and metric; the figure's own or what its kind usually shows. */
static void set_metric(esp_plot *plot, const esp_figure_wish *wish, const char *usual)
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

/* A value of an epoch as a point of its trial's curve. */
static int take_epoch(esp_plot *plot, const esp_plot_value *value, void *context)
{
    const char *y_label = context;
    const esp_report_cell *cell = &plot->report->cells[plot->trials[value->trial].cell];
    const esp_plot_row row = {
        .panel = esp_plot_panel_of(plot, esp_plot_grid_point(plot, cell, NULL), y_label),
        .series = esp_plot_series_of(plot, cell->variant),
        .cell = plot->trials[value->trial].cell,
        .trial = value->trial,
        .epoch = value->epoch,
        .group = value->phase * 1000000 + value->phase_epoch,
        .x = value->epoch,
        .y = value->value,
        .low = NAN,
        .high = NAN};
    return esp_plot_add(plot, &row);
}

static int build_curve(esp_figure *figure, esp_store *store, const char *what)
{
    esp_plot *plot = figure->plot;
    plot->draw = ESP_DRAW_CURVES;
    plot->x_label = plot->x_name = "epoch";
    ESP_TRY(esp_plot_each_epoch(plot, store, plot->split, plot->metric, take_epoch,
                                (void *)(uintptr_t)plot->value_name));
    figure->title = what;
    return ESP_OK;
}

static int build_learning_curve(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    set_metric(figure->plot, wish, NULL);
    return build_curve(figure, store, "Learning curves");
}

esp_figure_build *esp_figure_kind(const char *kind)
{
    static const struct {
        const char *name;
        esp_figure_build *build;
    } kinds[] = {
        {"learning_curve", build_learning_curve},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, kind) == 0) {
            return kinds[i].build;
        }
    }
    return NULL;
}
