#include "statistics/pooled.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "statistics/distributions.h"
#include "statistics/sample.h"

esp_pooled_difference esp_pool_differences(const double *deltas, int cells, int seeds,
                                           double confidence)
{
    esp_pooled_difference out = {.estimate = NAN,
                                 .standard_error = NAN,
                                 .t = NAN,
                                 .df = NAN,
                                 .p = NAN,
                                 .interval = {NAN, NAN}};
    /* What each seed adds to the estimate beyond its cells' means, times the number of cells. */
    double *share = calloc((size_t)(seeds > 0 ? seeds : 1), sizeof *share);
    double sum = 0, size = 0, squares = 0;
    for (int c = 0; c < cells && share != NULL; c++) {
        const double *row = deltas + (long)c * seeds;
        double total = 0;
        int n = 0;
        for (int s = 0; s < seeds; s++) {
            total += isnan(row[s]) ? 0 : row[s];
            size = isnan(row[s]) ? size : fmax(size, fabs(row[s]));
            n += !isnan(row[s]);
        }
        if (n == 0) {
            continue;
        }
        out.cells++;
        out.pairs += n;
        sum += total / n;
        for (int s = 0; s < seeds; s++) {
            share[s] += isnan(row[s]) ? 0 : (row[s] - total / n) / n;
        }
    }
    for (int s = 0; s < seeds && share != NULL; s++) {
        bool any = false;
        for (int c = 0; c < cells; c++) {
            any = any || !isnan(deltas[(long)c * seeds + s]);
        }
        out.seeds += any;
        squares += share[s] * share[s];
    }
    free(share);
    if (out.cells == 0) {
        return out;
    }
    out.estimate = sum / out.cells;
    if (out.seeds < 2) {
        return out;
    }
    out.df = out.seeds - 1;
    out.standard_error = sqrt(squares * out.seeds / out.df) / out.cells;
    if (esp_is_constant(out.standard_error, size)) {
        return out;
    }
    out.t = out.estimate / out.standard_error;
    out.p = 2 * esp_student_upper(fabs(out.t), out.df);
    const double reach = out.standard_error * esp_student_quantile((1 + confidence) / 2, out.df);
    out.interval = (esp_interval){out.estimate - reach, out.estimate + reach};
    return out;
}
