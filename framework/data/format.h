/* How data sets lie on disk: which files each format has, and what is read from them. */
#ifndef ESP_DATA_FORMAT_H
#define ESP_DATA_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "core/digest.h"
#include "data/dataset.h"

enum { ESP_MAX_FEATURES = 1 << 24 };

typedef struct esp_data_file {
    const char *path;                              /* NULL: not there, an optional one or test's */
    int wants_md5;                                 /* one is published */
    char sha256[ESP_SHA256_HEX], md5[ESP_MD5_HEX]; /* of its uncompressed content */
} esp_data_file;

typedef struct esp_class_names esp_class_names;

/* What one split holds. Either bytes or values; all owned by whoever holds the part. */
typedef struct esp_part {
    uint32_t count;
    uint32_t channels, rows, columns; /* of an example; their product are its features */
    uint8_t *bytes;                   /* [count x features], plane after plane, row by row */
    float *values;                    /* the same of float data, all finite */
    uint8_t *labels;                  /* [count] */
    esp_class_names *names;           /* of labels that are text, which index it; or NULL */
    int label_file;                   /* the file that labels out of range are reported for */
} esp_part;

enum { ESP_TRAIN_PART, ESP_TEST_PART, ESP_N_PARTS };

typedef struct esp_format {
    const char *name, *title;
    int n_files;       /* of train, then of test */
    int n_train_files; /* those without which it is not whole; all of test may be missing */
    int has_optional;  /* one more, last in files */
    const char *files[ESP_DATASET_MAX_FILES];
    /* Reads and checks the files, and fills in their hashes. Leaves a part empty whose files are
     * not there. What it leaves in parts is the
     * caller's to free, also on failure. Errors: ESP_DATA naming the file, what was expected and
     * what was found; ESP_IO; ESP_MEMORY. Thread: any. */
    int (*read)(esp_part parts[ESP_N_PARTS], esp_data_file *files);
} esp_format;

/* The formats, NULL past the end. Static. Thread: any. */
const esp_format *esp_format_at(size_t index);

/* Frees what a part holds and empties it. */
void esp_part_free(esp_part *part);

/* A whole file as esp_source_load gives it, with its hashes. Thread: any. */
int esp_data_file_load(char **bytes, size_t *count, esp_data_file *file);

/* The readers. Sources: README.md. */
int esp_read_idx(esp_part parts[ESP_N_PARTS], esp_data_file *files);
int esp_read_cifar(esp_part parts[ESP_N_PARTS], esp_data_file *files);
int esp_read_svhn(esp_part parts[ESP_N_PARTS], esp_data_file *files);
int esp_read_usps(esp_part parts[ESP_N_PARTS], esp_data_file *files);
int esp_read_npy(esp_part parts[ESP_N_PARTS], esp_data_file *files);
int esp_read_csv(esp_part parts[ESP_N_PARTS], esp_data_file *files);

#endif
