/* The two halves of making a cell: build.c resolves the tree to JSON, fill.c reads that into the
 * structs, checks them together and describes them. */
#ifndef ESP_STUDY_BUILD_H
#define ESP_STUDY_BUILD_H

#include "study/reading.h"

typedef struct builder {
    esp_reading *r;
    const esp_draft *draft;
    esp_cell *cell;
    json_t *config; /* every key resolved; owned */
    bool sound;
    bool plugins_known, data_known;
    uint32_t n_features, n_classes, n_train;
    int n_phases;
    const char **phase_names;
} builder;

/* Fills the cell's structs from the configuration, adding problems. */
void esp_cell_fill(builder *b);
/* Label, configuration as text, identity and parameters. */
void esp_cell_describe(builder *b);

#endif
