/* The gate of a mixture of experts: from gate logits to the weights of the experts and back.
 * E experts, K of them chosen for each of B examples; arrays are (rows, B) with the example index
 * fastest, stride elements between rows.
 *   H = z + n sigma                        noisy logits; n standard normal, 0 at inference
 *   sigma = softplus(r) + epsilon          epsilon: 0 by eq. 4 of 1701.06538, 0.01 in its codes
 *   chosen = the K largest of H + bias     bias moves the choice only, never a weight
 *   top k:   c = softmax of H over the chosen, 0 elsewhere            (1701.06538, eq. 3-5)
 *   switch:  c = softmax of H over all; an expert's output is weighted by c where chosen, else 0
 *                                                                     (2101.03961, eq. 1-2)
 *   load[i] = sum over examples of P(i would be chosen if its noise were drawn again)
 *           = Phi((z_i - kth greatest of the other H) / sigma_i)      (1701.06538, eq. 8-10);
 *             without noise, how often i is chosen: a constant.
 */
#ifndef ESP_NN_GATE_H
#define ESP_NN_GATE_H

#include "nn/architecture.h"

typedef struct esp_gate {
    int n_experts, top_k;
    esp_gate_kind kind;
    int n_examples, stride;
    const esp_real *logits;    /* z (E, B) */
    const esp_real *raw_noise; /* r (E, B), or NULL: no noise */
    const esp_real *normals;   /* n (E, B), or NULL: none is drawn (inference) */
    double noise_epsilon;      /* epsilon */
    const esp_real *bias;      /* [E] */
    esp_real *noisy;           /* H (E, B) */
    esp_real *mixture;         /* c (E, B); sums to 1 over E */
    esp_real *combine;         /* (E, B) what weighs the experts' outputs; top k: mixture itself */
    int32_t *choices;          /* (K, B) by falling H + bias */
    esp_real *load;            /* [E] */
} esp_gate;

/* Fills noisy, mixture, combine, choices and load. Ties go to the expert of lower index. Thread:
 * the trial's. */
void esp_gate_forward(esp_gate *gate);

/* After forward: d_logits (E, B) += and d_raw_noise (E, B) overwritten (NULL without noise) with
 * what d_mixture (E, B), d_combine (E, B; top k: the same array) and d_load [E] come to. The choice
 * itself is a constant; the threshold within load is not. Thread: the trial's. */
void esp_gate_backward(esp_real *d_logits, esp_real *d_raw_noise, const esp_gate *gate,
                       const esp_real *d_mixture, const esp_real *d_combine,
                       const esp_real *d_load);

#endif
