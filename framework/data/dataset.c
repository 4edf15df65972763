#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/status.h"
#include "data/catalog.h"
#include "data/dataset_files.h"
#include "data/idx.h"

enum { TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS };

/* What esp_dataset_open hands out is the first member; the bytes it points to belong to files. */
typedef struct owner {
    esp_dataset dataset;
    esp_idx files[ESP_DATASET_FILES];
} owner;

const char *esp_split_name(esp_split split)
{
    static const char *const names[ESP_N_SPLITS] = {"train", "validation", "test"};
    return names[split];
}

/* ---- checks ---------------------------------------------------------------------------------- */

static int check_lengths(const owner *data, int images, int labels)
{
    uint32_t n_images = data->files[images].sizes[0], n_labels = data->files[labels].sizes[0];
    if (n_images != n_labels) {
        return esp_fail(ESP_DATA,
                        "%s: images and labels of different length: expected %u labels, one for "
                        "each image of %s, found %u",
                        data->dataset.paths[labels], n_images, data->dataset.paths[images],
                        n_labels);
    }
    return ESP_OK;
}

static int check_image_size(const owner *data)
{
    const uint32_t *train = data->files[TRAIN_IMAGES].sizes, *test = data->files[TEST_IMAGES].sizes;
    if (train[1] != test[1] || train[2] != test[2]) {
        return esp_fail(ESP_DATA, "%s: wrong image size: expected %u x %u as in %s, found %u x %u",
                        data->dataset.paths[TEST_IMAGES], train[1], train[2],
                        data->dataset.paths[TRAIN_IMAGES], test[1], test[2]);
    }
    return ESP_OK;
}

static int check_labels(const owner *data, int file, uint32_t n_classes)
{
    const esp_idx *labels = &data->files[file];
    for (uint32_t i = 0; i < labels->sizes[0]; i++) {
        if (labels->bytes[i] >= n_classes) {
            return esp_fail(ESP_DATA,
                            "%s: label out of range: expected 0 to %u%s, found %u for example %u "
                            "(counted from 0)",
                            data->dataset.paths[file], n_classes - 1,
                            data->dataset.known ? "" : ", the greatest training label",
                            labels->bytes[i], i);
        }
    }
    return ESP_OK;
}

/* The classes without examples, as "3, 10 to 254", cut where it gets long; "" where all have some.
 * counts [n_classes]. */
static void list_absent(char *list, size_t capacity, const uint32_t *counts, uint32_t n_classes)
{
    enum { LONGEST = 32 }; /* of ", 100 to 200" and ", ..." */
    size_t used = 0;
    *list = '\0';
    for (uint32_t first = 0, next; first < n_classes; first = next + 1) {
        for (next = first; next < n_classes && counts[next] == 0; next++) {
        }
        if (next == first) {
            continue;
        }
        if (used + LONGEST > capacity) {
            snprintf(list + used, capacity - used, ", ...");
            return;
        }
        snprintf(list + used, capacity - used, "%s%u", used > 0 ? ", " : "", first);
        used = strlen(list);
        if (next - first > 1) {
            snprintf(list + used, capacity - used, " to %u", next - 1);
            used = strlen(list);
        }
    }
}

/* Own data has the classes 0 to the greatest training label. A label far off, such as 255 for
 * "none", or labels that count from 1, would make classes that nothing is learned for. */
static int check_classes(const owner *data)
{
    const esp_idx *labels = &data->files[TRAIN_LABELS];
    const uint32_t n_classes = data->dataset.n_classes;
    uint32_t counts[256] = {0}, greatest_at = 0;
    char list[160];
    for (uint32_t i = 0; i < labels->sizes[0]; i++) {
        counts[labels->bytes[i]]++;
        greatest_at = labels->bytes[i] > labels->bytes[greatest_at] ? i : greatest_at;
    }
    list_absent(list, sizeof list, counts, n_classes);
    if (*list == '\0') {
        return ESP_OK;
    }
    return esp_fail(ESP_DATA,
                    "%s: labels out of range: label %u of example %u (counted from 0) makes "
                    "classes 0 to %u, and no training example has class %s; labels count from 0 "
                    "without a gap",
                    data->dataset.paths[TRAIN_LABELS], labels->bytes[greatest_at], greatest_at,
                    n_classes - 1, list);
}

static int check_hashes(const owner *data, const esp_known_dataset *known)
{
    for (int file = 0; file < ESP_DATASET_FILES; file++) {
        if (strcmp(data->files[file].sha256, known->sha256[file]) != 0) {
            return esp_fail(ESP_DATA,
                            "%s: not the published %s: expected SHA-256 %s of its uncompressed "
                            "content, found %s; give data of your own another name",
                            data->dataset.paths[file], known->name, known->sha256[file],
                            data->files[file].sha256);
        }
    }
    return ESP_OK;
}

/* Names content whatever the files are called and however they are compressed. */
static int combine_hashes(char digest[ESP_SHA256_HEX], const char *const sha256[ESP_DATASET_FILES])
{
    char text[ESP_DATASET_FILES * (ESP_SHA256_HEX - 1)];
    for (int file = 0; file < ESP_DATASET_FILES; file++) {
        memcpy(text + file * (ESP_SHA256_HEX - 1), sha256[file], ESP_SHA256_HEX - 1);
    }
    return esp_sha256(digest, text, sizeof text);
}

/* ---- open and close -------------------------------------------------------------------------- */

/* Malformed files are reported as such first, and only then as other than the published ones. */
static int read_and_check(owner *data, const esp_known_dataset *known)
{
    esp_dataset *dataset = &data->dataset;
    for (int file = 0; file < ESP_DATASET_FILES; file++) {
        int is_labels = file == TRAIN_LABELS || file == TEST_LABELS;
        ESP_TRY(esp_idx_read(&data->files[file], dataset->paths[file],
                             is_labels ? ESP_IDX_LABELS : ESP_IDX_IMAGES));
    }
    ESP_TRY(check_lengths(data, TRAIN_IMAGES, TRAIN_LABELS));
    ESP_TRY(check_lengths(data, TEST_IMAGES, TEST_LABELS));
    ESP_TRY(check_image_size(data));

    const esp_idx *files = data->files;
    dataset->image_rows = files[TRAIN_IMAGES].sizes[1];
    dataset->image_columns = files[TRAIN_IMAGES].sizes[2];
    dataset->n_features = dataset->image_rows * dataset->image_columns;
    dataset->train = (esp_examples){.count = files[TRAIN_IMAGES].sizes[0],
                                    .features = files[TRAIN_IMAGES].bytes,
                                    .labels = files[TRAIN_LABELS].bytes};
    dataset->test = (esp_examples){.count = files[TEST_IMAGES].sizes[0],
                                   .features = files[TEST_IMAGES].bytes,
                                   .labels = files[TEST_LABELS].bytes};
    dataset->known = known != NULL;
    if (known != NULL) {
        dataset->n_classes = known->n_classes;
        ESP_TRY(check_labels(data, TRAIN_LABELS, dataset->n_classes));
    } else {
        for (uint32_t i = 0; i < dataset->train.count; i++) {
            uint32_t label = dataset->train.labels[i];
            dataset->n_classes = label + 1 > dataset->n_classes ? label + 1 : dataset->n_classes;
        }
        ESP_TRY(check_classes(data));
    }
    ESP_TRY(check_labels(data, TEST_LABELS, dataset->n_classes));
    if (known != NULL) {
        ESP_TRY(check_hashes(data, known));
    }
    const char *sha256[ESP_DATASET_FILES];
    for (int file = 0; file < ESP_DATASET_FILES; file++) {
        sha256[file] = files[file].sha256;
    }
    return combine_hashes(dataset->digest, sha256);
}

int esp_dataset_open_place(esp_dataset **out, const char *name, esp_dataset_place *place)
{
    *out = NULL;
    owner *data = calloc(1, sizeof *data);
    char *own_name = strdup(name);
    if (data == NULL || own_name == NULL) {
        free(data);
        free(own_name);
        esp_dataset_place_free(place);
        return esp_fail(ESP_MEMORY, "no memory for data set %s", name);
    }
    data->dataset.name = own_name;
    for (int file = 0; file < ESP_DATASET_FILES; file++) {
        data->dataset.paths[file] = place->paths[file];
        place->paths[file] = NULL;
    }
    esp_dataset_place_free(place);
    int status = read_and_check(data, esp_known_dataset_find(name));
    if (status != ESP_OK) {
        esp_dataset_close(&data->dataset);
        return status;
    }
    *out = &data->dataset;
    return ESP_OK;
}

int esp_dataset_open(esp_dataset **out, const char *name)
{
    *out = NULL;
    esp_dataset_place place;
    int status = esp_dataset_locate(&place, name);
    if (status != ESP_OK) {
        esp_dataset_place_free(&place);
        return status;
    }
    return esp_dataset_open_place(out, name, &place);
}

void esp_dataset_close(esp_dataset *dataset)
{
    if (dataset == NULL) {
        return;
    }
    owner *data = (owner *)dataset;
    for (int file = 0; file < ESP_DATASET_FILES; file++) {
        esp_idx_free(&data->files[file]);
        free(dataset->paths[file]);
    }
    free(dataset->name);
    free(data);
}

const char *esp_dataset_file_sha256(const esp_dataset *dataset, int file)
{
    return ((const owner *)dataset)->files[file].sha256;
}

/* ---- description ----------------------------------------------------------------------------- */

typedef struct description {
    char digest[ESP_SHA256_HEX];
    uint32_t n_features, n_classes, n_train;
    int present;
} description;

static int describe_known(description *out, const esp_known_dataset *known)
{
    *out = (description){.n_features = known->image_rows * known->image_columns,
                         .n_classes = known->n_classes,
                         .n_train = known->n_train,
                         .present = 1};
    esp_dataset_place place;
    int status = esp_dataset_locate(&place, known->name);
    esp_dataset_place_free(&place);
    if (status == ESP_NOT_FOUND) {
        out->present = 0;
    } else if (status != ESP_OK) {
        return status;
    }
    return combine_hashes(out->digest, known->sha256);
}

static int describe_other(description *out, const char *name)
{
    esp_dataset *dataset = NULL;
    ESP_TRY(esp_dataset_open(&dataset, name));
    *out = (description){.n_features = dataset->n_features,
                         .n_classes = dataset->n_classes,
                         .n_train = dataset->train.count,
                         .present = 1};
    memcpy(out->digest, dataset->digest, sizeof out->digest);
    esp_dataset_close(dataset);
    return ESP_OK;
}

int esp_dataset_describe(const char *name, char digest[65], uint32_t *n_features,
                         uint32_t *n_classes, uint32_t *n_train, int *present)
{
    description found;
    const esp_known_dataset *known = esp_known_dataset_find(name);
    ESP_TRY(known != NULL ? describe_known(&found, known) : describe_other(&found, name));
    if (digest != NULL) {
        memcpy(digest, found.digest, ESP_SHA256_HEX);
    }
    if (n_features != NULL) {
        *n_features = found.n_features;
    }
    if (n_classes != NULL) {
        *n_classes = found.n_classes;
    }
    if (n_train != NULL) {
        *n_train = found.n_train;
    }
    if (present != NULL) {
        *present = found.present;
    }
    return ESP_OK;
}
