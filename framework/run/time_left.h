/* How much of a run is done, and about how long the rest takes: from the epochs that were timed,
 * over the threads there are. Knows trials by their place in the order in which they begin. */
#ifndef ESP_RUN_TIME_LEFT_H
#define ESP_RUN_TIME_LEFT_H

#include <stdbool.h>

typedef struct esp_time_left esp_time_left;

/* A trial that is to be trained. */
typedef struct esp_time_left_trial {
    int cell;   /* trials of a cell take alike long */
    int epochs; /* all of it, done before or not */
    int done;   /* epochs that an earlier run is thought to have done */
} esp_time_left_trial;

/* work [n_cells]: of one epoch, in any unit: cells of which no epoch was timed yet are thought to
 * take as long for theirs as the others do. trials [n_trials] are copied. Errors: ESP_MEMORY.
 * Thread: one at a time, as all below. */
int esp_time_left_create(esp_time_left **out, int n_slots, const double *work, int n_cells,
                         const esp_time_left_trial *trials, int n_trials, double now);
void esp_time_left_destroy(esp_time_left *left);

/* A trial enters a slot with `done` epochs; finished one more; is over, or left the slot for
 * another run to continue. now: seconds that the process worked, as in all below. */
void esp_time_left_begin(esp_time_left *left, int slot, int trial, int done, double now);
void esp_time_left_epoch(esp_time_left *left, int slot, int done, double now);
void esp_time_left_end(esp_time_left *left, int slot, bool is_over, double now);

/* Another run has done it. */
void esp_time_left_elsewhere(esp_time_left *left, int trial);

/* Seconds until all trials are over, if none stops early; NAN where no epoch was timed yet. */
double esp_time_left_seconds(const esp_time_left *left, double now);

/* Seconds until the slot's trial is over; NAN as above. */
double esp_time_left_of_slot(const esp_time_left *left, int slot, double now);

/* The share of the work that is done, 1 only when all trials are over. */
double esp_time_left_share(const esp_time_left *left);

#endif
