#include "statistics/spreads.h"

#include <math.h>
#include <stdlib.h>

#include "statistics/distributions.h"
#include "statistics/sample.h"

/* NaN where there is none to speak of. */
static double sd_of(const double *values, int n)
{
    const esp_moments moments = esp_moments_of(values, n);
    return isnan(moments.sd) || esp_is_constant(moments.sd, moments.mean) ? NAN : moments.sd;
}

esp_spread_ratio esp_log_sd_ratio(const double *a, int n, const double *b, int m, double confidence)
{
    esp_spread_ratio out = {.n = n, .m = m, .log_ratio = NAN, .p = NAN, .interval = {NAN, NAN}};
    const double one = sd_of(a, n), other = sd_of(b, m);
    if (isnan(one) || isnan(other)) {
        return out;
    }
    const double f = one / other * (one / other), tail = (1 - confidence) / 2;
    out.log_ratio = log(f) / 2;
    out.p = fmin(1, 2 * fmin(esp_f_cdf(f, n - 1, m - 1), esp_f_upper(f, n - 1, m - 1)));
    out.interval.low = out.log_ratio - log(esp_f_quantile(1 - tail, n - 1, m - 1)) / 2;
    out.interval.high = out.log_ratio - log(esp_f_quantile(tail, n - 1, m - 1)) / 2;
    return out;
}

static double log_sd_bias(int n)
{
    const double half = (n - 1) / 2.0;
    return (esp_digamma(half) - log(half)) / 2;
}

static double log_sd_variance(int n)
{
    return esp_trigamma((n - 1) / 2.0) / 4;
}

esp_pooled_spread esp_pool_spreads(const double *sd_a, const int *n_a, const double *sd_b,
                                   const int *n_b, int cells, double confidence)
{
    esp_pooled_spread out = {.log_ratio = NAN,
                             .standard_error = NAN,
                             .p = NAN,
                             .homogeneity_p = NAN,
                             .interval = {NAN, NAN}};
    double weights = 0, sum = 0, squares = 0;
    for (int i = 0; i < cells; i++) {
        if (n_a[i] < 2 || n_b[i] < 2 || !(sd_a[i] > 0) || !(sd_b[i] > 0)) {
            continue;
        }
        const double ratio = log(sd_a[i] / sd_b[i]) - log_sd_bias(n_a[i]) + log_sd_bias(n_b[i]);
        const double weight = 1 / (log_sd_variance(n_a[i]) + log_sd_variance(n_b[i]));
        weights += weight;
        sum += weight * ratio;
        squares += weight * ratio * ratio;
        out.cells++;
    }
    if (out.cells == 0) {
        return out;
    }
    out.log_ratio = sum / weights;
    out.standard_error = 1 / sqrt(weights);
    out.p = 2 * esp_normal_cdf(-fabs(out.log_ratio) / out.standard_error);
    const double reach = out.standard_error * esp_normal_quantile((1 + confidence) / 2);
    out.interval = (esp_interval){out.log_ratio - reach, out.log_ratio + reach};
    if (out.cells > 1) {
        out.homogeneity_p =
            esp_chi_square_upper(fmax(0, squares - sum * out.log_ratio), out.cells - 1);
    }
    return out;
}

/* Distances of one sample from its median. */
typedef struct distances {
    double mean, squares; /* squares: of deviations from the mean */
    double size;          /* of the values */
} distances;

static distances distances_of(double *scratch, const double *values, int n)
{
    const double median = esp_median(values, n);
    for (int i = 0; i < n; i++) {
        scratch[i] = fabs(values[i] - median);
    }
    const esp_moments moments = esp_moments_of(scratch, n);
    return (distances){moments.mean, moments.variance * (n - 1), fabs(median) + moments.mean};
}

esp_spread_test esp_brown_forsythe(const double *a, int n, const double *b, int m)
{
    esp_spread_test out = {.n = n, .m = m, .f = NAN, .df = n + m - 2, .p = NAN};
    double *scratch = n > 1 && m > 1 ? malloc((size_t)(n > m ? n : m) * sizeof *scratch) : NULL;
    if (scratch == NULL) {
        return out;
    }
    const distances one = distances_of(scratch, a, n), other = distances_of(scratch, b, m);
    free(scratch);
    const double off = one.mean - other.mean, between = off * off * n * m / (n + m);
    const double error = sqrt((one.squares + other.squares) / out.df);
    if (isnan(error) || esp_is_constant(error, fmax(one.size, other.size))) {
        return out;
    }
    out.f = between / (error * error);
    out.p = esp_f_upper(out.f, 1, out.df);
    return out;
}

double esp_expected_best(int n)
{
    if (n < 1) {
        return NAN;
    }
    /* The trapezoidal rule, which converges faster than any power of the step here. Half of the
     * line at a time: x and -x together, so that n = 1 gives 0. */
    static const double step = 1.0 / 64, most = 12;
    double sum = 0;
    for (double x = step; x < most; x += step) {
        const double upper = pow(esp_normal_cdf(x), n - 1), lower = pow(esp_normal_cdf(-x), n - 1);
        sum += x * esp_normal_density(x) * (upper - lower);
    }
    return n * sum * step;
}
