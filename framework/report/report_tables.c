#include "report/table_build.h"
#include "report/variance.h"

#include <string.h>

#include "core/status.h"

static bool has_published(const esp_report *report, int m)
{
    for (int i = 0; i < report->n_cells; i++) {
        if (report->cells[i].series[m].n_published > 0) {
            return true;
        }
    }
    return false;
}

/* A name inside an SQL string. */
static const char *quoted(esp_report *report, const char *name)
{
    char *out = esp_pool_take(&report->pool, 2 * strlen(name) + 1);
    size_t used = 0;
    for (size_t i = 0; out != NULL && name[i]; i++) {
        out[used++] = name[i];
        if (name[i] == '\'') {
            out[used++] = '\'';
        }
    }
    return out != NULL ? out : "";
}

static const char *where_of(esp_report *report)
{
    const char *study = quoted(report, report->study);
    return report->latest ? esp_pool_format(&report->pool, "study = '%s'", study)
                          : esp_pool_format(&report->pool, "study = '%s' AND revision = %d", study,
                                            report->revision);
}

const char *esp_report_values_query(esp_report *report, int at, int m)
{
    const esp_report_metric *metric = &report->metrics[m];
    return esp_pool_format(&report->pool,
                           "SELECT cell, seed, value FROM trial_final%s WHERE %s AND at = '%s' AND"
                           " split = '%s' AND metric = '%s' AND status = 'done'",
                           report->latest ? "" : "_all", where_of(report),
                           quoted(report, report->ats[at].name), metric->split,
                           quoted(report, metric->key));
}

static const char *stats_query(esp_report *report, int at, int m)
{
    const esp_report_metric *metric = &report->metrics[m];
    return esp_pool_format(
        &report->pool,
        "SELECT cell, n, mean, sd, variance, min, max, best, spread FROM"
        " seed_stats%s WHERE %s AND at = '%s' AND split = '%s' AND metric = '%s'",
        report->latest ? "" : "_all", where_of(report), quoted(report, report->ats[at].name),
        metric->split, quoted(report, metric->key));
}

/* The next table of a page; counted once it has rows. */
static esp_table *next(esp_page *page)
{
    return &page->tables[page->n_tables];
}

static void keep(esp_page *page, const char *query, bool detail)
{
    esp_table *table = next(page);
    if (table->n_rows > 0) {
        table->query = query;
        table->detail = table->detail || detail;
        page->n_tables++;
    }
}

/* What is said of one metric at one epoch: all of it for the primary one at the first, or where
 * asked. */
static int add_metric(esp_page *page, esp_report *report, const esp_layout *plan, int at, int m)
{
    const bool all = report->statistics, aside = m != esp_report_primary(report) || at > 0;
    const char *stats = stats_query(report, at, m),
               *values = esp_report_values_query(report, at, m);
    if ((at == 0 || all) && plan->columns.n > 0 && plan->rows.n > 0 && plan->n_columns > 1) {
        ESP_TRY(esp_table_overview(next(page), report, plan, at, m));
        keep(page, stats, false);
    }
    ESP_TRY(esp_table_cells(next(page), report, plan, at, m));
    keep(page, stats, false);
    if (!aside || all) {
        ESP_TRY(esp_table_seeds(next(page), report, plan, at, m));
        keep(page, values, aside);
        ESP_TRY(esp_table_contrasts(next(page), report, at, m));
        keep(page, values, aside);
        ESP_TRY(esp_table_pooled(next(page), report, at, m));
        keep(page, values, aside);
    }
    if (all) {
        ESP_TRY(esp_table_tests(next(page), report, at, m));
        keep(page, values, aside);
        ESP_TRY(esp_table_spreads(next(page), report, at, m));
        keep(page, values, aside);
    }
    if (has_published(report, m)) {
        ESP_TRY(esp_table_published(next(page), report, plan, at, m));
        keep(page, stats, false);
    }
    return ESP_OK;
}

int esp_page_make(esp_page **out, esp_report *report)
{
    if (report->variances != NULL) {
        return esp_variance_page_make(out, report);
    }
    esp_layout plan;
    ESP_TRY(esp_layout_make(&plan, report));
    const int n_metrics = report->n_metrics, n_ats = report->n_ats;
    size_t capacity = (size_t)(8 * n_ats * n_metrics + n_metrics + n_ats + 2);
    esp_page *page = esp_pool_take(&report->pool, sizeof *page);
    ESP_TRY(esp_pool_status(&report->pool));
    page->tables = esp_pool_take(&report->pool, capacity * sizeof *page->tables);
    page->notes.at = esp_pool_take(&report->pool, ESP_MAX_NOTES * sizeof *page->notes.at);
    ESP_TRY(esp_pool_status(&report->pool));
    page->title = *report->title
                      ? esp_pool_format(&report->pool, "%s: %s", report->study, report->title)
                      : report->study;
    for (int at = 0; report->section.as_paper && at < n_ats; at++) {
        ESP_TRY(esp_table_paper(next(page), report, &plan, at));
        keep(page, stats_query(report, at, esp_report_primary(report)), false);
    }
    for (int m = 0; n_ats > 1 && m < n_metrics; m++) {
        ESP_TRY(esp_table_ats(next(page), report, &plan, m));
        keep(page, esp_report_values_query(report, 0, m), false);
    }
    for (int at = 0; at < n_ats; at++) {
        for (int m = 0; m < n_metrics; m++) {
            ESP_TRY(add_metric(page, report, &plan, at, m));
        }
    }
    ESP_TRY(esp_table_leaves(next(page), report, &plan));
    keep(page, "", false);
    for (int i = 0; i < page->n_tables; i++) {
        ESP_TRY(esp_table_close(&page->tables[i], report));
    }
    ESP_TRY(esp_page_add_findings(page, report));
    ESP_TRY(esp_page_add_notes(page, report));
    *out = page;
    return esp_pool_status(&report->pool);
}
