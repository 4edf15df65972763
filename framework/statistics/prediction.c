#include "statistics/prediction.h"

#include <math.h>
#include <stdlib.h>

#include "core/rng.h"
#include "statistics/distributions.h"
#include "statistics/sample.h"

static esp_interval middle(double *values, int n, double confidence)
{
    qsort(values, (size_t)n, sizeof *values, esp_compare_doubles);
    const int low = (int)floor((1 - confidence) / 2 * (n + 1));
    const int first = low < 1 ? 0 : low - 1;
    return (esp_interval){values[first], values[n - 1 - first]};
}

esp_prediction esp_predict_runs(int n, int runs, double confidence, int draws, uint64_t seed)
{
    esp_prediction out = {{NAN, NAN}, {NAN, NAN}, {NAN, NAN}};
    if (n < 2 || runs < 1 || draws < 1) {
        return out;
    }
    double *best = malloc((size_t)draws * sizeof *best);
    double *range = malloc((size_t)draws * sizeof *range);
    esp_rng rng = esp_rng_make(seed, "prediction", 0);
    for (int d = 0; best != NULL && range != NULL && d < draws; d++) {
        /* The mean and the sum of squares of n normal values, which are independent. */
        const double mean = esp_normal_draw(&rng) / sqrt(n);
        double squares = 0, most = -INFINITY, least = INFINITY;
        for (int i = 1; i < n; i++) {
            const double value = esp_normal_draw(&rng);
            squares += value * value;
        }
        for (int i = 0; i < runs; i++) {
            const double value = esp_normal_draw(&rng);
            most = fmax(most, value);
            least = fmin(least, value);
        }
        const double sd = sqrt(squares / (n - 1));
        best[d] = (most - mean) / sd;
        range[d] = (most - least) / sd;
    }
    if (best != NULL && range != NULL) {
        out.best = middle(best, draws, confidence);
        out.range = middle(range, draws, confidence);
        const double tail = (1 - confidence) / 2;
        if (runs > 1) {
            out.sd.low = sqrt(esp_f_quantile(tail, runs - 1, n - 1));
            out.sd.high = sqrt(esp_f_quantile(1 - tail, runs - 1, n - 1));
        }
    }
    free(best);
    free(range);
    return out;
}
