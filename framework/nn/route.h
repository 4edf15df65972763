/* What routes: from scores to the weights of leaves and the hard choices, and back. */
#ifndef ESP_NN_ROUTE_H
#define ESP_NN_ROUTE_H

#include "nn/network.h"

/* Fills combine, mixture, choices and what else a kind of model has (path, load), of the last
 * forward's projections with their biases. Thread: the trial's. */
void esp_route(esp_network *network, esp_mode mode);

/* combine (L, B) = 1 for the one choice of each example, else 0. Thread: the trial's. */
void esp_route_by_choice(esp_network *network);

/* The gradient at the scores' rows of d_projections, of a gate also at the scale of its noise, from
 * d_combine and the views' gradients. Thread: the trial's. */
void esp_route_backward(esp_network *network);

#endif
