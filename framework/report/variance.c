#include "report/variance.h"

#include <jansson.h>

#include "core/status.h"
#include "report/render.h"
#include "report/render_statistics.h"
#include "report/table_variance.h"

static void keep(esp_page *page, const char *query)
{
    esp_table *table = &page->tables[page->n_tables];
    if (table->n_rows > 0) {
        table->query = query;
        page->n_tables++;
    }
}

static int add_notes(esp_page *page, esp_report *report, bool crossed)
{
    ESP_TRY(esp_page_add_notes(page, report));
    esp_page_note(page, "rank correlation: Spearman's over the seeds that both have; p counts all"
                        " orders up to 8 seeds, above by Student's t; none is corrected for being"
                        " several.");
    esp_page_note(page, "correlations are within a cell: cells differ in width, depth and data at"
                        " once, and pooling them would show that, not what seeds do.");
    esp_page_note(page, "apart from: the first epoch from which on the variance over seeds is never"
                        " below half of its last.");
    esp_page_note(
        page, crossed ? "which randomness: random effects of init, order and noise, each cell's"
                        " seeds crossed; the rest is what no one of them explains alone. An sd of 0"
                        " stands for an estimate at or below it."
                      : "which randomness: this study does not cross its sources, or lacks trials;"
                        " seeds: {init: 0..3, order: 0..3} does (experiments/init_or_order.yaml).");
    return ESP_OK;
}

int esp_variance_page_make(esp_page **out, esp_report *report)
{
    enum { MOST_TABLES = 10 };
    esp_layout plan;
    const int m = esp_report_primary(report);
    ESP_TRY(esp_layout_make(&plan, report));
    esp_page *page = esp_pool_take(&report->pool, sizeof *page);
    ESP_TRY(esp_pool_status(&report->pool));
    page->tables = esp_pool_take(&report->pool, MOST_TABLES * sizeof *page->tables);
    page->notes.at = esp_pool_take(&report->pool, ESP_MAX_NOTES * sizeof *page->notes.at);
    ESP_TRY(esp_pool_status(&report->pool));
    page->title = esp_pool_format(&report->pool, "%s: variance over seeds", report->study);
    const char *values = esp_report_values_query(report, 0, m);
    ESP_TRY(esp_table_cells(&page->tables[page->n_tables], report, &plan, 0, m));
    keep(page, values);
    ESP_TRY(esp_table_seeds(&page->tables[page->n_tables], report, &plan, 0, m));
    keep(page, values);
    ESP_TRY(esp_table_spreads(&page->tables[page->n_tables], report, 0, m));
    keep(page, values);
    ESP_TRY(esp_table_worst(&page->tables[page->n_tables], report, &plan));
    keep(page, values);
    ESP_TRY(esp_table_standings(&page->tables[page->n_tables], report));
    keep(page, values);
    ESP_TRY(esp_table_same_seeds(&page->tables[page->n_tables], report));
    keep(page, values);
    ESP_TRY(esp_table_components(&page->tables[page->n_tables], report, &plan));
    const bool crossed = page->tables[page->n_tables].n_rows > 0;
    keep(page, values);
    ESP_TRY(esp_table_parting(&page->tables[page->n_tables], report, &plan));
    keep(page, "SELECT * FROM epoch_seed_stats");
    ESP_TRY(esp_table_relations(&page->tables[page->n_tables], report, &plan));
    keep(page, "SELECT * FROM leaf_balance");
    for (int i = 0; i < page->n_tables; i++) {
        ESP_TRY(esp_table_close(&page->tables[i], report));
    }
    ESP_TRY(add_notes(page, report, crossed));
    *out = page;
    return esp_pool_status(&report->pool);
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void put_field(FILE *out, const char *text, const char *end)
{
    fputc('"', out);
    for (; *text; text++) {
        fputs(*text == '"' ? "\"" : "", out);
        fputc(*text, out);
    }
    fprintf(out, "\"%s", end);
}

int esp_render_page_csv(FILE *out, esp_report *report)
{
    esp_page *page = NULL;
    ESP_TRY(esp_page_make(&page, report));
    fputs("table,row,labels,column,value\n", out);
    for (int t = 0; t < page->n_tables; t++) {
        const esp_table *table = &page->tables[t];
        for (int row = 0; row < table->n_rows; row++) {
            const char *const *cells = table->cells + row * table->n_columns;
            const char *labels = "";
            for (int i = 0; i < table->n_labels; i++) {
                labels = esp_pool_format(&report->pool, "%s%s%s", labels, i ? " " : "", cells[i]);
            }
            for (int i = table->n_labels; i < table->n_columns; i++) {
                put_field(out, table->name, ",");
                fprintf(out, "%d,", row + 1);
                put_field(out, labels, ",");
                put_field(out, table->headings[i], ",");
                put_field(out, cells[i], "\n");
            }
        }
    }
    ESP_TRY(esp_pool_status(&report->pool));
    return esp_render_finish(out);
}

int esp_render_page_json(FILE *out, esp_report *report)
{
    esp_page *page = NULL;
    ESP_TRY(esp_page_make(&page, report));
    json_t *root = json_object(), *tables = json_array();
    json_object_set_new(root, "title", esp_json_word(report, page->title));
    json_object_set_new(root, "status", esp_json_word(report, page->status));
    for (int t = 0; t < page->n_tables; t++) {
        const esp_table *table = &page->tables[t];
        json_t *one = json_object(), *rows = json_array();
        json_object_set_new(one, "name", esp_json_word(report, table->name));
        json_object_set_new(one, "title", esp_json_word(report, table->title));
        json_object_set_new(one, "subtitle", esp_json_word(report, table->subtitle));
        json_object_set_new(one, "query", esp_json_word(report, table->query));
        json_object_set_new(one, "columns",
                            esp_json_words(report, table->headings, table->n_columns));
        for (int row = 0; row < table->n_rows; row++) {
            json_array_append_new(
                rows,
                esp_json_words(report, table->cells + row * table->n_columns, table->n_columns));
        }
        json_object_set_new(one, "rows", rows);
        json_array_append_new(tables, one);
    }
    json_object_set_new(root, "tables", tables);
    json_object_set_new(root, "notes", esp_json_words(report, page->notes.at, page->notes.n));
    const int written = json_dumpf(root, out, JSON_INDENT(2));
    json_decref(root);
    fputc('\n', out);
    ESP_TRY(esp_pool_status(&report->pool));
    return written != 0 ? esp_fail(ESP_IO, "the report cannot be written") : esp_render_finish(out);
}
