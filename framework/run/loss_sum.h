/* The weighted sum of loss terms that a trial minimizes: calls the term plugins on a network's
 * views and adds up their derivatives. */
#ifndef ESP_RUN_LOSS_SUM_H
#define ESP_RUN_LOSS_SUM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/rng.h"
#include "nn/network.h"
#include "plugin/instance.h"
#include "study/study.h"

typedef struct esp_loss_sum {
    int n_terms;
    esp_instance terms[ESP_MAX_TERMS];
    double weights[ESP_MAX_TERMS];
    bool scheduled[ESP_MAX_TERMS]; /* its weight changes within the phase: measured at 0 too */
    bool monitored[ESP_MAX_TERMS]; /* evaluated although its weight is 0 */
    bool usable[ESP_MAX_TERMS];    /* false: it looks at what this model does not have */
    /* one term's derivatives at a time, as laid out in the network */
    esp_real *d_logits, *d_scores, *d_probabilities, *d_mixture, *d_load;
    /* penalties on parameters; NULL where no term needs them */
    esp_real *d_parameters, *d_parameters_sum;
    int n_spans;
    esp_span spans[ESP_NETWORK_MAX_TENSORS];
    esp_real *span_gradients[ESP_NETWORK_MAX_TENSORS];
    int64_t *counts; /* [L] hard choices since the last step; NULL where no term acts after steps */
    esp_real *routing_bias; /* [L] guarded copy of the network's, for a term's call */
    esp_arena arena;
} esp_loss_sum;

/* Where in training a call happens, for plugins and for messages. */
typedef struct esp_position {
    int epoch;
    int batch; /* from 1 within the epoch */
    int64_t step;
} esp_position;

/* Makes instances of a phase's terms for this network. out must not move afterwards. A term of
 * weight 0 may decline this network, and is then never called; so is one that lacks a view. Errors:
 * ESP_PLUGIN, ESP_MEMORY. Thread: the trial's. */
int esp_loss_sum_create(esp_loss_sum *out, const esp_phase_config *phase,
                        const esp_network *network, esp_rng *noise);
void esp_loss_sum_destroy(esp_loss_sum *sum);

/* Takes over another phase's weights, as at its beginning, and parameters; states are kept. */
void esp_loss_sum_set_phase(esp_loss_sum *sum, const esp_phase_config *phase);

/* The weights at a time within the phase. */
void esp_loss_sum_set_time(esp_loss_sum *sum, const esp_phase_config *phase, esp_phase_time time);

/* Whether training calls a term. */
bool esp_loss_sum_trains(const esp_loss_sum *sum, int term);

/* After a forward in training: total and values [n_terms] (NaN where not called) of this batch, and
 * the network's d_* views overwritten with the derivatives of the total. Terms of weight 0 are not
 * called, or where a schedule is at 0 called as in evaluation, without gradients. Allocates nothing
 * after the first calls. Errors: ESP_FAILED naming term, epoch and batch where a term fails or is
 * not finite. Thread: the trial's. */
int esp_loss_sum_differentiate(esp_loss_sum *sum, double *total, double *values,
                               esp_network *network, esp_position position);

/* After the network's backward: adds what penalties on parameters contribute to its gradients. */
void esp_loss_sum_add_parameter_gradients(esp_loss_sum *sum, esp_network *network);

/* After the optimizer's step: lets terms with a weight move the network's routing bias, by the hard
 * choices of all batches that were differentiated since the last step. Allocates nothing. Errors:
 * ESP_FAILED naming term, epoch and batch. Thread: the trial's. */
int esp_loss_sum_after_step(esp_loss_sum *sum, esp_network *network, esp_position position);

/* Whether evaluation calls a term: it can be used here, and has a weight or is monitored. */
bool esp_loss_sum_evaluates(const esp_loss_sum *sum, int term);

/* In evaluation: values [n_terms] of the terms of a role that evaluation calls, on the given logits
 * (soft or hard); others untouched. What terms log on hard logits is dropped: their metrics are of
 * the soft mixture. Errors: as above, except that values may be infinite or NaN.
 * Thread: the trial's. */
int esp_loss_sum_evaluate(esp_loss_sum *sum, double *values, esp_role role,
                          const esp_network *network, const esp_real *logits,
                          esp_position position);

#endif
