/* What the seeds' values allow to be said: intervals, tests of differences, of spread and of
 * failures. The mathematics is statistics'; which values go into it is decided here. */
#ifndef ESP_REPORT_INFERENCE_H
#define ESP_REPORT_INFERENCE_H

#include "report/report.h"
#include "statistics/differences.h"
#include "statistics/intervals.h"
#include "statistics/pooled.h"
#include "statistics/ranks.h"
#include "statistics/spreads.h"

enum { ESP_BOOTSTRAP_DRAWS = 1999 };

/* One cell: its done trials' values of a metric at an epoch. NaN where undefined. */
typedef struct esp_seed_inference {
    double median;
    esp_interval interval; /* of the mean; by the section's confidence and kind */
    double test_error;     /* of one trial's test accuracy, for the test set is finite; the root
                              mean square over seeds */
    int ended, failures;   /* trials that ended; those that broke off or are beyond the limit */
    esp_interval rate;     /* of failures, Clopper-Pearson */
} esp_seed_inference;

/* Why a comparison has no p. */
typedef enum esp_untested {
    ESP_TESTED,
    ESP_UNTESTED_SEEDS,       /* fewer than ESP_LEAST_FOR_P of a side */
    ESP_UNTESTED_PAIRS,       /* the seeds are shared, but fewer than that have both values */
    ESP_UNTESTED_VALUES,      /* no value of either side differs from the others */
    ESP_UNTESTED_DIFFERENCES, /* the values vary, their differences do not */
} esp_untested;

/* "the values do not vary": what follows "not tested, because"; "" where it is tested. */
const char *esp_untested_words(esp_untested why);

/* Cell a against cell b. Differences are a - b. p values are NaN where either side, or the pairs,
 * have fewer than ESP_LEAST_FOR_P values. */
typedef struct esp_comparison {
    const esp_report_cell *a, *b;
    int family;          /* which of the families it belongs to */
    int a_n, b_n, pairs; /* seeds; those that both have */
    esp_difference paired, welch;
    double correlation;     /* over the pairs: above 0, pairing gained power */
    bool by_pairs;          /* most seeds are shared: the paired test counts, else Welch's */
    esp_difference counted; /* the one that does */
    esp_untested untested;  /* why that has no p */
    double holm;            /* its p corrected over all comparisons of the table */
    esp_rank_test signed_rank, mann_whitney;
    double signed_rank_holm_least; /* the smallest corrected p that data could give */
    esp_improvement improvement;   /* that a run of a is better than one of b; NaN: no direction */
    double fisher;                 /* p of the difference in failures */
    double equivalence;            /* p; NaN where the section states no margin for the metric */
    esp_spread_ratio spread;       /* ln(sd of a / sd of b) */
    esp_spread_test brown_forsythe;
    double brown_forsythe_power; /* to find one sd twice the other */
} esp_comparison;

/* What a study asks: a contrast, or a variant against its reference. */
typedef struct esp_comparison_question {
    const char *a, *b; /* names */
    const esp_contrast *contrast;
    esp_words keys; /* swept keys in whose values the sides differ in some comparison: the doses */
    int n, n_doses; /* comparisons; families */
    int first;      /* of its families, which follow one another */
} esp_comparison_question;

/* Comparisons of one question that may be pooled: both sides have the same values of its keys in
 * all of them, so that only what the sides share differs (data sets, leaf widths). */
typedef struct esp_comparison_family {
    const char *a, *b; /* names, with the values where the question has several doses */
    const char *dose;  /* "losses.balance.weight=0.3"; "" where the question has one dose */
    int question;
    int n; /* comparisons */
    esp_pooled_difference difference;
    double holm; /* its p corrected over all families of two comparisons or more; NaN: of one */
    esp_spread_by_seed spread;
    esp_pooled_spread homogeneity; /* by inverse variance: whether all cells have one ratio */
} esp_comparison_family;

/* One metric at one epoch. */
typedef struct esp_inference {
    esp_seed_inference *cells; /* [n_cells] */
    int n, n_families, n_questions;
    int n_tested; /* comparisons that have a p: what it is corrected for */
    esp_comparison
        *comparisons; /* [n] the study's contrasts, else each cell against its reference */
    esp_comparison_family *families;
    esp_comparison_question *questions;
} esp_inference;

/* Computed when it is first asked for; kept in the report's pool. Errors: ESP_MEMORY. Thread: the
 * report's. */
int esp_report_infer(const esp_inference **out, esp_report *report, int at, int metric);

/* Lists what is compared, question by question, and what of it may be pooled (questions.c):
 * comparisons, families and questions, which have room. Errors: ESP_MEMORY. */
int esp_questions_ask(esp_inference *all, esp_report *report);

/* The SQL that gives the seeds' values, from which all of it is computed. In the report's pool. */
const char *esp_report_values_query(esp_report *report, int at, int metric);

/* The metric that claims rest on: an index. */
int esp_report_primary(const esp_report *report);

#endif
