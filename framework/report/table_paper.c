/* As the papers print it: best ± spread; all metrics beside each other, each over the variants; the
 * last row key down the side, those before it as groups. */
#include "report/table_build.h"

#include <math.h>
#include <string.h>

#include "core/status.h"

/* The columns of one metric: those that its cells with other values of the column keys stand in.
 * Variants that are printed as baseline rows stand in the first. */
typedef struct columns {
    int n;
    const int *of;   /* [n_cells] a cell's column */
    const int *like; /* [n] a cell of each column */
} columns;

static int find_columns(columns *out, esp_report *report, const esp_words *keys)
{
    size_t n = (size_t)report->n_cells;
    int *firsts = esp_layout_firsts(report, keys, keys->n);
    int *like = esp_pool_take(&report->pool, (n + 1) * sizeof *like);
    int *of = esp_pool_take(&report->pool, (n + 1) * sizeof *of);
    int *column = esp_pool_take(&report->pool, (n + 1) * sizeof *column); /* of a first, plus 1 */
    ESP_TRY(esp_pool_status(&report->pool));
    *out = (columns){.of = of, .like = like};
    for (int i = 0; i < report->n_cells; i++) {
        if (esp_is_baseline(report, &report->cells[i])) {
            continue;
        }
        if (column[firsts[i]] == 0) {
            like[out->n] = i;
            column[firsts[i]] = ++out->n;
        }
        of[i] = column[firsts[i]] - 1;
    }
    out->n = out->n > 0 ? out->n : 1;
    return ESP_OK;
}

/* "train accuracy, soft": what stands over a metric's columns. */
static const char *metric_heading(esp_report *report, const esp_report_metric *metric)
{
    const char *rest = strchr(metric->key, '_');
    bool routed = strncmp(metric->key, "soft_", 5) == 0 || strncmp(metric->key, "hard_", 5) == 0;
    return routed
               ? esp_pool_format(&report->pool, "%s %s, %.4s", metric->split, rest + 1, metric->key)
               : metric->name;
}

static int name_columns(esp_table *out, esp_report *report, const esp_words *rows,
                        const columns *of)
{
    const esp_words *keys = &report->section.columns;
    out->headings[0] = rows->n > 0 ? esp_words_key(report, rows->at[rows->n - 1]) : "";
    out->spans = esp_pool_take(&report->pool, (size_t)report->n_metrics * sizeof *out->spans);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int m = 0; m < report->n_metrics; m++) {
        for (int k = 0; k < of->n; k++) {
            out->headings[1 + m * of->n + k] =
                keys->n > 0 ? esp_words_values(report, &report->cells[of->like[k]], keys, 0,
                                               keys->n, ", ", true)
                            : "";
        }
        out->spans[out->n_spans++] =
            (esp_table_span){.first = 1 + m * of->n,
                             .n = of->n,
                             .text = metric_heading(report, &report->metrics[m])};
    }
    return ESP_OK;
}

static const char *value_of(esp_report *report, const esp_report_cell *cell, int at, int m)
{
    const esp_report_metric *metric = &report->metrics[m];
    const esp_stats *stats = &esp_report_series_of(report, cell, at, m)->stats;
    const bool percent = esp_in_percent(metric);
    const double center = metric->better == ESP_BETTER_NEITHER ? stats->mean : stats->best;
    if (stats->n == 0) {
        return "-";
    }
    /* One digit after the point, as the papers print. */
    const char *text =
        !percent ? esp_words_plus_minus(report, metric, center, stats->n > 1 ? stats->spread : NAN)
        : stats->n > 1
            ? esp_pool_format(&report->pool, "%.1f ± %.1f", 100 * center, 100 * stats->spread)
            : esp_pool_format(&report->pool, "%.1f", 100 * center);
    const char *builds = esp_words_builds(report, cell);
    return stats->n == cell->planned && *builds == '\0'
               ? text
               : esp_pool_format(&report->pool, "%s (n %d%s)", text, stats->n, builds);
}

/* A baseline's row is its variant's name where it has one row in its group, as in the papers; else
 * the name and what tells its rows apart. */
static const char *baseline_label(esp_report *report, const esp_layout *plan,
                                  const esp_place *place)
{
    const esp_words *rows = &plan->rows;
    for (int i = 0; i < plan->n && rows->n > 0; i++) {
        const esp_place *other = &plan->places[i];
        if (other->group == place->group && other->row != place->row &&
            strcmp(other->cell->variant, place->cell->variant) == 0) {
            return esp_pool_format(
                &report->pool, "%s, %s", place->cell->variant,
                esp_words_values(report, place->cell, rows, rows->n - 1, 1, ", ", true));
        }
    }
    return place->cell->variant;
}

int esp_table_paper(esp_table *out, esp_report *report, const esp_layout *plan, int at)
{
    const esp_words *rows = &plan->rows;
    const int n_outer = rows->n > 0 ? rows->n - 1 : 0;
    columns of;
    ESP_TRY(find_columns(&of, report, &report->section.columns));
    ESP_TRY(esp_table_make(out, report, 1, 1 + report->n_metrics * of.n, plan->n));
    if (plan->n == 0) {
        return ESP_OK;
    }
    ESP_TRY(name_columns(out, report, rows, &of));
    out->name = "paper";
    out->title = "best ± spread (best - worst) over seeds, accuracies in percent";
    out->subtitle = esp_report_at_phrase(report, &report->ats[at]);
    out->n_rows = 0;
    const char **row = NULL;
    const esp_place *before = NULL;
    const char *group = "";
    for (int i = 0; i < plan->n; i++) {
        const esp_place *place = &plan->places[i];
        const bool baseline = place->not_baseline == 0;
        if (before == NULL || before->row != place->row || before->group != place->group ||
            before->not_baseline != place->not_baseline) {
            row = &out->cells[out->n_rows * out->n_columns];
            row[0] = baseline ? baseline_label(report, plan, place)
                     : rows->n > 0
                         ? esp_words_values(report, place->cell, rows, rows->n - 1, 1, ", ", false)
                         : place->cell->label;
            const char *own = esp_words_values(report, place->cell, rows, 0, n_outer, ", ", true);
            if (n_outer > 0 && strcmp(own, group) != 0) {
                out->groups[out->n_rows] = group = own;
            }
            out->n_rows++;
            for (int k = 1; k < out->n_columns; k++) {
                row[k] = "-";
            }
        }
        before = place;
        for (int m = 0; m < report->n_metrics; m++) {
            row[1 + m * of.n + of.of[place->index]] = value_of(report, place->cell, at, m);
        }
    }
    return esp_pool_status(&report->pool);
}
