/* The comparisons a study asks for beside those with its reference. */
#include <math.h>

#include "core/status.h"

#include "report/report.h"

static int describe_cells(esp_contrast_cell **out, esp_report *report)
{
    *out = esp_pool_take(&report->pool, (size_t)report->n_cells * sizeof **out);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < report->n_cells; i++) {
        const esp_report_cell *cell = &report->cells[i];
        size_t n = (size_t)cell->keys.n;
        esp_store_param *params = esp_pool_take(&report->pool, n * sizeof *params);
        ESP_TRY(esp_pool_status(&report->pool));
        for (size_t k = 0; k < n; k++) {
            params[k] = (esp_store_param){cell->keys.at[k], cell->values.at[k]};
        }
        (*out)[i] = (esp_contrast_cell){.variant = cell->variant,
                                        .n_params = cell->keys.n,
                                        .params = params,
                                        .n_swept = cell->n_swept,
                                        .swept = cell->swept};
    }
    return ESP_OK;
}

/* Counts the pairs, and fills them in where pairs is not NULL. */
static int find_pairs(esp_report_pair *pairs, const esp_report *report,
                      const esp_contrast_cell *cells)
{
    int n = 0;
    for (int c = 0; c < report->section.n_contrasts; c++) {
        const esp_contrast *contrast = &report->section.contrasts[c];
        for (int a = 0; a < report->n_cells; a++) {
            bool of_side = esp_contrast_is(&cells[a], &contrast->sides[0]);
            for (int b = 0; of_side && b < report->n_cells; b++) {
                if (b == a || !esp_contrast_is(&cells[b], &contrast->sides[1]) ||
                    !esp_contrast_agree(&cells[a], &cells[b], contrast->sides)) {
                    continue;
                }
                if (pairs != NULL) {
                    pairs[n] = (esp_report_pair){
                        .contrast = contrast, .a = &report->cells[a], .b = &report->cells[b]};
                }
                n++;
            }
        }
    }
    return n;
}

/* A variance of two values says too little to divide by or into. */
static esp_report_difference difference_of(const esp_report_series *a, const esp_report_series *b)
{
    bool enough = a->stats.n >= 3 && b->stats.n >= 3;
    return (esp_report_difference){.paired = esp_paired_of(&a->sample, &b->sample),
                                   .variance_ratio =
                                       enough ? esp_variance_ratio(&a->stats, &b->stats) : NAN};
}

int esp_report_compare(esp_report *report)
{
    if (report->section.n_contrasts == 0) {
        return ESP_OK;
    }
    esp_contrast_cell *cells = NULL;
    ESP_TRY(describe_cells(&cells, report));
    report->n_pairs = find_pairs(NULL, report, cells);
    report->pairs = esp_pool_take(&report->pool, (size_t)report->n_pairs * sizeof *report->pairs);
    ESP_TRY(esp_pool_status(&report->pool));
    find_pairs(report->pairs, report, cells);
    size_t n_series = (size_t)(report->n_ats * report->n_metrics);
    for (int i = 0; i < report->n_pairs; i++) {
        esp_report_pair *pair = &report->pairs[i];
        pair->differences = esp_pool_take(&report->pool, n_series * sizeof *pair->differences);
        ESP_TRY(esp_pool_status(&report->pool));
        for (size_t k = 0; k < n_series; k++) {
            pair->differences[k] = difference_of(&pair->a->series[k], &pair->b->series[k]);
        }
    }
    return ESP_OK;
}
