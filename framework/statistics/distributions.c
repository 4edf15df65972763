#include "statistics/distributions.h"

#include <float.h>
#include <math.h>

/* ln gamma without the global that lgamma() sets. */
static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

/* ---- incomplete beta and gamma --------------------------------------------------------------- */

/* Lentz's method divides by what may vanish; this stands in its place. */
static const double tiny = 1e-300;

static double nonzero(double x)
{
    return fabs(x) < tiny ? tiny : x;
}

/* The continued fraction of I_x(a, b), which converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
    enum { MOST = 100000 };
    double c = 1, d = 1 / nonzero(1 - (a + b) * x / (a + 1)), value = d;
    for (int m = 1; m < MOST; m++) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / nonzero(1 + even * d);
        c = nonzero(1 + even / c);
        value *= d * c;
        d = 1 / nonzero(1 + odd * d);
        c = nonzero(1 + odd / c);
        value *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON) {
            break;
        }
    }
    return value;
}

/* I_x(a, b) with y = 1 - x, which the caller may know better than by subtraction. */
static double incomplete_beta(double x, double y, double a, double b)
{
    if (!(a > 0 && b > 0 && x >= 0 && y >= 0)) {
        return NAN;
    }
    if (x == 0 || y == 0) {
        return x == 0 ? 0 : 1;
    }
    const double log_front =
        log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log(y);
    if (x < (a + 1) / (a + b + 2)) {
        return exp(log_front) * beta_fraction(x, a, b) / a;
    }
    return 1 - exp(log_front) * beta_fraction(y, b, a) / b;
}

double esp_incomplete_beta(double x, double a, double b)
{
    return incomplete_beta(x, 1 - x, a, b);
}

/* Upper regularized incomplete gamma function Q(a, x); a > 0, x >= 0. Source: the series DLMF 8.7.1
 * below x = a + 1, the continued fraction DLMF 8.9.2 above. */
static double incomplete_gamma_upper(double a, double x)
{
    enum { MOST = 100000 };
    if (!(a > 0 && x >= 0)) {
        return NAN;
    }
    if (x == 0 || isinf(x)) {
        return x == 0 ? 1 : 0;
    }
    const double front = exp(a * log(x) - x - log_gamma(a));
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (int n = 1; n < MOST && term > sum * DBL_EPSILON / 4; n++) {
            term *= x / (a + n);
            sum += term;
        }
        return 1 - front * sum;
    }
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, value = d;
    for (int n = 1; n < MOST; n++) {
        const double numerator = -n * (n - a);
        b += 2;
        d = 1 / nonzero(numerator * d + b);
        c = nonzero(b + numerator / c);
        value *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON) {
            break;
        }
    }
    return front * value;
}

/* Up to here the recurrence, from here on the series. */
static const double asymptotic = 12;

double esp_digamma(double x)
{
    if (!(x > 0)) {
        return NAN;
    }
    double sum = 0;
    for (; x < asymptotic; x++) {
        sum -= 1 / x;
    }
    const double w = 1 / (x * x);
    return sum + log(x) - 0.5 / x -
           w * (1.0 / 12 -
                w * (1.0 / 120 -
                     w * (1.0 / 252 - w * (1.0 / 240 - w * (1.0 / 132 - w * 691.0 / 32760)))));
}

double esp_trigamma(double x)
{
    if (!(x > 0)) {
        return NAN;
    }
    double sum = 0;
    for (; x < asymptotic; x++) {
        sum += 1 / (x * x);
    }
    const double w = 1 / (x * x);
    return sum + 1 / x + w / 2 +
           w / x *
               (1.0 / 6 -
                w * (1.0 / 30 -
                     w * (1.0 / 42 - w * (1.0 / 30 - w * (5.0 / 66 - w * 691.0 / 2730)))));
}

/* ---- quantiles ------------------------------------------------------------------------------- */

typedef struct distribution {
    double (*cdf)(double x, double a, double b);
    double (*density)(double x, double a, double b);
    double a, b;
} distribution;

/* The x between low and high where the distribution function is p: Newton's steps, halving the
 * bracket where they leave it. */
static double solve(const distribution *at, double p, double low, double high, double start)
{
    enum { MOST = 400 };
    double x = start;
    for (int i = 0; i < MOST; i++) {
        const double error = at->cdf(x, at->a, at->b) - p;
        if (error == 0) {
            break;
        }
        if (error > 0) {
            high = x;
        } else {
            low = x;
        }
        double next = x - error / at->density(x, at->a, at->b);
        if (!(next > low && next < high)) {
            next = low + (high - low) / 2;
        }
        if (fabs(next - x) <= 2 * DBL_EPSILON * fabs(next) || next == low || next == high) {
            x = next;
            break;
        }
        x = next;
    }
    return x;
}

/* ---- normal ---------------------------------------------------------------------------------- */

double esp_normal_density(double x)
{
    return exp(-x * x / 2) * 0.39894228040143267794; /* 1 / sqrt(2 pi) */
}

double esp_normal_cdf(double x)
{
    return erfc(-x * M_SQRT1_2) / 2;
}

static double normal_cdf(double x, double a, double b)
{
    (void)a;
    (void)b;
    return esp_normal_cdf(x);
}

static double normal_density(double x, double a, double b)
{
    (void)a;
    (void)b;
    return esp_normal_density(x);
}

double esp_normal_quantile(double p)
{
    if (!(p >= 0 && p <= 1)) {
        return NAN;
    }
    if (p == 0 || p == 1) {
        return p == 0 ? -INFINITY : INFINITY;
    }
    const distribution normal = {normal_cdf, normal_density, 0, 0};
    return p <= 0.5 ? solve(&normal, p, -40, 0.1, -1) : -esp_normal_quantile(1 - p);
}

double esp_normal_draw(esp_rng *rng)
{
    const double radius = sqrt(-2 * log1p(-esp_rng_uniform(rng)));
    return radius * cos(2 * M_PI * esp_rng_uniform(rng));
}

/* ---- Student --------------------------------------------------------------------------------- */

double esp_student_upper(double t, double df)
{
    if (!(df > 0) || isnan(t)) {
        return NAN;
    }
    const double square = t * t;
    if (isinf(square)) {
        return t > 0 ? 0 : 1;
    }
    const double tail =
        incomplete_beta(df / (df + square), square / (df + square), df / 2, 0.5) / 2;
    return t >= 0 ? tail : 1 - tail;
}

double esp_student_cdf(double t, double df)
{
    return esp_student_upper(-t, df);
}

static double student_cdf(double t, double df, double unused)
{
    (void)unused;
    return esp_student_cdf(t, df);
}

static double student_density(double t, double df, double unused)
{
    (void)unused;
    return exp(log_gamma((df + 1) / 2) - log_gamma(df / 2) - (df + 1) / 2 * log1p(t * t / df)) /
           sqrt(df * M_PI);
}

double esp_student_quantile(double p, double df)
{
    if (!(p >= 0 && p <= 1 && df > 0)) {
        return NAN;
    }
    if (p == 0 || p == 1 || p == 0.5) {
        return p == 0.5 ? 0 : p == 0 ? -INFINITY : INFINITY;
    }
    if (p > 0.5) {
        return -esp_student_quantile(1 - p, df);
    }
    const distribution student = {student_cdf, student_density, df, 0};
    double low = fmin(esp_normal_quantile(p), -1e-300);
    const double start = low;
    while (esp_student_cdf(low, df) > p && low > -1e150) {
        low *= 4;
    }
    return solve(&student, p, low, 0, start);
}

/* ---- F, chi-square, beta --------------------------------------------------------------------- */

double esp_f_cdf(double f, double df1, double df2)
{
    return esp_f_upper(1 / f, df2, df1);
}

double esp_f_upper(double f, double df1, double df2)
{
    if (!(df1 > 0 && df2 > 0 && f >= 0)) {
        return NAN;
    }
    if (isinf(f)) {
        return 0;
    }
    const double whole = df2 + df1 * f;
    return incomplete_beta(df2 / whole, df1 * f / whole, df2 / 2, df1 / 2);
}

double esp_f_quantile(double p, double df1, double df2)
{
    if (!(p >= 0 && p <= 1 && df1 > 0 && df2 > 0)) {
        return NAN;
    }
    /* The smaller of x and 1 - x is solved for, so that neither end loses its digits. */
    const double x = esp_beta_quantile(p, df1 / 2, df2 / 2);
    if (x < 0.5) {
        return df2 * x / (df1 * (1 - x));
    }
    const double y = esp_beta_quantile(1 - p, df2 / 2, df1 / 2);
    return y == 0 ? INFINITY : df2 * (1 - y) / (df1 * y);
}

double esp_chi_square_upper(double x, double df)
{
    return incomplete_gamma_upper(df / 2, x / 2);
}

static double beta_density(double x, double a, double b)
{
    return exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + (a - 1) * log(x) +
               (b - 1) * log1p(-x));
}

double esp_beta_quantile(double p, double a, double b)
{
    if (!(p >= 0 && p <= 1 && a > 0 && b > 0)) {
        return NAN;
    }
    if (p == 0 || p == 1) {
        return p;
    }
    const distribution beta = {esp_incomplete_beta, beta_density, a, b};
    return solve(&beta, p, 0, 1, a / (a + b));
}

/* ---- noncentral t ---------------------------------------------------------------------------- */

double esp_noncentral_t_cdf(double t, double df, double noncentrality)
{
    enum { MOST = 100000 };
    if (!(df > 0) || isnan(t) || isnan(noncentrality)) {
        return NAN;
    }
    if (isinf(t)) {
        return t > 0 ? 1 : 0;
    }
    if (t < 0) {
        return 1 - esp_noncentral_t_cdf(-t, df, -noncentrality);
    }
    /* Past this the weights underflow; the t is then as good as normal about its noncentrality
     * (Abramowitz and Stegun 26.7.10). */
    if (fabs(noncentrality) > 37.5) {
        const double s = 1 / (4 * df);
        return esp_normal_cdf((t * (1 - s) - noncentrality) / sqrt(1 + t * t * 2 * s));
    }
    const double x = t * t / (df + t * t), y = df / (df + t * t);
    const double half = noncentrality * noncentrality / 2;
    double p = exp(-half) / 2, q = sqrt(2 / M_PI) * noncentrality * exp(-half) / 2, sum = 0;
    double left = 0.5 - p;
    for (int j = 0; j < MOST && x > 0; j++) {
        const double term =
            p * incomplete_beta(x, y, j + 0.5, df / 2) + q * incomplete_beta(x, y, j + 1, df / 2);
        sum += term;
        if (left < 1e-16 || (j > half && fabs(term) < 1e-17)) {
            break;
        }
        p *= half / (j + 1);
        q *= half / (j + 1.5);
        left -= p;
    }
    return fmin(1, fmax(0, sum + esp_normal_cdf(-noncentrality)));
}
