#include "statistics/failures.h"

#include <math.h>

/* How much likelier k + 1 failures of a are than k, `fails` having failed in all (hypergeometric).
 */
static double step(int k, int n, int m, int fails)
{
    return (double)(n - k) * (fails - k) / ((k + 1.0) * (m - fails + k + 1.0));
}

double esp_fisher_p(int fails_a, int n, int fails_b, int m)
{
    if (n < 1 || m < 1 || fails_a < 0 || fails_b < 0 || fails_a > n || fails_b > m) {
        return NAN;
    }
    const int fails = fails_a + fails_b;
    const int least = fails > m ? fails - m : 0, most = fails < n ? fails : n;
    static const double tied = 1 + 1e-7; /* as likely as the one seen, as R has it */
    double all = 1, no_likelier = 1, weight = 1;
    for (int k = fails_a; k < most; k++) {
        weight *= step(k, n, m, fails);
        all += weight;
        no_likelier += weight <= tied ? weight : 0;
    }
    weight = 1;
    for (int k = fails_a; k > least; k--) {
        weight /= step(k - 1, n, m, fails);
        all += weight;
        no_likelier += weight <= tied ? weight : 0;
    }
    return no_likelier / all;
}

double esp_fisher_smallest_p(int n, int m)
{
    return fmin(esp_fisher_p(n, n, 0, m), esp_fisher_p(0, n, m, m));
}
