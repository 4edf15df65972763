#include "statistics/differences.h"

#include <math.h>
#include <stdlib.h>

#include "statistics/distributions.h"
#include "statistics/sample.h"

/* t, p and the interval from estimate, error and df. size: of the values, to see what is rounding.
 */
static void conclude(esp_difference *out, double size, double confidence)
{
    if (isnan(out->standard_error) || esp_is_constant(out->standard_error, size)) {
        out->t = out->p = out->effect = NAN;
        out->interval = (esp_interval){NAN, NAN};
        return;
    }
    out->t = out->estimate / out->standard_error;
    out->p = 2 * esp_student_upper(fabs(out->t), out->df);
    out->interval = esp_difference_interval(out, confidence);
}

esp_interval esp_difference_interval(const esp_difference *difference, double confidence)
{
    if (isnan(difference->t)) {
        return (esp_interval){NAN, NAN};
    }
    return esp_interval_about(difference->estimate, difference->standard_error, difference->df,
                              confidence);
}

esp_difference esp_paired_t(const double *a, const double *b, int n, double confidence)
{
    const esp_moments moments = esp_moments_of_differences(a, b, n);
    esp_difference out = {.n = n,
                          .m = n,
                          .estimate = moments.mean,
                          .standard_error = moments.sd / sqrt(n),
                          .df = n > 1 ? n - 1 : NAN,
                          .effect = moments.mean / moments.sd};
    conclude(&out, 0, confidence);
    return out;
}

/* Hedges' g: what a small sample overstates, taken back exactly. */
static double hedges(const esp_moments *a, const esp_moments *b)
{
    const int df = a->n + b->n - 2;
    const double pooled = sqrt(((a->n - 1) * a->variance + (b->n - 1) * b->variance) / df);
    int sign;
    const double correction =
        exp(lgamma_r(df / 2.0, &sign) - lgamma_r((df - 1) / 2.0, &sign)) / sqrt(df / 2.0);
    return correction * (a->mean - b->mean) / pooled;
}

esp_difference esp_welch_t(const double *a, int n, const double *b, int m, double confidence)
{
    const esp_moments left = esp_moments_of(a, n), right = esp_moments_of(b, m);
    esp_difference out = {
        .n = n, .m = m, .estimate = left.mean - right.mean, .standard_error = NAN, .df = NAN};
    if (n > 1 && m > 1) {
        const double one = left.variance / n, other = right.variance / m;
        out.standard_error = sqrt(one + other);
        out.df = (one + other) * (one + other) / (one * one / (n - 1) + other * other / (m - 1));
        out.effect = hedges(&left, &right);
    }
    conclude(&out, fmax(fabs(left.mean), fabs(right.mean)), confidence);
    return out;
}

double esp_correlation(const double *a, const double *b, int n)
{
    const esp_moments left = esp_moments_of(a, n), right = esp_moments_of(b, n);
    if (n < 3 || isnan(left.sd) || isnan(right.sd) || esp_is_constant(left.sd, left.mean) ||
        esp_is_constant(right.sd, right.mean)) {
        return NAN;
    }
    double products = 0;
    for (int i = 0; i < n; i++) {
        products += (a[i] - left.mean) / left.sd * ((b[i] - right.mean) / right.sd);
    }
    return fmin(1, fmax(-1, products / (n - 1)));
}

double esp_equivalence_p(const esp_difference *difference, double margin)
{
    if (!(margin > 0) || isnan(difference->t)) {
        return NAN;
    }
    const double worst = (fabs(difference->estimate) - margin) / difference->standard_error;
    return esp_student_cdf(worst, difference->df);
}
