#include "report/table_build.h"

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

int esp_page_make(esp_page **out, esp_report *report)
{
    esp_layout plan;
    ESP_TRY(esp_layout_make(&plan, report));
    size_t capacity = (size_t)(4 * report->n_ats * report->n_metrics + 1);
    esp_page *page = esp_pool_take(&report->pool, sizeof *page);
    ESP_TRY(esp_pool_status(&report->pool));
    page->tables = esp_pool_take(&report->pool, capacity * sizeof *page->tables);
    page->notes.at = esp_pool_take(&report->pool, ESP_MAX_NOTES * sizeof *page->notes.at);
    ESP_TRY(esp_pool_status(&report->pool));
    page->title = *report->title
                      ? esp_pool_format(&report->pool, "%s: %s", report->study, report->title)
                      : report->study;
    for (int at = 0; at < report->n_ats; at++) {
        for (int m = 0; m < report->n_metrics; m++) {
            if (plan.columns.n > 0 && plan.rows.n > 0 && plan.n_columns > 1) {
                ESP_TRY(esp_table_overview(&page->tables[page->n_tables++], report, &plan, at, m));
            }
            ESP_TRY(esp_table_cells(&page->tables[page->n_tables++], report, &plan, at, m));
            if (report->n_pairs > 0) {
                ESP_TRY(esp_table_contrasts(&page->tables[page->n_tables++], report, at, m));
            }
            if (has_published(report, m)) {
                ESP_TRY(esp_table_published(&page->tables[page->n_tables++], report, &plan, at, m));
            }
        }
    }
    esp_table *leaves = &page->tables[page->n_tables];
    ESP_TRY(esp_table_leaves(leaves, report, &plan));
    page->n_tables += leaves->n_rows > 0;
    for (int i = 0; i < page->n_tables; i++) {
        esp_table_close(&page->tables[i]);
    }
    esp_page_add_notes(page, report);
    *out = page;
    return esp_pool_status(&report->pool);
}
