/* `espalier plan --power`: what the seeds of a study can find, by the tests of its report. */
#ifndef ESP_CLI_PLAN_POWER_H
#define ESP_CLI_PLAN_POWER_H

#include "core/text_pool.h"
#include "report/section.h"
#include "store/store.h"
#include "study/study.h"

/* The difference that seeds are asked for; value 0: none. */
typedef struct esp_power_wish {
    double value;
    bool in_sds; /* "0.5sd"; else in the metric's unit */
} esp_power_wish;

/* Whose sds a contrast is judged by. */
typedef enum esp_power_source {
    ESP_POWER_NOTHING,
    ESP_POWER_STUDY,
    ESP_POWER_CELLS
} esp_power_source;

/* Two cells that the report will compare. */
typedef struct esp_power_contrast {
    int a, b;  /* cells */
    int seeds; /* asked for of both */
    int pairs; /* of them with values of both in the database */
    double correlation;
    esp_power_source source;
    double sd_a, sd_b, sd_difference; /* NaN: ESP_POWER_NOTHING */
    double paired, welch;             /* smallest difference found */
    int paired_seeds, welch_seeds;    /* for the wish; 0: none, or more than ESP_MOST_SEEDS */
} esp_power_contrast;

/* What so many seeds a side can find at one alpha, whatever the study. NaN: nothing. */
typedef struct esp_power_row {
    int seeds;
    double alpha;
    double paired, welch;  /* smallest difference: in sds of the differences, in sds of either */
    double ratio;          /* smallest ratio of sds, by the F test */
    double brown_forsythe; /* power of that test at this ratio */
    double failures;       /* smallest failure rate told from none, by Fisher's test */
    double signed_rank, mann_whitney; /* smallest p they can reach */
} esp_power_row;

typedef struct esp_power {
    esp_text_pool pool; /* owns all that follows */
    const esp_study *study;
    const char *database; /* NULL: there is none yet */
    esp_report_section section;
    const char *metric, *split, *at; /* split: the metric's */
    bool is_accuracy;                /* printed in percent */
    bool by_test;                    /* a metric of the test split chose the epoch, or trained it */
    esp_power_wish wish;
    int wish_paired, wish_welch; /* seeds, for a wish in sds */
    int n_contrasts, n_rows;
    esp_power_contrast *contrasts;
    esp_power_row *rows; /* a row for each number of seeds and alpha */
} esp_power;

/* The power that all of this is for. */
extern const double esp_power_wanted;

/* "0.002", "0.2%", "0.5sd". Errors: ESP_USAGE. */
int esp_power_wish_parse(esp_power_wish *out, const char *text);

/* trials [study->n_trials], looked up in store, which may be NULL (database too). Release with
 * esp_power_free also after a failure. Errors: ESP_MEMORY, ESP_STORE, ESP_STUDY. */
int esp_power_make(esp_power *out, const esp_study *study, const esp_store_trial *trials,
                   esp_store *store, const char *database, const esp_power_wish *wish);
void esp_power_free(esp_power *power);

/* Errors: ESP_MEMORY; ESP_IO where out does not take it. */
int esp_power_print_text(FILE *out, const esp_power *power, bool markdown);
/* Errors: the same. */
int esp_power_print_json(FILE *out, const esp_power *power);

#endif
