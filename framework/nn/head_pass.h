/* The heads of a network: its logits through all of them in written order, and back. What a head
 * writes - its output, the gradients of its input, projections and tensors - stands between guard
 * bytes: a head that writes outside them ends the trial and is named. */
#ifndef ESP_NN_HEAD_PASS_H
#define ESP_NN_HEAD_PASS_H

#include "nn/network.h"

/* logits (O, B), the network's own logits or hard_logits, are overwritten. keep_inputs: for
 * backward. evaluate: heads may log. Errors: ESP_FAILED, naming the head. Thread: the trial's. */
int esp_heads_forward(esp_network *network, esp_real *logits, esp_mode mode, bool keep_inputs,
                      bool evaluate);

/* After a forward with keep_inputs and with gradients zeroed: d_logits becomes the gradient at the
 * model's own logits; fills the heads' rows of d_projections and their tensors' gradients. Errors
 * and thread: as forward. */
int esp_heads_backward(esp_network *network);

#endif
