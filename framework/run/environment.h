/* Provenance: what trained a trial. */
#ifndef ESP_RUN_ENVIRONMENT_H
#define ESP_RUN_ENVIRONMENT_H

#include "plugin/registry.h"
#include "study/study.h"

/* JSON of executable, plugins in use, compiler, flags, BLAS, CPU, libraries and data sets: the same
 * machine and build give the same text. *out owned by the caller (free). Errors: ESP_MEMORY,
 * ESP_IO. Thread: one. */
int esp_environment_describe(char **out, const esp_study *study, const esp_registry *registry,
                             const esp_dataset *const *data, int n_data);

#endif
