/* Bounds on the gradient of one optimizer step. */
#ifndef ESP_NN_CLIP_H
#define ESP_NN_CLIP_H

#include <stddef.h>

#include "nn/network.h"

/* Brings each element of the ranges of gradient within +-limit. Thread: the trial's. */
void esp_clip_value(esp_real *gradient, const esp_range *ranges, int n_ranges, double limit);

/* Scales the ranges of gradient, taken as one vector, to the L2 norm limit where theirs is larger,
 * and returns theirs. One that is not finite is left alone. Source: Pascanu et al. 2013,
 * algorithm 1. Thread: the trial's. */
double esp_clip_norm(esp_real *gradient, const esp_range *ranges, int n_ranges, double limit);

#endif
