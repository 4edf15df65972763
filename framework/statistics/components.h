/* Where variance comes from, when a study crosses its sources of randomness. */
#ifndef ESP_STATISTICS_COMPONENTS_H
#define ESP_STATISTICS_COMPONENTS_H

enum { ESP_MOST_FACTORS = 3 };

typedef struct esp_component {
    int levels;
    double mean_square;
    double variance; /* what this factor adds to a run's; negative estimates are left as they are */
    double p;        /* of the F test that it adds nothing */
} esp_component;

typedef struct esp_components {
    int n_factors;
    esp_component factors[ESP_MOST_FACTORS];
    int residual_df;
    double residual; /* variance that no factor alone explains: interactions and all else */
} esp_components;

/* values [n]; levels [n_factors x n]: which level of each factor a value has, from 0. Random
 * effects without replication: value = mean + sum of effects + rest; method of moments. Everything
 * NaN unless every combination of levels is there exactly once and each factor has two levels or
 * more. Thread: any. Source: Searle, Casella and McCulloch 1992, chapter 4. */
esp_components esp_variance_components(const double *values, const int *levels, int n_factors,
                                       int n);

#endif
