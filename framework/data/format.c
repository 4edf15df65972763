/* The table of formats, and the readers that need only a few lines: idx and CIFAR-10. */
#include "data/format.h"

#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "data/class_names.h"
#include "data/idx.h"
#include "data/source.h"

static const esp_format formats[] = {
    {.name = "idx",
     .title = "idx files, as MNIST's",
     .n_files = 4,
     .n_train_files = 2,
     .files = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
               "t10k-labels-idx1-ubyte"},
     .read = esp_read_idx},
    {.name = "cifar",
     .title = "CIFAR-10's binary version",
     .n_files = 6,
     .n_train_files = 5,
     .files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
               "data_batch_5.bin", "test_batch.bin"},
     .read = esp_read_cifar},
    {.name = "svhn",
     .title = "SVHN's cropped digits, MATLAB 5",
     .n_files = 2,
     .n_train_files = 1,
     .files = {"train_32x32.mat", "test_32x32.mat"},
     .read = esp_read_svhn},
    {.name = "usps",
     .title = "USPS in LIBSVM's form",
     .n_files = 2,
     .n_train_files = 1,
     .files = {"usps", "usps.t"},
     .read = esp_read_usps},
    {.name = "npy",
     .title = "NumPy arrays",
     .n_files = 4,
     .n_train_files = 2,
     .files = {"train-images.npy", "train-labels.npy", "test-images.npy", "test-labels.npy"},
     .read = esp_read_npy},
    {.name = "csv",
     .title = "comma-separated values",
     .n_files = 2,
     .n_train_files = 1,
     .has_optional = 1,
     .files = {"train.csv", "test.csv", "label-column"},
     .read = esp_read_csv},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

const esp_format *esp_format_at(size_t index)
{
    return index < N_FORMATS ? &formats[index] : NULL;
}

void esp_part_free(esp_part *part)
{
    free(part->bytes);
    free(part->values);
    free(part->labels);
    esp_class_names_free(part->names);
    *part = (esp_part){.bytes = NULL};
}

int esp_data_file_load(char **bytes, size_t *count, esp_data_file *file)
{
    ESP_TRY(esp_source_load(bytes, count, file->path));
    int status = esp_sha256(file->sha256, *bytes, *count);
    if (status == ESP_OK && file->wants_md5) {
        status = esp_md5(file->md5, *bytes, *count);
    }
    if (status != ESP_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

/* ---- idx ------------------------------------------------------------------------------------- */

int esp_read_idx(esp_part parts[ESP_N_PARTS], esp_data_file *files)
{
    for (int p = 0; p < ESP_N_PARTS && files[2 * p].path != NULL; p++) {
        esp_data_file *images_file = &files[2 * p], *labels_file = &files[2 * p + 1];
        esp_idx images, labels;
        ESP_TRY(esp_idx_read(&images, images_file->path, ESP_IDX_IMAGES));
        parts[p] = (esp_part){.count = images.sizes[0],
                              .channels = 1,
                              .rows = images.sizes[1],
                              .columns = images.sizes[2],
                              .bytes = images.bytes,
                              .label_file = 2 * p + 1};
        memcpy(images_file->sha256, images.sha256, sizeof images.sha256);
        ESP_TRY(esp_idx_read(&labels, labels_file->path, ESP_IDX_LABELS));
        parts[p].labels = labels.bytes;
        memcpy(labels_file->sha256, labels.sha256, sizeof labels.sha256);
        if (images.sizes[0] != labels.sizes[0]) {
            return esp_fail(ESP_DATA,
                            "%s: images and labels of different length: expected %u labels, one "
                            "for each image of %s, found %u",
                            labels_file->path, images.sizes[0], images_file->path, labels.sizes[0]);
        }
    }
    return ESP_OK;
}

/* ---- CIFAR-10 -------------------------------------------------------------------------------- */

enum {
    CIFAR_SIDE = 32,
    CIFAR_CHANNELS = 3,
    CIFAR_FEATURES = CIFAR_CHANNELS * CIFAR_SIDE * CIFAR_SIDE,
    CIFAR_RECORD = 1 + CIFAR_FEATURES,
    CIFAR_CLASSES = 10,
    CIFAR_TRAIN_FILES = 5
};

/* Appends a file's records: a byte of label, then the red, the green and the blue plane. */
static int add_cifar_records(esp_part *part, const char *path, const char *bytes, size_t count)
{
    size_t n_records = count / CIFAR_RECORD, over = count % CIFAR_RECORD;
    if (n_records == 0 || over != 0) {
        return esp_fail(ESP_DATA,
                        "%s: truncated or trailing bytes: expected records of %d bytes, found %zu "
                        "records and %zu bytes more",
                        path, CIFAR_RECORD, n_records, over);
    }
    size_t total = part->count + n_records;
    if (total > UINT32_MAX) {
        return esp_fail(ESP_DATA, "%s: expected at most %u examples, found more", path, UINT32_MAX);
    }
    uint8_t *features = realloc(part->bytes, total * CIFAR_FEATURES);
    part->bytes = features != NULL ? features : part->bytes;
    uint8_t *labels = realloc(part->labels, total);
    part->labels = labels != NULL ? labels : part->labels;
    if (features == NULL || labels == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for %zu examples", path, total);
    }
    for (size_t i = 0; i < n_records; i++) {
        const uint8_t *record = (const uint8_t *)bytes + i * CIFAR_RECORD;
        if (*record >= CIFAR_CLASSES) {
            return esp_fail(ESP_DATA,
                            "%s: label out of range: expected 0 to %d, found %u in record %zu "
                            "(counted from 0)",
                            path, CIFAR_CLASSES - 1, *record, i);
        }
        labels[part->count] = *record;
        memcpy(features + (size_t)part->count * CIFAR_FEATURES, record + 1, CIFAR_FEATURES);
        part->count++;
    }
    return ESP_OK;
}

int esp_read_cifar(esp_part parts[ESP_N_PARTS], esp_data_file *files)
{
    for (int file = 0; file <= CIFAR_TRAIN_FILES && files[file].path != NULL; file++) {
        esp_part *part = &parts[file < CIFAR_TRAIN_FILES ? ESP_TRAIN_PART : ESP_TEST_PART];
        part->channels = CIFAR_CHANNELS;
        part->rows = part->columns = CIFAR_SIDE;
        part->label_file = file;
        char *bytes = NULL;
        size_t count = 0;
        ESP_TRY(esp_data_file_load(&bytes, &count, &files[file]));
        int status = add_cifar_records(part, files[file].path, bytes, count);
        free(bytes);
        ESP_TRY(status);
    }
    return ESP_OK;
}
