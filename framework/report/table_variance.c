/* Tables of a report on variance. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "report/table_variance.h"
#include "statistics/association.h"
#include "statistics/components.h"
#include "statistics/sample.h"

/* ---- words ----------------------------------------------------------------------------------- */

/* "3", or "init=3,order=0,noise=0". */
static const char *seed_words(esp_report *report, const uint64_t seed[3])
{
    return seed[0] == seed[1] && seed[1] == seed[2]
               ? esp_pool_format(&report->pool, "%llu", (unsigned long long)seed[0])
               : esp_pool_format(&report->pool, "init=%llu,order=%llu,noise=%llu",
                                 (unsigned long long)seed[0], (unsigned long long)seed[1],
                                 (unsigned long long)seed[2]);
}

/* "-0.62 (0.012)". */
static const char *rho_of(esp_report *report, const esp_rank_correlation *found)
{
    return isnan(found->rho) ? "-"
                             : esp_pool_format(&report->pool, "%+.2f (%s)", found->rho,
                                               esp_words_p(report, found->p, false));
}

static const esp_sample *sample_of(const esp_report *report, const esp_report_cell *cell)
{
    return &esp_report_series_of(report, cell, 0, esp_report_primary(report))->sample;
}

/* ---- which seeds are bad --------------------------------------------------------------------- */

typedef struct ranked {
    double value;
    int index;
} ranked;

static int by_value(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    return a->value < b->value ? -1 : a->value > b->value ? 1 : a->index - b->index;
}

/* The worst seeds of a cell, "3 (71.20, -2.1 sd)", worst first. */
static const char *worst_of(esp_report *report, const esp_report_metric *metric,
                            const esp_sample *sample, const esp_stats *stats)
{
    enum { SHOWN = 3 };
    const double sign = metric->better == ESP_BETTER_LOWER ? -1 : 1;
    ranked *all = esp_pool_take(&report->pool, ((size_t)sample->n + 1) * sizeof *all);
    const char *text = "";
    for (int i = 0; all != NULL && i < sample->n; i++) {
        all[i] = (ranked){sign * sample->values[i], i};
    }
    if (all != NULL && sample->n > 1) {
        qsort(all, (size_t)sample->n, sizeof *all, by_value);
    }
    for (int i = 0; all != NULL && i < sample->n && i < SHOWN && stats->sd > 0; i++) {
        const int k = all[i].index;
        const double off = (sample->values[k] - stats->mean) / stats->sd;
        if (sign * off < 0) {
            text = esp_pool_format(&report->pool, "%s%s%s (%s, %+.1f sd)", text, *text ? "; " : "",
                                   seed_words(report, sample->seeds[k]),
                                   esp_words_number(report, metric, sample->values[k]), off);
        }
    }
    return *text ? text : "-";
}

int esp_table_worst(esp_table *out, esp_report *report, const esp_layout *plan)
{
    static const char *const headings[] = {"n", "mean", "sd", "failed seeds", "worst seeds"};
    const int m = esp_report_primary(report);
    const esp_report_metric *metric = &report->metrics[m];
    ESP_TRY(esp_table_start(out, report, plan, true, 5));
    esp_table_headings(out, headings, 5);
    esp_table_title(out, report, "worst", 0, m, ": worst seeds of each cell");
    for (int i = 0; i < plan->n; i++) {
        const esp_report_cell *cell = plan->places[i].cell;
        const esp_report_series *series = esp_report_series_of(report, cell, 0, m);
        const char *failed = report->variances[cell - report->cells].failed;
        const char **row =
            esp_table_row(out, plan, &plan->places[i], i ? &plan->places[i - 1] : NULL);
        row[0] = esp_words_count(report, cell, series->stats.n);
        row[1] = esp_words_number(report, metric, series->stats.mean);
        row[2] = esp_words_number(report, metric, series->stats.sd);
        row[3] = *failed ? failed : "none";
        row[4] = worst_of(report, metric, &series->sample, &series->stats);
    }
    return esp_pool_status(&report->pool);
}

/* ---- are they the same ones ------------------------------------------------------------------ */

/* The mean standing of each seed in each variant: 0 always worst, 1 always best, over its cells. */
typedef struct standings {
    int n_seeds, n_variants;
    uint64_t (*seeds)[3];
    double *sums; /* [n_seeds x (n_variants + 1)], the last of all variants */
    int *counts;
} standings;

/* Variants that have cells, in the order of the study. */
static int variants_of(esp_words *out, esp_report *report)
{
    out->at = esp_pool_take(&report->pool, ((size_t)report->n_cells + 1) * sizeof *out->at);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < report->n_cells; i++) {
        bool known = false;
        for (int k = 0; k < out->n && !known; k++) {
            known = strcmp(out->at[k], report->cells[i].variant) == 0;
        }
        if (!known) {
            out->at[out->n++] = report->cells[i].variant;
        }
    }
    return ESP_OK;
}

static int find_standings(standings *all, esp_report *report, const esp_words *variants)
{
    size_t most = 0;
    for (int i = 0; i < report->n_cells; i++) {
        most += (size_t)sample_of(report, &report->cells[i])->n;
    }
    *all = (standings){.n_variants = variants->n};
    all->seeds = esp_pool_take(&report->pool, (most + 1) * sizeof *all->seeds);
    double *ranks = esp_pool_take(&report->pool, (most + 1) * sizeof *ranks);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < report->n_cells; i++) {
        const esp_sample *sample = sample_of(report, &report->cells[i]);
        for (int s = 0; s < sample->n; s++) {
            esp_seed_index(all->seeds, &all->n_seeds, sample->seeds[s]);
        }
    }
    const int width = variants->n + 1;
    size_t room = (size_t)(all->n_seeds * width) + 1;
    all->sums = esp_pool_take(&report->pool, room * sizeof *all->sums);
    all->counts = esp_pool_take(&report->pool, room * sizeof *all->counts);
    ESP_TRY(esp_pool_status(&report->pool));
    const bool lower = report->metrics[esp_report_primary(report)].better == ESP_BETTER_LOWER;
    for (int i = 0; i < report->n_cells; i++) {
        const esp_sample *sample = sample_of(report, &report->cells[i]);
        int v = 0;
        while (strcmp(variants->at[v], report->cells[i].variant) != 0) {
            v++;
        }
        esp_midranks(ranks, sample->values, sample->n);
        for (int s = 0; s < sample->n && sample->n > 1; s++) {
            const double standing = (ranks[s] - 1) / (sample->n - 1);
            const int seed = esp_seed_index(all->seeds, &all->n_seeds, sample->seeds[s]);
            const int places[] = {seed * width + v, seed * width + variants->n};
            for (int k = 0; k < 2; k++) {
                all->sums[places[k]] += lower ? 1 - standing : standing;
                all->counts[places[k]]++;
            }
        }
    }
    return ESP_OK;
}

int esp_table_standings(esp_table *out, esp_report *report)
{
    enum { MOST = 40 };
    esp_words variants = {0};
    standings all;
    ESP_TRY(variants_of(&variants, report));
    ESP_TRY(find_standings(&all, report, &variants));
    const int width = variants.n + 1;
    ESP_TRY(esp_table_make(out, report, 1, 1 + width, all.n_seeds < MOST ? all.n_seeds : MOST));
    ranked *order = esp_pool_take(&report->pool, ((size_t)all.n_seeds + 1) * sizeof *order);
    ESP_TRY(esp_pool_status(&report->pool));
    esp_table_title(out, report, "standings", 0, esp_report_primary(report),
                    ": standing of each seed");
    out->subtitle = esp_pool_format(
        &report->pool, "%s; 0 the worst seed of every cell, 1 the best; mean over cells%s",
        out->subtitle, all.n_seeds > MOST ? "; the 40 worst" : "");
    out->headings[0] = "seed";
    esp_table_headings(out, variants.at, variants.n);
    out->headings[width] = "all";
    for (int i = 0; i < all.n_seeds; i++) {
        const int k = i * width + variants.n;
        order[i] = (ranked){all.counts[k] > 0 ? all.sums[k] / all.counts[k] : 2, i};
    }
    qsort(order, (size_t)all.n_seeds, sizeof *order, by_value);
    for (int i = 0; i < out->n_rows; i++) {
        const char **row = &out->cells[i * out->n_columns];
        row[0] = seed_words(report, all.seeds[order[i].index]);
        for (int v = 0; v < width; v++) {
            const int k = order[i].index * width + v;
            row[1 + v] = all.counts[k] > 0
                             ? esp_pool_format(&report->pool, "%.2f", all.sums[k] / all.counts[k])
                             : "-";
        }
    }
    return esp_pool_status(&report->pool);
}

static int correlate(esp_rank_correlation *out, esp_report *report, const esp_sample *a,
                     const esp_sample *b)
{
    double *x = esp_pool_take(&report->pool, ((size_t)a->n + 1) * sizeof *x);
    double *y = esp_pool_take(&report->pool, ((size_t)a->n + 1) * sizeof *y);
    ESP_TRY(esp_pool_status(&report->pool));
    *out = esp_spearman(x, y, esp_pairs_of(x, y, a, b));
    return ESP_OK;
}

int esp_table_same_seeds(esp_table *out, esp_report *report)
{
    static const char *const headings[] = {"A", "B", "pairs", "rank correlation (p)"};
    const int m = esp_report_primary(report);
    const esp_inference *all = NULL;
    ESP_TRY(esp_report_infer(&all, report, 0, m));
    ESP_TRY(esp_table_make(out, report, 2, 4, all->n));
    memcpy(out->headings, headings, sizeof headings);
    esp_table_title(out, report, "same_seeds", 0, m, ": are the same seeds bad?");
    for (int i = 0; i < all->n; i++) {
        const esp_comparison *one = &all->comparisons[i];
        esp_rank_correlation found;
        ESP_TRY(correlate(&found, report, sample_of(report, one->a), sample_of(report, one->b)));
        const char **row = &out->cells[i * out->n_columns];
        row[0] = one->a->label;
        row[1] = one->b->label;
        row[2] = esp_pool_format(&report->pool, "%d", found.n);
        row[3] = found.n < ESP_LEAST_FOR_P ? "n < 3" : rho_of(report, &found);
        out->gap[i] = i > 0 && one->family != one[-1].family ? 1 : 0;
    }
    return esp_pool_status(&report->pool);
}

/* ---- init against order ---------------------------------------------------------------------- */

/* Which streams take more than one value in a sample; returns how many, levels [3 x n] filled. */
static int crossed_streams(int streams[3], int *levels, const esp_sample *sample)
{
    int n_streams = 0;
    for (int s = 0; s < 3; s++) {
        int n_levels = 0, *of = levels + n_streams * sample->n;
        for (int i = 0; i < sample->n; i++) {
            int j = 0;
            while (j < i && sample->seeds[j][s] != sample->seeds[i][s]) {
                j++;
            }
            of[i] = j < i ? of[j] : n_levels++;
        }
        if (n_levels > 1) {
            streams[n_streams++] = s;
        }
    }
    return n_streams;
}

int esp_table_components(esp_table *out, esp_report *report, const esp_layout *plan)
{
    static const char *const headings[] = {"n",           "sd of all",   "sd by init",
                                           "p",           "sd by order", "p",
                                           "sd by noise", "p",           "sd by the rest"};
    enum { N = sizeof headings / sizeof *headings };
    const int m = esp_report_primary(report);
    const esp_report_metric *metric = &report->metrics[m];
    ESP_TRY(esp_table_start(out, report, plan, true, N));
    esp_table_headings(out, headings, N);
    esp_table_title(out, report, "components", 0, m, ": which randomness the variance comes from");
    const esp_place *before = NULL;
    for (int i = 0; i < plan->n; i++) {
        const esp_report_cell *cell = plan->places[i].cell;
        const esp_report_series *series = esp_report_series_of(report, cell, 0, m);
        const esp_sample *sample = &series->sample;
        int streams[3] = {0};
        int *levels = esp_pool_take(&report->pool, 3 * ((size_t)sample->n + 1) * sizeof *levels);
        ESP_TRY(esp_pool_status(&report->pool));
        const int n = crossed_streams(streams, levels, sample);
        const esp_components found = esp_variance_components(sample->values, levels, n, sample->n);
        if (n < 2 || isnan(found.residual)) {
            continue; /* not crossed, or not whole */
        }
        const char **row = esp_table_row(out, plan, &plan->places[i], before);
        before = &plan->places[i];
        row[0] = esp_words_count(report, cell, sample->n);
        row[1] = esp_words_number(report, metric, series->stats.sd);
        for (int s = 0; s < 3; s++) {
            row[2 + 2 * s] = row[3 + 2 * s] = "-";
        }
        for (int f = 0; f < n; f++) {
            const esp_component *factor = &found.factors[f];
            row[2 + 2 * streams[f]] =
                esp_words_number(report, metric, sqrt(fmax(0, factor->variance)));
            row[3 + 2 * streams[f]] = esp_words_p(report, factor->p, false);
        }
        row[8] = esp_words_number(report, metric, sqrt(found.residual));
    }
    return esp_pool_status(&report->pool);
}

/* ---- when they part -------------------------------------------------------------------------- */

static const char *place_of(esp_report *report, const esp_curve_point *point)
{
    return esp_pool_format(&report->pool, "%s %d", point->phase, point->phase_epoch);
}

/* The first epoch from which on seeds are at least as far apart as half the final variance. */
static const esp_curve_point *parting_of(const esp_cell_variance *one)
{
    const esp_curve_point *last = &one->points[one->n_points - 1], *found = last;
    for (int i = one->n_points - 1; i >= 0; i--) {
        if (!(one->points[i].sd * one->points[i].sd >= last->sd * last->sd / 2)) {
            break;
        }
        found = &one->points[i];
    }
    return found;
}

int esp_table_parting(esp_table *out, esp_report *report, const esp_layout *plan)
{
    static const char *const headings[] = {"first epoch", "end of phases", "largest", "where",
                                           "apart from"};
    const int m = esp_report_primary(report);
    const esp_report_metric *metric = &report->metrics[m];
    ESP_TRY(esp_table_start(out, report, plan, true, 5));
    esp_table_headings(out, headings, 5);
    esp_table_title(out, report, "parting", 0, m, ": sd over seeds as training goes");
    out->subtitle = esp_pool_format(&report->pool, "%s, by phase and epoch within it%s",
                                    metric->name, esp_report_training_mark(report));
    const esp_place *before = NULL;
    for (int i = 0; i < plan->n; i++) {
        const esp_report_cell *cell = plan->places[i].cell;
        const esp_cell_variance *one = &report->variances[cell - report->cells];
        if (one->n_points == 0 || isnan(one->points[0].sd)) {
            continue;
        }
        const esp_curve_point *largest = &one->points[0];
        const char *ends = "";
        for (int k = 0; k < one->n_points; k++) {
            const esp_curve_point *point = &one->points[k];
            largest = point->sd > largest->sd ? point : largest;
            if (k + 1 == one->n_points || strcmp(point[1].phase, point->phase) != 0) {
                ends = esp_pool_format(&report->pool, "%s%s%s %s (n %d)", ends, *ends ? ", " : "",
                                       point->phase, esp_words_number(report, metric, point->sd),
                                       point->n);
            }
        }
        const char **row = esp_table_row(out, plan, &plan->places[i], before);
        before = &plan->places[i];
        row[0] = esp_words_number(report, metric, one->points[0].sd);
        row[1] = ends;
        row[2] = esp_words_number(report, metric, largest->sd);
        row[3] = place_of(report, largest);
        row[4] = place_of(report, parting_of(one));
    }
    return esp_pool_status(&report->pool);
}

/* ---- what it goes with ----------------------------------------------------------------------- */

int esp_table_relations(esp_table *out, esp_report *report, const esp_layout *plan)
{
    static const char *const headings[] = {"n",
                                           "soft - hard",
                                           "with soft - hard (p)",
                                           "load entropy",
                                           "with load entropy (p)",
                                           "dead leaves",
                                           "with dead leaves (p)"};
    enum { N = sizeof headings / sizeof *headings };
    const int m = esp_report_primary(report);
    ESP_TRY(esp_table_start(out, report, plan, true, N));
    esp_table_headings(out, headings, N);
    esp_table_title(out, report, "relations", 0, m, ": what it goes with, seed by seed");
    out->subtitle = esp_pool_format(
        &report->pool, "%s; mean ± sd over seeds, and rank correlation within each cell",
        out->subtitle);
    const esp_place *before = NULL;
    for (int i = 0; i < plan->n; i++) {
        const esp_report_cell *cell = plan->places[i].cell;
        const esp_cell_variance *one = &report->variances[cell - report->cells];
        const esp_sample *others[] = {&one->gap, &one->entropy, &one->dead};
        if (one->gap.n + one->entropy.n == 0) {
            continue;
        }
        const char **row = esp_table_row(out, plan, &plan->places[i], before);
        before = &plan->places[i];
        row[0] = esp_words_count(report, cell, sample_of(report, cell)->n);
        for (int k = 0; k < 3; k++) {
            const esp_moments moments = esp_moments_of(others[k]->values, others[k]->n);
            esp_rank_correlation found;
            ESP_TRY(correlate(&found, report, sample_of(report, cell), others[k]));
            const char *format = k == 0 ? "%.2f ± %.2f" : k == 1 ? "%.3f ± %.3f" : "%.1f ± %.1f";
            const double scale = k == 0 ? 100 : 1;
            row[1 + 2 * k] = isnan(moments.sd)
                                 ? "-"
                                 : esp_pool_format(&report->pool, format, scale * moments.mean,
                                                   scale * moments.sd);
            row[2 + 2 * k] = rho_of(report, &found);
        }
    }
    return esp_pool_status(&report->pool);
}
