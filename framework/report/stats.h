/* Statistics over seeds, from the seeds' values. The view seed_stats computes the same in SQL;
 * keeping the two apart lets a test compare them. */
#ifndef ESP_REPORT_STATS_H
#define ESP_REPORT_STATS_H

#include <stdint.h>

/* Which values of a metric are better; some have no direction. */
typedef enum esp_better { ESP_BETTER_NEITHER, ESP_BETTER_HIGHER, ESP_BETTER_LOWER } esp_better;

/* By the metric's name without its split: accuracies higher, losses and epochs lower. Thread: any.
 */
esp_better esp_better_of(const char *metric);

/* The values of one metric, a value a seed. */
typedef struct esp_sample {
    int n;
    double *values;       /* [n] */
    uint64_t (*seeds)[3]; /* [n], init, order, noise */
} esp_sample;

/* NaN where undefined: everything for n 0; sd and variance (of the sample, n - 1) for n 1; best and
 * worst of a metric without direction. spread = the distance from best to worst = max - min. */
typedef struct esp_stats {
    int n;
    double mean, sd, variance, min, max, best, worst, spread;
} esp_stats;

/* Mean and variance as esp_moments_of. Thread: any. */
esp_stats esp_stats_of(const double *values, int n, esp_better better);

/* Which of the seeds [*n] listed so far this one is; it joins the list, which has
 * room, where it is new. */
int esp_seed_index(uint64_t (*seeds)[3], int *n, const uint64_t seed[3]);

/* The values of the seeds that both have, pair by pair; returns how many. x, y [the smaller n]. */
int esp_pairs_of(double *x, double *y, const esp_sample *a, const esp_sample *b);

/* The differences sample - reference over the seeds that both have; sd NaN for fewer than 2,
 * 0 where rounding alone tells the differences apart. */
typedef struct esp_paired {
    int n;
    double mean, sd;
} esp_paired;

esp_paired esp_paired_of(const esp_sample *sample, const esp_sample *reference);

/* variance of the one over variance of the other; NaN where either has fewer than two values or the
 * reference does not vary. */
double esp_variance_ratio(const esp_stats *stats, const esp_stats *reference);

#endif
