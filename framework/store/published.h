/* Published figures, recorded beside a study's cells for the view versus_published. */
#ifndef ESP_STORE_PUBLISHED_H
#define ESP_STORE_PUBLISHED_H

#include "store/store.h"

typedef struct esp_store_published {
    const char *variant, *cell; /* variant and label of one of the study's cells */
    const char *split;          /* "train", "validation" or "test" */
    const char *metric;         /* our metric it is set beside: "hard_accuracy" */
    const char *routing;        /* of the published figure: "soft", "hard" or "none" */
    double best, spread;        /* fractions; NaN: not published */
    const char *spread_is;      /* "sd", "best-worst", or NULL */
    int runs;                   /* 0: not published */
    const char *source;         /* "2405.16836" */
} esp_store_published;

/* Replaces the published figures of the study's revision run last; n = 0 removes them. Strings are
 * copied. Errors: ESP_NOT_FOUND for a study or cell that is not there; ESP_STORE, also where the
 * store is open for reading. Thread: one at a time. */
int esp_store_set_published(esp_store *store, const char *study, const esp_store_published *rows,
                            int n);

/* Whether these are what is stored of that revision, every column of every row. Errors: ESP_STORE.
 * Thread: the store's. */
int esp_store_published_stands(bool *stands, esp_store *store, const char *study,
                               const esp_store_published *rows, int n);

#endif
