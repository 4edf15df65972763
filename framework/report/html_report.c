#include "report/html_report.h"

#include <string.h>

#include "core/status.h"
#include "report/html.h"
#include "report/render.h"
#include "report/variance.h"

/* ---- tables and notes ------------------------------------------------------------------------ */

static void put_table(FILE *out, const esp_table *table, const char *prefix, int number, bool fold)
{
    char id[32];
    snprintf(id, sizeof id, "%s-%d", prefix, number);
    if (fold) {
        esp_html_print(out, "<details><summary>%s (%s)</summary>\n", table->title, table->subtitle);
    }
    esp_html_table(out, table, id);
    fputs(fold ? "</details>\n" : "", out);
}

static void put_tables(FILE *out, const esp_page *page)
{
    fputs("<section id=\"tables\" aria-labelledby=\"tables-heading\">\n"
          "<h2 id=\"tables-heading\">Tables</h2>\n",
          out);
    for (int i = 0; i < page->n_tables; i++) {
        put_table(out, &page->tables[i], "table", i + 1, page->tables[i].detail);
    }
    fputs("</section>\n", out);
}

static bool has_table(const esp_page *page, const esp_table *table)
{
    for (int i = 0; i < page->n_tables; i++) {
        if (strcmp(page->tables[i].title, table->title) == 0 &&
            strcmp(page->tables[i].subtitle, table->subtitle) == 0) {
            return true;
        }
    }
    return false;
}

/* What `report --variance` shows and the page does not yet; of small studies. Fills
 * report->variances: to be asked for once, after the page was made. */
static int put_variance(FILE *out, esp_report *report, const esp_page *page)
{
    enum { MANY_CELLS = 100 };
    esp_page *variance = NULL;
    if (report->variances != NULL || report->done == 0) {
        return ESP_OK; /* the page is about it, or there is nothing to say */
    }
    fputs("<section id=\"variance\" aria-labelledby=\"variance-heading\">\n"
          "<h2 id=\"variance-heading\">Where the variance over seeds comes from</h2>\n",
          out);
    if (report->n_cells > MANY_CELLS) {
        fputs("<p>Left out, to keep this page small: <code>espalier report STUDY --variance</code>"
              " tells.</p>\n</section>\n",
              out);
        return ESP_OK;
    }
    ESP_TRY(esp_report_load_variance(report, report->store));
    ESP_TRY(esp_variance_page_make(&variance, report));
    for (int i = 0; i < variance->n_tables; i++) {
        if (!has_table(page, &variance->tables[i])) {
            put_table(out, &variance->tables[i], "variance", i + 1, true);
        }
    }
    fputs("<ul>\n", out);
    for (int i = 0; i < variance->notes.n; i++) {
        if (!esp_page_has_note(page, variance->notes.at[i])) {
            esp_html_print(out, "<li>%s</li>\n", variance->notes.at[i]);
        }
    }
    fputs("</ul>\n</section>\n", out);
    return ESP_OK;
}

static void put_notes(FILE *out, const esp_page *page)
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
    } sections[] = {
        {"summary", "Summary"},   {"figures", "Figures"},       {"tables", "Tables"},
        {"variance", "Variance"}, {"notes", "Notes"},           {"failures", "Failures"},
        {"trials", "Trials"},     {"provenance", "Provenance"}, {"reproduce", "Reproduce it"}};
    fputs("<nav aria-label=\"Sections\"><ul>\n", out);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if ((strcmp(sections[i].id, "failures") != 0 || report->failed > 0) &&
            (strcmp(sections[i].id, "variance") != 0 ||
             (report->variances == NULL && report->done > 0))) {
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
    put_tables(out, page);
    ESP_TRY(put_variance(out, report, page));
    put_notes(out, page);
    ESP_TRY(esp_html_failures(out, report, &trials));
    ESP_TRY(esp_html_trials(out, report, &trials));
    ESP_TRY(esp_html_provenance(out, report));
    ESP_TRY(esp_html_reproduce(out, report, page, &trials));
    esp_html_end(out);
    ESP_TRY(esp_render_finish(out));
    return esp_pool_status(&report->pool);
}
