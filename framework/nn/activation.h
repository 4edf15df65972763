/* Activations of hidden units. */
#ifndef ESP_NN_ACTIVATION_H
#define ESP_NN_ACTIVATION_H

#include <math.h>

#include "espalier_plugin.h"

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
__attribute__((simd("notinbranch"))) float erff(float);
__attribute__((simd("notinbranch"))) double erf(double);
#endif

/* Phi(z), exact: 0.5 (1 + erf(z / sqrt 2)). */
static inline esp_real esp_normal_cdf(esp_real z)
{
    const esp_real scale = (esp_real)0.70710678118654752440;
    return (esp_real)0.5 *
           (1 + (sizeof(esp_real) == sizeof(float) ? (esp_real)erff((float)(scale * z))
                                                   : (esp_real)erf((double)(scale * z))));
}

#endif
