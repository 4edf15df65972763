/* How long an epoch of a cell takes on one core of this machine, by a few steps of it. */
#ifndef ESP_RUN_EPOCH_TIME_H
#define ESP_RUN_EPOCH_TIME_H

#include "study/study.h"

/* Trains a few steps of the first phase and evaluates a few batches, on data made up, in a process
 * of its own: a plugin that crashes or hangs costs nothing but the answer. *seconds: of the
 * processor, for an epoch with its evaluations; 0 where none came within seconds. BLAS must be
 * prepared. Errors: ESP_FAILED where there can be no such process. Thread: the process's only one.
 */
int esp_epoch_time(double *seconds, const esp_cell *cell);

#endif
