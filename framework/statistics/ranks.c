#include "statistics/ranks.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "statistics/distributions.h"

typedef struct item {
    double value; /* what is ranked */
    bool marked;  /* its rank counts: a positive difference, a value of a */
    int twice;    /* its midrank, twice: a whole number */
} item;

static int by_value(const void *left, const void *right)
{
    const double a = ((const item *)left)->value, b = ((const item *)right)->value;
    return (a > b) - (a < b);
}

/* Sorts and ranks; values no further apart than tolerance are tied. Returns the sum of t^3 - t over
 * the groups of ties. */
static double rank(item *items, int n, double tolerance)
{
    double ties = 0;
    qsort(items, (size_t)n, sizeof *items, by_value);
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && items[end].value - items[end - 1].value <= tolerance;) {
            end++;
        }
        for (int k = i; k < end; k++) {
            items[k].twice = i + 1 + end;
        }
        const double t = end - i;
        ties += t * t * t - t;
    }
    return ties;
}

/* min(1, 2 min(P(S <= seen), P(S >= seen))) of weights over sums [n_sums]. */
static double both_tails(const double *weights, int n_sums, int seen)
{
    double below = 0, above = 0, all = 0;
    for (int s = 0; s < n_sums; s++) {
        below += s <= seen ? weights[s] : 0;
        above += s >= seen ? weights[s] : 0;
        all += weights[s];
    }
    return fmin(1, 2 * fmin(below, above) / all);
}

static double normal_p(double off, double variance)
{
    const double z = fmax(0, fabs(off) - 0.5) / sqrt(variance);
    return variance > 0 ? fmin(1, 2 * esp_normal_cdf(-z)) : 1;
}

/* ---- signed rank ----------------------------------------------------------------------------- */

/* Every rank is added or not, each with probability 1/2. */
static double signed_rank_p(const item *items, int n, int seen)
{
    int total = 0;
    for (int i = 0; i < n; i++) {
        total += items[i].twice;
    }
    double *weights = calloc((size_t)total + 1, sizeof *weights);
    if (weights == NULL) {
        return NAN;
    }
    weights[0] = 1;
    for (int i = 0, most = 0; i < n; i++) {
        most += items[i].twice;
        for (int s = most; s >= 0; s--) {
            const double with = s >= items[i].twice ? weights[s - items[i].twice] : 0;
            weights[s] = (weights[s] + with) / 2;
        }
    }
    const double p = both_tails(weights, total + 1, seen);
    free(weights);
    return p;
}

double esp_signed_rank_smallest_p(int n)
{
    return n < 1 ? 1 : ldexp(1, 1 - n);
}

esp_rank_test esp_signed_rank(const double *a, const double *b, int n)
{
    esp_rank_test out = {.statistic = NAN, .p = NAN, .smallest_p = NAN};
    item *items = n > 0 ? malloc((size_t)n * sizeof *items) : NULL;
    double size = 0;
    bool has_nan = items == NULL;
    for (int i = 0; i < n; i++) {
        has_nan = has_nan || isnan(a[i] - b[i]);
        size = fmax(size, fmax(fabs(a[i]), fabs(b[i])));
    }
    if (has_nan) {
        free(items);
        return out;
    }
    const double tolerance = 4 * DBL_EPSILON * size;
    for (int i = 0; i < n; i++) {
        const double delta = a[i] - b[i];
        if (fabs(delta) > tolerance) {
            items[out.n++] = (item){.value = fabs(delta), .marked = delta > 0};
        }
    }
    out.m = out.n;
    const double ties = rank(items, out.n, tolerance), k = out.n;
    int seen = 0;
    for (int i = 0; i < out.n; i++) {
        seen += items[i].marked ? items[i].twice : 0;
    }
    out.statistic = seen / 2.0;
    out.smallest_p = esp_signed_rank_smallest_p(out.n);
    out.exact = out.n <= ESP_MOST_EXACT;
    out.p = out.n == 0  ? 1
            : out.exact ? signed_rank_p(items, out.n, seen)
                        : normal_p(out.statistic - k * (k + 1) / 4,
                                   k * (k + 1) * (2 * k + 1) / 24 - ties / 48);
    free(items);
    return out;
}

/* ---- Mann-Whitney ---------------------------------------------------------------------------- */

/* Every choice of n among all items is as likely as any other. */
static double rank_sum_p(const item *items, int all, int n, int seen)
{
    const int total = all * (all + 1); /* of all ranks, twice */
    const size_t width = (size_t)total + 1;
    double *weights = calloc((size_t)(n + 1) * width, sizeof *weights); /* [n + 1 x width] */
    if (weights == NULL) {
        return NAN;
    }
    weights[0] = 1;
    int most = 0;
    for (int i = 0; i < all; i++) {
        most += items[i].twice;
        for (int k = i < n ? i : n - 1; k >= 0; k--) {
            const double *from = weights + (size_t)k * width;
            double *to = weights + (size_t)(k + 1) * width + items[i].twice;
            for (int s = 0; s <= most - items[i].twice; s++) {
                to[s] += from[s];
            }
        }
    }
    const double p = both_tails(weights + (size_t)n * width, total + 1, seen);
    free(weights);
    return p;
}

double esp_mann_whitney_smallest_p(int n, int m)
{
    double choose = 1;
    for (int k = 1; k <= n; k++) {
        choose *= (double)(m + k) / k;
    }
    return n < 1 || m < 1 ? 1 : fmin(1, 2 / choose);
}

esp_rank_test esp_mann_whitney(const double *a, int n, const double *b, int m)
{
    esp_rank_test out = {.n = n, .m = m, .statistic = NAN, .p = NAN, .smallest_p = NAN};
    const int all = n + m;
    item *items = n > 0 && m > 0 ? malloc((size_t)all * sizeof *items) : NULL;
    bool has_nan = items == NULL;
    for (int i = 0; i < all && !has_nan; i++) {
        items[i] = (item){.value = i < n ? a[i] : b[i - n], .marked = i < n};
        has_nan = isnan(items[i].value);
    }
    if (has_nan) {
        free(items);
        return out;
    }
    const double ties = rank(items, all, 0), N = all;
    int seen = 0;
    for (int i = 0; i < all; i++) {
        seen += items[i].marked ? items[i].twice : 0;
    }
    out.statistic = (seen - n * (n + 1)) / 2.0;
    out.smallest_p = esp_mann_whitney_smallest_p(n, m);
    out.exact = all <= ESP_MOST_EXACT;
    out.p = out.exact ? rank_sum_p(items, all, n, seen)
                      : normal_p(out.statistic - (double)n * m / 2,
                                 (double)n * m / 12 * (N + 1 - ties / (N * (N - 1))));
    free(items);
    return out;
}

/* ---- probability of improvement -------------------------------------------------------------- */

/* How far the estimate is from q, in q's standard errors, less z: 0 at the interval's ends. */
static double beyond(double q, double estimate, double n, double m, double z)
{
    const double half = (n + m) / 2 - 1;
    const double variance =
        q * (1 - q) * (1 + half * (1 - q) / (2 - q) + half * q / (1 + q)) / (n * m);
    return fabs(q - estimate) - z * sqrt(variance);
}

/* The end of the interval between the estimate and the bound 0 or 1. */
static double score_end(double estimate, double bound, double n, double m, double z)
{
    double inside = estimate, outside = bound;
    for (int i = 0; i < 200; i++) {
        const double middle = (inside + outside) / 2;
        if (beyond(middle, estimate, n, m, z) < 0) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    return (inside + outside) / 2;
}

esp_improvement esp_probability_of_improvement(const double *a, int n, const double *b, int m,
                                               double confidence)
{
    esp_improvement out = {NAN, {NAN, NAN}};
    double wins = 0;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < m; k++) {
            wins += isnan(a[i] - b[k]) ? NAN : (a[i] > b[k]) + (a[i] == b[k]) / 2.0;
        }
    }
    if (n < 1 || m < 1 || isnan(wins)) {
        return out;
    }
    out.probability = wins / ((double)n * m);
    if (n > 1 && m > 1) {
        const double z = esp_normal_quantile((1 + confidence) / 2);
        out.interval =
            (esp_interval){out.probability == 0 ? 0 : score_end(out.probability, 0, n, m, z),
                           out.probability == 1 ? 1 : score_end(out.probability, 1, n, m, z)};
    }
    return out;
}
