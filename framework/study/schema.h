/* The keys of a study: one table drives checking, built-ins, did-you-mean, identity and help. */
#ifndef ESP_STUDY_SCHEMA_H
#define ESP_STUDY_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

#include "plugin/registry.h"
#include "study/yaml_tree.h"

typedef enum esp_key_type {
    ESP_KEY_MAP,
    ESP_KEY_TEXT,
    ESP_KEY_NAME, /* letters, digits, . _ - */
    ESP_KEY_REAL,
    ESP_KEY_INTEGER,
    ESP_KEY_BOOLEAN,
    ESP_KEY_CHOICE,
    ESP_KEY_METRIC,  /* test.hard_accuracy */
    ESP_KEY_METRICS, /* one or a list */
    ESP_KEY_TEXTS,   /* a list of texts, or one */
    ESP_KEY_WIDTH,   /* an integer, or {match: .., of: {..}} */
    ESP_KEY_WEIGHT,  /* a number, or {schedule: .., from: .., to: .., over: ..} */
    ESP_KEY_OTHER    /* checked by its own code: seeds, grid, contrasts, ... */
} esp_key_type;

enum {
    ESP_KEY_REQUIRED = 1 << 0,
    ESP_KEY_IDENTITY = 1 << 1,  /* part of what a trial is */
    ESP_KEY_IN_PHASE = 1 << 2,  /* a phase may set it */
    ESP_KEY_NULLABLE = 1 << 3,  /* null means: without it */
    ESP_KEY_OF_STUDY = 1 << 4,  /* at the top of the file; else below defaults */
    ESP_KEY_EXCLUSIVE = 1 << 5, /* minimum itself is excluded */
    /* enters the identity only where it differs from its built-in: every key added since there are
     * trials, so that they stay the same trials */
    ESP_KEY_WHERE_CHANGED = 1 << 6
};

typedef struct esp_key {
    const char *path; /* '*' stands for a name */
    esp_key_type type;
    const char *fallback; /* built-in, as a study would write it; NULL: none */
    double minimum, maximum;
    const char *choices;     /* separated by spaces */
    const char *unavailable; /* choices known but not available yet */
    const char *kinds;       /* of models or optimizers that have it; NULL: all */
    unsigned flags;
    const char *help;
} esp_key;

/* The table, ended by a path of NULL. Thread: any. */
extern const esp_key esp_keys[];

/* The table's key of exactly this path, which it must have. Thread: any. */
const esp_key *esp_schema_key(const char *path);

/* What a dotted path of the configuration means. */
typedef struct esp_key_ref {
    const esp_key *key;       /* NULL where a plugin's parameter is meant */
    const esp_param *param;   /* that parameter */
    const esp_plugin *plugin; /* below losses.* and heads.* */
} esp_key_ref;

/* Finds a configuration key; in_phase also leads through phases.X.set. false: unknown. */
bool esp_schema_find(esp_key_ref *out, const esp_registry *registry, const char *path);

/* Adds "unknown key 'hardning' in losses; did you mean 'hardening'?" for a whole path, and excuses
 * the key that was meant from being required. of_study: a key at the top of the file or below
 * variants and report. */
void esp_schema_unknown(esp_problems *problems, const esp_registry *registry, esp_mark mark,
                        const char *path, bool of_study);

/* Reads one value: *out is new (or NULL after a problem was added). node NULL: the built-in.
 * Maps give NULL without a problem, and so do keys without built-in. problems: may be NULL
 * where node is. */
void esp_schema_value(json_t **out, esp_problems *problems, const esp_key_ref *ref,
                      const char *path, const esp_node *node);

/* Checks what is assigned to a path and everything below it, whatever cells come of it.
 * phase: the assignment is made by a phase. */
void esp_schema_check(esp_problems *problems, const esp_registry *registry, const char *path,
                      esp_mark key_mark, const esp_node *node, bool phase);

/* Whether word is one of a list separated by spaces. */
bool esp_word_in(const char *words, const char *word);

/* "; did you mean 'x'?" or "; known: a, b" for a word, from a list separated by spaces. */
const char *esp_word_hint(esp_tree_pool *pool, const char *word, const char *words);

/* Adds a problem unless a name may stand in paths and labels: letters, digits, _ and -, dots where
 * allowed, at most most of them. what: "variant". Whether it may. */
bool esp_label_check(esp_problems *problems, esp_mark mark, const char *what, const char *name,
                     bool dots, int most);
enum { ESP_MAX_LABEL = 100 };

/* Adds a problem unless text is a metric of a split; false then. */
bool esp_metric_check(esp_problems *problems, esp_mark mark, const char *text);

/* Whether a metric is an accuracy (hard_accuracy, early_exit.accuracy_at_90), of which more is
 * better. metric: with or without its split; not an epochs_to_<metric>. */
bool esp_metric_is_accuracy(const char *metric);

/* "hard_accuracy" for epochs_to_hard_accuracy, a metric of reports alone: the first epoch whose
 * hard_accuracy was at least as good as the reported one; else NULL. metric: without its split. */
const char *esp_metric_epochs_to(const char *metric);

/* The views (ESP_PROBABILITIES | ...) that a model must have for a metric of its own to be
 * measured; 0 for metrics of every model and of plugins. metric: without its split. */
uint32_t esp_metric_views(const char *metric);

/* "scores", "probabilities and mixture": views by name. */
const char *esp_view_names(esp_tree_pool *pool, uint32_t views);

#endif
