/* What was asked, how far it is, what came out. */
#include <string.h>

#include "report/html.h"
#include "report/html_report.h"

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

int esp_html_summary(FILE *out, esp_report *report, const esp_page *page)
{
    const int waiting = report->planned - report->unasked_trials - report->done - report->failed;
    fputs("<section id=\"summary\" aria-labelledby=\"summary-heading\">\n"
          "<h2 id=\"summary-heading\">Summary</h2>\n",
          out);
    put_question(out, report);
    if (*report->source) {
        esp_html_print(out, "<p>Source: %s</p>\n", report->source);
    }
    esp_html_print(out, "<p>%s; %d cell%s of %d variant%s", page->status, report->n_cells,
                   report->n_cells == 1 ? "" : "s", report->variants.n,
                   report->variants.n == 1 ? "" : "s");
    if (report->failed > 0) {
        esp_html_print(out, ", <a class=\"failed\" href=\"#failures\">%d failed</a>",
                       report->failed);
    }
    if (waiting > 0) {
        esp_html_print(out, ", <span class=\"waiting\">%d not done</span>", waiting);
    }
    fputs(".</p>\n", out);
    if (page->n_findings > 0) {
        esp_html_print(out, "<p>%s:</p>\n<ul>\n", page->findings_of);
        for (int i = 0; i < page->n_findings; i++) {
            const esp_finding *one = &page->findings[i];
            esp_html_print(out,
                           *one->about ? "<li><strong>%s</strong>%s</li>\n" : "<li>%s%s</li>\n",
                           one->about, one->text);
        }
        fputs("</ul>\n<p class=\"quiet\">What each number rests on, and what speaks against it, the"
              " <a href=\"#tables\">tables</a> and <a href=\"#notes\">notes</a> say.</p>\n",
              out);
    }
    fputs("</section>\n", out);
    return esp_pool_status(&report->pool);
}
