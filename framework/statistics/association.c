#include "statistics/association.h"

#include <math.h>
#include <stdlib.h>

#include "statistics/differences.h"
#include "statistics/distributions.h"

void esp_midranks(double *ranks, const double *values, int n)
{
    for (int i = 0; i < n; i++) {
        int below = 0, same = 0;
        for (int j = 0; j < n; j++) {
            below += values[j] < values[i];
            same += values[j] == values[i];
        }
        ranks[i] = below + (same + 1) / 2.0;
    }
}

static double product(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

typedef struct orders {
    const double *a;
    double *b, middle, limit; /* the product when nothing goes together; how far off counts */
    int n;
    long all, as_far;
} orders;

/* Tries every order of b[from..n). */
static void permute(orders *of, int from)
{
    if (from == of->n) {
        of->all++;
        of->as_far += fabs(product(of->a, of->b, of->n) - of->middle) >= of->limit;
        return;
    }
    for (int i = from; i < of->n; i++) {
        const double here = of->b[from];
        of->b[from] = of->b[i];
        of->b[i] = here;
        permute(of, from + 1);
        of->b[i] = of->b[from];
        of->b[from] = here;
    }
}

esp_rank_correlation esp_spearman(const double *a, const double *b, int n)
{
    esp_rank_correlation out = {.n = n, .rho = NAN, .p = NAN};
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] + b[i];
    }
    double *ranks = n >= 3 && !isnan(sum) ? malloc(2 * (size_t)n * sizeof *ranks) : NULL;
    if (ranks == NULL) {
        return out;
    }
    double *of_a = ranks, *of_b = ranks + n;
    esp_midranks(of_a, a, n);
    esp_midranks(of_b, b, n);
    out.rho = esp_correlation(of_a, of_b, n);
    if (!isnan(out.rho) && n <= ESP_MOST_PERMUTED) {
        const double middle = n * (n + 1.0) * (n + 1.0) / 4;
        orders all = {.a = of_a, .b = of_b, .middle = middle, .n = n};
        all.limit = fabs(product(of_a, of_b, n) - middle) - 1e-9;
        permute(&all, 0);
        out.p = (double)all.as_far / (double)all.all;
        out.exact = true;
    } else if (!isnan(out.rho)) {
        const double t = fabs(out.rho) * sqrt((n - 2) / fmax(0, 1 - out.rho * out.rho));
        out.p = 2 * esp_student_upper(t, n - 2);
    }
    free(ranks);
    return out;
}
