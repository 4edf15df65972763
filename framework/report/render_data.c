/* A report for programs: CSV and JSON. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "core/terminal.h"
#include "report/compatible.h"
#include "report/render.h"
#include "report/render_statistics.h"
#include "report/variance.h"

/* ---- CSV ------------------------------------------------------------------------------------- */

typedef struct csv {
    FILE *out;
    bool inside; /* a field of this line is written */
} csv;

static void separate(csv *line)
{
    fputs(line->inside ? "," : "", line->out);
    line->inside = true;
}

/* RFC 4180: quotes around what needs them, quotes inside doubled. */
static void put_field(csv *line, const char *text)
{
    separate(line);
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, line->out);
        return;
    }
    fputc('"', line->out);
    for (; *text; text++) {
        fputs(*text == '"' ? "\"" : "", line->out);
        fputc(*text, line->out);
    }
    fputc('"', line->out);
}

static void put_count(csv *line, int value)
{
    separate(line);
    fprintf(line->out, "%d", value);
}

/* Digits enough to read the same number back; nothing where undefined. */
static void put_number(csv *line, double value)
{
    separate(line);
    if (!isnan(value)) {
        fprintf(line->out, "%.17g", value);
    }
}

static void end_line(csv *line)
{
    fputc('\n', line->out);
    line->inside = false;
}

/* The keys of rows and columns that have no column of their own: their names, or a cell's values.
 */
static void put_keys(csv *line, const esp_report *report, const esp_report_cell *cell)
{
    const esp_words *keys[] = {&report->section.rows, &report->section.columns};
    for (int list = 0; list < 2; list++) {
        for (int i = 0; i < keys[list]->n; i++) {
            const char *key = keys[list]->at[i];
            if (strcmp(key, "variant") != 0 && strcmp(key, "cell") != 0) {
                const char *value = cell != NULL ? esp_report_value(cell, key) : key;
                put_field(line, value != NULL ? value : "");
            }
        }
    }
}

/* What a line compares its cell with: its reference, or the other side of a contrast. */
typedef struct comparison {
    const esp_report_cell *with; /* NULL: nothing */
    esp_report_difference difference;
    const esp_contrast *contrast;
} comparison;

static comparison reference_of(const esp_report *report, const esp_report_cell *cell, int k)
{
    const esp_report_series *series = &cell->series[k];
    return (comparison){.with = cell->reference >= 0 ? &report->cells[cell->reference] : NULL,
                        .difference = {series->paired, series->variance_ratio}};
}

static const esp_comparison *find_comparison(const esp_inference *all, const esp_report_cell *cell,
                                             const comparison *compared)
{
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        if (one->a == cell && one->b == compared->with &&
            all->questions[all->families[one->family].question].contrast == compared->contrast) {
            return one;
        }
    }
    return NULL;
}

static void put_csv_line(csv *line, const esp_report *report, const esp_report_cell *cell, int at,
                         int m, const comparison *compared, const esp_published_value *published)
{
    double statistics[ESP_N_STATISTICS];
    const esp_inference *all = report->inferences[at * report->n_metrics + m];
    esp_statistics_values(statistics, &all->cells[cell - report->cells],
                          find_comparison(all, cell, compared));
    const esp_stats *stats = &esp_report_series_of(report, cell, at, m)->stats;
    put_field(line, report->study);
    put_count(line, report->revision);
    put_field(line, cell->variant);
    put_field(line, cell->label);
    put_keys(line, report, cell);
    put_field(line, report->ats[at].name);
    put_field(line, report->ats[at].monitors);
    put_field(line, report->metrics[m].split);
    put_field(line, report->metrics[m].key);
    put_count(line, stats->n);
    put_count(line, cell->planned);
    put_count(line, cell->failed);
    const double numbers[] = {stats->mean,  stats->sd,  stats->variance, stats->best,
                              stats->worst, stats->min, stats->max,      stats->spread};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        put_number(line, numbers[i]);
    }
    put_field(line, compared->with != NULL ? compared->with->label : "");
    put_number(line, compared->difference.variance_ratio);
    put_count(line, compared->difference.paired.n);
    put_number(line, compared->difference.paired.mean);
    put_number(line, compared->difference.paired.sd);
    put_number(line, published != NULL ? published->best : NAN);
    put_number(line, published != NULL ? published->spread : NAN);
    put_field(line, published != NULL ? published->spread_is : "");
    put_field(line, published != NULL ? published->routing : "");
    if (published != NULL && published->runs > 0) {
        put_count(line, published->runs);
    } else {
        put_field(line, "");
    }
    put_field(line, published != NULL ? published->source : "");
    if (report->n_pairs > 0) {
        put_number(line, compared->with != NULL
                             ? esp_report_series_of(report, compared->with, at, m)->stats.mean
                             : NAN);
        put_field(line, compared->contrast != NULL ? compared->contrast->names[0] : "");
        put_field(line, compared->contrast != NULL ? compared->contrast->names[1] : "");
    }
    put_field(line, report->ats[at].by_test ? "true" : "false");
    for (int i = 0; i < ESP_N_STATISTICS; i++) {
        put_number(line, statistics[i]);
    }
    end_line(line);
}

/* A line for every pair of a contrast, metric and epoch: as a cell's, the reference being side B.
 */
static void put_contrasts(csv *line, const esp_report *report)
{
    for (int i = 0; i < report->n_pairs; i++) {
        const esp_report_pair *pair = &report->pairs[i];
        for (int k = 0; k < report->n_ats * report->n_metrics; k++) {
            const comparison compared = {pair->b, pair->differences[k], pair->contrast};
            put_csv_line(line, report, pair->a, k / report->n_metrics, k % report->n_metrics,
                         &compared, NULL);
        }
    }
}

int esp_render_csv(FILE *out, esp_report *report)
{
    esp_terminal_data(out);
    if (report->variances != NULL) {
        return esp_render_page_csv(out, report);
    }
    static const char *const before[] = {"study", "revision", "variant", "cell"};
    static const char *const after[] = {"at",
                                        "selected_by",
                                        "split",
                                        "metric",
                                        "n",
                                        "planned",
                                        "failed",
                                        "mean",
                                        "sd",
                                        "variance",
                                        "best",
                                        "worst",
                                        "min",
                                        "max",
                                        "spread",
                                        "reference",
                                        "variance_ratio",
                                        "pairs",
                                        "mean_delta",
                                        "sd_delta",
                                        "published_best",
                                        "published_spread",
                                        "published_spread_is",
                                        "published_routing",
                                        "published_runs",
                                        "published_source"};
    csv line = {.out = out};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        put_field(&line, before[i]);
    }
    put_keys(&line, report, NULL);
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
        put_field(&line, after[i]);
    }
    if (report->n_pairs > 0) {
        put_field(&line, "reference_mean");
        put_field(&line, "contrast_a");
        put_field(&line, "contrast_b");
    }
    put_field(&line, "chosen_by_test");
    for (int i = 0; i < ESP_N_STATISTICS; i++) {
        put_field(&line, esp_statistics_columns[i]);
    }
    end_line(&line);
    for (int k = 0; k < report->n_ats * report->n_metrics; k++) {
        const esp_inference *all = NULL;
        ESP_TRY(esp_report_infer(&all, report, k / report->n_metrics, k % report->n_metrics));
    }
    for (int c = 0; c < report->n_cells; c++) {
        for (int k = 0; k < report->n_ats * report->n_metrics; k++) {
            const esp_report_series *series = &report->cells[c].series[k];
            const comparison compared = reference_of(report, &report->cells[c], k);
            for (int p = 0; p == 0 || p < series->n_published; p++) {
                put_csv_line(&line, report, &report->cells[c], k / report->n_metrics,
                             k % report->n_metrics, &compared,
                             series->n_published > 0 ? &series->published[p] : NULL);
            }
        }
    }
    put_contrasts(&line, report);
    return esp_render_finish(out);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *seeds_of(const esp_sample *sample)
{
    json_t *out = json_array();
    for (int i = 0; i < sample->n; i++) {
        const uint64_t *seed = sample->seeds[i];
        json_t *one = json_object();
        json_object_set_new(one, "init", json_integer((json_int_t)seed[0]));
        json_object_set_new(one, "order", json_integer((json_int_t)seed[1]));
        json_object_set_new(one, "noise", json_integer((json_int_t)seed[2]));
        json_object_set_new(one, "value", esp_json_number(sample->values[i]));
        json_array_append_new(out, one);
    }
    return out;
}

static json_t *published_of(esp_report *report, const esp_report_metric *metric,
                            const esp_report_series *series)
{
    json_t *out = json_array();
    for (int i = 0; i < series->n_published; i++) {
        const esp_published_value *value = &series->published[i];
        json_t *one = json_object();
        json_object_set_new(one, "best", esp_json_number(value->best));
        json_object_set_new(one, "spread", esp_json_number(value->spread));
        json_object_set_new(one, "spread_is", esp_json_word(report, value->spread_is));
        json_object_set_new(one, "routing", esp_json_word(report, value->routing));
        json_object_set_new(one, "runs", json_integer(value->runs));
        json_object_set_new(one, "source", esp_json_word(report, value->source));
        const esp_compatible could = esp_report_compatible(report, metric, series, value);
        json_object_set_new(one, "not_compared_for", esp_json_word(report, could.why_not));
        json_object_set_new(one, "our_best_would_be", esp_json_interval(could.best));
        json_object_set_new(one, "their_best_is", json_string(could.best_is));
        json_object_set_new(one, "our_spread_would_be", esp_json_interval(could.spread));
        json_object_set_new(one, "their_spread_is", json_string(could.spread_is));
        json_array_append_new(out, one);
    }
    return out;
}

static json_t *series_of(esp_report *report, const esp_report_cell *cell, int at, int m)
{
    const esp_report_series *series = esp_report_series_of(report, cell, at, m);
    const esp_stats *stats = &series->stats;
    json_t *out = json_object();
    json_object_set_new(out, "at", esp_json_word(report, report->ats[at].name));
    json_object_set_new(out, "split", esp_json_word(report, report->metrics[m].split));
    json_object_set_new(out, "metric", esp_json_word(report, report->metrics[m].key));
    json_object_set_new(out, "n", json_integer(stats->n));
    json_object_set_new(out, "mean", esp_json_number(stats->mean));
    json_object_set_new(out, "sd", esp_json_number(stats->sd));
    json_object_set_new(out, "variance", esp_json_number(stats->variance));
    json_object_set_new(out, "best", esp_json_number(stats->best));
    json_object_set_new(out, "worst", esp_json_number(stats->worst));
    json_object_set_new(out, "min", esp_json_number(stats->min));
    json_object_set_new(out, "max", esp_json_number(stats->max));
    json_object_set_new(out, "spread", esp_json_number(stats->spread));
    json_object_set_new(out, "seeds", seeds_of(&series->sample));
    const esp_inference *all = report->inferences[at * report->n_metrics + m];
    esp_json_add_seeds(out, report, &all->cells[cell - report->cells]);
    if (cell->reference >= 0) {
        json_object_set_new(out, "variance_ratio", esp_json_number(series->variance_ratio));
        json_object_set_new(out, "pairs", json_integer(series->paired.n));
        json_object_set_new(out, "mean_delta", esp_json_number(series->paired.mean));
        json_object_set_new(out, "sd_delta", esp_json_number(series->paired.sd));
    }
    json_object_set_new(out, "published", published_of(report, &report->metrics[m], series));
    return out;
}

static json_t *cell_json(esp_report *report, const esp_report_cell *cell)
{
    json_t *out = json_object(), *config = json_object(), *metrics = json_array();
    json_object_set_new(out, "variant", esp_json_word(report, cell->variant));
    json_object_set_new(out, "cell", esp_json_word(report, cell->label));
    json_object_set_new(
        out, "reference",
        esp_json_word(report, cell->reference >= 0 ? report->cells[cell->reference].label : NULL));
    json_object_set_new(out, "planned", json_integer(cell->planned));
    json_object_set_new(out, "done", json_integer(cell->done));
    json_object_set_new(out, "failed", json_integer(cell->failed));
    json_object_set_new(out, "first_failure", esp_json_word(report, cell->first_failure));
    if (cell->builds > 1) {
        json_object_set_new(out, "builds", json_integer(cell->builds));
    }
    for (int i = 0; i < cell->keys.n; i++) {
        json_object_set_new(config, cell->keys.at[i], esp_json_word(report, cell->values.at[i]));
    }
    json_object_set_new(out, "config", config);
    if (cell->n_routed > 0) {
        json_t *leaves = json_object();
        json_object_set_new(leaves, "n", json_integer(cell->n_routed));
        json_object_set_new(leaves, "leaves", esp_json_number(cell->leaves));
        json_object_set_new(leaves, "dead", esp_json_number(cell->dead));
        json_object_set_new(leaves, "entropy", esp_json_number(cell->entropy));
        json_object_set_new(leaves, "max_share", esp_json_number(cell->max_share));
        json_object_set_new(out, "test_leaf_balance", leaves);
    }
    for (int k = 0; k < report->n_ats * report->n_metrics; k++) {
        json_array_append_new(
            metrics, series_of(report, cell, k / report->n_metrics, k % report->n_metrics));
    }
    json_object_set_new(out, "metrics", metrics);
    return out;
}

static json_t *side_json(esp_report *report, const esp_contrast_side *side)
{
    json_t *out = json_object();
    for (int i = 0; i < side->n; i++) {
        json_object_set_new(out, side->at[i].key, esp_json_word(report, side->at[i].value));
    }
    return out;
}

static json_t *difference_json(esp_report *report, const esp_report_pair *pair, int k)
{
    const esp_report_difference *difference = &pair->differences[k];
    const esp_stats *a = &pair->a->series[k].stats, *b = &pair->b->series[k].stats;
    json_t *out = json_object();
    json_object_set_new(out, "at", esp_json_word(report, report->ats[k / report->n_metrics].name));
    json_object_set_new(out, "split",
                        esp_json_word(report, report->metrics[k % report->n_metrics].split));
    json_object_set_new(out, "metric",
                        esp_json_word(report, report->metrics[k % report->n_metrics].key));
    json_object_set_new(out, "n_a", json_integer(a->n));
    json_object_set_new(out, "mean_a", esp_json_number(a->mean));
    json_object_set_new(out, "n_b", json_integer(b->n));
    json_object_set_new(out, "mean_b", esp_json_number(b->mean));
    json_object_set_new(out, "pairs", json_integer(difference->paired.n));
    json_object_set_new(out, "mean_delta", esp_json_number(difference->paired.mean));
    json_object_set_new(out, "sd_delta", esp_json_number(difference->paired.sd));
    json_object_set_new(out, "variance_ratio", esp_json_number(difference->variance_ratio));
    return out;
}

static json_t *contrasts_json(esp_report *report)
{
    json_t *out = json_array();
    for (int i = 0; i < report->section.n_contrasts; i++) {
        const esp_contrast *contrast = &report->section.contrasts[i];
        json_t *one = json_object(), *pairs = json_array();
        json_object_set_new(one, "a", side_json(report, &contrast->sides[0]));
        json_object_set_new(one, "b", side_json(report, &contrast->sides[1]));
        for (int p = 0; p < report->n_pairs; p++) {
            const esp_report_pair *pair = &report->pairs[p];
            if (pair->contrast != contrast) {
                continue;
            }
            json_t *cells = json_object(), *metrics = json_array();
            json_object_set_new(cells, "cell_a", esp_json_word(report, pair->a->label));
            json_object_set_new(cells, "cell_b", esp_json_word(report, pair->b->label));
            for (int k = 0; k < report->n_ats * report->n_metrics; k++) {
                json_array_append_new(metrics, difference_json(report, pair, k));
            }
            json_object_set_new(cells, "metrics", metrics);
            json_array_append_new(pairs, cells);
        }
        json_object_set_new(one, "pairs", pairs);
        json_array_append_new(out, one);
    }
    return out;
}

int esp_render_json(FILE *out, esp_report *report)
{
    if (report->variances != NULL) {
        return esp_render_page_json(out, report);
    }
    esp_page *page = NULL;
    ESP_TRY(esp_page_make(&page, report));
    json_t *comparisons = NULL;
    ESP_TRY(esp_json_comparisons(&comparisons, report));
    json_t *root = json_object(), *ats = json_array(), *cells = json_array();
    json_object_set_new(root, "study", esp_json_word(report, report->study));
    json_object_set_new(root, "title", esp_json_word(report, report->title));
    json_object_set_new(root, "source", esp_json_word(report, report->source));
    json_object_set_new(root, "question", esp_json_word(report, report->question));
    json_object_set_new(root, "revision", json_integer(report->revision));
    json_object_set_new(root, "overrides",
                        esp_json_words(report, report->overrides.at, report->overrides.n));
    json_object_set_new(root, "planned", json_integer(report->planned));
    json_object_set_new(root, "done", json_integer(report->done));
    json_object_set_new(root, "failed", json_integer(report->failed));
    for (int i = 0; i < report->n_ats; i++) {
        json_t *at = json_object();
        json_object_set_new(at, "at", esp_json_word(report, report->ats[i].name));
        json_object_set_new(at, "selected_by", esp_json_word(report, report->ats[i].monitors));
        json_object_set_new(at, "chosen_by_test", json_boolean(report->ats[i].by_test));
        json_array_append_new(ats, at);
    }
    json_object_set_new(root, "at", ats);
    for (int i = 0; i < report->n_cells; i++) {
        json_array_append_new(cells, cell_json(report, &report->cells[i]));
    }
    json_object_set_new(root, "cells", cells);
    json_object_set_new(root, "contrasts", contrasts_json(report));
    json_object_set_new(root, "comparisons", comparisons);
    json_object_set_new(root, "notes", esp_json_words(report, page->notes.at, page->notes.n));
    json_object_set_new(root, "query", esp_json_word(report, page->query));
    int written = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(root);
    fputc('\n', out);
    ESP_TRY(esp_pool_status(&report->pool));
    return written != 0 ? esp_fail(ESP_IO, "the report cannot be written") : esp_render_finish(out);
}
