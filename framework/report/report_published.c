/* Sets published values beside a report's cells. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "report/report.h"

/* Every column that the section joins by must be there. */
static int check_columns(const esp_published_csv *csv, const esp_joins *joins)
{
    for (int i = 0; i < joins->n; i++) {
        if (esp_published_csv_column(csv, joins->at[i].column) < 0) {
            const char *meant =
                esp_text_suggest(joins->at[i].column, csv->columns, (size_t)csv->n_columns);
            return esp_fail(ESP_DATA, "%s: has no column '%s'%s%s%s", csv->path,
                            joins->at[i].column, meant ? "; did you mean '" : "",
                            meant ? meant : "", meant ? "'?" : "");
        }
    }
    return ESP_OK;
}

/* What our variant is called there; NULL where the section maps none of its name. */
static const char *their_model(const esp_report_section *section, const char *variant)
{
    for (int i = 0; i < section->published_variant.n; i++) {
        if (strcmp(section->published_variant.at[i].column, variant) == 0) {
            return section->published_variant.at[i].value;
        }
    }
    return NULL;
}

static bool line_is_of(const esp_published_csv *csv, int line, const esp_report_section *section,
                       const esp_report_cell *cell)
{
    const char *model = their_model(section, cell->variant);
    if (model == NULL || strcmp(esp_published_csv_field(csv, line, "model"), model) != 0) {
        return false;
    }
    for (int i = 0; i < section->published_where.n; i++) {
        const esp_join *where = &section->published_where.at[i];
        if (!esp_published_same(esp_published_csv_field(csv, line, where->column), where->value)) {
            return false;
        }
    }
    for (int i = 0; i < section->published_join.n; i++) {
        const esp_join *join = &section->published_join.at[i];
        const char *ours = esp_report_value(cell, join->value);
        if (ours == NULL ||
            !esp_published_same(esp_published_csv_field(csv, line, join->column), ours)) {
            return false;
        }
    }
    return true;
}

/* Whether a metric measures what a published value does, as far as routing goes. */
static bool same_routing(const esp_report_metric *metric, const char *routing)
{
    return strcmp(routing, "none") == 0 || strncmp(metric->key, routing, strlen(routing)) == 0;
}

static bool is_evaluated_accuracy(const esp_report_metric *metric)
{
    return strcmp(metric->key, "soft_accuracy") == 0 || strcmp(metric->key, "hard_accuracy") == 0;
}

/* A value stands beside the metric of its split and routing; where the report has none of that
 * routing, beside the other one (and the report says that they differ). */
static bool stands_beside(const esp_report *report, const esp_report_metric *metric,
                          const esp_published_value *value)
{
    if (!is_evaluated_accuracy(metric) || strcmp(metric->split, value->split) != 0) {
        return false;
    }
    if (same_routing(metric, value->routing)) {
        return true;
    }
    for (int i = 0; i < report->n_metrics; i++) {
        const esp_report_metric *other = &report->metrics[i];
        if (is_evaluated_accuracy(other) && strcmp(other->split, value->split) == 0 &&
            same_routing(other, value->routing)) {
            return false;
        }
    }
    return true;
}

static int join_cell(esp_report *report, esp_report_cell *cell, const esp_published_csv *csv)
{
    for (int line = 0; line < csv->n_lines; line++) {
        if (!line_is_of(csv, line, &report->section, cell)) {
            continue;
        }
        esp_published_value value;
        ESP_TRY(esp_published_csv_value(&value, csv, line));
        for (int i = 0; i < report->n_ats * report->n_metrics; i++) {
            esp_report_series *series = &cell->series[i];
            if (!stands_beside(report, &report->metrics[i % report->n_metrics], &value)) {
                continue;
            }
            size_t n = (size_t)series->n_published;
            esp_published_value *more = esp_pool_take(&report->pool, (n + 1) * sizeof *more);
            ESP_TRY(esp_pool_status(&report->pool));
            for (size_t k = 0; k < n; k++) {
                more[k] = series->published[k];
            }
            more[n] = value;
            series->published = more;
            series->n_published++;
        }
    }
    return ESP_OK;
}

int esp_report_join_published(esp_report *report, const esp_report_request *request)
{
    if (report->section.published_file == NULL) {
        return ESP_OK;
    }
    const char *file = report->section.published_file;
    const char *path =
        esp_published_find(&report->pool, file, request->study_folder, request->source_folder);
    if (path == NULL) {
        report->published_problem =
            esp_pool_format(&report->pool,
                            "published values: no file %s beside the study or in analysis/published"
                            " (`espalier report FILE.yaml` looks beside the file)",
                            file);
        return esp_pool_status(&report->pool);
    }
    esp_published_csv *csv = esp_pool_take(&report->pool, sizeof *csv);
    ESP_TRY(esp_pool_status(&report->pool));
    ESP_TRY(esp_published_csv_read(csv, path, &report->pool));
    ESP_TRY(check_columns(csv, &report->section.published_where));
    ESP_TRY(check_columns(csv, &report->section.published_join));
    for (int i = 0; i < report->n_cells; i++) {
        ESP_TRY(join_cell(report, &report->cells[i], csv));
    }
    report->published = csv;
    return ESP_OK;
}

int esp_report_published_rows(esp_store_published **rows, int *n, esp_report *report)
{
    size_t capacity = 1;
    for (int i = 0; i < report->n_cells; i++) {
        for (int m = 0; m < report->n_metrics; m++) {
            capacity += (size_t)report->cells[i].series[m].n_published;
        }
    }
    *n = 0;
    *rows = esp_pool_take(&report->pool, capacity * sizeof **rows);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < report->n_cells; i++) {
        const esp_report_cell *cell = &report->cells[i];
        for (int m = 0; m < report->n_metrics; m++) {
            for (int k = 0; k < cell->series[m].n_published; k++) {
                const esp_published_value *value = &cell->series[m].published[k];
                (*rows)[(*n)++] =
                    (esp_store_published){.variant = cell->variant,
                                          .cell = cell->label,
                                          .split = report->metrics[m].split,
                                          .metric = report->metrics[m].key,
                                          .routing = value->routing,
                                          .best = value->best,
                                          .spread = value->spread,
                                          .spread_is = *value->spread_is ? value->spread_is : NULL,
                                          .runs = value->runs,
                                          .source = value->source};
            }
        }
    }
    return ESP_OK;
}
