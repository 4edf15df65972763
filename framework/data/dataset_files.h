/* A data set's files, for the parts that fetch and show them. */
#ifndef ESP_DATA_DATASET_FILES_H
#define ESP_DATA_DATASET_FILES_H

#include "data/catalog.h"

/* As esp_dataset_open, from a place already found (emptied, also on failure). */
int esp_dataset_open_place(esp_dataset **out, const char *name, esp_dataset_place *place);

/* SHA-256 of the uncompressed content of one file; lives as long as the data set. Thread: any. */
const char *esp_dataset_file_sha256(const esp_dataset *dataset, int file);

#endif
