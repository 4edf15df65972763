#include "statistics/holm.h"

#include <math.h>
#include <stdlib.h>

static int by_p(const void *left, const void *right)
{
    const double a = **(const double *const *)left, b = **(const double *const *)right;
    return (a > b) - (a < b);
}

void esp_holm(double *adjusted, const double *p, int n)
{
    const double **sorted = n > 0 ? malloc((size_t)n * sizeof *sorted) : NULL;
    int tests = 0;
    for (int i = 0; i < n; i++) {
        if (sorted != NULL && !isnan(p[i])) {
            sorted[tests++] = &p[i];
        }
        adjusted[i] = sorted != NULL ? p[i] : NAN;
    }
    if (tests > 0) {
        qsort(sorted, (size_t)tests, sizeof *sorted, by_p);
    }
    double largest = 0;
    for (int k = 0; k < tests; k++) {
        const double *one = sorted[k];
        largest = fmax(largest, fmin(1, *one * (tests - k)));
        adjusted[one - p] = largest;
    }
    free(sorted);
}
