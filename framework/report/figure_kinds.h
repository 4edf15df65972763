/* Within report/: the kinds of figures, and what they are built with. Which keys each takes is
 * decided in study/figure_section.c. */
#ifndef ESP_REPORT_FIGURE_KINDS_H
#define ESP_REPORT_FIGURE_KINDS_H

#include "report/figure_plot.h"

/* Splits "test.hard_accuracy": the figure's own, or usual; NULL: what the tables are about. */
void esp_figure_set_metric(esp_plot *plot, const esp_figure_wish *wish, const char *usual);
void esp_figure_set_split(esp_plot *plot, const esp_figure_wish *wish, const char *usual);

/* The epoch that values are of, and how it was chosen. */
int esp_figure_set_at(esp_plot *plot, esp_store *store, const esp_figure_wish *wish);

/* Curves over epochs. */
void esp_figure_start_curves(esp_plot *plot);

/* A value at its epoch, in the panel of its cell's grid point; y_label NULL: the panel is the
 * caller's to set. */
esp_plot_row esp_figure_row(esp_plot *plot, const esp_plot_value *value, const char *y_label);

esp_figure_build esp_figure_learning_curve, esp_figure_gap, esp_figure_node_entropy; /* by_epoch */
esp_figure_build esp_figure_balance, esp_figure_leaf_histogram, esp_figure_leaf_heatmap; /* leaf */
esp_figure_build esp_figure_sweep, esp_figure_seed_dots, esp_figure_spread, esp_figure_cost,
    esp_figure_early_exit; /* at_epoch */

#endif
