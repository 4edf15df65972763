#include "report/render_statistics.h"

#include <math.h>
#include <string.h>

#include "core/status.h"

/* ---- CSV ------------------------------------------------------------------------------------- */

const char *const esp_statistics_columns[ESP_N_STATISTICS] = {
    "median",
    "interval_low",
    "interval_high",
    "test_error",
    "ended",
    "failures",
    "failure_low",
    "failure_high",
    "delta_low",
    "delta_high",
    "p",
    "p_holm",
    "correlation",
    "p_paired_t",
    "effect_d_z",
    "p_welch",
    "effect_g",
    "p_signed_rank",
    "least_signed_rank_holm",
    "p_mann_whitney",
    "least_mann_whitney",
    "p_fisher",
    "p_equivalence",
    "better",
    "log_sd_ratio",
    "log_sd_ratio_low",
    "log_sd_ratio_high",
    "p_brown_forsythe",
    "power_brown_forsythe",
};

void esp_statistics_values(double out[ESP_N_STATISTICS], const esp_seed_inference *one,
                           const esp_comparison *compared)
{
    for (int i = 0; i < ESP_N_STATISTICS; i++) {
        out[i] = NAN;
    }
    if (one != NULL) {
        const double values[] = {one->median,     one->interval.low, one->interval.high,
                                 one->test_error, one->ended,        one->failures,
                                 one->rate.low,   one->rate.high};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            out[i] = values[i];
        }
    }
    if (compared != NULL) {
        const double values[] = {compared->counted.interval.low,
                                 compared->counted.interval.high,
                                 compared->counted.p,
                                 compared->holm,
                                 compared->correlation,
                                 compared->paired.p,
                                 compared->paired.effect,
                                 compared->welch.p,
                                 compared->welch.effect,
                                 compared->signed_rank.p,
                                 compared->signed_rank_holm_least,
                                 compared->mann_whitney.p,
                                 compared->mann_whitney.smallest_p,
                                 compared->fisher,
                                 compared->equivalence,
                                 compared->improvement.probability,
                                 compared->spread.log_ratio,
                                 compared->spread.interval.low,
                                 compared->spread.interval.high,
                                 compared->brown_forsythe.p,
                                 compared->brown_forsythe_power};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            out[8 + i] = values[i];
        }
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

json_t *esp_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* Text that is not UTF-8 (a message of a plugin, say) keeps its ASCII. */
json_t *esp_json_word(esp_report *report, const char *text)
{
    json_t *value = text != NULL ? json_string(text) : json_null();
    if (value == NULL) {
        char *ascii = esp_pool_take(&report->pool, strlen(text) + 1);
        for (size_t i = 0; ascii != NULL && text[i]; i++) {
            ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
        }
        value = json_string(ascii != NULL ? ascii : "");
    }
    return value;
}

json_t *esp_json_words(esp_report *report, const char *const *words, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        json_array_append_new(list, esp_json_word(report, words[i]));
    }
    return list;
}

static void put(json_t *out, const char *key, double value)
{
    json_object_set_new(out, key, esp_json_number(value));
}

json_t *esp_json_interval(esp_interval interval)
{
    return json_pack("[o, o]", esp_json_number(interval.low), esp_json_number(interval.high));
}

void esp_json_add_seeds(json_t *out, const esp_report *report, const esp_seed_inference *one)
{
    json_t *failures = json_object();
    put(out, "median", one->median);
    json_object_set_new(out, "interval", esp_json_interval(one->interval));
    json_object_set_new(
        out, "interval_is",
        json_string(report->section.bootstrap ? "studentized bootstrap" : "Student"));
    put(out, "confidence", report->section.confidence);
    put(out, "test_error", one->test_error);
    json_object_set_new(failures, "ended", json_integer(one->ended));
    json_object_set_new(failures, "failed", json_integer(one->failures));
    json_object_set_new(failures, "interval", esp_json_interval(one->rate));
    json_object_set_new(out, "failures", failures);
}

static json_t *difference_json(const esp_difference *difference)
{
    json_t *out = json_object();
    put(out, "difference", difference->estimate);
    put(out, "standard_error", difference->standard_error);
    put(out, "t", difference->t);
    put(out, "df", difference->df);
    put(out, "p", difference->p);
    put(out, "effect", difference->effect);
    json_object_set_new(out, "interval", esp_json_interval(difference->interval));
    return out;
}

static json_t *rank_json(const esp_rank_test *test, double holm_least)
{
    json_t *out = json_object();
    put(out, "statistic", test->statistic);
    put(out, "p", test->p);
    put(out, "smallest_p", test->smallest_p);
    if (!isnan(holm_least)) {
        put(out, "smallest_p_holm", holm_least);
    }
    json_object_set_new(out, "exact", json_boolean(test->exact));
    return out;
}

static json_t *comparison_json(const esp_comparison *one, esp_report *report)
{
    json_t *out = json_object(), *spread = json_object(), *better = json_object();
    json_object_set_new(out, "a", esp_json_word(report, one->a->label));
    json_object_set_new(out, "b", esp_json_word(report, one->b->label));
    json_object_set_new(out, "family", json_integer(one->family));
    json_object_set_new(out, "n_a", json_integer(one->a_n));
    json_object_set_new(out, "n_b", json_integer(one->b_n));
    json_object_set_new(out, "pairs", json_integer(one->pairs));
    put(out, "correlation", one->correlation);
    json_object_set_new(out, "test", json_string(one->by_pairs ? "paired t" : "Welch"));
    put(out, "p", one->counted.p);
    put(out, "p_holm", one->holm);
    json_object_set_new(
        out, "untested",
        one->untested == ESP_TESTED ? json_null() : json_string(esp_untested_words(one->untested)));
    json_object_set_new(out, "interval", esp_json_interval(one->counted.interval));
    json_object_set_new(out, "paired_t", difference_json(&one->paired));
    json_object_set_new(out, "welch", difference_json(&one->welch));
    json_object_set_new(out, "signed_rank",
                        rank_json(&one->signed_rank, one->signed_rank_holm_least));
    json_object_set_new(out, "mann_whitney", rank_json(&one->mann_whitney, NAN));
    put(better, "probability", one->improvement.probability);
    json_object_set_new(better, "interval", esp_json_interval(one->improvement.interval));
    json_object_set_new(out, "a_better", better);
    put(out, "p_failures_fisher", one->fisher);
    put(out, "p_equivalence", one->equivalence);
    put(spread, "log_sd_ratio", one->spread.log_ratio);
    json_object_set_new(spread, "interval", esp_json_interval(one->spread.interval));
    put(spread, "p_f", one->spread.p);
    put(spread, "p_brown_forsythe", one->brown_forsythe.p);
    put(spread, "power_brown_forsythe_at_2", one->brown_forsythe_power);
    json_object_set_new(out, "spread", spread);
    return out;
}

static json_t *family_json(const esp_comparison_family *family, esp_report *report)
{
    json_t *out = json_object(), *spread = json_object();
    const esp_pooled_difference *mean = &family->difference;
    json_object_set_new(out, "a", esp_json_word(report, family->a));
    json_object_set_new(out, "b", esp_json_word(report, family->b));
    json_object_set_new(out, "question", json_integer(family->question));
    json_object_set_new(out, "comparisons", json_integer(family->n));
    json_object_set_new(out, "cells", json_integer(mean->cells));
    json_object_set_new(out, "seeds", json_integer(mean->seeds));
    json_object_set_new(out, "pairs", json_integer(mean->pairs));
    put(out, "difference", mean->estimate);
    put(out, "standard_error", mean->standard_error);
    put(out, "t", mean->t);
    put(out, "df", mean->df);
    put(out, "p", mean->p);
    put(out, "p_holm", family->holm);
    json_object_set_new(out, "interval", esp_json_interval(mean->interval));
    json_object_set_new(spread, "cells", json_integer(family->spread.cells));
    json_object_set_new(spread, "seeds", json_integer(family->spread.seeds));
    put(spread, "log_sd_ratio", family->spread.log_ratio);
    put(spread, "standard_error", family->spread.standard_error);
    put(spread, "p", family->spread.p);
    put(spread, "df", family->spread.df);
    put(spread, "p_homogeneity", family->homogeneity.homogeneity_p);
    json_object_set_new(spread, "interval", esp_json_interval(family->spread.interval));
    json_object_set_new(out, "spread", spread);
    return out;
}

int esp_json_comparisons(json_t **out, esp_report *report)
{
    json_t *list = json_array();
    for (int k = 0; k < report->n_ats * report->n_metrics; k++) {
        const int at = k / report->n_metrics, m = k % report->n_metrics;
        const esp_inference *all = NULL;
        int status = esp_report_infer(&all, report, at, m);
        if (status != ESP_OK) {
            json_decref(list);
            return status;
        }
        json_t *one = json_object(), *comparisons = json_array(), *families = json_array();
        json_object_set_new(one, "at", esp_json_word(report, report->ats[at].name));
        json_object_set_new(one, "split", esp_json_word(report, report->metrics[m].split));
        json_object_set_new(one, "metric", esp_json_word(report, report->metrics[m].key));
        json_object_set_new(one, "primary", json_boolean(m == esp_report_primary(report)));
        for (int i = 0; i < all->n; i++) {
            json_array_append_new(comparisons, comparison_json(&all->comparisons[i], report));
        }
        for (int i = 0; i < all->n_families; i++) {
            json_array_append_new(families, family_json(&all->families[i], report));
        }
        json_object_set_new(one, "comparisons", comparisons);
        json_object_set_new(one, "pooled", families);
        json_object_set_new(one, "query",
                            esp_json_word(report, esp_report_values_query(report, at, m)));
        json_array_append_new(list, one);
    }
    *out = list;
    return ESP_OK;
}
