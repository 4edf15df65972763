#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/status.h"
#include "core/text.h"
#include "data/catalog.h"
#include "data/class_names.h"
#include "data/dataset_files.h"
#include "data/format.h"

/* What esp_dataset_open hands out is the first member; what it points to belongs to the parts. */
typedef struct owner {
    esp_dataset dataset;
    esp_part parts[ESP_N_PARTS];
    esp_data_file files[ESP_DATASET_MAX_FILES];
} owner;

const char *esp_split_name(esp_split split)
{
    static const char *const names[ESP_N_SPLITS] = {"train", "validation", "test"};
    return names[split];
}

/* ---- checks ---------------------------------------------------------------------------------- */

static void name_size(char out[40], const esp_part *part)
{
    if (part->channels == 1) {
        snprintf(out, 40, "%u x %u", part->rows, part->columns);
    } else {
        snprintf(out, 40, "%u x %u x %u", part->channels, part->rows, part->columns);
    }
}

/* The file with the features of the test part. */
static const char *test_path(const owner *data)
{
    const esp_dataset *dataset = &data->dataset;
    return dataset->paths[data->parts[ESP_TRAIN_PART].label_file + 1];
}

static int check_sizes(const owner *data)
{
    const esp_part *train = &data->parts[ESP_TRAIN_PART], *test = &data->parts[ESP_TEST_PART];
    char sizes[2][40];
    if (test->count == 0) {
        return ESP_OK; /* no test split */
    }
    name_size(sizes[0], train);
    name_size(sizes[1], test);
    if (strcmp(sizes[0], sizes[1]) != 0) {
        return esp_fail(ESP_DATA, "%s: wrong image size: expected %s as in %s, found %s",
                        test_path(data), sizes[0], data->dataset.paths[0], sizes[1]);
    }
    if ((train->values != NULL) != (test->values != NULL)) {
        return esp_fail(ESP_DATA, "%s: wrong type: expected %s as in %s, found %s", test_path(data),
                        train->values != NULL ? "floats" : "bytes", data->dataset.paths[0],
                        test->values != NULL ? "floats" : "bytes");
    }
    return ESP_OK;
}

static int check_labels(const owner *data, const esp_part *part)
{
    const uint32_t n_classes = data->dataset.n_classes;
    for (uint32_t i = 0; i < part->count; i++) {
        if (part->labels[i] >= n_classes) {
            return esp_fail(ESP_DATA,
                            "%s: label out of range: expected 0 to %u%s, found %u for example %u "
                            "(counted from 0)",
                            data->dataset.paths[part->label_file], n_classes - 1,
                            data->dataset.known ? "" : ", the greatest training label",
                            part->labels[i], i);
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
    const esp_part *part = &data->parts[ESP_TRAIN_PART];
    const uint32_t n_classes = data->dataset.n_classes;
    uint32_t counts[256] = {0}, greatest_at = 0;
    char list[160];
    for (uint32_t i = 0; i < part->count; i++) {
        counts[part->labels[i]]++;
        greatest_at = part->labels[i] > part->labels[greatest_at] ? i : greatest_at;
    }
    list_absent(list, sizeof list, counts, n_classes);
    if (*list == '\0') {
        return ESP_OK;
    }
    return esp_fail(ESP_DATA,
                    "%s: labels out of range: label %u of example %u (counted from 0) makes "
                    "classes 0 to %u, and no training example has class %s; labels count from 0 "
                    "without a gap",
                    data->dataset.paths[part->label_file], part->labels[greatest_at], greatest_at,
                    n_classes - 1, list);
}

static int check_hash(const owner *data, const esp_known_dataset *known, int file,
                      const char *algorithm, const char *expected, const char *found)
{
    if (expected == NULL || strcmp(found, expected) == 0) {
        return ESP_OK;
    }
    return esp_fail(ESP_DATA,
                    "%s: not the published %s: expected %s %s of its uncompressed content, found "
                    "%s; give data of your own another name",
                    data->dataset.paths[file], known->name, algorithm, expected, found);
}

/* Where no hash was published, that there is as much of it as was. */
static int check_published(owner *data, const esp_known_dataset *known)
{
    const esp_part *train = &data->parts[ESP_TRAIN_PART], *test = &data->parts[ESP_TEST_PART];
    for (int file = 0; file < data->dataset.n_files; file++) {
        const char *sha256 = known->sha256[file], *md5 = sha256 == NULL ? known->md5[file] : NULL;
        ESP_TRY(check_hash(data, known, file, "SHA-256", sha256, data->files[file].sha256));
        ESP_TRY(check_hash(data, known, file, "MD5", md5, data->files[file].md5));
        data->dataset.hashed = sha256 != NULL || md5 != NULL;
    }
    if (train->count != known->n_train || test->count != known->n_test ||
        data->dataset.n_features != known->channels * known->image_rows * known->image_columns) {
        return esp_fail(ESP_DATA,
                        "%s: not the published %s: expected %u and %u examples of %u features, "
                        "found %u and %u of %u; give data of your own another name",
                        data->dataset.paths[0], known->name, known->n_train, known->n_test,
                        known->channels * known->image_rows * known->image_columns, train->count,
                        test->count, data->dataset.n_features);
    }
    return ESP_OK;
}

/* Names content whatever the files are called and however they are compressed. */
static int combine_hashes(char digest[ESP_SHA256_HEX], const char *const *sha256, int n_files)
{
    char text[ESP_DATASET_MAX_FILES * (ESP_SHA256_HEX - 1)];
    size_t used = 0;
    for (int file = 0; file < n_files; file++) {
        if (*sha256[file] != '\0') { /* of a file that is there */
            memcpy(text + used, sha256[file], ESP_SHA256_HEX - 1);
            used += ESP_SHA256_HEX - 1;
        }
    }
    return esp_sha256(digest, text, used);
}

/* ---- open and close -------------------------------------------------------------------------- */

static esp_examples examples_of(const esp_part *part)
{
    return (esp_examples){.count = part->count,
                          .features = part->bytes,
                          .values = part->values,
                          .labels = part->labels};
}

/* Malformed files are reported as such first, and only then as other than the published ones. */
static int read_and_check(owner *data, const esp_format *format, const esp_known_dataset *known)
{
    esp_dataset *dataset = &data->dataset;
    const esp_part *train = &data->parts[ESP_TRAIN_PART], *test = &data->parts[ESP_TEST_PART];
    if (known != NULL && strcmp(known->format, format->name) != 0) {
        return esp_fail(
            ESP_DATA,
            "%s: not the published %s: expected files of format %s, found %s; give data "
            "of your own another name",
            dataset->paths[0], known->name, known->format, format->name);
    }
    for (int file = 0; file < dataset->n_files; file++) {
        data->files[file].path = dataset->paths[file];
        data->files[file].wants_md5 =
            known != NULL && known->sha256[file] == NULL && known->md5[file] != NULL;
    }
    ESP_TRY(format->read(data->parts, data->files));
    ESP_TRY(check_sizes(data));

    dataset->format = format->name;
    dataset->channels = train->channels;
    dataset->image_rows = train->rows;
    dataset->image_columns = train->columns;
    dataset->n_features = train->channels * train->rows * train->columns;
    dataset->train = examples_of(train);
    dataset->test = examples_of(test);
    dataset->known = known != NULL;
    if (known != NULL) {
        dataset->n_classes = known->n_classes;
        ESP_TRY(check_labels(data, train));
    } else if (train->names != NULL || test->names != NULL) {
        ESP_TRY(esp_class_names_number(&dataset->class_names, &dataset->n_classes, data->parts,
                                       dataset->paths));
    } else {
        for (uint32_t i = 0; i < train->count; i++) {
            uint32_t label = train->labels[i];
            dataset->n_classes = label + 1 > dataset->n_classes ? label + 1 : dataset->n_classes;
        }
        ESP_TRY(check_classes(data));
    }
    ESP_TRY(check_labels(data, test));
    if (known != NULL) {
        ESP_TRY(check_published(data, known));
    }
    const char *sha256[ESP_DATASET_MAX_FILES];
    for (int file = 0; file < dataset->n_files; file++) {
        sha256[file] = data->files[file].sha256;
    }
    return combine_hashes(dataset->digest, sha256, dataset->n_files);
}

int esp_dataset_open_place(esp_dataset **out, const char *name, esp_dataset_place *place)
{
    *out = NULL;
    const esp_format *format = place->format;
    owner *data = calloc(1, sizeof *data);
    char *own_name = strdup(name);
    if (data == NULL || own_name == NULL) {
        free(data);
        free(own_name);
        esp_dataset_place_free(place);
        return esp_fail(ESP_MEMORY, "no memory for data set %s", name);
    }
    data->dataset.name = own_name;
    data->dataset.n_files = place->n_files;
    memcpy(data->dataset.paths, place->paths, sizeof place->paths);
    memset(place->paths, 0, sizeof place->paths);
    esp_dataset_place_free(place);
    int status = read_and_check(data, format, esp_known_dataset_find(name));
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
    for (int p = 0; p < ESP_N_PARTS; p++) {
        esp_part_free(&data->parts[p]);
    }
    for (int file = 0; file < ESP_DATASET_MAX_FILES; file++) {
        free(dataset->paths[file]);
    }
    for (uint32_t i = 0; dataset->class_names != NULL && i < dataset->n_classes; i++) {
        free(dataset->class_names[i]);
    }
    free(dataset->class_names);
    free(dataset->name);
    free(data);
}

const char *esp_dataset_file_sha256(const esp_dataset *dataset, int file)
{
    return ((const owner *)dataset)->files[file].sha256;
}

/* ---- description ----------------------------------------------------------------------------- */

static int describe_known(esp_dataset_description *out, const esp_known_dataset *known)
{
    *out = (esp_dataset_description){.n_features =
                                         known->channels * known->image_rows * known->image_columns,
                                     .n_classes = known->n_classes,
                                     .n_train = known->n_train,
                                     .n_test = known->n_test,
                                     .present = 1};
    esp_dataset_place place;
    int status = esp_dataset_locate(&place, known->name);
    esp_dataset_place_free(&place);
    if (status == ESP_NOT_FOUND) {
        out->present = 0;
    } else if (status != ESP_OK) {
        return status;
    }
    int n_files = 0;
    while (n_files < ESP_DATASET_MAX_FILES && known->sha256[n_files] != NULL) {
        n_files++;
    }
    return combine_hashes(out->digest, known->sha256, n_files);
}

static uint32_t count_largest(const esp_examples *examples)
{
    uint32_t counts[ESP_MAX_CLASSES] = {0}, largest = 0;
    for (uint32_t i = 0; i < examples->count; i++) {
        const uint32_t count = ++counts[examples->labels[i]];
        largest = count > largest ? count : largest;
    }
    return largest;
}

static int describe_other(esp_dataset_description *out, const char *name)
{
    esp_dataset *dataset = NULL;
    ESP_TRY(esp_dataset_open(&dataset, name));
    *out = (esp_dataset_description){.n_features = dataset->n_features,
                                     .n_classes = dataset->n_classes,
                                     .n_train = dataset->train.count,
                                     .n_test = dataset->test.count,
                                     .n_largest = count_largest(&dataset->train),
                                     .present = 1};
    memcpy(out->digest, dataset->digest, sizeof out->digest);
    int status = ESP_OK;
    if (dataset->class_names != NULL) {
        out->class_names =
            esp_text_copy_words((const char *const *)dataset->class_names, dataset->n_classes);
        status = out->class_names != NULL ? ESP_OK
                                          : esp_fail(ESP_MEMORY, "no memory to describe %s", name);
    }
    esp_dataset_close(dataset);
    return status;
}

int esp_dataset_describe(esp_dataset_description *out, const char *name)
{
    const esp_known_dataset *known = esp_known_dataset_find(name);
    const int by_hash = known != NULL && known->sha256[0] != NULL;
    return by_hash ? describe_known(out, known) : describe_other(out, name);
}
