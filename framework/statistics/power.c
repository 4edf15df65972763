#include "statistics/power.h"

#include <math.h>
#include <stdlib.h>

#include "core/rng.h"
#include "statistics/distributions.h"
#include "statistics/failures.h"
#include "statistics/spreads.h"

/* Of a t test whose statistic is off by `off` standard errors. */
static double t_power(double off, double df, double alpha)
{
    const double critical = esp_student_quantile(1 - alpha / 2, df);
    return 1 - esp_noncentral_t_cdf(critical, df, off) + esp_noncentral_t_cdf(-critical, df, off);
}

/* The off at which t_power is power. */
static double t_detectable(double df, double alpha, double power)
{
    if (!(power > alpha && power < 1)) {
        return NAN;
    }
    double low = 0, high = 1;
    while (t_power(high, df, alpha) < power && high < 1e6) {
        high *= 2;
    }
    for (int i = 0; i < 100 && high - low > 1e-13 * high; i++) {
        const double middle = (low + high) / 2;
        if (t_power(middle, df, alpha) < power) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}

double esp_paired_power(double difference, int n, double alpha)
{
    return n < 2 ? NAN : t_power(fabs(difference) * sqrt(n), n - 1, alpha);
}

double esp_paired_detectable(int n, double alpha, double power)
{
    return n < 2 ? NAN : t_detectable(n - 1, alpha, power) / sqrt(n);
}

/* The standard error of a difference and its degrees of freedom. */
static double welch_error(double *df, double sd_a, int n, double sd_b, int m)
{
    const double one = sd_a * sd_a / n, other = sd_b * sd_b / m;
    *df = (one + other) * (one + other) / (one * one / (n - 1) + other * other / (m - 1));
    return sqrt(one + other);
}

double esp_welch_power(double difference, double sd_a, int n, double sd_b, int m, double alpha)
{
    if (n < 2 || m < 2) {
        return NAN;
    }
    double df = 0;
    const double error = welch_error(&df, sd_a, n, sd_b, m);
    return t_power(fabs(difference) / error, df, alpha);
}

double esp_welch_detectable(double sd_a, int n, double sd_b, int m, double alpha, double power)
{
    if (n < 2 || m < 2) {
        return NAN;
    }
    double df = 0;
    const double error = welch_error(&df, sd_a, n, sd_b, m);
    return error * t_detectable(df, alpha, power);
}

static double welch_power_of(double difference, int n, double alpha)
{
    return esp_welch_power(difference, 1, n, 1, n, alpha);
}

static int seeds_for(double (*power_of)(double, int, double), double difference, double alpha,
                     double power)
{
    int low = 1, high = 2; /* low is not enough */
    while (high <= ESP_MOST_SEEDS && power_of(difference, high, alpha) < power) {
        low = high;
        high *= 2;
    }
    if (high > ESP_MOST_SEEDS) {
        return 0;
    }
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        if (power_of(difference, middle, alpha) < power) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

int esp_paired_seeds(double difference, double alpha, double power)
{
    return seeds_for(esp_paired_power, difference, alpha, power);
}

int esp_welch_seeds(double difference, double alpha, double power)
{
    return seeds_for(welch_power_of, difference, alpha, power);
}

/* ---- spread ---------------------------------------------------------------------------------- */

double esp_spread_power(double ratio, int n, int m, double alpha)
{
    if (n < 2 || m < 2 || !(ratio > 0)) {
        return NAN;
    }
    const double low = esp_f_quantile(alpha / 2, n - 1, m - 1);
    const double high = esp_f_quantile(1 - alpha / 2, n - 1, m - 1);
    const double square = ratio * ratio;
    return esp_f_cdf(low / square, n - 1, m - 1) + esp_f_upper(high / square, n - 1, m - 1);
}

double esp_spread_detectable(int n, int m, double alpha, double power)
{
    if (n < 2 || m < 2 || !(power > alpha && power < 1)) {
        return NAN;
    }
    double low = 0, high = 1; /* ln of the ratio */
    while (esp_spread_power(exp(high), n, m, alpha) < power && high < 64) {
        high *= 2;
    }
    for (int i = 0; i < 100 && high - low > 1e-14 * high; i++) {
        const double middle = (low + high) / 2;
        if (esp_spread_power(exp(middle), n, m, alpha) < power) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return exp((low + high) / 2);
}

double esp_brown_forsythe_power(double ratio, int n, int m, double alpha, int draws, uint64_t seed)
{
    double *values = n > 1 && m > 1 && draws > 0 ? malloc((size_t)(n + m) * sizeof *values) : NULL;
    if (values == NULL) {
        return NAN;
    }
    esp_rng rng = esp_rng_make(seed, "power", 0);
    int rejected = 0;
    for (int k = 0; k < draws; k++) {
        for (int i = 0; i < n + m; i++) {
            values[i] = esp_normal_draw(&rng) * (i < n ? ratio : 1);
        }
        rejected += esp_brown_forsythe(values, n, values + n, m).p <= alpha;
    }
    free(values);
    return (double)rejected / draws;
}

/* ---- failures -------------------------------------------------------------------------------- */

/* P(K = k), binomial. */
static double binomial(int k, int n, double rate)
{
    if (rate == 0 || rate == 1) {
        return k == (rate == 0 ? 0 : n);
    }
    int sign;
    return exp(lgamma_r(n + 1.0, &sign) - lgamma_r(k + 1.0, &sign) - lgamma_r(n - k + 1.0, &sign) +
               k * log(rate) + (n - k) * log1p(-rate));
}

double esp_fisher_power(double rate_a, int n, double rate_b, int m, double alpha)
{
    static const double negligible = 1e-16;
    if (n < 1 || m < 1 || !(rate_a >= 0 && rate_a <= 1 && rate_b >= 0 && rate_b <= 1)) {
        return NAN;
    }
    double power = 0;
    for (int k = 0; k <= m; k++) {
        const double other = binomial(k, m, rate_b);
        for (int i = 0; i <= n && other > negligible; i++) {
            const double both = other * binomial(i, n, rate_a);
            power += both > negligible && esp_fisher_p(i, n, k, m) <= alpha ? both : 0;
        }
    }
    return power;
}

double esp_fisher_detectable(int n, double rate_b, int m, double alpha, double power)
{
    if (!(esp_fisher_power(1, n, rate_b, m, alpha) >= power)) {
        return NAN;
    }
    double low = rate_b, high = 1;
    for (int i = 0; i < 50; i++) {
        const double middle = (low + high) / 2;
        if (esp_fisher_power(middle, n, rate_b, m, alpha) < power) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}
