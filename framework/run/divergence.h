/* What of a trial is no longer finite, by name. */
#ifndef ESP_RUN_DIVERGENCE_H
#define ESP_RUN_DIVERGENCE_H

#include "run/training.h"

/* What to blame for a value that is not finite: writes "tensor 'w1s' is", "the projections of the
 * input are", "the output of head 'master_leaf' is" or "the logits are" of the last forward pass in
 * training; false where all of these are finite.
 * Thread: the trial's. */
bool esp_divergence_of_network(char out[96], const esp_network *network);

/* After an evaluation: a network whose parameters, moments or losses are not finite has diverged,
 * though its last gradient was finite. Errors: ESP_FAILED naming tensor, or split and loss term,
 * and epoch. Thread: the trial's. */
int esp_divergence_check(const esp_training *training);

#endif
