/* Which revisions a reading connection shows: the one run last of every study, another one in its
 * place, or several beside each other as one study. */
#ifndef ESP_STORE_SHOWN_H
#define ESP_STORE_SHOWN_H

#include "store/store.h"

typedef struct esp_shown {
    const char *study;
    int revision;        /* its number */
    const char *variant; /* NULL: all of them */
} esp_shown;

/* From now on, for this connection alone, the study's current revision is this one: the views, and
 * all that asks for the latest, show it. Before esp_store_confine. Errors: ESP_STORE. */
int esp_store_show_revision(esp_store *store, const char *study, int revision);

/* From now on the connection holds one study, `name`, with the cells of all sides, which exist.
 * Their variants are called none@1 and none@2 (or study:none, where studies differ). A cell of a
 * later side has as its reference the cell of the first side of the same variant (of any, where
 * both sides name one, or share none) all of whose swept keys it shares. Before
 * esp_store_confine. Errors: ESP_STORE, ESP_MEMORY. */
int esp_store_show_beside(esp_store *store, const char *name, const esp_shown *sides, int n);

/* Ends either. */
int esp_store_show_latest(esp_store *store);

#endif
