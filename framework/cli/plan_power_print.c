/* What the seeds of a study can find, as text, Markdown or JSON. */
#include <jansson.h>
#include <math.h>

#include "cli/plan_power.h"
#include "core/status.h"
#include "report/render.h"
#include "statistics/sample.h"

enum { CELL = 48 };

/* ---- text ------------------------------------------------------------------------------------ */

/* In the metric's unit; accuracies in percent. */
static const char *in_unit(char out[CELL], const esp_power *power, double value)
{
    if (isnan(value)) {
        return "-";
    }
    snprintf(out, CELL, power->is_accuracy ? "%.2f %%" : "%.3g",
             power->is_accuracy ? 100 * value : value);
    return out;
}

/* "1.68 sd", or "-" where no difference is large enough. */
static const char *number(char out[CELL], const char *format, double value)
{
    if (isnan(value)) {
        return "-";
    }
    snprintf(out, CELL, format, value);
    return out;
}

/* The smallest p a test by ranks can reach, and whether that is enough. */
static const char *reach(char out[CELL], double smallest, double alpha)
{
    snprintf(out, CELL, smallest <= alpha ? "%.2g" : "never (%.2g)", smallest);
    return out;
}

/* A table's lines, padded for text. widths [n]; negative: words, to the left. */
static void put_line(FILE *out, bool markdown, const int *widths, const char *const *cells, int n)
{
    for (int i = 0; i < n; i++) {
        if (markdown) {
            fprintf(out, "%s %s", i > 0 ? " |" : "|", cells[i]);
        } else {
            fprintf(out, "%s%*s", i > 0 ? "  " : "", widths[i], cells[i]);
        }
    }
    fputs(markdown ? " |" : "", out);
}

static void put_rule(FILE *out, bool markdown, int n)
{
    for (int i = 0; markdown && i <= n; i++) {
        fputs(i < n ? "|---" : "|\n", out);
    }
}

static void print_rows(FILE *out, const esp_power *power, bool markdown)
{
    enum { N = 9 };
    static const int widths[N] = {5, 7, 8, 8, 6, 14, 8, 14, 14};
    static const char *const headings[N] = {"seeds",    "alpha",       "paired t",
                                            "Welch",    "spread",      "Brown-Forsythe",
                                            "failures", "signed rank", "Mann-Whitney"};
    put_line(out, markdown, widths, headings, N);
    fputs("\n", out);
    put_rule(out, markdown, N);
    for (int i = 0; i < power->n_rows; i++) {
        const esp_power_row *row = &power->rows[i];
        char text[N][CELL];
        snprintf(text[0], CELL, "%d", row->seeds);
        const char *const cells[N] = {text[0],
                                      number(text[1], "%.2g", row->alpha),
                                      number(text[2], "%.2f sd", row->paired),
                                      number(text[3], "%.2f sd", row->welch),
                                      number(text[4], "x %.3g", row->ratio),
                                      number(text[5], "%.0f %%", 100 * row->brown_forsythe),
                                      number(text[6], "%.0f %%", 100 * row->failures),
                                      reach(text[7], row->signed_rank, row->alpha),
                                      reach(text[8], row->mann_whitney, row->alpha)};
        put_line(out, markdown, widths, cells, N);
        fputs("\n", out);
    }
    fprintf(
        out,
        "\npaired t: the smallest difference, in sds of the differences at equal seeds; Welch: "
        "in sds of\neither side; spread: the smallest ratio of sds, by the F test, and "
        "Brown-Forsythe's power at it;\nfailures: the smallest failure rate told from none, by "
        "Fisher's test; - : no difference is large\nenough. Tests by ranks: the smallest p they "
        "reach, whatever the data.\n");
    for (int i = 0; i < power->n_rows; i++) {
        if (power->rows[i].seeds < ESP_LEAST_FOR_P) {
            fprintf(out,
                    "Below %d seeds a report prints no p value: two have no spread to speak of.\n",
                    ESP_LEAST_FOR_P);
            break;
        }
    }
    if (power->n_contrasts > 1) {
        fprintf(out,
                "The smaller alpha is what the first of the %d contrasts must reach under Holm's "
                "correction.\n",
                power->n_contrasts);
    }
}

/* Names are of whoever wrote the study. */
static void put_name(FILE *out, const char *name, bool markdown)
{
    if (markdown) {
        esp_put_markdown(out, name);
    } else {
        esp_put_plain(out, name, false);
    }
}

static void print_contrasts(FILE *out, const esp_power *power, bool markdown)
{
    enum { N = 6 };
    static const int widths[N] = {5, 17, 11, 10, 10, 13};
    const bool asked = power->wish.value > 0 && !power->wish.in_sds;
    const int n = asked ? N : N - 1;
    char wished[CELL], wanted[CELL];
    snprintf(wished, CELL, "seeds: %.30s", in_unit(wanted, power, power->wish.value));
    const char *const headings[N] = {
        "seeds", "sd of difference", "correlation", "paired t", "Welch", wished};
    put_line(out, markdown, widths, headings, n);
    fputs(markdown ? " contrast |\n" : "  contrast\n", out);
    put_rule(out, markdown, n + 1);
    for (int i = 0; i < power->n_contrasts; i++) {
        const esp_power_contrast *one = &power->contrasts[i];
        char text[N][CELL], sd[CELL];
        snprintf(text[0], CELL, "%d", one->seeds);
        snprintf(text[1], CELL, "%.30s", in_unit(sd, power, one->sd_difference));
        if (one->source == ESP_POWER_CELLS) {
            snprintf(text[1], CELL, "%.30s (%d)", in_unit(sd, power, one->sd_difference),
                     one->pairs);
        } else if (one->source == ESP_POWER_STUDY) {
            snprintf(text[1], CELL, "%.30s *", in_unit(sd, power, one->sd_difference));
        }
        snprintf(text[5], CELL, "%d, %d", one->paired_seeds, one->welch_seeds);
        const char *const cells[N] = {text[0],
                                      text[1],
                                      number(text[2], "%.2f", one->correlation),
                                      in_unit(text[3], power, one->paired),
                                      in_unit(text[4], power, one->welch),
                                      one->source == ESP_POWER_NOTHING ? "-" : text[5]};
        put_line(out, markdown, widths, cells, n);
        fputs(markdown ? " " : "  ", out);
        put_name(out, power->study->cells[one->a].label, markdown);
        fputs(" against ", out);
        put_name(out, power->study->cells[one->b].label, markdown);
        fputs(markdown ? " |\n" : "\n", out);
    }
}

static void print_sources(FILE *out, const esp_power *power)
{
    int n[3] = {0};
    for (int i = 0; i < power->n_contrasts; i++) {
        n[power->contrasts[i].source]++;
    }
    const char *database = power->database != NULL ? power->database : "the database";
    fputs("\npaired t, Welch: the smallest true difference that the planned seeds find\n", out);
    if (n[ESP_POWER_CELLS] > 0) {
        fputs("(n): pairs of seeds that the sd is of, as ", out);
        esp_put_plain(out, database, false);
        fputs(" has them; of few it is rough itself\n", out);
    }
    if (n[ESP_POWER_STUDY] > 0) {
        fputs("* no three seeds of both cells yet: the sd over the study's other contrasts\n", out);
    }
    if (n[ESP_POWER_NOTHING] > 0) {
        fputs(
            "no contrast has three of the planned seeds (the file's and those of --seeds) of both "
            "its cells in\n",
            out);
        esp_put_plain(out, database, false);
        fputs(": sds are unknown, see above for differences in units of them\n", out);
    }
    if (power->wish.value > 0 && !power->wish.in_sds && n[ESP_POWER_NOTHING] == 0) {
        fputs("seeds: paired, and a side where unpaired, that such a difference needs; 0: more "
              "than 100,000\n",
              out);
    }
}

int esp_power_print_text(FILE *out, const esp_power *power, bool markdown)
{
    const esp_study *study = power->study;
    fputs(markdown ? "# " : "", out);
    put_name(out, study->name, markdown);
    fprintf(out,
            ": what its seeds can find\n\nby %s, at %s%s; two-sided, confidence %g, "
            "power %.0f %%\n\n",
            power->metric, power->at, power->by_test ? " (chosen by the test set!)" : "",
            power->section.confidence, 100 * esp_power_wanted);
    if (power->n_contrasts == 0) {
        fputs("The study compares nothing: it has neither a reference variant nor contrasts.\n",
              out);
        return esp_render_finish(out);
    }
    print_rows(out, power, markdown);
    if (power->wish.in_sds) {
        fprintf(out, "\nA difference of %g sd needs %d seeds paired, %d a side where unpaired.\n",
                power->wish.value, power->wish_paired, power->wish_welch);
    }
    fputs("\n", out);
    print_contrasts(out, power, markdown);
    print_sources(out, power);
    return esp_render_finish(out);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *row_value(const esp_power_row *row)
{
    return json_pack("{s:i,s:f,s:o,s:o,s:o,s:o,s:o,s:f,s:f}", "seeds", row->seeds, "alpha",
                     row->alpha, "paired_t_sds", real(row->paired), "welch_sds", real(row->welch),
                     "sd_ratio", real(row->ratio), "brown_forsythe_power",
                     real(row->brown_forsythe), "failure_rate", real(row->failures),
                     "signed_rank_smallest_p", row->signed_rank, "mann_whitney_smallest_p",
                     row->mann_whitney);
}

static json_t *contrast_value(const esp_power *power, const esp_power_contrast *one)
{
    static const char *const sources[] = {"none", "study", "cells"};
    const bool asked = power->wish.value > 0 && !power->wish.in_sds;
    json_t *value = json_pack(
        "{s:s,s:s,s:i,s:i,s:s,s:o,s:o,s:o,s:o,s:o,s:o}", "a", power->study->cells[one->a].label,
        "b", power->study->cells[one->b].label, "seeds", one->seeds, "known_pairs", one->pairs,
        "sd_from", sources[one->source], "sd_a", real(one->sd_a), "sd_b", real(one->sd_b),
        "sd_difference", real(one->sd_difference), "correlation", real(one->correlation),
        "paired_t", real(one->paired), "welch", real(one->welch));
    if (asked && value != NULL) {
        json_object_set_new(value, "paired_seeds",
                            one->paired_seeds > 0 ? json_integer(one->paired_seeds) : json_null());
        json_object_set_new(value, "welch_seeds",
                            one->welch_seeds > 0 ? json_integer(one->welch_seeds) : json_null());
    }
    return value;
}

int esp_power_print_json(FILE *out, const esp_power *power)
{
    json_t *rows = json_array(), *contrasts = json_array();
    for (int i = 0; i < power->n_rows; i++) {
        json_array_append_new(rows, row_value(&power->rows[i]));
    }
    for (int i = 0; i < power->n_contrasts; i++) {
        json_array_append_new(contrasts, contrast_value(power, &power->contrasts[i]));
    }
    json_t *value = json_pack("{s:s,s:s,s:s,s:b,s:f,s:f,s:o,s:o}", "study", power->study->name,
                              "metric", power->metric, "at", power->at, "by_test", power->by_test,
                              "alpha", 1 - power->section.confidence, "power", esp_power_wanted,
                              "seeds", rows, "contrasts", contrasts);
    if (value == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the plan");
    }
    if (power->wish.value > 0) {
        json_object_set_new(value, "difference",
                            json_pack("{s:f,s:s}", "value", power->wish.value, "unit",
                                      power->wish.in_sds ? "sd" : "metric"));
    }
    if (power->wish.in_sds) {
        json_object_set_new(value, "paired_seeds", json_integer(power->wish_paired));
        json_object_set_new(value, "welch_seeds", json_integer(power->wish_welch));
    }
    json_dumpf(value, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    json_decref(value);
    fputs("\n", out);
    return esp_render_finish(out);
}
