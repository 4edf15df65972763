/* Where more runs would land, given the values of some: how another's best and spread of runs are
 * told from what luck gives. */
#ifndef ESP_STATISTICS_PREDICTION_H
#define ESP_STATISTICS_PREDICTION_H

#include <stdint.h>

#include "statistics/intervals.h"

/* In sds of the n values at hand; all NaN for n < 2 or runs < 1. */
typedef struct esp_prediction {
    esp_interval best;  /* (best of the new runs - mean of the n) / sd of the n; higher is better */
    esp_interval range; /* their best - worst; 0 for one run: the studentized range */
    esp_interval sd;    /* their sd: sqrt of F; NaN for one run */
} esp_prediction;

/* Prediction intervals of `runs` new values from the same normal distribution, its mean and sd
 * known from the n values alone: (max - mean) / sd and range / sd do not depend on either, so they
 * are simulated once for any data, by draws of the generator's stream "prediction" at seed; all NaN
 * without memory. Thread: any. Source: Hahn 1970 for the idea; David and Nagaraja 2003. */
esp_prediction esp_predict_runs(int n, int runs, double confidence, int draws, uint64_t seed);

#endif
