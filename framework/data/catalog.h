/* Which data sets have published hashes, and in which folder a data set lies. */
#ifndef ESP_DATA_CATALOG_H
#define ESP_DATA_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "data/dataset.h"
#include "data/format.h"

/* One line of the table of data sets with published content. */
typedef struct esp_known_dataset {
    const char *name, *title, *format;
    uint32_t n_train, n_test, n_classes, channels, image_rows, image_columns;
    const char *package_directory; /* where the distribution's package puts it, or NULL */
    /* Of the uncompressed files, in the order of esp_dataset.paths. The MD5 are the published ones,
     * the SHA-256 were taken of files that have them. NULL where none is known. */
    const char *md5[ESP_DATASET_MAX_FILES], *sha256[ESP_DATASET_MAX_FILES];
    const char *source; /* where to get it, what comes and where to put it; NULL: esp_fetch does */
} esp_known_dataset;

/* The table, NULL past its end; and its line of that name, or NULL. Static. Thread: any. */
const esp_known_dataset *esp_known_dataset_at(size_t index);
const esp_known_dataset *esp_known_dataset_find(const char *name);

typedef struct esp_dataset_place {
    char *folder;
    const esp_format *format;
    int n_files;                        /* an optional one that is there included */
    char *paths[ESP_DATASET_MAX_FILES]; /* NULL: those of a test split that is not there */
} esp_dataset_place;

/* Finds the folder and the files of a data set without reading them. Takes the first folder that
 * holds any file of any format; in it, each file's first spelling there is of FILE, FILE.gz and, of
 * idx, the same with a dot (train-images.idx3-ubyte). *out owned by the caller, empty on failure,
 * except for the folder's name on ESP_DATA.
 * Errors: ESP_NOT_FOUND with the places looked at and what to do; ESP_DATA where the folder lacks a
 * file or has two formats; ESP_MEMORY. Thread: any. */
int esp_dataset_locate(esp_dataset_place *out, const char *name);
void esp_dataset_place_free(esp_dataset_place *place);

/* Finds the files in one folder. needs_test: a test split is part of it, as of published ones;
 * else all its files may be missing. Errors: ESP_NOT_FOUND where it has none of them; as above. */
int esp_dataset_locate_in(esp_dataset_place *out, const char *folder, int needs_test);

/* $XDG_CACHE_HOME/espalier/data or ~/.cache/espalier/data, a new string owned by the caller; NULL
 * where neither variable is set (or memory is short). Thread: any. */
char *esp_dataset_cache_directory(void);

#endif
