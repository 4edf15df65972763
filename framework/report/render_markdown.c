/* A report as Markdown. */
#include "report/render.h"

#include <string.h>

#include "core/status.h"

static bool is_letter(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (unsigned char)c >= 0x80;
}

/* An underscore inside a word means nothing to Markdown, and is left alone. */
void esp_put_markdown(FILE *out, const char *text)
{
    for (const char *start = text; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            fputc(' ', out);
        } else if (c == '<') {
            fputs("&lt;", out);
        } else if (c == '&') {
            fputs("&amp;", out);
        } else {
            bool inside = text > start && is_letter(text[-1]) && is_letter(text[1]);
            if (strchr("\\|*`[]~$", c) != NULL || (c == '_' && !inside)) {
                fputc('\\', out);
            }
            fputc(c, out);
        }
    }
}

/* Markdown has no headings over several columns: they stand before the column's own. */
static void put_spans(FILE *out, const esp_table *table, int column)
{
    for (int i = 0; i < table->n_spans; i++) {
        const esp_table_span *span = &table->spans[i];
        if (column >= span->first && column < span->first + span->n) {
            esp_put_markdown(out, span->text);
            fputs(": ", out);
        }
    }
}

static void put_markdown_table(FILE *out, const esp_table *table)
{
    fputs("## ", out);
    esp_put_markdown(out, table->title);
    fputs("\n\n", out);
    if (*table->subtitle) {
        esp_put_markdown(out, table->subtitle);
        fputs("\n\n", out);
    }
    for (int row = -1; row < table->n_rows; row++) {
        const char *const *cells =
            row < 0 ? table->headings : table->cells + row * table->n_columns;
        for (int i = 0; row >= 0 && table->groups[row] != NULL && i < table->n_columns; i++) {
            fputs(i ? "| " : "| **", out);
            esp_put_markdown(out, i ? "" : table->groups[row]);
            fputs(i ? "" : "** ", out);
            fputs(i == table->n_columns - 1 ? "|\n" : "", out);
        }
        for (int i = 0; i < table->n_columns; i++) {
            fputs("| ", out);
            if (row < 0) {
                put_spans(out, table, i);
            }
            esp_put_markdown(out, cells[i]);
            fputc(' ', out);
        }
        fputs("|\n", out);
        for (int i = 0; row < 0 && i < table->n_columns; i++) {
            fputs(i < table->n_labels ? "|---" : "|---:", out);
        }
        fputs(row < 0 ? "|\n" : "", out);
    }
    fputc('\n', out);
}

int esp_render_markdown(FILE *out, esp_report *report)
{
    esp_page *page = NULL;
    ESP_TRY(esp_page_make(&page, report));
    fputs("# ", out);
    esp_put_markdown(out, page->title);
    fputs("\n\n", out);
    if (*report->question) {
        for (const char *line = report->question; *line;) {
            size_t length = strcspn(line, "\n");
            esp_put_markdown(out, esp_pool_format(&report->pool, "%.*s", (int)length, line));
            fputc('\n', out);
            line += length + (line[length] == '\n');
        }
        fputc('\n', out);
    }
    if (*report->source) {
        fputs("Source: ", out);
        esp_put_markdown(out, report->source);
        fputs(". ", out);
    }
    esp_put_markdown(out, page->status);
    fputs(".\n\n", out);
    if (page->n_findings > 0) {
        esp_put_markdown(out, page->findings_of);
        fputs(":\n\n", out);
    }
    for (int i = 0; i < page->n_findings; i++) {
        const esp_finding *one = &page->findings[i];
        fputs(*one->about ? "- **" : "- ", out);
        esp_put_markdown(out, one->about);
        fputs(*one->about ? "**" : "", out);
        esp_put_markdown(out, one->text);
        fputs(i == page->n_findings - 1 ? "\n\n" : "\n", out);
    }
    for (int i = 0; i < page->n_tables; i++) {
        put_markdown_table(out, &page->tables[i]);
        if (report->queries && *page->tables[i].query) {
            fputs("    ", out);
            esp_put_plain(out, page->tables[i].query, false);
            fputs("\n\n", out);
        }
    }
    fputs("## Notes\n\n", out);
    for (int i = 0; i < page->notes.n; i++) {
        fputs("- ", out);
        esp_put_markdown(out, page->notes.at[i]);
        fputc('\n', out);
    }
    fputs("\n    ", out);
    esp_put_plain(out, page->query, false);
    fputc('\n', out);
    ESP_TRY(esp_pool_status(&report->pool));
    return esp_render_finish(out);
}
