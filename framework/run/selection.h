/* What a trial decides by its metrics: which epoch is best, when a phase ends, what must be
 * measured for that. */
#ifndef ESP_RUN_SELECTION_H
#define ESP_RUN_SELECTION_H

#include "run/training.h"

/* Whether the last epoch needs an exact evaluation on train: by the study's cadence, or because a
 * monitor looks at it. */
bool esp_selection_needs_train(const esp_training *training);

/* The last epoch's value of a monitored metric, NaN where it was not measured. */
double esp_selection_metric(const esp_training *training, const esp_monitor *monitor);

/* Keeps the last epoch's network where it is the best so far by a monitor: strictly better, so ties
 * take the earliest epoch. Epochs outside of selection.phases and values that are not finite do not
 * count. Thread: the trial's. */
void esp_selection_update(esp_training *training);

/* Takes the last epoch into early stopping's memory. */
void esp_stopping_update(esp_training *training);

/* The same for a learning rate that waits for a plateau: may change the rate and restart the
 * optimizer. */
void esp_rate_update(esp_training *training);

/* Whether the phase is over: all its epochs or steps are done, or none of the last `patience` ones
 * improved on the best by more than min_delta. */
bool esp_phase_is_over(const esp_training *training);

/* Enters the next phase where the current one is over. False where the last one is: the trial has
 * ended. */
bool esp_phase_advance(esp_training *training);

#endif
