/* What n seeds can find, at two-sided alpha. Differences are in units of sds, unless said. NaN
 * where no power is enough, or n is too small for the test. Thread: any. */
#ifndef ESP_STATISTICS_POWER_H
#define ESP_STATISTICS_POWER_H

#include <stdint.h>

/* Of the paired t test over n seeds for a true difference of so many sds of the differences, and
 * the smallest that it finds with that power. Source: noncentral t. n >= 2. */
double esp_paired_power(double difference, int n, double alpha);
double esp_paired_detectable(int n, double alpha, double power);

/* Of Welch's test for a true difference, in the units of the two sds; df by Satterthwaite at those
 * sds. n, m >= 2. */
double esp_welch_power(double difference, double sd_a, int n, double sd_b, int m, double alpha);
double esp_welch_detectable(double sd_a, int n, double sd_b, int m, double alpha, double power);

/* Seeds that the paired test needs, or Welch's per side (sd 1 each); 0 where ESP_MOST_SEEDS are not
 * enough. */
enum { ESP_MOST_SEEDS = 100000 };
int esp_paired_seeds(double difference, double alpha, double power);
int esp_welch_seeds(double difference, double alpha, double power);

/* Of the F test for a true ratio of sds, and the smallest ratio above 1 that it finds (its inverse
 * is found where n = m). Normal values. */
double esp_spread_power(double ratio, int n, int m, double alpha);
double esp_spread_detectable(int n, int m, double alpha, double power);

/* Of Brown-Forsythe, which needs no normality and pays for it: the share of `draws` pairs of normal
 * samples with that ratio of sds where it rejects. Drawn from the generator's stream "power" at
 * seed: the same seed gives the same number, off by sqrt(power (1 - power) / draws). */
double esp_brown_forsythe_power(double ratio, int n, int m, double alpha, int draws, uint64_t seed);

/* Of Fisher's test for true failure rates, exactly; and the smallest rate above rate_b that n
 * seeds tell from rate_b of m. */
double esp_fisher_power(double rate_a, int n, double rate_b, int m, double alpha);
double esp_fisher_detectable(int n, double rate_b, int m, double alpha, double power);

#endif
