/* A study's results as read from the database: every cell with its seeds' values and statistics.
 * How it looks is the business of render.h. */
#ifndef ESP_REPORT_REPORT_H
#define ESP_REPORT_REPORT_H

#include "core/text_pool.h"
#include "report/section.h"
#include "report/stats.h"
#include "store/published.h"
#include "store/store.h"
#include "study/published_csv.h"

typedef struct esp_report_metric {
    const char *name;  /* "test.hard_accuracy" */
    const char *split; /* "test" */
    const char *key;   /* "hard_accuracy" */
    esp_better better;
} esp_report_metric;

/* One metric of one cell at one epoch. */
typedef struct esp_report_series {
    esp_sample sample; /* done trials, by seed */
    esp_stats stats;
    esp_paired paired;     /* against the reference cell */
    double variance_ratio; /* the same; NaN: undefined */
    int n_published;
    const esp_published_value *published;
} esp_report_series;

typedef struct esp_report_cell {
    int64_t key;
    const char *variant, *label;
    int reference; /* index, or -1 */
    int planned, done, failed;
    bool unasked; /* no run has asked for it, and it has no trial that ended elsewhere */
    const char *first_failure; /* message, or NULL */
    int builds; /* files of one plugin that its done trials used, where they are several; else 0 */
    esp_words keys, values; /* its whole configuration */
    int n_swept;
    esp_store_param *swept;    /* its grid and zip keys */
    esp_report_series *series; /* [n_ats x n_metrics] */
    int n_routed;              /* trials with leaf counts; what follows are their means */
    double leaves, dead, entropy, max_share;
    int *beyond;     /* [n_ats] done trials beyond the section's failure limit */
    double examples; /* of its test set; 0: not known */
} esp_report_cell;

/* How one metric of a cell differs from that of another, at one epoch. */
typedef struct esp_report_difference {
    esp_paired paired;     /* over the seeds that both have */
    double variance_ratio; /* NaN: undefined, or fewer than 3 seeds of either */
} esp_report_difference;

/* Two cells that a contrast compares. */
typedef struct esp_report_pair {
    const esp_contrast *contrast;
    const esp_report_cell *a, *b;
    esp_report_difference *differences; /* [n_ats x n_metrics] */
} esp_report_pair;

/* An epoch that values are of. */
typedef struct esp_report_at {
    const char *name;     /* "selected", "last", ... */
    const char *monitors; /* what chose it, "" where nothing did */
    bool by_test;         /* chosen by a metric of the test split, or trained by one */
} esp_report_at;

typedef struct esp_report {
    esp_text_pool pool; /* owns all that follows */
    const char *study, *title, *source, *question;
    int revision;
    bool latest; /* the revision run last */
    bool beside; /* several, beside each other: study is what esp_study_show calls them */
    esp_words overrides, variants;
    esp_report_section section;
    int n_metrics, n_ats, n_cells;
    esp_report_metric *metrics;
    esp_report_at *ats;
    esp_report_cell *cells;
    int n_pairs; /* 0: the study lists no contrasts */
    esp_report_pair *pairs;
    struct esp_inference **inferences; /* [n_ats x n_metrics], inference.h; NULL: none asked for */
    struct esp_cell_variance *variances; /* [n_cells], variance.h; NULL: not asked for */
    struct esp_predicted *predicted;     /* of published values, compatible.h */
    bool statistics; /* print every statistic of every metric, not only the primary one's */
    bool queries;    /* print the SQL behind each table */
    int planned, done, failed;
    int n_unasked, unasked_trials; /* cells of which no run has asked for any trial; their trials */
    const char *training_saw_test; /* the key by which training looked at the test set; NULL */
    const char *mixed; /* a plugin, not of espalier's, of which trials used several files; NULL */
    int stale;         /* trials done by other code */
    int mismatches;    /* epochs trained again that did not come out the same */
    bool text_differs;
    const esp_published_csv *published; /* NULL: none asked for, or not found */
    const char *published_problem;      /* why not, or NULL */
    const char *undrawn; /* by the page: figures that are not drawn and why; NULL: none */
    esp_store *store;    /* it was read from; the caller's, open while that lasts */
} esp_report;

typedef struct esp_report_request {
    const char *study;
    const char *section;       /* JSON; NULL: the one stored with the revision */
    const char *text;          /* the file's text, to say where it differs; NULL: none */
    const char *study_folder;  /* where a published file is looked for first; NULL: nowhere */
    const char *source_folder; /* of analysis/published; NULL: none */
    int revision;              /* 0: the one run last */
    bool beside;               /* study is what esp_study_show calls several */
    bool statistics, queries, variance;
    int n_metrics, n_ats; /* 0: the section's */
    const char *const *metrics;
    const char *const *ats;
} esp_report_request;

/* Sets study, revision and beside of a request by what users name (esp_study_show): one study or
 * revision, or several beside each other, which the store then shows. request->revision: of an
 * option, or 0. *name is owned by the caller and must outlive the request. Errors: as
 * esp_study_show; ESP_USAGE for two revisions of one study at once. Thread: the store's. */
int esp_report_choose(char **name, esp_report_request *request, esp_store *store,
                      const char *const *texts, int n);

/* Reads a report. *out owned by the caller. Errors: ESP_NOT_FOUND for a study or revision that is
 * not there; ESP_USAGE for a metric or epoch that nothing recorded;
 * ESP_STUDY for a broken section; ESP_DATA for a broken published file; ESP_STORE. Thread: the
 * store's. */
int esp_report_load(esp_report **out, esp_store *store, const esp_report_request *request);
void esp_report_free(esp_report *report);

/* A cell's value for a key: "variant", "cell", or a key of its configuration ("model.leaf_width";
 * derived widths with or without "model."). NULL where it has none. */
const char *esp_report_value(const esp_report_cell *cell, const char *key);

const esp_report_series *esp_report_series_of(const esp_report *report, const esp_report_cell *cell,
                                              int at, int metric);

/* Finds the pairs of cells that the section's contrasts compare, and compares them
 * (report_contrasts.c). Errors: ESP_MEMORY. */
int esp_report_compare(esp_report *report);

/* ---- published values (report_published.c) --------------------------------------------------- */

/* Finds the section's published file and sets what it holds beside the cells. A file that is not
 * found is a published_problem, not an error. Errors: ESP_DATA, ESP_MEMORY. */
int esp_report_join_published(esp_report *report, const esp_report_request *request);

/* The joined values as rows for esp_store_set_published; *rows lives in the report's pool. */
int esp_report_published_rows(esp_store_published **rows, int *n, esp_report *report);

#endif
