/* One number over all cells of a table, the seed being what was drawn at random. */
#ifndef ESP_STATISTICS_POOLED_H
#define ESP_STATISTICS_POOLED_H

#include "statistics/intervals.h"

typedef struct esp_pooled_difference {
    int cells, seeds, pairs; /* that had any */
    double estimate;         /* mean over cells of each cell's mean difference */
    double standard_error, t, df, p;
    esp_interval interval;
} esp_pooled_difference;

/* deltas [cells x seeds], the paired difference of each cell at each seed, NaN where there is none
 * (so this one place skips NaN; pairs says how many stayed). The model: difference = its cell's
 * mean
 * + whatever the seed adds in all cells at once + noise. Every cell weighs the same; the error is
 * clustered by seed (Liang and Zeger 1986, with the factor S / (S - 1)), and t has S - 1 degrees of
 * freedom: a seed run in twenty cells is one seed. With nothing missing it is the t test on each
 * seed's mean over cells. NaN below two seeds, and where those means do not vary. A cell with one
 * pair adds to the estimate but cannot add to the error. Thread: any. */
esp_pooled_difference esp_pool_differences(const double *deltas, int cells, int seeds,
                                           double confidence);

/* The same of a - b, both [cells x seeds]. What rounding alone tells apart at the size of these
 * values does not vary: standard_error 0, t, p and interval NaN. Nothing counts where there is no
 * memory. Thread: any. */
esp_pooled_difference esp_pool_pairs(const double *a, const double *b, int cells, int seeds,
                                     double confidence);

typedef struct esp_spread_by_seed {
    int cells, seeds; /* that count */
    double log_ratio; /* mean over cells of ln(sd of a / sd of b), less the jackknife's bias */
    double standard_error, df, p;
    esp_interval interval;
} esp_spread_by_seed;

/* a, b [cells x seeds]: the values of both sides at each seed, NaN where there is none (skipped
 * here too). The error is the jackknife's that leaves out one seed in all cells and on both sides
 * at once, so neither normal values nor cells that are independent of one another are asked for,
 * as esp_pool_spreads does; it is wider, and right where that one is not (see the README). One cell
 * will do. t has S - 1 degrees of freedom. A cell counts where both sides still vary without any
 * one seed, so three values a side at least. NaN where no cell counts. Thread: any. Source: Miller
 * 1968, with the seed as what is left out. */
esp_spread_by_seed esp_pool_spreads_by_seed(const double *a, const double *b, int cells, int seeds,
                                            double confidence);

#endif
