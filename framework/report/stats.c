#include "report/stats.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "statistics/sample.h"
#include "study/schema.h"

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

esp_better esp_better_of(const char *metric)
{
    if (esp_metric_epochs_to(metric) != NULL) {
        return ESP_BETTER_LOWER;
    }
    if (esp_metric_is_accuracy(metric)) {
        return ESP_BETTER_HIGHER;
    }
    if (ends_with(metric, "loss") || strncmp(metric, "loss.", 5) == 0) {
        return ESP_BETTER_LOWER;
    }
    return ESP_BETTER_NEITHER;
}

esp_stats esp_stats_of(const double *values, int n, esp_better better)
{
    const esp_moments moments = esp_moments_of(values, n);
    esp_stats out = {.n = n,
                     .mean = moments.mean,
                     .sd = moments.sd,
                     .variance = moments.variance,
                     .min = NAN,
                     .max = NAN,
                     .best = NAN,
                     .worst = NAN,
                     .spread = NAN};
    if (n == 0) {
        return out;
    }
    out.min = out.max = values[0];
    for (int i = 1; i < n; i++) {
        out.min = fmin(out.min, values[i]);
        out.max = fmax(out.max, values[i]);
    }
    out.spread = out.max - out.min;
    if (better != ESP_BETTER_NEITHER) {
        out.best = better == ESP_BETTER_HIGHER ? out.max : out.min;
        out.worst = better == ESP_BETTER_HIGHER ? out.min : out.max;
    }
    return out;
}

int esp_seed_index(uint64_t (*seeds)[3], int *n, const uint64_t seed[3])
{
    int i = 0;
    while (i < *n && memcmp(seeds[i], seed, sizeof seeds[i]) != 0) {
        i++;
    }
    if (i == *n) {
        memcpy(seeds[(*n)++], seed, sizeof seeds[i]);
    }
    return i;
}

int esp_pairs_of(double *x, double *y, const esp_sample *a, const esp_sample *b)
{
    int n = 0;
    for (int i = 0; i < a->n; i++) {
        for (int j = 0; j < b->n; j++) {
            if (memcmp(a->seeds[i], b->seeds[j], sizeof a->seeds[i]) == 0) {
                x[n] = a->values[i];
                y[n++] = b->values[j];
                break;
            }
        }
    }
    return n;
}

/* The reference's value for a sample's seed, or NaN. */
static double partner(const esp_sample *reference, const uint64_t seed[3])
{
    for (int j = 0; j < reference->n; j++) {
        if (memcmp(reference->seeds[j], seed, sizeof reference->seeds[j]) == 0) {
            return reference->values[j];
        }
    }
    return NAN;
}

esp_paired esp_paired_of(const esp_sample *sample, const esp_sample *reference)
{
    esp_paired out = {.n = 0, .mean = NAN, .sd = NAN};
    double sum = 0, squares = 0, size = 0;
    for (int i = 0; i < sample->n; i++) {
        const double other = partner(reference, sample->seeds[i]);
        const double delta = sample->values[i] - other;
        if (!isnan(delta)) {
            out.n++;
            sum += delta;
            size = fmax(size, fmax(fabs(sample->values[i]), fabs(other)));
        }
    }
    if (out.n == 0) {
        return out;
    }
    out.mean = sum / out.n;
    for (int i = 0; i < sample->n; i++) {
        double delta = sample->values[i] - partner(reference, sample->seeds[i]);
        squares += isnan(delta) ? 0 : (delta - out.mean) * (delta - out.mean);
    }
    out.sd = out.n > 1 ? sqrt(squares / (out.n - 1)) : NAN;
    if (esp_is_constant(out.sd / sqrt(out.n), size)) { /* no sd of rounding errors; NaN stays */
        out.sd = 0;
    }
    return out;
}

double esp_variance_ratio(const esp_stats *stats, const esp_stats *reference)
{
    return stats->n > 1 && reference->n > 1 && reference->variance > 0
               ? stats->variance / reference->variance
               : NAN;
}
