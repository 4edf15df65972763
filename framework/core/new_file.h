/* A file written piece by piece that appears whole or not at all. */
#ifndef ESP_CORE_NEW_FILE_H
#define ESP_CORE_NEW_FILE_H

#include <stdio.h>

typedef struct esp_new_file {
    FILE *out;
    char *path, *temporary;
} esp_new_file;

/* Opens <path>.tmp. Until it is kept, path is as it was. Errors: ESP_USAGE where path is there and
 * no file; ESP_IO with path and reason; ESP_MEMORY. Thread: the file's, as below. */
int esp_new_file_open(esp_new_file *file, const char *path);

/* Brings what was written to the disk and gives it its name, in place of an older file. Errors:
 * ESP_IO, also of an earlier write; path is then as it was. */
int esp_new_file_keep(esp_new_file *file);

/* Takes back what was not kept. A file that was never opened is allowed. */
void esp_new_file_drop(esp_new_file *file);

#endif
