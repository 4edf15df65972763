/* How much seeds differ within one cell against within another. Undefined is NaN: fewer than two
 * values, values that do not vary, a NaN among them. Thread: any. */
#ifndef ESP_STATISTICS_SPREADS_H
#define ESP_STATISTICS_SPREADS_H

#include <stdint.h>

#include "statistics/intervals.h"

/* ln(sd of a / sd of b) with the F distribution's interval and two-sided p: exact for normal
 * values, and off for others, however many. exp() of it all is the ratio. Source: as R's var.test.
 */
typedef struct esp_spread_ratio {
    int n, m;
    double log_ratio, p;
    esp_interval interval;
} esp_spread_ratio;

esp_spread_ratio esp_log_sd_ratio(const double *a, int n, const double *b, int m,
                                  double confidence);

/* One log ratio over cells, each an inverse of its variance heavy. Under normality ln sd has the
 * bias (digamma(df / 2) - ln(df / 2)) / 2, taken out here, and the variance trigamma(df / 2) / 4
 * (Bartlett and Kendall 1946; the lnVR of Nakagawa et al. 2015 is the same to first order). Fixed
 * effect: one ratio for all cells; homogeneity_p says whether they speak against that (Cochran's
 * Q). Cells with an undefined ratio or one value are left out; cells counts those that stay. */
typedef struct esp_pooled_spread {
    int cells;
    double log_ratio, standard_error, p, homogeneity_p;
    esp_interval interval;
} esp_pooled_spread;

/* sds and seeds of both sides, [cells] each. */
esp_pooled_spread esp_pool_spreads(const double *sd_a, const int *n_a, const double *sd_b,
                                   const int *n_b, int cells, double confidence);

/* Whether two samples spread alike, whatever their shape: an F test on distances from the median.
 * Source: Brown and Forsythe 1974, as SciPy's levene(center='median'). Conservative for few seeds;
 * say its power (esp_brown_forsythe_power in power.h). NaN too where the distances of neither
 * sample vary. */
typedef struct esp_spread_test {
    int n, m;
    double f, df, p; /* of 1 and df degrees of freedom */
} esp_spread_test;

esp_spread_test esp_brown_forsythe(const double *a, int n, const double *b, int m);

/* The expected best of n draws from a normal distribution, in sds above its mean: what luck gives.
 * esp_expected_best(10) - esp_expected_best(5) is how much better a best of 10 looks than one of 5
 * for no reason, and twice the expected best is the expected best - worst. Source: the integral of
 * the largest order statistic (Tippett 1925). NaN for n < 1. */
double esp_expected_best(int n);

#endif
