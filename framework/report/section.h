/* The report section of a study, from its JSON. CONTRACT, study file, `report:`. */
#ifndef ESP_REPORT_SECTION_H
#define ESP_REPORT_SECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text_pool.h"
#include "study/contrast.h"

typedef struct esp_words {
    int n;
    const char **at;
} esp_words;

/* Whether a word is among them. Thread: any. */
bool esp_words_have(const esp_words *words, const char *word);

typedef struct esp_join {
    const char *column; /* of the published file */
    const char *value;  /* a key of the cell, or for `where` and `variant` the wanted text */
} esp_join;

typedef struct esp_joins {
    int n;
    esp_join *at;
} esp_joins;

typedef struct esp_contrast {
    const char *names[2];       /* "balanced", "model.leaf_width=8" */
    esp_contrast_side sides[2]; /* the first is compared with the second */
} esp_contrast;

/* A figure that a study asks for; what it leaves out is NULL or empty. */
typedef struct esp_figure_wish {
    const char *kind;           /* "learning_curve" */
    const char *name;           /* stem of its files, unique; never NULL */
    const char *title;          /* in place of the usual one */
    const char *metric;         /* "test.hard_accuracy" */
    const char *split, *x, *at; /* "test", "model.leaf_width", "selected" */
    esp_words variants, seeds;  /* those drawn; empty: all */
    esp_joins where;            /* key = value of the cells drawn */
} esp_figure_wish;

typedef struct esp_figure_wishes {
    int n;
    esp_figure_wish *at;
} esp_figure_wishes;

/* A trial has failed where it broke off, or where its metric is beyond the limit. */
typedef struct esp_failure_rule {
    const char *metric; /* "test.hard_accuracy"; NULL: only trials that broke off */
    double limit;
    bool above; /* failed above the limit; else below */
} esp_failure_rule;

typedef struct esp_equivalence {
    const char *metric; /* NULL: none asked for */
    double margin;      /* in the metric's own unit */
} esp_equivalence;

typedef struct esp_report_section {
    esp_words rows, columns; /* keys of cells; "variant" is one too */
    esp_words metrics;       /* "test.hard_accuracy" */
    esp_words ats;           /* "selected", "last", "selected:<metric>" */
    esp_words baseline_rows; /* variants printed first in each group */
    esp_figure_wishes figures;
    int n_contrasts;
    esp_contrast *contrasts;     /* those the study lists */
    bool as_paper;               /* layout: paper */
    const char *primary;         /* the metric that claims rest on; NULL: the first */
    double confidence;           /* of intervals, 0.95 */
    bool bootstrap;              /* intervals of means by the studentized bootstrap */
    uint64_t bootstrap_seed;     /* the seed of its draws */
    esp_failure_rule failure;    /* when a trial counts as failed */
    esp_equivalence equivalence; /* what difference means nothing */
    const char *published_file;  /* NULL: none */
    esp_joins published_where;   /* column = text */
    esp_joins published_join;    /* column = value of the cell's key */
    esp_joins published_variant; /* our variant -> theirs (column `model`) */
} esp_report_section;

/* Fills a section; what the JSON leaves out stays empty (the report chooses). Strings live in the
 * pool. Errors: ESP_STUDY where the JSON is not a report section; ESP_MEMORY. Thread: the pool's.
 */
int esp_report_section_parse(esp_report_section *out, const char *json, esp_text_pool *pool);

#endif
