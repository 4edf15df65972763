#include "nn/clip.h"

#include <math.h>

void esp_clip_value(esp_real *gradient, const esp_range *ranges, int n_ranges, double limit)
{
    const esp_real bound = (esp_real)limit;
    for (int r = 0; r < n_ranges; r++) {
        esp_real *g = gradient + ranges[r].first;
        for (size_t i = 0; i < ranges[r].count; i++) {
            g[i] = g[i] > bound ? bound : g[i] < -bound ? -bound : g[i];
        }
    }
}

double esp_clip_norm(esp_real *gradient, const esp_range *ranges, int n_ranges, double limit)
{
    double squares = 0;
    for (int r = 0; r < n_ranges; r++) {
        const esp_real *g = gradient + ranges[r].first;
        for (size_t i = 0; i < ranges[r].count; i++) {
            squares += (double)g[i] * (double)g[i];
        }
    }
    const double norm = sqrt(squares);
    if (!(norm > limit) || !isfinite(norm)) {
        return norm;
    }
    const esp_real scale = (esp_real)(limit / norm);
    for (int r = 0; r < n_ranges; r++) {
        esp_real *g = gradient + ranges[r].first;
        for (size_t i = 0; i < ranges[r].count; i++) {
            g[i] *= scale;
        }
    }
    return norm;
}
