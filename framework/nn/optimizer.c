#include "nn/optimizer.h"

#include <math.h>

/* Written for both element types: sqrt of the type at hand, so the loop stays in its registers. */
#define SQRT(x) _Generic((x), float : sqrtf, double : sqrt)(x)

static void adam_step(esp_real *restrict params, esp_real *restrict first,
                      esp_real *restrict second, const esp_real *restrict gradient, size_t count,
                      const esp_optimizer *o)
{
    const double correction1 = 1 - pow(o->beta1, (double)o->step);
    const double correction2 = 1 - pow(o->beta2, (double)o->step);
    const esp_real beta1 = (esp_real)o->beta1, keep1 = (esp_real)(1 - o->beta1);
    const esp_real beta2 = (esp_real)o->beta2, keep2 = (esp_real)(1 - o->beta2);
    const esp_real size = (esp_real)(o->learning_rate / correction1);
    const esp_real scale = (esp_real)(1 / sqrt(correction2));
    const esp_real epsilon = (esp_real)o->epsilon;
    const int decoupled = o->rule == ESP_RULE_ADAMW;
    const esp_real shrink = (esp_real)(decoupled ? 1 - o->learning_rate * o->weight_decay : 1);
    const esp_real penalty = (esp_real)(decoupled ? 0 : o->weight_decay);
    for (size_t i = 0; i < count; i++) {
        esp_real g = gradient[i] + penalty * params[i];
        esp_real m = beta1 * first[i] + keep1 * g;
        esp_real v = beta2 * second[i] + keep2 * g * g;
        first[i] = m;
        second[i] = v;
        params[i] = shrink * params[i] - size * m / (SQRT(v) * scale + epsilon);
    }
}

static void sgd_step(esp_real *restrict params, esp_real *restrict velocity,
                     const esp_real *restrict gradient, size_t count, const esp_optimizer *o)
{
    const esp_real momentum = (esp_real)o->momentum, penalty = (esp_real)o->weight_decay;
    const esp_real rate = (esp_real)o->learning_rate;
    for (size_t i = 0; i < count; i++) {
        esp_real v = momentum * velocity[i] + gradient[i] + penalty * params[i];
        velocity[i] = v;
        params[i] -= rate * v;
    }
}

/* As torch.optim.SGD: along gradient + momentum * velocity, the velocity already moved on. */
static void nesterov_step(esp_real *restrict params, esp_real *restrict velocity,
                          const esp_real *restrict gradient, size_t count, const esp_optimizer *o)
{
    const esp_real momentum = (esp_real)o->momentum, penalty = (esp_real)o->weight_decay;
    const esp_real rate = (esp_real)o->learning_rate;
    for (size_t i = 0; i < count; i++) {
        esp_real g = gradient[i] + penalty * params[i];
        esp_real v = momentum * velocity[i] + g;
        velocity[i] = v;
        params[i] -= rate * (g + momentum * v);
    }
}

void esp_optimizer_begin(esp_optimizer *optimizer)
{
    optimizer->step++;
}

void esp_optimizer_apply(const esp_optimizer *optimizer, esp_real *params, esp_real *first,
                         esp_real *second, const esp_real *gradient, size_t count)
{
    if (optimizer->rule == ESP_RULE_SGD && optimizer->nesterov) {
        nesterov_step(params, first, gradient, count, optimizer);
    } else if (optimizer->rule == ESP_RULE_SGD) {
        sgd_step(params, first, gradient, count, optimizer);
    } else {
        adam_step(params, first, second, gradient, count, optimizer);
    }
}
