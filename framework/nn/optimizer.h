/* Optimizers over one flat array of parameters. Equations as PyTorch's torch.optim, which the
 * published implementations use. */
#ifndef ESP_NN_OPTIMIZER_H
#define ESP_NN_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "espalier_plugin.h"

typedef enum esp_optimizer_rule { ESP_RULE_SGD, ESP_RULE_ADAM, ESP_RULE_ADAMW } esp_optimizer_rule;

typedef struct esp_optimizer {
    esp_optimizer_rule rule;
    double learning_rate;
    double beta1, beta2, epsilon;
    double
        weight_decay; /* AdamW: decoupled (Loshchilov & Hutter 2019); else added to the gradient */
    double momentum;  /* SGD */
    bool nesterov;    /* SGD: a step looks ahead by the momentum (Sutskever et al. 2013) */
    int64_t step;     /* steps since the last reset */
} esp_optimizer;

/* A step: begin counts it, apply takes it for a range of parameters. params, first, second [count]
 * updated; gradient [count] read. first: Adam's first moment or SGD's momentum buffer; second:
 * Adam's second moment, unused by SGD. Zero first and second and set step to 0 to reset. Source:
 * Kingma & Ba 2015, algorithm 1. Thread: the trial's. */
void esp_optimizer_begin(esp_optimizer *optimizer);
void esp_optimizer_apply(const esp_optimizer *optimizer, esp_real *params, esp_real *first,
                         esp_real *second, const esp_real *gradient, size_t count);

#endif
