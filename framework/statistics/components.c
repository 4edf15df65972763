#include "statistics/components.h"

#include <math.h>
#include <stdbool.h>

#include "statistics/distributions.h"
#include "statistics/sample.h"

static int levels_of(const int *levels, int n)
{
    int most = -1;
    for (int i = 0; i < n; i++) {
        most = levels[i] > most ? levels[i] : most;
    }
    return most + 1;
}

/* Whether every combination of levels is there once. */
static bool is_crossed(const esp_components *all, const int *levels, int n)
{
    long combinations = 1;
    for (int f = 0; f < all->n_factors; f++) {
        combinations *= all->factors[f].levels;
        if (all->factors[f].levels < 2 || combinations > n) {
            return false;
        }
    }
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++) {
            int same = 0;
            for (int f = 0; f < all->n_factors; f++) {
                same += levels[f * n + i] == levels[f * n + j];
            }
            if (same == all->n_factors) {
                return false;
            }
        }
    }
    return combinations == n;
}

esp_components esp_variance_components(const double *values, const int *levels, int n_factors,
                                       int n)
{
    esp_components out = {.n_factors = n_factors, .residual = NAN};
    for (int f = 0; f < n_factors; f++) {
        out.factors[f] = (esp_component){levels_of(levels + f * n, n), NAN, NAN, NAN};
    }
    const esp_moments moments = esp_moments_of(values, n);
    if (n_factors < 1 || !is_crossed(&out, levels, n) || isnan(moments.variance)) {
        return out;
    }
    double rest = moments.variance * (n - 1);
    int df = n - 1;
    for (int f = 0; f < n_factors; f++) {
        double squares = 0;
        const double each = (double)n / out.factors[f].levels;
        for (int level = 0; level < out.factors[f].levels; level++) {
            double sum = 0;
            for (int i = 0; i < n; i++) {
                sum += levels[f * n + i] == level ? values[i] - moments.mean : 0;
            }
            squares += sum * sum / each;
        }
        out.factors[f].mean_square = squares / (out.factors[f].levels - 1);
        rest -= squares;
        df -= out.factors[f].levels - 1;
    }
    out.residual_df = df;
    out.residual = df > 0 ? fmax(0, rest) / df : NAN;
    for (int f = 0; f < n_factors; f++) {
        esp_component *factor = &out.factors[f];
        factor->variance = (factor->mean_square - out.residual) * factor->levels / n;
        factor->p = out.residual > 0
                        ? esp_f_upper(factor->mean_square / out.residual, factor->levels - 1, df)
                        : NAN;
    }
    return out;
}
