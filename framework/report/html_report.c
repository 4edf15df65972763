#include "report/html_report.h"

#include <math.h>
#include <string.h>

#include "core/status.h"
#include "report/html.h"
#include "report/render.h"

/* ---- the summary ----------------------------------------------------------------------------- */

/* "81.54 %" or "0.4312", as tables round; unit " %" or " points" for accuracies. */
static const char *value_of(esp_report *report, const esp_report_metric *metric, double value,
                            const char *unit)
{
    return metric->better == ESP_BETTER_HIGHER
               ? esp_pool_format(&report->pool, "%.2f%s", 100 * value, unit)
               : esp_pool_format(&report->pool, "%.4f", value);
}

static const char *mean_of(esp_report *report, const esp_report_metric *metric,
                           const esp_stats *stats)
{
    const char *mean = value_of(report, metric, stats->mean, " %");
    return isnan(stats->sd)
               ? esp_pool_format(&report->pool, "%s (n %d)", mean, stats->n)
               : esp_pool_format(&report->pool, "%s (sd %s, n %d)", mean,
                                 value_of(report, metric, stats->sd, " points"), stats->n);
}

/* How the cells of a variant stand to their references, by the first metric and epoch. */
typedef struct standing {
    int n_compared, n_better, n_equal;     /* means */
    int n_spread, n_tighter, n_same_width; /* sds, both of 3 seeds or more */
    const esp_report_cell *cell, *reference;
} standing;

static standing stand(const esp_report *report, const char *variant)
{
    standing out = {0};
    const bool lower = report->metrics[0].better == ESP_BETTER_LOWER;
    for (int i = 0; i < report->n_cells; i++) {
        const esp_report_cell *cell = &report->cells[i];
        if (strcmp(cell->variant, variant) != 0 || cell->reference < 0) {
            continue;
        }
        const esp_report_cell *reference = &report->cells[cell->reference];
        const esp_stats *own = &cell->series[0].stats, *other = &reference->series[0].stats;
        if (own->n == 0 || other->n == 0) {
            continue;
        }
        out.n_compared++;
        out.n_better += lower ? own->mean < other->mean : own->mean > other->mean;
        out.n_equal += own->mean == other->mean;
        if (own->n >= 3 && other->n >= 3) {
            out.n_spread++;
            out.n_tighter += own->sd < other->sd;
            out.n_same_width += own->sd == other->sd;
        }
        out.cell = cell;
        out.reference = reference;
    }
    return out;
}

static void put_equal(FILE *out, int n)
{
    if (n > 0) {
        esp_html_print(out, " (the same in %d)", n);
    }
}

/* One sentence for a variant that has references with values. */
static int put_standing(FILE *out, esp_report *report, const char *variant)
{
    const esp_report_metric *metric = &report->metrics[0];
    const standing found = stand(report, variant);
    if (found.n_compared == 0) {
        return 0;
    }
    esp_html_print(out, "<li><strong>%s</strong> ", variant);
    if (found.n_compared == 1) {
        esp_html_print(out, "has a mean of %s, its reference %s one of %s",
                       mean_of(report, metric, &found.cell->series[0].stats),
                       found.reference->variant,
                       mean_of(report, metric, &found.reference->series[0].stats));
        const esp_paired *paired = &found.cell->series[0].paired;
        if (paired->n > 0) {
            esp_html_print(out, "; over the %d pairs that share a seed it differs by %s%s",
                           paired->n, paired->mean > 0 ? "+" : "",
                           value_of(report, metric, paired->mean, " points"));
        }
    } else {
        esp_html_print(out, "has a %s mean than its reference %s in %d of %d cells",
                       metric->better == ESP_BETTER_LOWER ? "lower" : "higher",
                       found.reference->variant, found.n_better, found.n_compared);
        put_equal(out, found.n_equal);
        if (found.n_spread > 0) {
            esp_html_print(out,
                           ", and a smaller sd over seeds in %d of the %d with 3 seeds or more",
                           found.n_tighter, found.n_spread);
            put_equal(out, found.n_same_width);
        }
    }
    fputs(".</li>\n", out);
    return 1;
}

/* Where nothing is compared: the means themselves, of a few cells. */
static void put_means(FILE *out, esp_report *report)
{
    enum { MOST = 8 };
    for (int i = 0; i < report->n_cells && i < MOST; i++) {
        const esp_report_cell *cell = &report->cells[i];
        if (cell->series[0].stats.n > 0) {
            esp_html_print(out, "<li><strong>%s</strong> has a mean of %s.</li>\n", cell->label,
                           mean_of(report, &report->metrics[0], &cell->series[0].stats));
        }
    }
    if (report->n_cells > MOST) {
        esp_html_print(out, "<li>%d cells more stand in the tables.</li>\n",
                       report->n_cells - MOST);
    }
}

/* The study's question: its lines flow, empty ones part paragraphs. */
static void put_question(FILE *out, esp_report *report)
{
    const char *at = report->question;
    if (*at == '\0') {
        return;
    }
    fputs("<blockquote>\n", out);
    while (*at) {
        const char *end = strstr(at, "\n\n");
        const size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
        esp_html_print(out, "<p>%s</p>\n", esp_pool_format(&report->pool, "%.*s", (int)length, at));
        at += length;
        at += strspn(at, "\n");
    }
    fputs("</blockquote>\n", out);
}

static int variants_of(esp_words *out, const esp_report *report, esp_text_pool *pool)
{
    *out = (esp_words){.at = esp_pool_take(pool, (size_t)report->n_cells * sizeof *out->at)};
    ESP_TRY(esp_pool_status(pool));
    for (int i = 0; i < report->n_cells; i++) {
        int k = 0;
        while (k < out->n && strcmp(out->at[k], report->cells[i].variant) != 0) {
            k++;
        }
        if (k == out->n) {
            out->at[out->n++] = report->cells[i].variant;
        }
    }
    return ESP_OK;
}

int esp_html_summary(FILE *out, esp_report *report, const esp_page *page)
{
    esp_words variants;
    const int waiting = report->planned - report->done - report->failed;
    ESP_TRY(variants_of(&variants, report, &report->pool));
    fputs("<section id=\"summary\" aria-labelledby=\"summary-heading\">\n"
          "<h2 id=\"summary-heading\">Summary</h2>\n",
          out);
    put_question(out, report);
    if (*report->source) {
        esp_html_print(out, "<p>Source: %s</p>\n", report->source);
    }
    esp_html_print(out, "<p>%s; %d cells of %d variants", page->status, report->n_cells,
                   variants.n);
    if (report->failed > 0) {
        esp_html_print(out, ", <a class=\"failed\" href=\"#failures\">%d failed</a>",
                       report->failed);
    }
    if (waiting > 0) {
        esp_html_print(out, ", <span class=\"waiting\">%d not done</span>", waiting);
    }
    fputs(".</p>\n", out);
    if (report->done > 0) {
        esp_html_print(out, "<p>%s, %s:</p>\n<ul>\n",
                       esp_report_metric_title(report, &report->metrics[0]),
                       esp_report_at_phrase(report, &report->ats[0]));
        int n_said = 0;
        for (int i = 0; i < variants.n; i++) {
            n_said += put_standing(out, report, variants.at[i]);
        }
        if (n_said == 0) {
            put_means(out, report);
        }
        fputs("</ul>\n<p class=\"quiet\">These sentences count and compare means; how sure a"
              " difference is, <a href=\"#tables\">tables</a> and <a href=\"#notes\">notes</a>"
              " say.</p>\n",
              out);
    }
    fputs("</section>\n", out);
    return esp_pool_status(&report->pool);
}

/* ---- tables and notes ------------------------------------------------------------------------ */

void esp_html_tables(FILE *out, const esp_page *page)
{
    fputs("<section id=\"tables\" aria-labelledby=\"tables-heading\">\n"
          "<h2 id=\"tables-heading\">Tables</h2>\n",
          out);
    for (int i = 0; i < page->n_tables; i++) {
        char id[32];
        snprintf(id, sizeof id, "table-%d", i + 1);
        esp_html_table(out, &page->tables[i], id);
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
