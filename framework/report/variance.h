/* Where the variance over seeds comes from: what `report --variance` shows. Everything is within a
 * cell; what is pooled over cells misleads, since cells differ in all of it at once. */
#ifndef ESP_REPORT_VARIANCE_H
#define ESP_REPORT_VARIANCE_H

#include "report/report_tables.h"

/* How far seeds are apart at one epoch of a phase. */
typedef struct esp_curve_point {
    const char *phase;
    int phase_epoch, n;
    double sd;
} esp_curve_point;

/* What a cell's variance is set beside; at the report's first epoch. */
typedef struct esp_cell_variance {
    esp_sample gap;           /* soft less hard accuracy, of the primary metric's split */
    esp_sample entropy, dead; /* of the leaves' load by test examples */
    int n_points;
    esp_curve_point *points; /* of the primary metric, in the order of training */
    const char *failed;      /* seeds of trials that broke off or are beyond the limit: "3, 7" */
} esp_cell_variance;

/* Fills report->variances [n_cells]. Errors: ESP_STORE, ESP_MEMORY. Thread: the store's. */
int esp_report_load_variance(esp_report *report, esp_store *store);

/* Lays it out, in the report's pool. Errors: ESP_MEMORY. Thread: the report's. */
int esp_variance_page_make(esp_page **out, esp_report *report);

/* A page's tables for programs, cell by cell as printed. Errors: ESP_IO, ESP_MEMORY. */
int esp_render_page_csv(FILE *out, esp_report *report);
int esp_render_page_json(FILE *out, esp_report *report);

#endif
