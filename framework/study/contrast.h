/* Which cells a contrast compares: both sides are partial assignments, and a pair agrees on every
 * swept key that they do not both name. Used to check a study and to report on it. */
#ifndef ESP_STUDY_CONTRAST_H
#define ESP_STUDY_CONTRAST_H

#include <stdbool.h>

#include "store/store.h"

/* What a side asks of a cell: keys, "variant" among them, with their values as text. */
typedef struct esp_contrast_side {
    int n;
    const esp_store_param *at; /* [n] */
} esp_contrast_side;

/* A cell as far as contrasts look at it; the lists belong to others. */
typedef struct esp_contrast_cell {
    const char *variant;
    int n_params, n_swept;
    const esp_store_param *params, *swept; /* flattened configuration; grid and zip keys */
} esp_contrast_cell;

/* The cell's value of a key: "variant", one of its configuration, or a derived width with or
 * without "model.". NULL where it has none. Thread: any, as below. */
const char *esp_contrast_value(const esp_contrast_cell *cell, const char *key);

bool esp_contrast_is(const esp_contrast_cell *cell, const esp_contrast_side *side);

/* Whether two cells agree on the variant and on every swept key, except for those that both sides
 * name. A key that one of them does not have (an ff has no model.depth) is no disagreement. */
bool esp_contrast_agree(const esp_contrast_cell *a, const esp_contrast_cell *b,
                        const esp_contrast_side sides[2]);

#endif
