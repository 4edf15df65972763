/* Figures of what happens epoch by epoch. */
#include "core/status.h"
#include "report/figure_kinds.h"

/* A value of an epoch as a point of its trial's curve. */
static int take_epoch(esp_plot *plot, const esp_plot_value *value, void *context)
{
    (void)context;
    const esp_plot_row row = esp_figure_row(plot, value, plot->value_name);
    return esp_plot_add(plot, &row);
}

static int build_curve(esp_figure *figure, esp_store *store, const char *title)
{
    esp_plot *plot = figure->plot;
    esp_figure_start_curves(plot);
    figure->title = title;
    return esp_plot_each_epoch(plot, store, plot->metric, take_epoch, NULL);
}

int esp_figure_learning_curve(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_figure_set_metric(figure->plot, wish, NULL);
    return build_curve(figure, store, "Learning curves");
}

/* The difference of two metrics of an epoch: the first pass made the points, this takes from them.
 */
typedef struct subtraction {
    int next;
} subtraction;

static int take_less(esp_plot *plot, const esp_plot_value *value, void *context)
{
    subtraction *at = context;
    for (; at->next < plot->n_rows; at->next++) {
        esp_plot_row *row = &plot->rows[at->next];
        if (row->trial > value->trial ||
            (row->trial == value->trial && row->epoch > value->epoch)) {
            break;
        }
        if (row->trial == value->trial && row->epoch == value->epoch) {
            row->y -= value->value;
            row->n = 1;
            at->next++;
            break;
        }
    }
    return ESP_OK;
}

int esp_figure_gap(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    esp_figure_set_split(plot, wish, "test");
    plot->metric = "soft_hard_gap";
    plot->value_name =
        esp_pool_format(plot->pool, "%s accuracy, soft less hard routing (fraction)", plot->split);
    subtraction at = {0};
    esp_figure_start_curves(plot);
    ESP_TRY(esp_plot_each_epoch(plot, store, "soft_accuracy", take_epoch, NULL));
    ESP_TRY(esp_plot_each_epoch(plot, store, "hard_accuracy", take_less, &at));
    int n = 0;
    for (int i = 0; i < plot->n_rows; i++) {
        if (plot->rows[i].n == 1) { /* both are there */
            plot->rows[n] = plot->rows[i];
            plot->rows[n++].n = 0;
        }
    }
    plot->n_rows = n;
    figure->title = "Soft-hard gap";
    return ESP_OK;
}

int esp_figure_node_entropy(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    esp_figure_set_split(plot, wish, "test");
    esp_figure_set_metric(plot, wish, esp_pool_format(plot->pool, "%s.node_entropy", plot->split));
    return build_curve(figure, store, "Entropy of the nodes' decisions");
}
