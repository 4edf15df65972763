/* One network being trained on one data set: everything a trial owns while it runs, and its two
 * operations, an epoch and an evaluation. Knows nothing of databases, files or other trials. */
#ifndef ESP_RUN_TRAINING_H
#define ESP_RUN_TRAINING_H

#include <stdatomic.h>

#include "core/arena.h"
#include "core/rng.h"
#include "data/dataset.h"
#include "nn/localized.h"
#include "nn/network.h"
#include "nn/optimizer.h"
#include "run/evaluate.h"
#include "run/loss_sum.h"
#include "study/study.h"

/* The best network so far by one monitor. */
typedef struct esp_best {
    int epoch; /* 0: none yet */
    double value;
    int phase, phase_epoch; /* where that epoch stands */
    int64_t phase_steps;
    esp_real *parameters; /* [n_parameters] */
} esp_best;

/* Each split's terms, mixture statistics, and all that plugins may log; train's twice. */
enum {
    ESP_MAX_EXTRA =
        (ESP_N_SPLITS + 1) * (ESP_MAX_TERMS + 3 + ESP_MAX_LOGGED * (ESP_MAX_TERMS + ESP_MAX_HEADS))
};

typedef struct esp_training {
    const esp_cell *cell;
    const esp_trial *trial;
    esp_network *network;
    esp_loss_sum losses;
    int n_heads;
    esp_instance heads[ESP_MAX_HEADS];
    esp_rng noise;
    esp_optimizer optimizer;
    esp_real *first_moment, *second_moment; /* [n_trainable] */
    esp_real *gathered;      /* [n_trainable] of a step's earlier batches; NULL: no phase has any */
    esp_localized localized; /* no memory where no phase has a localized optimizer */
    esp_plateau plateau;     /* of the phase's learning rate */
    esp_view_of_data splits[ESP_N_SPLITS];
    char *const *class_names; /* of the data set, NULL where its labels are numbers */
    float *scales, *shifts;   /* [n_features] of a normalization that is measured */
    uint32_t *order;          /* this epoch's order of the training examples */

    int phase;           /* index of the current one */
    int epoch;           /* last finished, through all phases */
    int phase_epoch;     /* last finished within the phase */
    int64_t phase_steps; /* optimizer steps within the phase, step: within the trial */
    int64_t step;
    int64_t batches; /* within the trial; keys what is drawn */
    int n_best;
    esp_best best[ESP_MAX_MONITORS];
    double stopping_best; /* early stopping: NaN before the phase's first epoch */
    int stopping_waited;

    /* of the last epoch */
    double running_loss, running_soft_accuracy;
    double running_terms[ESP_MAX_TERMS]; /* NaN: not called */
    double seconds;                      /* of its training and its evaluations */
    int64_t *running_leaf_counts;        /* [L] */
    esp_evaluation evaluations[ESP_N_SPLITS];
    /* what plugins logged, with terms and mixture statistics: names and values by split */
    int n_extra;
    esp_extra_metric extra[ESP_MAX_EXTRA];
    char extra_names[ESP_MAX_EXTRA][96];
    esp_arena arena;
} esp_training;

/* Prepares an untrained network (initial weights drawn) with all the memory training needs. data
 * and partition outlive it. Errors: ESP_MEMORY, ESP_PLUGIN. Thread: the trial's. */
int esp_training_create(esp_training **out, const esp_cell *cell, const esp_trial *trial,
                        const esp_dataset *data, const esp_partition *partition);
void esp_training_destroy(esp_training *training);

/* Enters a phase at its beginning: weights of terms, optimizer, start_from. Thread: the trial's. */
void esp_training_enter_phase(esp_training *training, int phase);

/* The same for a phase that is continued from a checkpoint: only what the study says of it. */
void esp_training_continue_phase(esp_training *training, int phase);

/* The same where a finished epoch stood, to evaluate it again: weights of terms are as at its last
 * step. */
void esp_training_stand_at(esp_training *training, int phase, int epoch, int phase_epoch,
                           int64_t phase_steps);

/* Whether any phase has a localized optimizer. */
bool esp_training_is_localized(const esp_training *training);

/* Forgets the optimizer's moments, steps and what it gathered. */
void esp_training_restart_optimizer(esp_training *training);

/* One step on the next examples of training->order, in batches of the phase's size, their gradients
 * averaged over examples; batch: number of the first within the epoch. *correct and *loss_sum are
 * added to. Allocates nothing. Errors: ESP_FAILED naming the culprit. Thread: the trial's. */
int esp_training_step(esp_training *training, uint32_t first, uint32_t count, int batch,
                      double *loss_sum, int64_t *correct);

/* Trains one epoch, or what of it the phase's steps leave, and counts it. stop: given up early with
 * ESP_INTERRUPTED, and then the network is of no further use, once it is not 0. Errors: as above.
 * Thread: the trial's, which takes denormal numbers for zero from then on. */
int esp_training_epoch(esp_training *training, const atomic_int *stop);

/* Evaluates the splits asked for (evaluations[split].done tells) and collects `extra`.
 * Thread: the trial's. */
int esp_training_evaluate(esp_training *training, const bool splits[ESP_N_SPLITS]);

/* SHA-256 over all parameters. Thread: the trial's. */
int esp_training_digest(char hex[65], const esp_training *training);

#endif
