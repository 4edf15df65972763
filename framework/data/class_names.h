/* Labels that are text: each distinct one is a class, numbered in bytewise order. */
#ifndef ESP_DATA_CLASS_NAMES_H
#define ESP_DATA_CLASS_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "data/dataset.h"
#include "data/format.h"

enum { ESP_CLASS_NAME_LENGTH = 200 };

/* The distinct labels of one part, in the order in which they were met. */
struct esp_class_names {
    uint32_t count;
    char *names[ESP_MAX_CLASSES];    /* owned */
    uint32_t first[ESP_MAX_CLASSES]; /* the example, from 0, that had it first */
    uint8_t sorted[ESP_MAX_CLASSES]; /* indices into names, bytewise */
};

/* The index of a label among part->names, added where it is new; part->count is its example.
 * Errors: ESP_DATA where it cannot be a name (empty, longer than 200 bytes, no UTF-8, with control
 * characters) or is one too many, as "expected .., found ..": the caller puts the place before it;
 * ESP_MEMORY. Thread: the part's. */
int esp_class_names_take(uint8_t *index, esp_part *part, uint32_t example, const char *text,
                         size_t length);

/* Numbers the classes of both parts in the bytewise order of train's names, rewrites the labels,
 * and hands the names [*n_classes] to the caller. Errors: ESP_DATA, naming paths' file, where one
 * part alone has text, or test has a class that train has not; ESP_MEMORY. Thread: any. */
int esp_class_names_number(char ***names, uint32_t *n_classes, esp_part parts[ESP_N_PARTS],
                           char *const *paths);

void esp_class_names_free(esp_class_names *names);

#endif
