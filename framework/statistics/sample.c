#include "statistics/sample.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

esp_moments esp_moments_of(const double *values, int n)
{
    esp_moments out = {.n = n, .mean = NAN, .variance = NAN, .sd = NAN};
    if (n < 1) {
        return out;
    }
    double sum = 0, first = 0, second = 0, size = 0;
    for (int i = 0; i < n; i++) {
        sum += values[i];
        size = fmax(size, fabs(values[i]));
    }
    out.mean = sum / n;
    for (int i = 0; i < n; i++) {
        const double off = values[i] - out.mean;
        first += off;
        second += off * off;
    }
    out.mean += first / n;
    if (n > 1) {
        const double squares = second - first * first / n;
        out.variance = (squares < 0 ? 0 : squares) / (n - 1);
        out.sd = sqrt(out.variance);
        if (esp_is_constant(out.sd / sqrt(n), size)) { /* no sd of rounding errors; NaN stays */
            out.variance = out.sd = 0;
        }
    }
    return out;
}

int esp_compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double esp_median(const double *values, int n)
{
    double *sorted = n > 0 ? malloc((size_t)n * sizeof *sorted) : NULL;
    if (sorted == NULL) {
        return NAN;
    }
    double sum = 0; /* NaN if any is */
    for (int i = 0; i < n; i++) {
        sum += values[i];
    }
    memcpy(sorted, values, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, esp_compare_doubles);
    const double median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    free(sorted);
    return isnan(sum) ? NAN : median;
}

esp_moments esp_moments_of_differences(const double *a, const double *b, int n)
{
    double *deltas = n > 0 ? malloc((size_t)n * sizeof *deltas) : NULL;
    if (deltas == NULL) {
        return esp_moments_of(NULL, 0);
    }
    double size = 0;
    for (int i = 0; i < n; i++) {
        deltas[i] = a[i] - b[i];
        size = fmax(size, fmax(fabs(a[i]), fabs(b[i])));
    }
    esp_moments out = esp_moments_of(deltas, n);
    free(deltas);
    if (esp_is_constant(out.sd / sqrt(n), size)) {
        out.variance = out.sd = 0;
        out.mean = esp_is_constant(fabs(out.mean), size) ? 0 : out.mean;
    }
    return out;
}

bool esp_is_constant(double standard_error, double size)
{
    return standard_error <= 10 * DBL_EPSILON * fabs(size);
}
