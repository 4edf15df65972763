/* Labeled images or vectors, held once as bytes and shared, read-only, by all threads. */
#ifndef ESP_DATA_DATASET_H
#define ESP_DATA_DATASET_H

#include <stdint.h>
#include <stdio.h>

typedef enum esp_split { ESP_TRAIN, ESP_VALIDATION, ESP_TEST, ESP_N_SPLITS } esp_split;

/* "train", "validation", "test". Thread: any. */
const char *esp_split_name(esp_split split);

typedef struct esp_examples {
    uint32_t count;
    const uint8_t *features; /* [count x n_features], row by row, 0..255 */
    const uint8_t *labels;   /* [count], each < n_classes */
} esp_examples;

enum { ESP_DATASET_FILES = 4 };

typedef struct esp_dataset {
    char *name;
    uint32_t n_features, n_classes;
    uint32_t image_rows, image_columns;
    esp_examples train, test; /* as distributed; validation is drawn from train */
    char digest[65];          /* SHA-256 that names the content: over the four files' SHA-256 */
    char *paths[ESP_DATASET_FILES]; /* train images, train labels, test images, test labels */
    int known;                      /* 1: hashes compared with the published ones */
} esp_dataset;

/* Finds, reads and verifies a data set by name: "mnist" and "fashion-mnist" by their published
 * hashes (of the uncompressed content), any other name from a folder <name>/ of
 * ESPALIER_DATA_PATH that holds the same four idx files, raw or .gz. Looked for in
 * ESPALIER_DATA_PATH (colon-separated), $XDG_CACHE_HOME/espalier/data (default ~/.cache), and where
 * the distribution's package puts it. *out owned by the caller.
 * Errors: ESP_NOT_FOUND with the places looked at and the command that fetches it; ESP_DATA naming
 * file, expected and found. Thread: any; the result may be shared. */
int esp_dataset_open(esp_dataset **out, const char *name);
void esp_dataset_close(esp_dataset *dataset);

/* What is known of a data set without reading its files (known names) or by reading them (others):
 * its digest [65] and sizes. For study checks and plans. Errors: as esp_dataset_open; a known name
 * whose files are absent succeeds with *present = 0. Any pointer may be NULL. Thread: any. */
int esp_dataset_describe(const char *name, char digest[65], uint32_t *n_features,
                         uint32_t *n_classes, uint32_t *n_train, int *present);

/* The names that could be meant, for messages and completion; NULL-terminated, owned by the
 * caller (one block: free once). Thread: any. */
const char **esp_dataset_names(void);

/* Which examples belong to which split. */
typedef struct esp_partition {
    uint32_t n_train, n_validation;
    uint32_t *train, *validation; /* indices into dataset->train, ascending */
} esp_partition;

/* Holds out a stratified fraction of the training examples, the same for the same (data, fraction,
 * split_seed): per class, round(fraction * class count) examples. fraction 0: none.
 * Errors: ESP_MEMORY; ESP_DATA where a class would be left empty. Thread: any. */
int esp_partition_make(esp_partition *out, const esp_dataset *dataset, double fraction,
                       uint64_t split_seed);
void esp_partition_free(esp_partition *partition);

/* Gathers examples as numbers: out [count x n_features] = scale * byte + shift, row by row.
 * indices [count] into examples, or NULL for first..first+count-1. Thread: any. */
void esp_gather(float *out, const esp_examples *examples, const uint32_t *indices, uint32_t first,
                uint32_t count, uint32_t n_features, float scale, float shift);

#endif
