#include "run/divergence.h"

#include <math.h>
#include <stdio.h>

#include "core/status.h"

#define ADVICE "; a smaller learning rate may help"

/* The first tensor one of whose values is not finite, of [n_parameters] or, of the optimizer,
 * [n_trainable]; NULL where all are. */
static const char *tensor_not_finite(const esp_network *network, const esp_real *all, size_t count)
{
    for (int i = 0; i < network->n_tensors; i++) {
        const esp_tensor *tensor = &network->tensors[i];
        int bad = 0;
        for (size_t k = tensor->offset; k < tensor->offset + tensor->count && k < count; k++) {
            bad |= !(all[k] - all[k] == 0);
        }
        if (bad) {
            return tensor->name;
        }
    }
    return NULL;
}

static bool rows_are_finite(const esp_real *values, int rows, const esp_network *network)
{
    for (int r = 0; values != NULL && r < rows; r++) {
        for (int b = 0; b < network->n_examples; b++) {
            if (!isfinite(values[(size_t)r * (size_t)network->stride + (size_t)b])) {
                return false;
            }
        }
    }
    return true;
}

/* The head that made logits not finite of such as were; NULL: the model did. */
static const char *head_not_finite(const esp_network *network)
{
    for (int i = network->config.n_heads - 1; i >= 0; i--) {
        if (rows_are_finite(network->heads[i].input, network->config.n_outputs, network)) {
            return network->config.heads[i]->plugin->name;
        }
    }
    return NULL;
}

bool esp_divergence_of_network(char out[96], const esp_network *network)
{
    const char *tensor = tensor_not_finite(network, network->parameters, network->n_parameters);
    if (tensor != NULL) {
        snprintf(out, 96, "tensor '%s' is", tensor);
    } else if (!rows_are_finite(network->projections, network->n_projections, network)) {
        snprintf(out, 96, "the projections of the input are");
    } else if (!rows_are_finite(network->logits, network->config.n_outputs, network)) {
        const char *head = head_not_finite(network);
        snprintf(out, 96, head != NULL ? "the output of head '%s' is" : "the logits are", head);
    } else {
        return false;
    }
    return true;
}

/* The task term whose value is not finite; NULL where it is their sum or the hard logits' alone. */
static const char *term_not_finite(const esp_training *training, const esp_evaluation *evaluation)
{
    const esp_loss_sum *losses = &training->losses;
    for (int i = 0; i < losses->n_terms; i++) {
        if (losses->usable[i] && losses->weights[i] != 0 &&
            losses->terms[i].plugin->role == ESP_TASK && !isfinite(evaluation->terms[i])) {
            return losses->terms[i].plugin->name;
        }
    }
    return NULL;
}

int esp_divergence_check(const esp_training *training)
{
    const esp_network *network = training->network;
    const esp_real *const moments[] = {training->first_moment, training->second_moment};
    const char *tensor = tensor_not_finite(network, network->parameters, network->n_parameters);
    if (tensor != NULL) {
        return esp_fail(
            ESP_FAILED,
            "diverged at epoch %d: tensor '%s' is not finite after its last batch" ADVICE,
            training->epoch, tensor);
    }
    /* a square that overflowed would keep a parameter from ever moving again, in silence */
    for (int i = 0; i < 2; i++) {
        tensor = tensor_not_finite(network, moments[i], network->n_trainable);
        if (tensor != NULL) {
            return esp_fail(ESP_FAILED,
                            "diverged at epoch %d: the optimizer's moments of tensor '%s' are not "
                            "finite: a gradient was too large" ADVICE,
                            training->epoch, tensor);
        }
    }
    for (int s = 0; s < ESP_N_SPLITS; s++) {
        const esp_evaluation *evaluation = &training->evaluations[s];
        const char *split = esp_split_name((esp_split)s);
        if (!evaluation->done || (isfinite(evaluation->metrics[ESP_SOFT_LOSS]) &&
                                  isfinite(evaluation->metrics[ESP_HARD_LOSS]))) {
            continue;
        }
        const char *term = term_not_finite(training, evaluation);
        if (term != NULL) {
            return esp_fail(ESP_FAILED,
                            "diverged at epoch %d: loss term '%s' is not finite on %s, first in "
                            "batch %d of its evaluation" ADVICE,
                            training->epoch, term, split, evaluation->first_not_finite);
        }
        return esp_fail(
            ESP_FAILED,
            "diverged at epoch %d: the %s loss on %s is not finite, first in batch %d of "
            "its evaluation" ADVICE,
            training->epoch, isfinite(evaluation->metrics[ESP_SOFT_LOSS]) ? "hard" : "soft", split,
            evaluation->first_not_finite);
    }
    return ESP_OK;
}
