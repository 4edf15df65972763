#include "report/palette.h"

#include <string.h>

esp_style esp_palette_style(int index)
{
    static const char *const colors[] = {"#0072B2", "#E69F00", "#009E73", "#CC79A7",
                                         "#000000", "#56B4E9", "#D55E00"};
    enum { N_COLORS = sizeof colors / sizeof *colors };
    const int round = index / N_COLORS;
    return (esp_style){.color = colors[index % N_COLORS],
                       .dash = index % ESP_N_DASHES,
                       .marker = (index + round) % ESP_N_MARKERS};
}

const char *esp_palette_dash(int dash)
{
    static const char *const dashes[ESP_N_DASHES] = {"", "8 3", "2 2", "8 3 2 3", "14 4"};
    return dashes[dash];
}

int esp_palette_index(const esp_report *report, const char *variant)
{
    for (int i = 0; i < report->variants.n; i++) {
        if (strcmp(report->variants.at[i], variant) == 0) {
            return i;
        }
    }
    /* A variant that a revision does not list: after those it does, by its first cell. */
    int index = report->variants.n;
    for (int i = 0; i < report->n_cells && strcmp(report->cells[i].variant, variant) != 0; i++) {
        bool first = true;
        for (int j = 0; j < i; j++) {
            first = first && strcmp(report->cells[j].variant, report->cells[i].variant) != 0;
        }
        bool listed = false;
        for (int j = 0; j < report->variants.n; j++) {
            listed = listed || strcmp(report->variants.at[j], report->cells[i].variant) == 0;
        }
        index += first && !listed;
    }
    return index;
}
