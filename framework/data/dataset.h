/* Labeled images or vectors, held once as bytes (float data: as floats) and shared, read-only, by
 * all threads. */
#ifndef ESP_DATA_DATASET_H
#define ESP_DATA_DATASET_H

#include <stdint.h>
#include <stdio.h>

typedef enum esp_split { ESP_TRAIN, ESP_VALIDATION, ESP_TEST, ESP_N_SPLITS } esp_split;

/* "train", "validation", "test". Thread: any. */
const char *esp_split_name(esp_split split);

typedef struct esp_examples {
    uint32_t count;
    const uint8_t *features; /* [count x n_features], row by row, 0..255; NULL for float data */
    const float *values;     /* [count x n_features] of float data, finite; else NULL */
    const uint8_t *labels;   /* [count], each < n_classes */
} esp_examples;

enum { ESP_DATASET_MAX_FILES = 6, ESP_MAX_CLASSES = 256 };

typedef struct esp_dataset {
    char *name;
    uint32_t n_features, n_classes;
    char **class_names; /* [n_classes], bytewise sorted, of labels that are text; else NULL */
    uint32_t channels, image_rows, image_columns; /* vectors: 1, 1, n_features */
    const char *format;                           /* "idx", "csv", ... */
    esp_examples train, test; /* as distributed; validation is drawn from train, and so is test
                                 where test.count is 0 */
    char digest[65];          /* SHA-256 that names the content: over the files' SHA-256 */
    int n_files;
    char *paths[ESP_DATASET_MAX_FILES]; /* in the order of the format; NULL: without test */
    int known;                          /* 1: a published one */
    int hashed;                         /* 1: compared with the published hashes */
} esp_dataset;

/* Finds, reads and verifies a data set by name: the published ones ("mnist", "fashion-mnist",
 * "cifar-10", "svhn", "usps") by what is known of their content, any other name from a folder
 * <name>/ whose files tell its format (README.md). Looked for in ESPALIER_DATA_PATH
 * (colon-separated), $XDG_CACHE_HOME/espalier/data (default ~/.cache), and where the distribution's
 * package puts it. *out owned by the caller.
 * Errors: ESP_NOT_FOUND with the places looked at and the command that fetches it; ESP_DATA naming
 * file, expected and found. Thread: any; the result may be shared. */
int esp_dataset_open(esp_dataset **out, const char *name);
void esp_dataset_close(esp_dataset *dataset);

typedef struct esp_dataset_description {
    char digest[65];
    uint32_t n_features, n_classes, n_train, n_test; /* n_test 0: one is split off train */
    uint32_t n_largest; /* training examples of the largest class; 0: no file was read to count */
    int present;        /* 0: its files are not here */
    char **class_names; /* as the data set's, one block that the caller frees; or NULL */
} esp_dataset_description;

/* What is known of a data set without reading its files (names with published hashes) or by reading
 * them (others). For study checks and plans. Errors: as esp_dataset_open; a name with published
 * hashes whose files are absent succeeds with present 0. Thread: any. */
int esp_dataset_describe(esp_dataset_description *out, const char *name);

/* The names that could be meant, for messages and completion; NULL-terminated, owned by the
 * caller (one block: free once). Thread: any. */
const char **esp_dataset_names(void);

/* Which examples are used, and for what. */
typedef struct esp_partition_rule {
    double test;       /* fraction of the training examples that become the test split; 0: none */
    double validation; /* fraction of those left that are held out */
    uint64_t split_seed;
    const double
        *keep; /* [ESP_MAX_CLASSES] fraction of a class's training examples kept; NULL: 1 */
} esp_partition_rule;

/* Indices into dataset->train, ascending; no example is in two of them. */
typedef struct esp_partition {
    uint32_t n_train, n_validation, n_test; /* n_test 0: the data set has its own, or none */
    uint32_t *train, *validation, *test;
} esp_partition;

/* Splits off a stratified fraction of the training examples as the test split, then of those that
 * are left another for validation, the same for the same (data, fractions, split_seed): per class,
 * round(fraction * class count) examples, of test at most all but one. Of those that are left,
 * keeps round(keep * count) of each class, drawn by split_seed: a smaller fraction keeps some of
 * those that a greater one keeps, and validation and test do not change. Warns of classes that have
 * no example in a test split that is split off. Errors: ESP_MEMORY; ESP_DATA where a class would be
 * left empty, or where test is a fraction of a data set that has a test split. Thread: any. */
int esp_partition_make(esp_partition *out, const esp_dataset *dataset,
                       const esp_partition_rule *rule);
void esp_partition_free(esp_partition *partition);

/* The examples of a split: all of the data set's own test, or some by indices. */
typedef struct esp_split_examples {
    const esp_examples *examples;
    const uint32_t *indices; /* NULL: all, in order */
    uint32_t count;          /* 0: there is no such split */
} esp_split_examples;

esp_split_examples esp_partition_split(const esp_dataset *dataset, const esp_partition *partition,
                                       esp_split split);

/* Whether a data set with n_test examples of its own goes with data.test, the fraction to be split
 * off: exactly one of both must be more than 0. Errors: ESP_DATA, saying what to write instead.
 * Thread: any. */
int esp_partition_check_test(const char *name, uint32_t n_test, double fraction);

/* How stored numbers become a network's: x = (v - mean) / std, where v is byte/255, or the value
 * itself of float data. */
typedef enum esp_normalize_kind {
    ESP_NORMALIZE_FIXED,       /* one mean and std, given */
    ESP_NORMALIZE_PER_FEATURE, /* of each feature over the training examples */
    ESP_NORMALIZE_PER_CHANNEL  /* of all features of a channel over the training examples */
} esp_normalize_kind;

/* The same as factors of what is stored: x = scale * stored + shift. */
typedef struct esp_normalization {
    float scale, shift;           /* where scales is NULL */
    const float *scales, *shifts; /* [n_features] */
} esp_normalization;

/* "fixed", "per_feature", "per_channel". Thread: any. */
const char *esp_normalize_kind_name(esp_normalize_kind kind);

/* Of a given mean and std. is_float: of float data. Thread: any. */
esp_normalization esp_normalization_fixed(double mean, double std, int is_float);

/* Measures mean and standard deviation (divided by the count) over the partition's training
 * examples, in double, in the order of the indices: the same bits for the same data and partition.
 * A feature that never changes has std 1. scales, shifts [n_features] overwritten; sums
 * [2 x n_features] for work. Thread: any. */
void esp_normalization_measure(float *scales, float *shifts, double *sums,
                               const esp_dataset *dataset, const esp_partition *partition,
                               esp_normalize_kind kind);

/* Gathers examples as numbers: out [count x n_features] = scale * stored + shift, row by row.
 * indices [count] into examples, or NULL for first..first+count-1. Thread: any. */
void esp_gather(float *out, const esp_examples *examples, const uint32_t *indices, uint32_t first,
                uint32_t count, uint32_t n_features, const esp_normalization *normalization);

/* The same as bytes: out [count x row], of which the first n_features of a row are written. */
void esp_gather_bytes(uint8_t *out, uint32_t row, const esp_examples *examples,
                      const uint32_t *indices, uint32_t first, uint32_t count, uint32_t n_features);

#endif
