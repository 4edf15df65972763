/* What is known of one sample. A NaN among the values makes the result NaN, here and in all of this
 * layer: who leaves failed trials out does so knowingly, and says how many. */
#ifndef ESP_STATISTICS_SAMPLE_H
#define ESP_STATISTICS_SAMPLE_H

#include <stdbool.h>

/* Below so many seeds no p value is printed: with two, one difference has to tell the effect and
 * its spread. */
enum { ESP_LEAST_FOR_P = 3 };

/* NaN where undefined: everything for n 0, variance and sd for n 1. */
typedef struct esp_moments {
    int n;
    double mean, variance, sd; /* of the sample, n - 1 */
} esp_moments;

/* values [n]. Values that rounding alone tells apart do not vary: variance and sd 0. Source:
 * corrected two-pass, Chan, Golub and LeVeque 1983. Thread: any. */
esp_moments esp_moments_of(const double *values, int n);

/* The order of doubles, for qsort. Thread: any. */
int esp_compare_doubles(const void *left, const void *right);

/* The mean of the middle two where n is even. values [n] is not changed. NaN for n 0, and where
 * there is no memory. Thread: any. */
double esp_median(const double *values, int n);

/* Whether a standard error is rounding only: values of this size that do not vary. Source: as R's
 * t.test, 10 epsilon of the values. Thread: any. */
bool esp_is_constant(double standard_error, double size);

/* Moments of a - b over pairs: a [n], b [n]. Differences that rounding alone tells apart, at the
 * size of the values, do not vary: variance and sd 0. NaN where there is no memory. Thread: any. */
esp_moments esp_moments_of_differences(const double *a, const double *b, int n);

#endif
