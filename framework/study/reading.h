/* What the steps of reading a study share; used inside this folder only. The order: yaml, schema,
 * variants and overrides, sweep (variants x grid x zip into drafts), build (draft into cell),
 * trials.
 */
#ifndef ESP_STUDY_READING_H
#define ESP_STUDY_READING_H

#include <jansson.h>

#include "study/schema.h"
#include "study/study.h"

/* Limits of a study: what is within them is read in seconds and some hundred megabytes. A fuzzer
 * finds the way to them, over and over, so for it they are nearer. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
enum {
    ESP_MAX_TRIALS = 1000,
    ESP_MAX_CELLS = 100,
    ESP_MAX_CELL_PHASES = 300,
    ESP_MAX_COMPARISONS = 100000
};
#else
enum {
    ESP_MAX_TRIALS = 100000,
    ESP_MAX_CELLS = 10000,
    ESP_MAX_CELL_PHASES = 40000,  /* of all cells together */
    ESP_MAX_COMPARISONS = 2000000 /* of cells, to see whether contrasts find partners */
};
#endif
enum { ESP_MAX_DRAFT_BYTES = 256 << 20, ESP_MAX_EXCLUSIONS = 1000 };

/* path = value, somewhere in a set, a grid or --set. */
typedef struct esp_assignment {
    const char *path;
    esp_mark key_mark;
    const esp_node *value;
    bool as_sweep; /* of --set: a list that stands in for a swept key's */
} esp_assignment;

typedef struct esp_variant {
    const char *name;
    esp_mark mark;
    bool reference;
    const esp_node *set;        /* map or NULL */
    const esp_node *grid, *zip; /* what applies: its own or the study's; map or NULL */
} esp_variant;

/* A cell while only its tree is known. */
typedef struct esp_draft {
    const esp_variant *variant;
    int n_swept;
    esp_assignment *swept;
    esp_node *tree; /* defaults, variant, grid and zip, --set; without built-ins */
    int n_assigned; /* every value assigned after the defaults, down to single keys */
    esp_assignment *assigned;
} esp_draft;

typedef struct esp_described {
    char name[104];
    esp_dataset_description is;
} esp_described;

enum { ESP_MAX_DESCRIBED = 32 }; /* more are described again for each cell */

/* mapped: written as {init: ..}. */
typedef struct esp_seed {
    uint64_t init, order, noise;
    bool mapped;
} esp_seed;

typedef struct esp_reading {
    esp_tree_pool *pool;
    esp_problems *problems;
    const esp_registry *registry;
    const char *path; /* of the file */
    const esp_node *root;
    const esp_node *defaults; /* a tree without dotted keys at its top */
    esp_mark defaults_mark;
    int n_variants;
    esp_variant *variants;
    const char *variant_names; /* separated by spaces */
    int n_sets;
    esp_assignment *sets;
    int n_drafts;
    int n_cell_phases; /* of all drafts */
    esp_draft *drafts;
    int n_described;
    esp_described described[ESP_MAX_DESCRIBED]; /* the data sets so far */
    int n_seeds;
    esp_seed *seeds;  /* of the file, then those that --seeds alone names */
    bool cells_sound; /* every draft became a cell: what needs all of them can be checked */
} esp_reading;

/* Reads one --set, "key.path=value". false after a problem. */
bool esp_override_read(esp_assignment *out, esp_reading *r, const char *text, int number);

/* Reads variants, grid and zip, checks them, and makes the drafts, excluded ones left out. */
void esp_sweep_read(esp_reading *r);
void esp_sweep_expand(esp_reading *r);

/* Whether a cell has a value at a key: by value, so 0.00001 is 1e-5; one of a list's values is
 * enough. exclude and --only ask it. esp_text_is: the same of a value that is known as text, as
 * esp_node_text writes it. */
bool esp_draft_has(esp_reading *r, const esp_draft *draft, const char *key, const esp_node *wanted);
bool esp_text_is(esp_reading *r, const char *have, const esp_node *wanted);

/* Which cells --only asks for: wanted [n_cells] out. The pattern is a shell pattern over labels, or
 * words that must all hold, each a variant or KEY=VALUE. Adds a problem where it asks for none. */
void esp_only_apply(bool *wanted, esp_reading *r, const esp_study *study, const char *pattern);

/* Turns a draft into a cell with its JSON, parameters and phases. Adds problems; false where the
 * cell is not usable. The cell must be freed (esp_cell_free) either way. */
bool esp_cell_build(esp_cell *out, esp_reading *r, const esp_draft *draft);
void esp_cell_free(esp_cell *cell);

/* The report section with built-ins and contrasts, as JSON text. cells: for keys that reports may
 * name. NULL after a problem. */
char *esp_report_read(esp_reading *r, const esp_cell *cells, int n_cells);

/* The contrasts as JSON: pairs of {key: value}; empty where none are listed, and the reports'
 * comparison is with the reference. Adds problems. */
json_t *esp_contrasts_read(esp_reading *r, const esp_cell *cells, int n_cells);

#define ESP_STATISTICS_KEYS "layout primary confidence interval bootstrap_seed failure equivalence"

/* Sets those of these keys that are written. metrics: the report's, as JSON. Adds problems. */
void esp_statistics_read(json_t *object, esp_reading *r, const esp_node *report,
                         const json_t *metrics, const esp_cell *cells, int n_cells);

/* Adds a problem where no cell will ever have the metric that node names. */
void esp_report_metric_check(esp_reading *r, const esp_node *node, const esp_cell *cells,
                             int n_cells);

/* Adds a problem where node names no epoch: selected, last, or one that a selection of the cells
 * chooses. */
void esp_report_at_check(esp_reading *r, const esp_node *node, const esp_cell *cells, int n_cells);

/* The report's figures as JSON: kinds, and maps of keys. Adds problems. */
json_t *esp_figures_read(esp_reading *r, const esp_node *report, const esp_cell *cells,
                         int n_cells);

/* The report's published section as JSON, null where there is none. Adds problems. */
json_t *esp_published_read(esp_reading *r, const esp_node *report);

/* Adds a problem at node unless word is one of the known ones (separated by spaces). */
void esp_report_word_check(esp_reading *r, const esp_node *node, const char *word,
                           const char *known, const char *what);

/* Adds a problem at mark unless cells can have the key: of the configuration, or derived. */
void esp_report_key_check(esp_reading *r, esp_mark mark, const char *key);

/* One value of a cell by its flattened key, or NULL. */
const char *esp_cell_param(const esp_cell *cell, const char *key);

/* Seeds in written order, without repetition. */
void esp_seeds_read(esp_seed **out, int *n_seeds, esp_reading *r, const esp_node *node);
bool esp_seed_in(const esp_seed *seed, const esp_seed *seeds, int n_seeds);

/* JSON as text: keys sorted, no spaces, numbers in their shortest spelling. Owned by the caller. */
char *esp_json_text(const json_t *value);
/* What of a cell's configuration decides a trial's results; new. */
json_t *esp_identity_make(const esp_registry *registry, const json_t *config);
/* Sets the id of a trial. Errors: ESP_DATA, ESP_NOT_FOUND, ESP_MEMORY. */
int esp_trial_identify(esp_trial *trial, const esp_cell *cell, const char *data_digest);

#endif
