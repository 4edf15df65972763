/* Networks on disk: models under the published tensor names, and the whole state of a training so
 * that it continues to the same bits. */
#ifndef ESP_RUN_CHECKPOINT_H
#define ESP_RUN_CHECKPOINT_H

#include "nn/network.h"
#include "plugin/registry.h"
#include "run/training.h"

/* Where a model comes from, as its file says under these names: the trial, and the study, variant,
 * cell and seed that it was trained for. A trial that studies share has the study that trained it.
 */
enum { ESP_FROM_TRIAL, ESP_FROM_STUDY, ESP_FROM_VARIANT, ESP_FROM_CELL, ESP_FROM_SEED, ESP_N_FROM };
extern const char *const esp_from_names[ESP_N_FROM];

/* Writes parameters (laid out as the network's) as a model trained for a study; the same parameters
 * and study give the same bytes. digest [65]: SHA-256 of the file, may be NULL. Errors: ESP_IO.
 * Thread: any. */
int esp_checkpoint_write_model(const char *path, char *digest, const esp_training *training,
                               const char *study, const esp_real *parameters);

/* Writes and reads all that a training needs to go on from the end of an epoch: parameters,
 * optimizer, best networks, plugin states, position. Reading refuses a file of another trial or
 * shape (ESP_DATA); the training is then unchanged or must be discarded. Thread: the trial's. */
int esp_checkpoint_write_state(const char *path, const esp_training *training);
int esp_checkpoint_read_state(esp_training *training, const char *path);

/* A model opened for evaluation: ours say what they are in their metadata, published ones (fff) are
 * told by their shapes. */
typedef struct esp_model {
    esp_network *network;
    int n_heads;
    esp_instance heads[ESP_NETWORK_MAX_HEADS];
    esp_rng noise;
    double mean, std;                /* normalization it was trained with; published: 0.5, 0.5 */
    esp_normalization normalization; /* scales NULL: mean and std hold; else owned */
    esp_partition_rule partition;    /* of train, when it was trained; published: all; keep owned */
    int n_class_names;
    char **class_names;     /* of labels that are text; NULL: labels are numbers */
    char *trained_on;       /* data set, "" where the file does not say */
    char *data_digest;      /* its content, where test was split off it; else "" */
    char *from[ESP_N_FROM]; /* NULL where the file does not say */
} esp_model;

/* Errors: ESP_NOT_FOUND, ESP_DATA naming file, tensor, expected and found. *out owned by the
 * caller. Thread: one. */
int esp_model_open(esp_model **out, const char *path, int batch_size, const esp_registry *registry);
void esp_model_close(esp_model *model);

/* Where the model of a file comes from; each NULL where the file does not say, else owned by the
 * caller. Errors: as above. Thread: any. */
int esp_model_read_from(char *from[ESP_N_FROM], const char *path);

#endif
