/* A study: one YAML file, resolved into cells and trials. CONTRACT: the words and rules. */
#ifndef ESP_STUDY_STUDY_H
#define ESP_STUDY_STUDY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "data/dataset.h"
#include "nn/architecture.h"
#include "nn/schedule.h"
#include "plugin/params.h"
#include "plugin/registry.h"

/* Raised when the meaning of training changes; part of every trial's identity. */
enum { ESP_TRAINER_VERSION = 1 };

enum { ESP_MAX_TERMS = 8, ESP_MAX_HEADS = 4, ESP_MAX_MONITORS = 8, ESP_MAX_PHASES = 64 };

typedef struct esp_data_config {
    char *name;
    esp_partition_rule partition; /* keep owned by the cell, or NULL */
    esp_normalize_kind normalize;
    double mean, std; /* of ESP_NORMALIZE_FIXED: x = (byte / 255 - mean) / std */
    /* what the data set is, as esp_dataset_describe says */
    uint32_t n_features, n_classes;
    uint32_t n_train; /* before validation and keep; about, where test is split off */
    char digest[65];
} esp_data_config;

typedef struct esp_term_config {
    const esp_plugin *plugin;
    double weight; /* scaled for the phase; of one that changes, the larger of its ends */
    esp_ramp ramp; /* how it changes; constant: weight alone counts */
    bool monitor;  /* value logged once an epoch also where weight is 0 */
    bool called;   /* some phase gives it a weight; else it need not fit the model */
    esp_params params;
} esp_term_config;

typedef struct esp_head_config {
    const esp_plugin *plugin;
    esp_params params;
} esp_head_config;

typedef enum esp_optimizer_kind {
    ESP_SGD,
    ESP_ADAM,
    ESP_ADAMW,
    ESP_LOCAL_SGD,
    ESP_LOCAL_ADAM
} esp_optimizer_kind;

/* A metric of a split to watch, such as test.hard_accuracy. */
typedef struct esp_monitor {
    char *name; /* "test.hard_accuracy" */
    esp_split split;
    const char *metric; /* "hard_accuracy"; points into name */
    bool maximize;
} esp_monitor;

typedef struct esp_optimizer_config {
    esp_optimizer_kind kind;
    double learning_rate;
    double beta1, beta2, epsilon; /* adam, adamw, local_adam: 0.9 0.999 1e-8 */
    double weight_decay;  /* adamw: decoupled, default 0.01; else added to the gradient, 0 */
    double momentum;      /* sgd, local_sgd: 0 */
    bool nesterov;        /* sgd, local_sgd */
    int local_batch_size; /* local_*: examples a block waits for; else 0 */
    bool soft_usage;      /* local_*: examples counted by the mixture, not by hard choices */
    double clip_norm, clip_value; /* of the gradient; 0: none */
    esp_rate_schedule schedule;
    esp_monitor monitor; /* plateau: what it watches; else no name */
    bool restart;        /* plateau: a change of the rate forgets the moments */
} esp_optimizer_config;

typedef struct esp_early_stopping {
    bool enabled;
    esp_monitor monitor;
    int patience;
    double min_delta;
} esp_early_stopping;

typedef enum esp_start_from { ESP_START_LAST, ESP_START_BEST } esp_start_from;

/* Everything that holds while a phase lasts, fully resolved. */
typedef struct esp_phase_config {
    char *name;
    int epochs;          /* of a phase of so many steps: about as many as they make */
    int64_t steps;       /* optimizer steps that end it; 0: epochs do */
    int64_t epoch_steps; /* about as many as an epoch has */
    esp_start_from start_from;
    bool reset_optimizer;
    int batch_size;
    int accumulate; /* batches a step; 0 is 1 too */
    bool drop_last;
    esp_optimizer_config optimizer;
    int n_terms;
    esp_term_config terms[ESP_MAX_TERMS]; /* same plugins, same order in every phase */
    esp_early_stopping early_stopping;
} esp_phase_config;

typedef struct esp_key_value {
    char *key, *value; /* value as text, as a study would write it */
} esp_key_value;

typedef struct esp_cell {
    char *variant;
    char *label;   /* variant and swept keys: "balanced data.name=mnist model.leaf_width=8" */
    int reference; /* index of the cell it is compared with, or -1 */
    esp_data_config data;
    esp_model_config model;
    /* Hidden units that train, and units that one example passes: fff L * l and l + d; ff its width
     * twice; moe E * l and k * l + E; fff_nodes all neurons and trees * (d + 1). */
    int training_width, inference_width;
    int n_heads;
    esp_head_config heads[ESP_MAX_HEADS];
    int n_phases;
    esp_phase_config *phases;
    int n_monitors; /* 0: the last epoch is the selected one */
    esp_monitor monitors[ESP_MAX_MONITORS];
    int n_selection_phases; /* 0: all phases count */
    int selection_phases[ESP_MAX_PHASES];
    int evaluate_every;   /* exact evaluation of all splits every so many epochs; 0: only where it
                             must be */
    double epoch_seconds; /* an epoch that takes longer has hung; 0: no limit */
    int retries;          /* how often one run tries a trial again that failed in it */
    double checkpoint_seconds; /* a resume checkpoint at the first epoch end after so long */
    int checkpoint_epochs; /* and after so many epochs, whichever comes first; 0: by time alone */
    char *config;          /* the resolved configuration, JSON, every key of the schema in it */
    char *identity;        /* the same, identity keys alone, canonical JSON (without seeds) */
    int n_swept;
    esp_key_value *swept; /* the grid and zip keys of this cell */
    int n_params;
    esp_key_value *params; /* all keys, flattened, with the derived ones of view cell_param */
} esp_cell;

typedef struct esp_trial {
    int cell;
    uint64_t seed_init, seed_order, seed_noise;
    char seed[64];  /* "3", or "init=3,order=0,noise=0" */
    char id[17];    /* first 16 hex digits of SHA-256 over identity, seeds, data digest, plugins */
    bool asked_for; /* within --seeds and --only */
} esp_trial;

typedef struct esp_study {
    char *path, *name, *title, *source;
    char *text; /* the file as read */
    int n_sets;
    char **sets; /* the --set overrides, as given */
    int n_cells;
    esp_cell *cells;
    int n_trials;      /* the whole revision, seeds asked for beyond it included */
    esp_trial *trials; /* cell by cell, seeds in order */
    char *report;      /* the resolved report section with contrasts, JSON */
    char *variants;    /* JSON array of names in written order */
} esp_study;

typedef struct esp_study_options {
    int n_sets;
    const char *const *sets; /* "key.path=value" */
    const char *seeds;       /* "0..4", "1,3" or NULL */
    const char *only;        /* a shell pattern or words, as esp_only_apply takes them, or NULL */
    bool without_report;     /* its report section is not read, and neither are files it names */
} esp_study_options;

/* Whether a phase ends early, changes its rate or begins by a metric of the test split: then the
 * network of any epoch has seen the test set. Thread: any. */
bool esp_cell_trains_by_test(const esp_cell *cell);

/* Reads, checks and resolves a study. All errors of the file and of the overrides are written to
 * errors, located, as FILE:LINE:COL: error: ... (--set:N: error: ...), then ESP_STUDY. *out owned
 * by the caller. Warnings (FILE:LINE:COL: warning: ...) and notes go there too. Thread: one. */
int esp_study_load(esp_study **out, const char *path, const esp_study_options *options,
                   const esp_registry *registry, FILE *errors);
void esp_study_free(esp_study *study);

#endif
