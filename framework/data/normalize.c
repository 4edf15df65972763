#include <math.h>
#include <string.h>

#include "data/dataset.h"

const char *esp_normalize_kind_name(esp_normalize_kind kind)
{
    static const char *const names[] = {"fixed", "per_feature", "per_channel"};
    return names[kind];
}

esp_normalization esp_normalization_fixed(double mean, double std, int is_float)
{
    return (esp_normalization){.scale = (float)(1 / ((is_float ? 1 : 255) * std)),
                               .shift = (float)(-mean / std)};
}

/* Adds a row to the sums, or its squared distances from the means. */
static void add_row(double *sums, const double *means, const esp_examples *examples, size_t index,
                    uint32_t n_features)
{
    const size_t start = index * n_features;
    for (uint32_t j = 0; j < n_features; j++) {
        double value = examples->values != NULL ? (double)examples->values[start + j]
                                                : examples->features[start + j];
        value -= means != NULL ? means[j] : 0;
        sums[j] += means != NULL ? value * value : value;
    }
}

/* Makes sums of features means: of each, or of all of its channel. */
static void average(double *sums, const esp_dataset *dataset, uint32_t count, int by_channel)
{
    const uint32_t plane = dataset->image_rows * dataset->image_columns;
    for (uint32_t start = 0; by_channel && start < dataset->n_features; start += plane) {
        double sum = 0;
        for (uint32_t j = start; j < start + plane; j++) {
            sum += sums[j];
        }
        for (uint32_t j = start; j < start + plane; j++) {
            sums[j] = sum / plane;
        }
    }
    for (uint32_t j = 0; j < dataset->n_features; j++) {
        sums[j] /= count;
    }
}

void esp_normalization_measure(float *scales, float *shifts, double *sums,
                               const esp_dataset *dataset, const esp_partition *partition,
                               esp_normalize_kind kind)
{
    const uint32_t n_features = dataset->n_features, count = partition->n_train;
    const int by_channel = kind == ESP_NORMALIZE_PER_CHANNEL;
    double *means = sums, *variances = sums + n_features;
    memset(sums, 0, 2 * (size_t)n_features * sizeof *sums);
    for (uint32_t i = 0; i < count; i++) {
        add_row(means, NULL, &dataset->train, partition->train[i], n_features);
    }
    average(means, dataset, count, by_channel);
    for (uint32_t i = 0; i < count; i++) {
        add_row(variances, means, &dataset->train, partition->train[i], n_features);
    }
    average(variances, dataset, count, by_channel);
    for (uint32_t j = 0; j < n_features; j++) {
        const double deviation = variances[j] > 0 ? sqrt(variances[j]) : 1;
        scales[j] = (float)(1 / deviation);
        shifts[j] = (float)(-means[j] / deviation);
    }
}
