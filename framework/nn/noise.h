/* The random numbers a network draws in training: counter-based, keyed by trial, purpose and step,
 * so that a step drawn again is the same. */
#ifndef ESP_NN_NOISE_H
#define ESP_NN_NOISE_H

#include <stdint.h>

#include "espalier_plugin.h"

/* values (rows, B): 1 with probability p, else 0. Thread: the trial's. */
void esp_noise_bernoulli(esp_real *values, double p, uint64_t seed, const char *purpose,
                         uint32_t step, int rows, int n_examples, int stride);

/* values (rows, B): standard normal (Box and Muller 1958). Thread: the trial's. */
void esp_noise_normal(esp_real *values, uint64_t seed, const char *purpose, uint32_t step, int rows,
                      int n_examples, int stride);

#endif
