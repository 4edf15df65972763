#include "statistics/failures.h"

#include <math.h>

static double log_choose(int n, int k)
{
    int sign;
    return lgamma_r(n + 1.0, &sign) - lgamma_r(k + 1.0, &sign) - lgamma_r(n - k + 1.0, &sign);
}

/* Of fails_a given that `fails` of all failed (hypergeometric). */
static double probability(int fails_a, int n, int m, int fails)
{
    return exp(log_choose(n, fails_a) + log_choose(m, fails - fails_a) - log_choose(n + m, fails));
}

double esp_fisher_p(int fails_a, int n, int fails_b, int m)
{
    if (n < 1 || m < 1 || fails_a < 0 || fails_b < 0 || fails_a > n || fails_b > m) {
        return NAN;
    }
    const int fails = fails_a + fails_b;
    const int least = fails > m ? fails - m : 0, most = fails < n ? fails : n;
    const double seen = probability(fails_a, n, m, fails) * (1 + 1e-7); /* ties, as R */
    double p = 0;
    for (int k = least; k <= most; k++) {
        const double one = probability(k, n, m, fails);
        p += one <= seen ? one : 0;
    }
    return fmin(1, p);
}

double esp_fisher_smallest_p(int n, int m)
{
    return fmin(esp_fisher_p(n, n, 0, m), esp_fisher_p(0, n, m, m));
}
