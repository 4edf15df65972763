/* In which order the trials of a run begin. */
#ifndef ESP_RUN_ORDER_H
#define ESP_RUN_ORDER_H

#include <stdbool.h>

#include "data/dataset.h"
#include "store/store.h"
#include "study/study.h"

typedef struct esp_order {
    int *todo;          /* [n] trials of the study, sorted in place */
    int *epochs_done;   /* [n] of these, by earlier runs; written */
    double *epoch_work; /* [study->n_cells] of one epoch of a cell that has such a trial, in
                           multiply-adds; written, 0 for the others */
} esp_order;

/* The longest trials first, so that no thread is left with one when the others are done; of those
 * that take alike long, the study's order. Which is a matter of the study and of what is stored,
 * not of the machine. partitions: by cell; stored, anew: by trial, what earlier runs did and
 * whether that is trained again. Errors: ESP_MEMORY. Thread: one. */
int esp_order_longest_first(const esp_order *order, int n, const esp_study *study,
                            const esp_partition *const *partitions, const esp_store_trial *stored,
                            const bool *anew);

#endif
