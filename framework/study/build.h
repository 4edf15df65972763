/* The two halves of making a cell: build.c resolves the tree to JSON (build_model.c its model,
 * build_training.c schedules and budgets), fill.c reads that into the structs (fill_training.c
 * optimizers), checks them together and describes them. */
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
    esp_dataset_description data;
    int n_phases;
    const char **phase_names;
} builder;

/* Adds "<path> is required<what>" unless a problem before explains it. */
void esp_build_require(builder *b, const esp_node *tree, const char *path, const char *what);

/* A new object with all keys below prefix that have no names in them. kind: only keys of this kind;
 * others that are written are problems. */
json_t *esp_build_complete(builder *b, const esp_node *tree, const char *prefix,
                           const char *pattern, const char *kind);

/* The model: its section of the configuration, and the cell's struct with its widths. */
void esp_build_model(builder *b);
/* Finds out what the data set is (b->data), and finishes the section's configuration. */
void esp_data_section_read(builder *b, json_t *data);
/* Fills the cell's data, and checks it. */
void esp_data_section_fill(builder *b);
/* data.keep as a study would write it, for reports; NULL where all is kept. In the pool. */
const char *esp_data_section_keep_text(const builder *b);
/* About how many examples are trained on, classes being of one size. */
double esp_data_section_n_train(const builder *b);

/* A term's weight, a number or a map, into the term's object. path: "losses.balance". */
void esp_build_weight(builder *b, const esp_node *tree, const char *path, json_t *term);

/* The learning rate's schedule; new. */
json_t *esp_build_schedule(builder *b, const esp_node *tree);

/* That a phase has epochs or steps. path: "phases.train". */
void esp_build_budget(builder *b, const char *path);

/* What was assigned last at this path, after the defaults; NULL: nothing was. */
const esp_assignment *esp_build_assigned_at(const esp_draft *draft, const char *path);

/* Views that the cell's model lacks of those needed; none where the model is not known. */
uint32_t esp_fill_missing_views(const builder *b, uint32_t needs);

/* That a term which is called has what it looks at, and does something. */
void esp_fill_check_term(builder *b, const esp_phase_config *phase, const esp_term_config *term);

/* Adds a problem with a term: at losses.<term><key>, or, where that holds for all variants and only
 * this one has a model of this kind, at the model. */
void esp_fill_complain_of_term(builder *b, const esp_phase_config *phase,
                               const esp_term_config *term, const char *key, const char *text);

/* Adds a problem where a value is written. */
void esp_fill_complain(builder *b, const char *path, const char *text);

/* Where a value of a phase is written: in its set, or for all phases. */
const char *esp_fill_written_at(builder *b, const char *phase, const char *path);

/* How many epochs or steps a phase has, how many batches a step; of one by steps also, about and in
 * its JSON too, how many epochs they make. */
void esp_fill_budget(const builder *b, esp_phase_config *out, json_t *phase);

/* A term's weight in a phase, scaled. */
void esp_fill_weight(esp_term_config *out, const json_t *weight, double scale);

/* A phase's optimizer, except for what a plateau watches. */
void esp_fill_optimizer(esp_optimizer_config *out, const json_t *optimizer);

/* What of a phase's optimizer does not fit together. */
void esp_fill_check_optimizer(builder *b, const esp_phase_config *phase);

/* Fills the cell's structs from the configuration, adding problems. */
void esp_cell_fill(builder *b);
/* Label, configuration as text, identity and parameters. */
void esp_cell_describe(builder *b);

#endif
