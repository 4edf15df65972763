/* Tests of a difference of means, a - b. Undefined fields are NaN: of too few values, of values
 * that do not vary (R refuses those too), of a NaN among them. Thread: any. */
#ifndef ESP_STATISTICS_DIFFERENCES_H
#define ESP_STATISTICS_DIFFERENCES_H

#include "statistics/intervals.h"

typedef struct esp_difference {
    int n, m; /* values of a and of b; the same where paired */
    double estimate, standard_error;
    double t, df, p; /* two-sided */
    esp_interval interval;
    double effect; /* paired: d_z, mean over sd of the differences; Welch: Hedges' g with its exact
                      correction, over the pooled sd */
} esp_difference;

/* a [n], b [n]: the i-th of both share a seed. Source: Student 1908. */
esp_difference esp_paired_t(const double *a, const double *b, int n, double confidence);

/* a [n], b [m]. df by Satterthwaite. Source: Welch 1947; g: Hedges 1981. */
esp_difference esp_welch_t(const double *a, int n, const double *b, int m, double confidence);

/* Pearson's correlation of pairs: what decides between the two. Above 0 pairing takes the seeds'
 * share out of the error; at 0 or below it only costs degrees of freedom. n >= 3, else NaN (two
 * points are always on a line). */
double esp_correlation(const double *a, const double *b, int n);

/* Two one-sided tests: is |a - b| < margin shown? p is the larger of the two; below alpha the 1 - 2
 * alpha interval lies within -margin..margin. Takes the estimate, its error and df of either test
 * above. margin > 0, else NaN. Source: Schuirmann 1987. */
double esp_equivalence_p(const esp_difference *difference, double margin);

/* The interval of a difference at another confidence, such as 0.9 for equivalence at 0.05. */
esp_interval esp_difference_interval(const esp_difference *difference, double confidence);

#endif
