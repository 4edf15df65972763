/* Intervals about one cell's number. Confidence is a fraction, 0.95. Undefined is NaN, NaN: values
 * that are too few, do not vary, or hold a NaN. Thread: any. */
#ifndef ESP_STATISTICS_INTERVALS_H
#define ESP_STATISTICS_INTERVALS_H

#include <stdint.h>

typedef struct esp_interval {
    double low, high;
} esp_interval;

/* center -+ t standard_error, of Student's t with df degrees of freedom. */
esp_interval esp_interval_about(double center, double standard_error, double df, double confidence);

/* Of the mean: mean -+ t sd / sqrt(n). values [n], n >= 2. Source: Student 1908. */
esp_interval esp_student_interval(const double *values, int n, double confidence);

/* Of the mean, by resampling the studentized mean: for values that are not normal. Resamples that
 * do not vary count as infinitely far out, so three values have no interval (undefined); below six
 * or so it is wide or undefined, and that is the truth. draws of the generator's stream
 * "bootstrap" at seed: the same seed gives the same interval. draws odd and >= 99, such as 1999, so
 * that the quantiles are draws. Also undefined where there is no memory. Source: Efron and
 * Tibshirani 1993, section 12.5. */
esp_interval esp_bootstrap_interval(const double *values, int n, double confidence, int draws,
                                    uint64_t seed);

/* Of a rate, from so many of n. Never shorter than it says. Source: Clopper and Pearson 1934. */
esp_interval esp_rate_interval(int count, int n, double confidence);

/* How far an accuracy is off because the test set is finite: sqrt(p (1 - p) / examples). */
double esp_accuracy_standard_error(double accuracy, double examples);

#endif
