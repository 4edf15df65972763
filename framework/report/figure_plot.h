/* Within report/: a figure as what every writer of it understands: panels of series of points. */
#ifndef ESP_REPORT_FIGURE_PLOT_H
#define ESP_REPORT_FIGURE_PLOT_H

#include "report/figure.h"
#include "report/palette.h"

typedef enum esp_draw {
    ESP_DRAW_CURVES, /* seeds: thin lines; means: a thick line in a band */
    ESP_DRAW_DOTS,   /* seeds: dots; means: a larger marker with a bar */
    ESP_DRAW_HEATMAP /* x, the leaf, and y as a color */
} esp_draw;

enum { ESP_MAX_PANELS = 24, ESP_MAX_MARKS = 12, ESP_MOST_TICK = 24 /* characters on the x axis */ };

/* Where a phase begins: trials that stopped early begin the next one early. */
typedef struct esp_plot_mark {
    const char *label;
    int first, last;
} esp_plot_mark;

typedef struct esp_plot_panel {
    const char *title, *y_label;
    const char *metric; /* in place of the figure's; NULL: its */
    int n_marks;
    esp_plot_mark marks[ESP_MAX_MARKS];
} esp_plot_panel;

typedef struct esp_plot_series {
    const char *variant; /* as the study has it */
    const char *label;   /* short enough for a legend, with n */
    esp_style style;
} esp_plot_series;

typedef struct esp_plot_trial {
    int cell; /* of the report */
    const char *seed, *id, *status;
    bool done;
} esp_plot_trial;

typedef struct esp_plot_row {
    int panel, series, cell;
    int trial;              /* -1: a mean */
    int n;                  /* of a mean */
    int epoch;              /* -1: of no one epoch */
    int group;              /* what is averaged over the seeds of a cell: rows of the same group */
    int leaf;               /* -1: of no one leaf */
    double x, y, low, high; /* NaN: none */
} esp_plot_row;

typedef struct esp_plot {
    const esp_report *report;
    esp_text_pool *pool; /* the figure's */
    esp_draw draw;
    const char *x_label, *value_name; /* value_name: the metric in words */
    const char *split, *metric, *at;  /* "" where they have no meaning */
    const char *at_words;             /* how the epoch was chosen, what training saw; "" at best */
    bool log_x;
    bool whole_x; /* x are whole numbers: epochs, ranks */
    bool dodge;   /* series stand side by side at the places of an axis of words */
    bool pairs;   /* panels come two by two */
    bool connect; /* means of a series are joined by a line */
    int n_ticks;  /* x are the places 0, 1, ... of these words; 0: x are numbers */
    const char **ticks;
    const char **grid_points; /* by cell, NULL until asked for */
    int thinned;              /* every so many epochs are there; 0 and 1: all */
    int n_panels, n_series, n_trials, n_rows, capacity;
    esp_plot_panel *panels;
    esp_plot_series *series;
    esp_plot_trial *trials;
    esp_plot_row *rows; /* by panel, series, seeds before means, trial, x */
    int left_out;       /* trials that a heat map has no panel for */
    bool means_stop;    /* some epochs were not reached by all seeds: no mean there */
} esp_plot;

/* ---- building (figure_rows.c) ---------------------------------------------------------------- */

/* Adds a row. Errors: ESP_MEMORY. */
int esp_plot_add(esp_plot *plot, const esp_plot_row *row);

/* Finds or adds. title: of the panel; a series is a variant. */
int esp_plot_panel_of(esp_plot *plot, const char *title, const char *y_label);
int esp_plot_series_of(esp_plot *plot, const char *variant);

/* A cell's swept keys but `without`, "data.name=mnist model.leaf_width=8"; "" for none. */
const char *esp_plot_grid_point(esp_plot *plot, const esp_report_cell *cell, const char *without);

/* The trials of the cells that the figure is of. */
int esp_plot_load_trials(esp_plot *plot, esp_store *store, const esp_figure_wish *wish);

/* Which trial the rows of a query are of; they come trial by trial in the trials' order. */
typedef struct esp_plot_cursor {
    int trial;
    int64_t passed_cell; /* of the trial last seen that is not of this figure */
    char passed[64];
} esp_plot_cursor;

/* Columns 0 and 1 of the row are cell_key and trial_id. false: not of this figure. */
bool esp_plot_find_trial(esp_plot_cursor *cursor, const esp_plot *plot, esp_rows *rows);

/* A value of a trial at an epoch, to be made into rows. */
typedef struct esp_plot_value {
    int trial, epoch, phase, phase_epoch;
    double value;
} esp_plot_value;
typedef int esp_plot_take(esp_plot *plot, const esp_plot_value *value, void *context);

/* Sets `thinned`: of very many epochs only every so many are read. */
int esp_plot_thin(esp_plot *plot, esp_store *store);

/* Hands over a metric of the plot's split, at every epoch of the figure's trials, by trial and
 * epoch. */
int esp_plot_each_epoch(esp_plot *plot, esp_store *store, const char *metric, esp_plot_take *take,
                        void *context);

/* The same at the epoch called plot->at of the trials that are done. */
int esp_plot_each_final(esp_plot *plot, esp_store *store, const char *metric, esp_plot_take *take,
                        void *context);

/* Says in at_words, before what is there, how the epoch called plot->at was chosen. */
int esp_plot_describe_at(esp_plot *plot, esp_store *store);

/* Sorts the rows and adds the means of every group over the done trials of a cell, where all of
 * them have a value. */
int esp_plot_finish(esp_plot *plot);

/* ---- leaves (figure_leaves.c) -----------------------------------------------------------------
 */

/* Hands over, for every epoch, the entropy of the leaves' use and the fraction never chosen:
 * context is double[2]. */
int esp_plot_each_balance(esp_plot *plot, esp_store *store, esp_plot_take *take);

/* Hands over each leaf's share of the examples at the epoch called plot->at of done trials, leaves
 * by falling share. value.phase is the leaf. */
typedef int esp_plot_take_leaf(esp_plot *plot, const esp_plot_value *value, double share,
                               void *context);
int esp_plot_each_leaf(esp_plot *plot, esp_store *store, esp_plot_take_leaf *take, void *context);

/* The same at every epoch of one trial, leaves in their order. */
int esp_plot_each_leaf_of(esp_plot *plot, esp_store *store, int trial, esp_plot_take_leaf *take,
                          void *context);

/* Makes the epochs of a heat map's panels evenly spaced, at most some 150. */
void esp_plot_make_regular(esp_plot *plot);

/* ---- words (figure.c) ------------------------------------------------------------------------ */

/* "test accuracy, hard routing (fraction)". */
const char *esp_plot_metric_label(esp_text_pool *pool, const char *split, const char *metric);

/* One line below the title: how the epoch was chosen, what lines and dots are. */
const char *esp_plot_subtitle(const esp_plot *plot);

/* ---- kinds (figure_kinds.c) ------------------------------------------------------------------ */

typedef int esp_figure_build(esp_figure *figure, esp_store *store, const esp_figure_wish *wish);
esp_figure_build *esp_figure_kind(const char *kind);

/* ---- writers --------------------------------------------------------------------------------- */

/* Text without control characters, at most `limit` characters; where it is longer its end gives
 * way to an ellipsis. Lives in the pool. */
const char *esp_plot_short(esp_text_pool *pool, const char *text, int limit);

/* Texts of at most `limit` characters, of which those differ that did: keys get short names, what
 * all have in common goes, and only then are they cut, where they are alike; the last resort is a
 * number. *out [n] in the pool. Errors: ESP_MEMORY. */
int esp_plot_shorten(const char ***out, esp_text_pool *pool, const char *const *texts, int n,
                     int limit);

/* Words that have little room, by the same rule: titles of the panels that are drawn, of at most
 * `title` characters, and words on the x axis. Errors: ESP_MEMORY. */
typedef struct esp_plot_words {
    const char **titles, **ticks;
} esp_plot_words;
int esp_plot_words_of(esp_plot_words *out, const esp_plot *plot, int title);

/* Each writes one file of a figure; data and picture are named by the figure's name. */
int esp_figure_numbers(FILE *out, const esp_figure *figure); /* the CSV as far as gnuplot reads */
int esp_figure_gnuplot(FILE *out, const esp_figure *figure);
int esp_figure_python(FILE *out, const esp_figure *figure);
int esp_figure_r(FILE *out, const esp_figure *figure);

/* Columns and rows of panels; how large the picture is, in points. */
typedef struct esp_plot_layout {
    int columns, rows, n_drawn, width, height;
    int legend;  /* its height */
    int slanted; /* room for words on the x axis that do not fit side by side; 0: they do */
} esp_plot_layout;
esp_plot_layout esp_plot_layout_of(const esp_plot *plot);

/* gnuplot's svg made fit for readers: named by title and caption; ids begin with id. whole: a file
 * of its own, with its XML declaration. *out owned by the caller. Errors: ESP_MEMORY. */
int esp_svg_finish(char **out, const char *svg, const esp_figure *figure, const char *id,
                   bool whole);

#endif
