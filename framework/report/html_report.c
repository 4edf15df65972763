#include "report/html_report.h"

#include <string.h>

#include "core/status.h"
#include "report/html.h"
#include "report/render.h"

/* ---- tables and notes ------------------------------------------------------------------------ */

void esp_html_tables(FILE *out, const esp_page *page)
{
    fputs("<section id=\"tables\" aria-labelledby=\"tables-heading\">\n"
          "<h2 id=\"tables-heading\">Tables</h2>\n",
          out);
    for (int i = 0; i < page->n_tables; i++) {
        const esp_table *table = &page->tables[i];
        char id[32];
        snprintf(id, sizeof id, "table-%d", i + 1);
        if (table->detail) {
            esp_html_print(out, "<details><summary>%s (%s)</summary>\n", table->title,
                           table->subtitle);
        }
        esp_html_table(out, table, id);
        fputs(table->detail ? "</details>\n" : "", out);
    }
    fputs("</section>\n", out);
}

void esp_html_notes(FILE *out, const esp_page *page)
{
    if (page->notes.n == 0) {
        return;
    }
    fputs("<section id=\"notes\" aria-labelledby=\"notes-heading\">\n"
          "<h2 id=\"notes-heading\">Notes</h2>\n<ul>\n",
          out);
    for (int i = 0; i < page->notes.n; i++) {
        esp_html_print(out, "<li>%s</li>\n", page->notes.at[i]);
    }
    fputs("</ul>\n</section>\n", out);
}

/* ---- the page -------------------------------------------------------------------------------- */

static void put_contents(FILE *out, const esp_report *report)
{
    static const struct {
        const char *id, *words;
    } sections[] = {{"summary", "Summary"},       {"figures", "Figures"},
                    {"tables", "Tables"},         {"notes", "Notes"},
                    {"failures", "Failures"},     {"trials", "Trials"},
                    {"provenance", "Provenance"}, {"reproduce", "Reproduce it"}};
    fputs("<nav aria-label=\"Sections\"><ul>\n", out);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (strcmp(sections[i].id, "failures") != 0 || report->failed > 0) {
            esp_html_print(out, "<li><a href=\"#%s\">%s</a></li>\n", sections[i].id,
                           sections[i].words);
        }
    }
    fputs("</ul></nav>\n", out);
}

int esp_render_html(FILE *out, esp_report *report)
{
    esp_page *page = NULL;
    esp_report_trials trials;
    report->statistics = true; /* what is beside the main thing is folded */
    ESP_TRY(esp_page_make(&page, report));
    ESP_TRY(esp_report_trials_load(&trials, report));
    ESP_TRY(esp_html_begin(out, &(esp_html_frame){.title = page->title}));
    esp_html_print(out, "<header>\n<h1>%s</h1>\n", page->title);
    put_contents(out, report);
    fputs("</header>\n", out);
    ESP_TRY(esp_html_summary(out, report, page));
    ESP_TRY(esp_html_figures(out, report));
    esp_html_tables(out, page);
    esp_html_notes(out, page);
    ESP_TRY(esp_html_failures(out, report, &trials));
    ESP_TRY(esp_html_trials(out, report, &trials));
    ESP_TRY(esp_html_provenance(out, report));
    ESP_TRY(esp_html_reproduce(out, report, page, &trials));
    esp_html_end(out);
    return fflush(out) != 0 || ferror(out) ? esp_fail(ESP_IO, "the report cannot be written")
                                           : esp_pool_status(&report->pool);
}
