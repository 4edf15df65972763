/* A network's tensors: which it has, where they stand, what they start from. */
#ifndef ESP_NN_TENSORS_H
#define ESP_NN_TENSORS_H

#include "nn/network.h"

/* Fills tensors, n_parameters, n_trainable and ranges of a network whose sizes and heads are known.
 * Thread: the trial's. */
void esp_tensors_lay_out(esp_network *network);

#endif
