/* Trials side by side, each in a thread of its own, against one alone. */
#ifndef ESP_RUN_BENCH_TRIALS_H
#define ESP_RUN_BENCH_TRIALS_H

#include "plugin/registry.h"

/* Rounds in turn: a few epochs of one trial alone, of all at once, then a loop in registers
 * likewise. Ratios are medians over the rounds of the last thread's time over the one alone's. */
typedef struct esp_bench_side_by_side {
    double alone_seconds, at_once_seconds; /* of an epoch with evaluation and record, medians */
    double ratio;
    double machine_ratio; /* of the loop: cores that share units or a clock lose whatever they do */
} esp_bench_side_by_side;

/* Trains n_trials of a network, seeds 0, 1, ..., as a run does. The study stays in
 * <folder>/bench.yaml. Errors: as those of a run. Thread: one; BLAS must be prepared. */
int esp_bench_trials_measure(esp_bench_side_by_side *out, int training_width, int leaf_width,
                             const char *data, const char *folder, const esp_registry *registry,
                             int n_trials, int n_rounds);

enum { ESP_BENCH_ROUNDS = 1001, ESP_BENCH_TRIALS = 64 }; /* at most */

#endif
