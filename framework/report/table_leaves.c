/* How evenly the leaves are used. */
#include "report/table_build.h"

#include "core/status.h"

int esp_table_leaves(esp_table *out, esp_report *report, const esp_layout *plan)
{
    static const char *const headings[] = {"n", "leaves", "dead leaves", "load entropy",
                                           "largest share"};
    ESP_TRY(esp_table_start(out, report, plan, true, 5));
    esp_table_headings(out, headings, 5);
    out->name = "leaves";
    out->title = "Use of leaves by test examples, hard routing: means over seeds";
    out->subtitle = esp_pool_format(
        &report->pool, "%s; dead: never chosen; entropy: 1 where all leaves get equal shares",
        esp_report_at_phrase(report, &report->ats[0]));
    const esp_place *before = NULL;
    for (int i = 0; i < plan->n; i++) {
        const esp_report_cell *cell = plan->places[i].cell;
        if (cell->n_routed == 0 || !(cell->leaves > 1)) {
            continue;
        }
        const char **row = esp_table_row(out, plan, &plan->places[i], before);
        before = &plan->places[i];
        row[0] = esp_words_count(report, cell, cell->n_routed);
        row[1] = esp_pool_format(&report->pool, "%.0f", cell->leaves);
        row[2] = esp_pool_format(&report->pool, "%.1f", cell->dead);
        row[3] = esp_pool_format(&report->pool, "%.3f", cell->entropy);
        row[4] = esp_pool_format(&report->pool, "%.1f %%", 100 * cell->max_share);
    }
    return esp_pool_status(&report->pool);
}
