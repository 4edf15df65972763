/* What a variant looks like: the same color, dash and marker in every figure and on every page. */
#ifndef ESP_REPORT_PALETTE_H
#define ESP_REPORT_PALETTE_H

#include "report/report.h"

enum { ESP_N_DASHES = 5, ESP_N_MARKERS = 7 };

/* A style by its index: colors of Okabe and Ito 2008 without their yellow, which white paper
 * swallows; neighbors differ in lightness too, and any five in a row in dash and marker.
 * Colors return after seven, with another dash and marker. */
typedef struct esp_style {
    const char *color; /* "#0072B2" */
    int dash;          /* 0: solid; else which pattern, below ESP_N_DASHES */
    int marker;        /* below ESP_N_MARKERS: circle, square, triangle up, diamond, triangle down,
                          plus, cross */
} esp_style;

/* The style of that index, from 0. Thread: any. */
esp_style esp_palette_style(int index);

/* "8 3": lengths on and off in points, "" for a solid line. Valid for ever. Thread: any. */
const char *esp_palette_dash(int dash);

/* A variant's index: its place among the study's variants. Thread: the report's. */
int esp_palette_index(const esp_report *report, const char *variant);

#endif
