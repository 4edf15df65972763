/* One difference over all cells of a table, the seed being what was drawn at random. */
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

#endif
