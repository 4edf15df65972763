#include "statistics/intervals.h"

#include <math.h>
#include <stdlib.h>

#include "core/rng.h"
#include "statistics/distributions.h"
#include "statistics/sample.h"

static const esp_interval undefined = {NAN, NAN};

esp_interval esp_interval_about(double center, double standard_error, double df, double confidence)
{
    const double reach = standard_error * esp_student_quantile((1 + confidence) / 2, df);
    return (esp_interval){center - reach, center + reach};
}

esp_interval esp_student_interval(const double *values, int n, double confidence)
{
    const esp_moments moments = esp_moments_of(values, n);
    const double error = moments.sd / sqrt(n);
    if (n < 2 || isnan(error) || esp_is_constant(error, moments.mean)) {
        return undefined;
    }
    return esp_interval_about(moments.mean, error, n - 1, confidence);
}

esp_interval esp_bootstrap_interval(const double *values, int n, double confidence, int draws,
                                    uint64_t seed)
{
    const esp_moments moments = esp_moments_of(values, n);
    const double error = moments.sd / sqrt(n);
    if (n < 2 || draws < 99 || isnan(error) || esp_is_constant(error, moments.mean)) {
        return undefined;
    }
    double *statistics = malloc((size_t)draws * sizeof *statistics);
    double *sample = malloc((size_t)n * sizeof *sample);
    esp_interval out = undefined;
    if (statistics == NULL || sample == NULL) {
        goto out;
    }
    esp_rng rng = esp_rng_make(seed, "bootstrap", 0);
    for (int k = 0; k < draws; k++) {
        for (int i = 0; i < n; i++) {
            sample[i] = values[esp_rng_below(&rng, (uint32_t)n)];
        }
        const esp_moments drawn = esp_moments_of(sample, n);
        const double off = drawn.mean - moments.mean, drawn_error = drawn.sd / sqrt(n);
        statistics[k] =
            esp_is_constant(drawn_error, drawn.mean) ? copysign(INFINITY, off) : off / drawn_error;
    }
    qsort(statistics, (size_t)draws, sizeof *statistics, esp_compare_doubles);
    /* The k-th of B sorted is the k / (B + 1) quantile; rounded outward where that is not whole. */
    const int tail = (int)floor((draws + 1) * (1 - confidence) / 2 + 1e-9);
    if (tail < 1 || isinf(statistics[tail - 1]) || isinf(statistics[draws - tail])) {
        goto out;
    }
    out = (esp_interval){moments.mean - statistics[draws - tail] * error,
                         moments.mean - statistics[tail - 1] * error};
out:
    free(statistics);
    free(sample);
    return out;
}

esp_interval esp_rate_interval(int count, int n, double confidence)
{
    if (n < 1 || count < 0 || count > n) {
        return undefined;
    }
    const double tail = (1 - confidence) / 2;
    return (esp_interval){count == 0 ? 0 : esp_beta_quantile(tail, count, n - count + 1),
                          count == n ? 1 : esp_beta_quantile(1 - tail, count + 1, n - count)};
}

double esp_accuracy_standard_error(double accuracy, double examples)
{
    return sqrt(accuracy * (1 - accuracy) / examples);
}
