#include "statistics/pooled.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "statistics/distributions.h"
#include "statistics/sample.h"

/* size: of the values, to see what is rounding; below the differences' own it is theirs. */
static esp_pooled_difference pool(const double *deltas, double size, int cells, int seeds,
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
    double sum = 0, squares = 0;
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
        out.standard_error = 0;
        return out;
    }
    out.t = out.estimate / out.standard_error;
    out.p = 2 * esp_student_upper(fabs(out.t), out.df);
    out.interval = esp_interval_about(out.estimate, out.standard_error, out.df, confidence);
    return out;
}

esp_pooled_difference esp_pool_differences(const double *deltas, int cells, int seeds,
                                           double confidence)
{
    return pool(deltas, 0, cells, seeds, confidence);
}

esp_pooled_difference esp_pool_pairs(const double *a, const double *b, int cells, int seeds,
                                     double confidence)
{
    const size_t n = (size_t)cells * (size_t)seeds;
    double *deltas = malloc((n + 1) * sizeof *deltas);
    double size = 0;
    for (size_t i = 0; i < n && deltas != NULL; i++) {
        deltas[i] = a[i] - b[i];
        size = isnan(deltas[i]) ? size : fmax(size, fmax(fabs(a[i]), fabs(b[i])));
    }
    const esp_pooled_difference out = pool(deltas, size, deltas ? cells : 0, seeds, confidence);
    free(deltas);
    return out;
}

/* ---- spread ---------------------------------------------------------------------------------- */

/* ln sd of a row without the seed `left_out` (-1: of all of it). NaN where it does not vary. */
static double log_sd(const double *row, int seeds, int left_out, double *scratch)
{
    int n = 0;
    for (int s = 0; s < seeds; s++) {
        if (s != left_out && !isnan(row[s])) {
            scratch[n++] = row[s];
        }
    }
    const esp_moments moments = esp_moments_of(scratch, n);
    return isnan(moments.sd) || esp_is_constant(moments.sd, moments.mean) ? NAN : log(moments.sd);
}

/* ratios [seeds + 1]: of a cell, the log ratio without each seed, then that of all. Whether all of
 * them are defined. */
static bool cell_ratios(double *ratios, const double *a, const double *b, int seeds,
                        double *scratch)
{
    for (int s = 0; s <= seeds; s++) {
        const int left_out = s < seeds ? s : -1;
        ratios[s] = log_sd(a, seeds, left_out, scratch) - log_sd(b, seeds, left_out, scratch);
        if (isnan(ratios[s])) {
            return false;
        }
    }
    return true;
}

esp_spread_by_seed esp_pool_spreads_by_seed(const double *a, const double *b, int cells, int seeds,
                                            double confidence)
{
    esp_spread_by_seed out = {
        .log_ratio = NAN, .standard_error = NAN, .df = NAN, .p = NAN, .interval = {NAN, NAN}};
    const size_t room = seeds > 0 ? (size_t)seeds + 1 : 1;
    double *sums = calloc(4 * room, sizeof *sums); /* over cells, as ratios of one */
    if (sums == NULL || seeds < 1) {
        free(sums);
        return out;
    }
    double *ratios = sums + room, *scratch = ratios + room, *touched = scratch + room;
    for (int c = 0; c < cells; c++) {
        const double *left = a + (long)c * seeds, *right = b + (long)c * seeds;
        if (!cell_ratios(ratios, left, right, seeds, scratch)) {
            continue;
        }
        out.cells++;
        for (int s = 0; s <= seeds; s++) {
            sums[s] += ratios[s];
            touched[s] += s < seeds && (!isnan(left[s]) || !isnan(right[s]));
        }
    }
    /* What each seed makes of the mean: S times all, less S - 1 times all but this one. */
    for (int s = 0; s < seeds; s++) {
        out.seeds += touched[s] > 0;
    }
    int n = 0;
    for (int s = 0; s < seeds; s++) {
        if (touched[s] > 0) {
            scratch[n++] = (out.seeds * sums[seeds] - (out.seeds - 1) * sums[s]) / out.cells;
        }
    }
    const esp_moments moments = esp_moments_of(scratch, n);
    free(sums);
    if (out.cells == 0) {
        return out;
    }
    out.log_ratio = moments.mean;
    out.standard_error = moments.sd / sqrt(n);
    out.df = n - 1;
    if (esp_is_constant(out.standard_error, 1)) {
        return out;
    }
    const double t = out.log_ratio / out.standard_error;
    out.p = 2 * esp_student_upper(fabs(t), out.df);
    out.interval = esp_interval_about(out.log_ratio, out.standard_error, out.df, confidence);
    return out;
}
