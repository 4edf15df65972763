/* Do two things go together over seeds? */
#ifndef ESP_STATISTICS_ASSOCIATION_H
#define ESP_STATISTICS_ASSOCIATION_H

#include <stdbool.h>

/* Ranks from 1, ties sharing their mean. ranks [n], values [n]. Thread: any. */
void esp_midranks(double *ranks, const double *values, int n);

enum { ESP_MOST_PERMUTED = 8 }; /* pairs of which all orders are tried */

typedef struct esp_rank_correlation {
    int n;
    double rho, p; /* two-sided */
    bool exact;
} esp_rank_correlation;

/* Spearman's rank correlation of a [n] and b [n]. p counts all orders of b, ties and all, up to
 * ESP_MOST_PERMUTED; above, by Student's t with n - 2 degrees of freedom, as SciPy. NaN below three
 * pairs, where either does not vary, for NaN among the values, and without memory. Thread: any.
 * Source: Spearman 1904. */
esp_rank_correlation esp_spearman(const double *a, const double *b, int n);

#endif
