#include "report/figure.h"

#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "report/figure_plot.h"

/* ---- words ----------------------------------------------------------------------------------- */

const char *esp_plot_metric_label(esp_text_pool *pool, const char *split, const char *metric)
{
    static const struct {
        const char *key, *words;
    } known[] = {
        {"soft_accuracy", "accuracy, soft routing (fraction)"},
        {"hard_accuracy", "accuracy, hard routing (fraction)"},
        {"soft_loss", "loss, soft routing (nats)"},
        {"hard_loss", "loss, hard routing (nats)"},
        {"running_loss", "running loss with all terms"},
        {"running_soft_accuracy", "running accuracy, soft routing (fraction)"},
        {"node_entropy", "entropy of the nodes' decisions (nats)"},
        {"mixture_entropy", "entropy of the mixture (nats)"},
        {"mixture_max", "largest weight of the mixture (fraction)"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].key, metric) == 0) {
            return esp_pool_format(pool, "%s %s", split, known[i].words);
        }
    }
    return esp_pool_format(pool, "%s %s", split, metric);
}

/* ---- n ----------------------------------------------------------------------------------------
 */

/* "5" or "3 to 5": done trials a cell, of one variant or of all. */
static const char *seeds_of(const esp_plot *plot, const char *variant)
{
    int least = -1, most = 0;
    for (int first = 0, end; first < plot->n_trials; first = end) {
        const int cell = plot->trials[first].cell;
        int n = 0;
        for (end = first; end < plot->n_trials && plot->trials[end].cell == cell; end++) {
            n += plot->trials[end].done;
        }
        if (variant == NULL || strcmp(plot->report->cells[cell].variant, variant) == 0) {
            least = least < 0 || n < least ? n : least;
            most = n > most ? n : most;
        }
    }
    return least == most || least < 0 ? esp_pool_format(plot->pool, "%d", most)
                                      : esp_pool_format(plot->pool, "%d to %d", least, most);
}

/* Short names of a legend, with n. */
static int label_series(esp_plot *plot)
{
    enum { MOST = 28 };
    const char **names = esp_pool_take(plot->pool, ((size_t)plot->n_series + 1) * sizeof *names);
    ESP_TRY(esp_pool_status(plot->pool));
    for (int i = 0; i < plot->n_series; i++) {
        names[i] = plot->series[i].variant;
    }
    const char **words = NULL;
    ESP_TRY(esp_plot_shorten(&words, plot->pool, names, plot->n_series, MOST));
    for (int i = 0; i < plot->n_series; i++) {
        plot->series[i].label = esp_pool_format(plot->pool, "%s, n = %s", words[i],
                                                seeds_of(plot, plot->series[i].variant));
    }
    return esp_pool_status(plot->pool);
}

const char *esp_plot_subtitle(const esp_plot *plot)
{
    static const char *const words[] = {
        [ESP_DRAW_CURVES] = "thin: seeds; thick, band: mean, one sample sd",
        [ESP_DRAW_DOTS] = "rings: seeds; marker, bar: mean, one sample sd",
        [ESP_DRAW_HEATMAP] = "color: share of examples; white: none",
    };
    return *plot->at_words
               ? esp_pool_format(plot->pool, "%s; %s", plot->at_words, words[plot->draw])
               : words[plot->draw];
}

/* ---- the caption ------------------------------------------------------------------------------
 */

static const char *drawn_as(const esp_plot *plot)
{
    switch (plot->draw) {
    case ESP_DRAW_CURVES:
        return "Thin lines are single seeds, thick ones their mean, with a band of one sample"
               " standard deviation to either side.";
    case ESP_DRAW_DOTS:
        return "Dots are single seeds, the larger marker is their mean, its bar one sample standard"
               " deviation to either side.";
    default:
        return "";
    }
}

static const char *missing_words(const esp_plot *plot)
{
    int n_failed = 0, missing = 0;
    for (int i = 0; i < plot->n_trials; i++) {
        const bool failed = strcmp(plot->trials[i].status, "failed") == 0;
        n_failed += failed;
        missing += !failed && !plot->trials[i].done;
    }
    if (n_failed == 0 && missing == 0) {
        return "";
    }
    const char *failed = n_failed == 0 ? "" : esp_pool_format(plot->pool, " %d failed", n_failed);
    const char *rest =
        missing == 0 ? ""
                     : esp_pool_format(plot->pool, "%s %d %s not done", n_failed > 0 ? " and" : "",
                                       missing, missing == 1 ? "is" : "are");
    return esp_pool_format(plot->pool, " Of %d trials%s%s; no mean counts them.", plot->n_trials,
                           failed, rest);
}

static void write_caption(esp_figure *figure, const char *own)
{
    const esp_plot *plot = figure->plot;
    const char *by = plot->draw == ESP_DRAW_HEATMAP
                         ? ""
                         : esp_pool_format(&figure->pool, " by %s", plot->x_label);
    const char *caption = esp_pool_format(
        &figure->pool, "%s, study %s: %s%s%s%s.%s%s n = %s seeds a cell.%s", figure->title,
        esp_plot_short(&figure->pool, plot->report->study, 60), plot->value_name, by,
        *plot->at_words ? ", " : "", plot->at_words, *drawn_as(plot) ? " " : "", drawn_as(plot),
        seeds_of(plot, NULL), missing_words(plot));
    if (own != NULL && *own) {
        caption = esp_pool_format(&figure->pool, "%s %s", caption, own);
    }
    if (plot->thinned > 1) {
        caption =
            esp_pool_format(&figure->pool, "%s One epoch in %d is shown.", caption, plot->thinned);
    }
    if (plot->means_stop) {
        caption = esp_pool_format(&figure->pool,
                                  "%s Where not all seeds of a cell have a value (they may stop"
                                  " early) no mean is drawn.",
                                  caption);
    }
    if (plot->n_panels > ESP_MAX_PANELS) {
        caption = esp_pool_format(&figure->pool,
                                  "%s Drawn are the first %d of %d panels; the CSV has all, and the"
                                  " figure's keys variants and where choose others.",
                                  caption, ESP_MAX_PANELS, plot->n_panels);
    }
    if (plot->left_out > 0) {
        caption = esp_pool_format(&figure->pool,
                                  "%s There are %d more; the figure's keys variants, where and"
                                  " seeds choose them.",
                                  caption, plot->left_out);
    }
    figure->caption = caption;
}

/* ---- making one -------------------------------------------------------------------------------
 */

static int prepare(esp_figure *figure, const esp_report *report, const esp_figure_wish *wish)
{
    esp_text_pool *pool = &figure->pool;
    figure->plot = esp_pool_take(pool, sizeof *figure->plot);
    ESP_TRY(esp_pool_status(pool));
    esp_plot *plot = figure->plot;
    *plot = (esp_plot){.report = report,
                       .pool = pool,
                       .x_label = "",
                       .value_name = "",
                       .split = "",
                       .metric = "",
                       .at = "",
                       .at_words = ""};
    if (report->training_saw_test != NULL) { /* which figures of every epoch say, too */
        plot->at_words = esp_pool_format(pool, "training looked at the test set (%s)",
                                         report->training_saw_test);
    }
    const size_t n = (size_t)report->n_cells + 1;
    plot->grid_points = esp_pool_take(pool, n * sizeof *plot->grid_points);
    plot->series = esp_pool_take(pool, n * sizeof *plot->series);
    figure->name = esp_pool_format(pool, "%s", wish->name);
    figure->kind = esp_pool_format(pool, "%s", wish->kind);
    figure->title = figure->kind;
    return esp_pool_status(pool);
}

static int build(esp_figure *figure, esp_store *store, const esp_figure_wish *wish)
{
    esp_figure_build *make = esp_figure_kind(wish->kind);
    if (make == NULL) {
        return esp_fail(ESP_STUDY, "there is no kind of figure '%s'", wish->kind);
    }
    esp_plot *plot = figure->plot;
    ESP_TRY(esp_plot_load_trials(plot, store, wish));
    const size_t n_panels = 2 * (size_t)plot->report->n_cells + (size_t)plot->n_trials + 1;
    plot->panels = esp_pool_take(&figure->pool, n_panels * sizeof *plot->panels);
    ESP_TRY(esp_pool_status(&figure->pool));
    ESP_TRY(make(figure, store, wish));
    if (wish->title != NULL) {
        figure->title = esp_plot_short(&figure->pool, wish->title, 100);
    }
    if (plot->n_rows == 0) {
        figure->empty =
            esp_pool_format(&figure->pool, "nothing recorded to draw: %s%s%s", plot->split,
                            *plot->split ? "." : "", *plot->metric ? plot->metric : figure->kind);
    }
    ESP_TRY(esp_plot_finish(plot));
    ESP_TRY(label_series(plot));
    const char *seeds = "";
    for (int i = 0; i < wish->seeds.n; i++) {
        seeds =
            esp_pool_format(&figure->pool, "%s%s%s", seeds, i > 0 ? ", " : "", wish->seeds.at[i]);
    }
    if (*seeds) {
        figure->caption = esp_pool_format(&figure->pool, "Only of seeds %s.%s%s", seeds,
                                          figure->caption != NULL ? " " : "",
                                          figure->caption != NULL ? figure->caption : "");
    }
    write_caption(figure, figure->caption);
    return esp_pool_status(&figure->pool);
}

int esp_figure_make(esp_figure **out, esp_store *store, const esp_report *report,
                    const esp_figure_wish *wish)
{
    esp_figure *figure = calloc(1, sizeof *figure);
    if (figure == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a figure");
    }
    int status = prepare(figure, report, wish);
    if (status == ESP_OK) {
        status = build(figure, store, wish);
    }
    if (status != ESP_OK) {
        esp_figure_free(figure);
        return status;
    }
    *out = figure;
    return ESP_OK;
}

void esp_figure_free(esp_figure *figure)
{
    if (figure != NULL) {
        if (figure->plot != NULL) {
            free(figure->plot->rows);
        }
        esp_pool_free(&figure->pool);
        free(figure);
    }
}

/* ---- formats ----------------------------------------------------------------------------------
 */

int esp_figure_formats(unsigned *out, const char *text)
{
    static const char *const names[] = {"svg", "pdf", "png"};
    *out = 0;
    for (const char *at = text;; at += strcspn(at, ",") + 1) {
        const size_t length = strcspn(at, ",");
        unsigned found = 0;
        for (unsigned i = 0; i < 3; i++) {
            if (strlen(names[i]) == length && strncmp(at, names[i], length) == 0) {
                found = 1u << i;
            }
        }
        if (found == 0) {
            return esp_fail(ESP_USAGE, "unknown figure format '%.*s'; there are svg, pdf and png",
                            (int)length, at);
        }
        *out |= found;
        if (at[length] == '\0') {
            return ESP_OK;
        }
    }
}
