/* Figures of values at one epoch of each trial: along a key, against cost. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "report/figure_kinds.h"
#include "study/yaml_tree.h"

static bool is_key(const char *a, const char *b)
{
    a += strncmp(a, "model.", 6) == 0 ? 6 : 0;
    b += strncmp(b, "model.", 6) == 0 ? 6 : 0;
    return strcmp(a, b) == 0;
}

/* The key that runs along the x axis where the figure names none: the last row key of the tables
 * that is swept, else the last swept key, else the variant. */
static const char *usual_key(const esp_plot *plot)
{
    const esp_report *report = plot->report;
    const char *key = NULL;
    for (int c = 0; c < report->n_cells; c++) {
        for (int i = 0; i < report->cells[c].n_swept && key == NULL; i++) {
            key = report->cells[c].swept[i].key;
        }
    }
    for (int r = 0; r < report->section.rows.n; r++) {
        for (int c = 0; c < report->n_cells; c++) {
            for (int i = 0; i < report->cells[c].n_swept; i++) {
                if (is_key(report->cells[c].swept[i].key, report->section.rows.at[r])) {
                    key = report->cells[c].swept[i].key;
                }
            }
        }
    }
    return key != NULL ? key : "variant";
}

typedef struct along {
    const char *key;
    bool by_cell; /* each cell is a place of its own on a numeric axis */
} along;

/* The place of a word on an axis of words. */
static int tick_of(esp_plot *plot, const char *word)
{
    for (int i = 0; i < plot->n_ticks; i++) {
        if (strcmp(plot->ticks[i], word) == 0) {
            return i;
        }
    }
    plot->ticks[plot->n_ticks] = word;
    return plot->n_ticks++;
}

static int take_final(esp_plot *plot, const esp_plot_value *value, void *context)
{
    const along *at = context;
    const esp_report_cell *cell = &plot->report->cells[plot->trials[value->trial].cell];
    const char *word = esp_report_value(cell, at->key);
    esp_plot_row row = esp_figure_row(plot, value, NULL);
    double x = 0;
    if (at->by_cell) { /* all that costs differently in one panel, but data sets apart */
        const char *data = NULL;
        for (int i = 0; i < cell->n_swept; i++) {
            data = strcmp(cell->swept[i].key, "data.name") == 0 ? cell->swept[i].value : data;
        }
        if (word == NULL || !esp_text_number(&x, word)) {
            return ESP_OK;
        }
        row.panel = esp_plot_panel_of(
            plot, data != NULL ? esp_pool_format(plot->pool, "data.name=%s", data) : "",
            plot->value_name);
    } else {
        row.panel =
            esp_plot_panel_of(plot, esp_plot_grid_point(plot, cell, at->key), plot->value_name);
        x = tick_of(plot, word != NULL ? word : "none");
    }
    row.group = 0;
    row.x = x;
    return esp_plot_add(plot, &row);
}

/* Words that are all numbers stand in their order, and where there are many of them at their
 * values. */
static void order_ticks(esp_plot *plot, bool connect)
{
    enum { MOST_WORDS = 12 };
    double *numbers = esp_pool_take(plot->pool, (size_t)(plot->n_ticks + 1) * sizeof *numbers);
    int *places = esp_pool_take(plot->pool, (size_t)(plot->n_ticks + 1) * sizeof *places);
    const char **words = esp_pool_take(plot->pool, (size_t)(plot->n_ticks + 1) * sizeof *words);
    bool all = numbers != NULL && places != NULL && words != NULL && plot->n_ticks > 0;
    for (int i = 0; all && i < plot->n_ticks; i++) {
        all = esp_text_number(&numbers[i], plot->ticks[i]);
    }
    if (!all) {
        return;
    }
    plot->connect = connect;
    for (int i = 0; i < plot->n_ticks; i++) {
        for (int k = 0; k < plot->n_ticks; k++) {
            places[i] += numbers[k] < numbers[i];
        }
        words[places[i]] = plot->ticks[i];
    }
    for (int i = 0; i < plot->n_rows; i++) {
        const int tick = (int)plot->rows[i].x;
        plot->rows[i].x = plot->n_ticks > MOST_WORDS ? numbers[tick] : places[tick];
    }
    plot->ticks = words;
    plot->n_ticks = plot->n_ticks > MOST_WORDS ? 0 : plot->n_ticks;
}

static int build_dots(esp_figure *figure, esp_store *store, const esp_figure_wish *wish,
                      bool connect)
{
    esp_plot *plot = figure->plot;
    const along at = {.key = wish->x != NULL ? wish->x : usual_key(plot)};
    plot->draw = ESP_DRAW_DOTS;
    esp_figure_set_metric(plot, wish, NULL);
    ESP_TRY(esp_figure_set_at(plot, store, wish));
    plot->x_label = at.key;
    plot->dodge = strcmp(at.key, "variant") != 0;
    plot->ticks =
        esp_pool_take(plot->pool, (size_t)(plot->report->n_cells + 1) * sizeof *plot->ticks);
    ESP_TRY(esp_pool_status(plot->pool));
    ESP_TRY(esp_plot_each_final(plot, store, plot->metric, take_final, (void *)(uintptr_t)&at));
    order_ticks(plot, connect);
    return ESP_OK;
}

int esp_figure_sweep(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    ESP_TRY(build_dots(figure, store, wish, true));
    figure->title = esp_pool_format(&figure->pool, "%s.%s by %s", figure->plot->split,
                                    figure->plot->metric, figure->plot->x_label);
    return ESP_OK;
}

int esp_figure_seed_dots(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    ESP_TRY(build_dots(figure, store, wish, false));
    figure->title = esp_pool_format(&figure->pool, "%s.%s, every seed", figure->plot->split,
                                    figure->plot->metric);
    return ESP_OK;
}

/* Each seed's distance from the mean of its cell: spreads of cells side by side, whatever their
 * means. */
int esp_figure_spread(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    ESP_TRY(build_dots(figure, store, wish, false));
    esp_plot *plot = figure->plot;
    const char *label =
        esp_pool_format(plot->pool, "%s.%s less its cell's mean", plot->split, plot->metric);
    for (int c = 0; c < plot->report->n_cells; c++) {
        double sum = 0;
        int n = 0;
        for (int i = 0; i < plot->n_rows; i++) {
            sum += plot->rows[i].cell == c ? plot->rows[i].y : 0;
            n += plot->rows[i].cell == c;
        }
        for (int i = 0; i < plot->n_rows; i++) {
            plot->rows[i].y -= plot->rows[i].cell == c ? sum / n : 0;
        }
    }
    for (int i = 0; i < plot->n_panels; i++) {
        plot->panels[i].y_label = label;
    }
    plot->value_name = label;
    figure->title =
        esp_pool_format(plot->pool, "Spread of %s.%s over seeds", plot->split, plot->metric);
    return ESP_OK;
}

int esp_figure_cost(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_plot *plot = figure->plot;
    const along at = {.key = wish->x != NULL ? wish->x : "inference_macs", .by_cell = true};
    plot->draw = ESP_DRAW_DOTS;
    esp_figure_set_metric(plot, wish, NULL);
    ESP_TRY(esp_figure_set_at(plot, store, wish));
    plot->x_label = strcmp(at.key, "inference_macs") == 0  ? "multiply-adds an example, inference"
                    : strcmp(at.key, "training_macs") == 0 ? "multiply-adds an example, training"
                                                           : at.key;
    ESP_TRY(esp_plot_each_final(plot, store, plot->metric, take_final, (void *)(uintptr_t)&at));
    double low = INFINITY, high = 0;
    for (int i = 0; i < plot->n_rows; i++) {
        low = plot->rows[i].x < low ? plot->rows[i].x : low;
        high = plot->rows[i].x > high ? plot->rows[i].x : high;
    }
    plot->log_x = low > 0 && high > 20 * low;
    plot->connect = true;
    figure->title = esp_pool_format(plot->pool, "%s.%s against cost", plot->split, plot->metric);
    return ESP_OK;
}

/* ---- early exits ------------------------------------------------------------------------------
 */

/* Which threshold a value is of; the accuracies come first, their costs then find them. */
typedef struct exits {
    int threshold;
    bool cost;
} exits;

static int take_exit(esp_plot *plot, const esp_plot_value *value, void *context)
{
    const exits *at = context;
    if (!at->cost) {
        esp_plot_row row = esp_figure_row(plot, value, plot->value_name);
        row.group = at->threshold;
        row.x = NAN;
        return esp_plot_add(plot, &row);
    }
    for (int i = 0; i < plot->n_rows; i++) {
        if (plot->rows[i].trial == value->trial && plot->rows[i].group == at->threshold) {
            plot->rows[i].x = value->value;
        }
    }
    return ESP_OK;
}

int esp_figure_early_exit(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    static const int thresholds[] = {50, 60, 70, 80, 90, 95, 99};
    esp_plot *plot = figure->plot;
    esp_figure_set_split(plot, wish, "test");
    esp_figure_start_curves(plot);
    ESP_TRY(esp_figure_set_at(plot, store, wish));
    plot->metric = "early_exit.accuracy";
    plot->x_label = "mean multiply-adds an example";
    plot->whole_x = false;
    plot->value_name =
        esp_pool_format(plot->pool, "%s accuracy with early exits (fraction)", plot->split);
    for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++) {
        for (int cost = 0; cost < 2; cost++) {
            exits at = {thresholds[i], cost == 1};
            ESP_TRY(esp_plot_each_final(plot, store,
                                        esp_pool_format(plot->pool, "early_exit.%s_at_%d",
                                                        cost ? "cost" : "accuracy", thresholds[i]),
                                        take_exit, &at));
        }
    }
    figure->title = "Early exits: accuracy against cost";
    figure->caption = "The points of a line are the thresholds .5, .6, .7, .8, .9, .95 and .99 on"
                      " the exit's greatest probability; a higher one exits less and costs more.";
    return ESP_OK;
}
