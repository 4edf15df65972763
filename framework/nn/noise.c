#include "nn/noise.h"

#include "core/rng.h"

void esp_noise_bernoulli(esp_real *values, double p, uint64_t seed, const char *purpose,
                         uint32_t step, int rows, int n_examples, int stride)
{
    esp_rng rng = esp_rng_make(seed, purpose, step);
    for (int row = 0; row < rows; row++) {
        for (int b = 0; b < n_examples; b++) {
            values[(ptrdiff_t)row * stride + b] = esp_rng_uniform(&rng) < p;
        }
    }
}

void esp_noise_normal(esp_real *values, uint64_t seed, const char *purpose, uint32_t step, int rows,
                      int n_examples, int stride)
{
    esp_rng rng = esp_rng_make(seed, purpose, step);
    for (int row = 0; row < rows; row++) {
        for (int b = 0; b < n_examples; b++) {
            const double radius = sqrt(-2 * log(1 - esp_rng_uniform(&rng)));
            const double angle = 6.283185307179586 * esp_rng_uniform(&rng);
            values[(ptrdiff_t)row * stride + b] = (esp_real)(radius * cos(angle));
        }
    }
}
