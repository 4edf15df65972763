/* How large a cell's network is and what it costs. */
#ifndef ESP_STUDY_SIZE_H
#define ESP_STUDY_SIZE_H

#include "study/study.h"

typedef struct esp_size {
    double parameters;     /* heads included */
    double inference_macs; /* multiply-adds an example as served: one path, the chosen experts;
                              heads included */
    double training_macs;  /* multiply-adds an example, forward and backward, all leaves */
    int n_hidden;          /* columns of the fused product: nodes or gate, leaves, heads */
    double training_bytes; /* about what a trial holds of network, optimizer and best epochs; of a
                              whole cell */
} esp_size;

/* What is larger is a slip of the pen rather than a study: 64 GB a trial. */
#define ESP_MAX_TRAINING_BYTES 68719476736.0

/* The model alone, with F features and O outputs. Thread: any. */
esp_size esp_size_of_model(const esp_model_config *model, uint32_t n_features, uint32_t n_outputs);

/* The whole cell; heads say theirs. Errors: those of plugins
 * and data sets. Thread: one. */
int esp_size_of_cell(esp_size *out, const esp_cell *cell);

/* The epochs of all phases, if none stops early. Thread: any. */
int esp_cell_epochs(const esp_cell *cell);

/* How often they go through the training examples: less than the epochs where a phase of so many
 * steps ends within one. Thread: any. */
double esp_cell_passes(const esp_cell *cell);

/* What plugins are told of a cell's model in a phase. */
void esp_cell_dims(esp_dims *out, const esp_cell *cell, int phase, uint32_t n_features,
                   uint32_t n_outputs);

/* The leaf width at which a model, complete except for it, shares something with an fff:
 * "training_width", "inference_width", "parameters" or "inference_cost"; rounded to the nearest,
 * and below 1 where there is none. Heads are not counted. Thread: any. */
double esp_size_match(const char *what, const esp_model_config *model, const esp_model_config *fff,
                      uint32_t n_features, uint32_t n_outputs);

#endif
