/* The files that a command reads, so that it writes none of them. */
#ifndef ESP_CORE_INPUTS_H
#define ESP_CORE_INPUTS_H

#include <stdbool.h>

typedef struct esp_input {
    char *path; /* resolved where it can be, see esp_file_resolve */
    bool is_folder;
    const char *what; /* "the results database", ...: for messages; not owned */
} esp_input;

typedef struct esp_inputs {
    int n, capacity;
    esp_input *at;
    bool is_short; /* of memory: told when asked */
} esp_inputs;

/* Adds a file, whether it is there or not, or a folder with all that is below it. path NULL adds
 * nothing. Thread: one. */
void esp_inputs_add(esp_inputs *inputs, const char *path, const char *what);
void esp_inputs_add_folder(esp_inputs *inputs, const char *path, const char *what);

/* Whether path may be written: none of the inputs by any of its names, through links and as another
 * name of the same file. Asked before anything is written. path NULL is none. Errors:
 * ESP_USAGE naming both; ESP_MEMORY. Thread: one. */
int esp_inputs_spare(const esp_inputs *inputs, const char *path);

void esp_inputs_free(esp_inputs *inputs);

#endif
