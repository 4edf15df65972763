/* Tests by ranks: exact for small samples, ties and all, since the distribution is counted over the
 * midranks that the data have. Above ESP_MOST_EXACT values p is by the normal approximation, with
 * corrections for ties and continuity. NaN where undefined. Thread: any. */
#ifndef ESP_STATISTICS_RANKS_H
#define ESP_STATISTICS_RANKS_H

#include <stdbool.h>

#include "statistics/intervals.h"

enum { ESP_MOST_EXACT = 100 }; /* pairs that differ, or values of both samples */

typedef struct esp_rank_test {
    int n, m;         /* values that count: signed rank, pairs that differ, in both */
    double statistic; /* signed rank: sum of positive ranks; Mann-Whitney: pairs a > b, ties half */
    double p;         /* two-sided */
    double smallest_p; /* that n and m can reach, whatever the data */
    bool exact;
} esp_rank_test;

/* a [n], b [n] paired. Pairs without a difference are dropped, as Wilcoxon did and R does;
 * differences that are the same except for rounding are ties. p 1 where no pair differs. Source:
 * Wilcoxon 1945; the count: Streitberg and Roehmel 1986. */
esp_rank_test esp_signed_rank(const double *a, const double *b, int n);

/* a [n], b [m]. p is twice the smaller tail, at most 1. Source: Mann and Whitney 1947; the count as
 * above. */
esp_rank_test esp_mann_whitney(const double *a, int n, const double *b, int m);

/* The smallest p that so many pairs, or two samples, can reach: 2 / 2^n, 2 / (n + m choose n). */
double esp_signed_rank_smallest_p(int n);
double esp_mann_whitney_smallest_p(int n, int m);

/* The probability that a run of a is better than one of b: P(A > B) + P(A = B) / 2. Where less is
 * better hand them over the other way round. Source: Agarwal et al. 2021 (arXiv 2108.13264); the
 * interval: Newcombe 2006, method 5, which keeps its coverage for small samples. */
typedef struct esp_improvement {
    double probability;
    esp_interval interval;
} esp_improvement;

esp_improvement esp_probability_of_improvement(const double *a, int n, const double *b, int m,
                                               double confidence);

#endif
