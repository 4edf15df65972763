/* The figures of a report. Each is data (one tidy CSV) and what redraws it: a gnuplot script, which
 * is how it is drawn here, and snippets for matplotlib and R. gnuplot is a program of its own;
 * without it all but the pictures is there. */
#ifndef ESP_REPORT_FIGURE_H
#define ESP_REPORT_FIGURE_H

#include "report/report.h"

typedef struct esp_figure {
    esp_text_pool pool;  /* owns all texts */
    const char *name;    /* stem of its files, [A-Za-z0-9_-], unique in the section */
    const char *kind;    /* "learning_curve" */
    const char *title;   /* plain text, as all here: to be escaped where it is shown */
    const char *caption; /* what is drawn, n, epoch, failed and missing trials; in sentences */
    const char *empty;   /* why there is nothing to draw (no trial done, say), or NULL */
    struct esp_plot *plot;
} esp_figure;

/* Reads the data of one figure of the report's section: wish = &report->section.figures.at[i].
 * *out owned by the caller. The report must outlive it. Errors: ESP_STORE, ESP_MEMORY. Thread: the
 * store's. */
int esp_figure_make(esp_figure **out, esp_store *store, const esp_report *report,
                    const esp_figure_wish *wish);
void esp_figure_free(esp_figure *figure);

/* The tidy CSV (README): a line a point; role `seed` (one trial's value) or `mean` (over the n done
 * trials of a cell, low and high one sample standard deviation below and above). Errors: ESP_IO. */
int esp_figure_csv(FILE *out, const esp_figure *figure);

/* The picture as one <svg> element to stand inside a page: no XML declaration, no DOCTYPE; title
 * and desc are its name for readers of screens; every id in it begins with `id`, which must be a
 * name of letters, digits, - and _. *svg owned by the caller (free). Errors: ESP_NOT_FOUND where
 * gnuplot is not installed, naming the package; ESP_USAGE for a figure that is empty; ESP_IO with
 * gnuplot's words. Thread: any, one at a time for a figure, as all here. */
int esp_figure_svg(char **svg, const esp_figure *figure, const char *id);

enum { ESP_FIGURE_SVG = 1, ESP_FIGURE_PDF = 2, ESP_FIGURE_PNG = 4 };

/* "svg,pdf" as a set of the above. Errors: ESP_USAGE naming those there are. Thread: any. */
int esp_figure_formats(unsigned *out, const char *text);

/* What the files of a figure may end in, without the dot; NULL ends it. */
extern const char *const esp_figure_suffixes[];

/* Writes NAME.csv, .gp, .py, .R, .txt (the caption) and the pictures into a folder, which must be
 * there; each appears whole or not at all. What needs no gnuplot is written first. Each file's path
 * is a line of `written` once it is there. Errors: ESP_IO, ESP_NOT_FOUND as above. */
int esp_figure_write(const esp_figure *figure, const char *folder, unsigned formats, FILE *written);

#endif
