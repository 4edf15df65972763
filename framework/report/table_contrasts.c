/* Pairs of cells that are compared: contrasts, or cells and their references. */
#include "report/table_build.h"

#include <math.h>
#include <string.h>

#include "core/status.h"
#include "statistics/sample.h"

static const char *swept_value(const esp_report_cell *cell, const char *key)
{
    for (int i = 0; i < cell->n_swept; i++) {
        if (strcmp(cell->swept[i].key, key) == 0) {
            return cell->swept[i].value;
        }
    }
    return NULL;
}

/* The swept keys of a cell that another has with the same value, or those it has not. */
static const char *keys_of(esp_report *report, const esp_report_cell *cell,
                           const esp_report_cell *other, bool shared)
{
    const char *text = "";
    for (int i = 0; i < cell->n_swept; i++) {
        const char *value = swept_value(other, cell->swept[i].key);
        if ((value != NULL && strcmp(value, cell->swept[i].value) == 0) == shared) {
            text = esp_pool_format(&report->pool, "%s%s%s=%s", text, *text ? " " : "",
                                   cell->swept[i].key, cell->swept[i].value);
        }
    }
    return text;
}

/* Starts a table with a line a comparison: where, A, B, then numbers. */
static int start(esp_table *out, const esp_inference **all, esp_report *report, int at, int m,
                 const char *const *headings, int n)
{
    static const char *const labels[] = {"where", "A", "B"};
    enum { N_LABELS = 3 };
    ESP_TRY(esp_report_infer(all, report, at, m));
    ESP_TRY(esp_table_make(out, report, N_LABELS, N_LABELS + n, (*all)->n));
    memcpy(out->headings, labels, sizeof labels);
    esp_table_headings(out, headings, n);
    for (int i = 0; i < (*all)->n; i++) {
        const esp_comparison *one = &(*all)->comparisons[i];
        const esp_report_cell *sides[] = {one->a, one->b};
        const char **row = &out->cells[i * out->n_columns];
        row[0] = keys_of(report, one->a, one->b, true);
        for (int k = 0; k < 2; k++) {
            const char *own = keys_of(report, sides[k], sides[1 - k], false);
            row[1 + k] =
                esp_pool_format(&report->pool, "%s%s%s", sides[k]->variant, *own ? " " : "", own);
        }
        out->gap[i] = i > 0 && one->family != one[-1].family ? 1 : 0;
    }
    return ESP_OK;
}

static bool too_few(const esp_comparison *one)
{
    return one->a_n < ESP_LEAST_FOR_P || one->b_n < ESP_LEAST_FOR_P;
}

static const char *few_pairs_or_p(esp_report *report, const esp_comparison *one, double p)
{
    return esp_words_p(report, p, one->pairs < ESP_LEAST_FOR_P);
}

int esp_table_contrasts(esp_table *out, esp_report *report, int at, int m)
{
    const char *headings[] = {
        "n A",
        "n B",
        "A - B (pairs)",
        esp_words_confidence(report),
        "p",
        "p Holm",
        "A better",
        "sd A/B",
        esp_pool_format(&report->pool, "its %s", esp_words_confidence(report))};
    enum { N = sizeof headings / sizeof *headings };
    const esp_report_metric *metric = &report->metrics[m];
    const esp_inference *all = NULL;
    ESP_TRY(start(out, &all, report, at, m, headings, N));
    esp_table_title(out, report, "contrasts", at, m,
                    report->section.n_contrasts > 0 ? ": contrasts" : ": against the reference");
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        const char **row = &out->cells[i * out->n_columns + out->n_labels];
        row[0] = esp_words_count(report, one->a, one->a_n);
        row[1] = esp_words_count(report, one->b, one->b_n);
        const bool few = one->by_pairs ? one->pairs < ESP_LEAST_FOR_P : too_few(one);
        const char *p = esp_words_p(report, one->counted.p, few);
        const esp_paired paired =
            esp_paired_of(&esp_report_series_of(report, one->a, at, m)->sample,
                          &esp_report_series_of(report, one->b, at, m)->sample);
        row[2] = one->by_pairs || isnan(one->welch.estimate)
                     ? esp_words_delta(report, metric, &paired)
                     : esp_pool_format(&report->pool, "%s (%d, %d)",
                                       esp_words_signed(report, metric, one->welch.estimate),
                                       one->a_n, one->b_n);
        row[3] = esp_words_interval(report, metric, one->counted.interval);
        row[4] =
            isnan(one->counted.p) || one->by_pairs ? p : esp_pool_format(&report->pool, "%s W", p);
        row[5] = few ? "" : esp_words_p(report, one->holm, false);
        row[6] = isnan(one->improvement.probability)
                     ? "-"
                     : esp_pool_format(&report->pool, "%.2f", one->improvement.probability);
        row[7] = few ? "-" : esp_words_ratio(report, exp(one->spread.log_ratio));
        row[8] = few ? "-" : esp_words_ratio_interval(report, one->spread.interval);
    }
    return esp_pool_status(&report->pool);
}

static const char *effect(esp_report *report, double value)
{
    return isnan(value) ? "-" : esp_pool_format(&report->pool, "%+.2f", value);
}

/* "0.062 (0.031)": p and the least that there can be. */
static const char *with_least(esp_report *report, const char *p, double least)
{
    return p[0] == 'n' || p[0] == '-' ? p : esp_pool_format(&report->pool, "%s (%.2g)", p, least);
}

int esp_table_tests(esp_table *out, esp_report *report, int at, int m)
{
    static const char *const headings[] = {"pairs",
                                           "r",
                                           "paired t p",
                                           "d_z",
                                           "Welch p",
                                           "g",
                                           "signed rank p (least)",
                                           "Mann-Whitney p (least)",
                                           "A better",
                                           "failed A, B",
                                           "Fisher p",
                                           "equivalence p"};
    enum { N = sizeof headings / sizeof *headings };
    const esp_inference *all = NULL;
    ESP_TRY(start(out, &all, report, at, m, headings, N));
    esp_table_title(out, report, "tests", at, m, ": all tests");
    out->detail = true;
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        const esp_seed_inference *a = &all->cells[one->a - report->cells];
        const esp_seed_inference *b = &all->cells[one->b - report->cells];
        const char **row = &out->cells[i * out->n_columns + out->n_labels];
        const bool few = too_few(one);
        row[0] = esp_pool_format(&report->pool, "%d", one->pairs);
        row[1] = effect(report, one->correlation);
        row[2] = few_pairs_or_p(report, one, one->paired.p);
        row[3] = effect(report, one->pairs < ESP_LEAST_FOR_P ? NAN : one->paired.effect);
        row[4] = esp_words_p(report, one->welch.p, few);
        row[5] = effect(report, few ? NAN : one->welch.effect);
        row[6] = with_least(report, few_pairs_or_p(report, one, one->signed_rank.p),
                            esp_signed_rank_smallest_p(one->pairs));
        row[7] = with_least(report, esp_words_p(report, one->mann_whitney.p, few),
                            one->mann_whitney.smallest_p);
        row[8] =
            isnan(one->improvement.probability)
                ? "-"
                : esp_pool_format(&report->pool, "%.2f [%.2f, %.2f]", one->improvement.probability,
                                  one->improvement.interval.low, one->improvement.interval.high);
        row[9] = esp_pool_format(&report->pool, "%d/%d, %d/%d", a->failures, a->ended, b->failures,
                                 b->ended);
        row[10] = esp_words_p(report, one->fisher,
                              a->ended < ESP_LEAST_FOR_P || b->ended < ESP_LEAST_FOR_P);
        row[11] = esp_words_p(report, one->equivalence, false);
    }
    return esp_pool_status(&report->pool);
}

int esp_table_spreads(esp_table *out, esp_report *report, int at, int m)
{
    const char *headings[] = {"n A",      "sd A",
                              "n B",      "sd B",
                              "sd A/B",   esp_words_confidence(report),
                              "F p",      "Brown-Forsythe p",
                              "its power"};
    enum { N = sizeof headings / sizeof *headings };
    const esp_report_metric *metric = &report->metrics[m];
    const esp_inference *all = NULL;
    ESP_TRY(start(out, &all, report, at, m, headings, N));
    esp_table_title(out, report, "spreads", at, m, ": spread over seeds");
    out->detail = true;
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        const esp_report_cell *sides[] = {one->a, one->b};
        const char **row = &out->cells[i * out->n_columns + out->n_labels];
        const bool few = too_few(one);
        for (int k = 0; k < 2; k++) {
            const esp_stats *stats = &esp_report_series_of(report, sides[k], at, m)->stats;
            row[2 * k] = esp_words_count(report, sides[k], stats->n);
            row[2 * k + 1] = esp_words_number(report, metric, stats->sd);
        }
        row[4] = few ? "-" : esp_words_ratio(report, exp(one->spread.log_ratio));
        row[5] = few ? "-" : esp_words_ratio_interval(report, one->spread.interval);
        row[6] = esp_words_p(report, one->spread.p, few);
        row[7] = esp_words_p(report, one->brown_forsythe.p, few);
        row[8] = isnan(one->brown_forsythe_power)
                     ? "-"
                     : esp_pool_format(&report->pool, "%.2f", one->brown_forsythe_power);
    }
    return esp_pool_status(&report->pool);
}

int esp_table_pooled(esp_table *out, esp_report *report, int at, int m)
{
    const char *headings[] = {
        "cells",
        "seeds",
        "pairs",
        "A - B",
        esp_words_confidence(report),
        "p",
        "p Holm",
        "sd A/B",
        esp_pool_format(&report->pool, "its %s", esp_words_confidence(report)),
        "its p",
        "alike in all p"};
    enum { N = sizeof headings / sizeof *headings, N_LABELS = 2 };
    const esp_report_metric *metric = &report->metrics[m];
    const esp_inference *all = NULL;
    ESP_TRY(esp_report_infer(&all, report, at, m));
    ESP_TRY(esp_table_make(out, report, N_LABELS, N_LABELS + N, all->n_families));
    out->headings[0] = "A";
    out->headings[1] = "B";
    esp_table_headings(out, headings, N);
    esp_table_title(out, report, "pooled", at, m, ": pooled over cells");
    out->n_rows = 0;
    for (int i = 0; i < all->n_families; i++) {
        const esp_comparison_family *family = &all->families[i];
        if (family->n < 2) {
            continue;
        }
        const char **row = &out->cells[out->n_rows++ * out->n_columns];
        const esp_pooled_difference *mean = &family->difference;
        row[0] = family->a;
        row[1] = family->b;
        row[2] = esp_pool_format(&report->pool, "%d/%d", mean->cells, family->n);
        row[3] = esp_pool_format(&report->pool, "%d", mean->seeds);
        row[4] = esp_pool_format(&report->pool, "%d", mean->pairs);
        row[5] = esp_words_signed(report, metric, mean->estimate);
        row[6] = esp_words_interval(report, metric, mean->interval);
        const bool few = mean->seeds < ESP_LEAST_FOR_P;
        row[7] = esp_words_p(report, mean->p, few);
        row[8] = few ? "" : esp_words_p(report, family->holm, false);
        row[9] = esp_words_ratio(report, exp(family->spread.log_ratio));
        row[10] = esp_words_ratio_interval(report, family->spread.interval);
        row[11] = esp_words_p(report, family->spread.p, false);
        row[12] = esp_words_p(report, family->homogeneity.homogeneity_p, false);
    }
    return esp_pool_status(&report->pool);
}
