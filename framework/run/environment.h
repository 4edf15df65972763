/* Provenance: what trained a trial. */
#ifndef ESP_RUN_ENVIRONMENT_H
#define ESP_RUN_ENVIRONMENT_H

#include "plugin/registry.h"
#include "study/study.h"

/* JSON of executable, plugins in use, source (the repository the program was built from,
 * git_state.h), repository (the study file's, else the working directory's, as it is now), study
 * (its name and the hash of its revision), compiler, flags, CPU, system, BLAS, libraries as loaded,
 * data sets. The same machine, build and study give the same text: what changes at every run is the
 * attempt's. unchecked: plugins that espalier does not ship were not checked. Takes
 * ESP_GIT_MILLISECONDS at most for git. *out owned by the caller (free). Errors: ESP_MEMORY,
 * ESP_IO. Thread: one, before others start. */
int esp_environment_describe(char **out, const esp_study *study, const esp_registry *registry,
                             bool unchecked, const esp_dataset *const *data, int n_data);

/* The part of it that tells whether a trial was done by other code: executable and plugins. */
int esp_environment_describe_code(char **out, const esp_study *study, const esp_registry *registry);

#endif
