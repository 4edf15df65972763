/* A report as text for a terminal. */
#include "report/render.h"

#include <string.h>

#include "core/status.h"

/* Columns a text takes on a terminal: its code points (names here are of Latin-like scripts). */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static void put_padded(FILE *out, const char *text, int width, bool right)
{
    int spaces = width - width_of(text);
    fprintf(out, "%*s", right && spaces > 0 ? spaces : 0, "");
    esp_put_plain(out, text, false);
    fprintf(out, "%*s", !right && spaces > 0 ? spaces : 0, "");
}

/* Lines of at most width columns, broken at blanks, each after `indent` blanks but the first. */
static void put_wrapped(FILE *out, const char *text, int indent, int width)
{
    int column = indent;
    while (*text) {
        size_t length = strcspn(text, " ");
        char word[512];
        snprintf(word, sizeof word, "%.*s", (int)length, text);
        if (column > indent && column + 1 + width_of(word) > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        for (size_t i = 0; i < length; i += sizeof word - 1) {
            snprintf(word, sizeof word, "%.*s", (int)(length - i), text + i);
            esp_put_plain(out, word, false);
            column += width_of(word);
        }
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

/* The width of every column [n_columns]; NULL where memory is short. */
static int *widths_of(esp_text_pool *pool, const esp_table *table)
{
    int *widths = esp_pool_take(pool, ((size_t)table->n_columns + 1) * sizeof *widths);
    for (int i = 0; widths != NULL && i < table->n_columns; i++) {
        widths[i] = width_of(table->headings[i]);
        for (int row = 0; row < table->n_rows; row++) {
            int cell = width_of(table->cells[row * table->n_columns + i]);
            widths[i] = cell > widths[i] ? cell : widths[i];
        }
    }
    for (int i = 0; widths != NULL && i < table->n_spans; i++) {
        const esp_table_span *span = &table->spans[i];
        int lacking = width_of(span->text) + 2;
        for (int k = span->first; k < span->first + span->n; k++) {
            lacking -= widths[k] + 2;
        }
        widths[span->first + span->n - 1] += lacking > 0 ? lacking : 0;
    }
    return widths;
}

static void put_rule(FILE *out, const esp_table *table, const int *widths)
{
    int width = -2;
    for (int i = 0; i < table->n_columns; i++) {
        width += widths[i] + 2;
    }
    fputs("  ", out);
    for (int i = 0; i < width; i++) {
        fputc('-', out);
    }
    fputc('\n', out);
}

/* Each heading over the middle of its columns. */
static void put_spans(FILE *out, const esp_table *table, const int *widths)
{
    int column = 0;
    for (int i = 0; i < table->n_spans; i++) {
        const esp_table_span *span = &table->spans[i];
        for (; column < span->first; column++) {
            fprintf(out, "%*s", widths[column] + 2, "");
        }
        int width = -2;
        for (; column < span->first + span->n; column++) {
            width += widths[column] + 2;
        }
        int spaces = width - width_of(span->text), before = spaces > 0 ? spaces / 2 : 0;
        fprintf(out, "  %*s", before, "");
        put_padded(out, span->text, width - before, false);
    }
    fputs(table->n_spans > 0 ? "\n" : "", out);
}

static void put_table(FILE *out, esp_text_pool *pool, const esp_table *table)
{
    const int *widths = widths_of(pool, table);
    if (widths == NULL) {
        return;
    }
    esp_put_plain(out, table->title, false);
    fputc('\n', out);
    if (*table->subtitle) {
        esp_put_plain(out, table->subtitle, false);
        fputc('\n', out);
    }
    fputc('\n', out);
    put_spans(out, table, widths);
    for (int row = -1; row < table->n_rows; row++) {
        const char *const *cells =
            row < 0 ? table->headings : table->cells + row * table->n_columns;
        const char *group = row >= 0 ? table->groups[row] : NULL;
        if (row > 0 && (table->gap[row] || group != NULL)) {
            fputc('\n', out);
        }
        if (group != NULL) {
            fputs("  ", out);
            esp_put_plain(out, group, false);
            fputc('\n', out);
        }
        for (int i = 0; i < table->n_columns; i++) {
            bool right = i >= table->n_labels, last = i == table->n_columns - 1;
            fputs("  ", out);
            put_padded(out, cells[i], last && !right ? 0 : widths[i], right);
        }
        fputc('\n', out);
        if (row < 0) {
            put_rule(out, table, widths);
        }
    }
    fputc('\n', out);
}

static void put_findings(FILE *out, esp_report *report, const esp_page *page)
{
    if (page->n_findings == 0) {
        return;
    }
    esp_put_plain(out, page->findings_of, false);
    fputs(":\n", out);
    for (int i = 0; i < page->n_findings; i++) {
        const esp_finding *one = &page->findings[i];
        fputs("- ", out);
        put_wrapped(out, esp_pool_format(&report->pool, "%s%s", one->about, one->text), 2, 100);
    }
    fputc('\n', out);
}

int esp_render_text(FILE *out, esp_report *report)
{
    esp_page *page = NULL;
    ESP_TRY(esp_page_make(&page, report));
    esp_put_plain(out, page->title, false);
    fputc('\n', out);
    if (*report->source) {
        fputs("source: ", out);
        esp_put_plain(out, report->source, false);
        fputc('\n', out);
    }
    put_wrapped(out, page->status, 0, 100);
    if (*report->question) {
        fputc('\n', out);
        esp_put_plain(out, report->question, true);
        fputc('\n', out);
    }
    fputc('\n', out);
    put_findings(out, report, page);
    for (int i = 0; i < page->n_tables; i++) {
        put_table(out, &report->pool, &page->tables[i]);
        if (report->queries && *page->tables[i].query) {
            fputs("query: ", out);
            esp_put_plain(out, page->tables[i].query, false);
            fputs("\n\n", out);
        }
    }
    fputs("notes\n", out);
    for (int i = 0; i < page->notes.n; i++) {
        fputs("- ", out);
        put_wrapped(out, page->notes.at[i], 2, 100);
    }
    fputs("\nquery: ", out);
    esp_put_plain(out, page->query, false);
    fputc('\n', out);
    ESP_TRY(esp_pool_status(&report->pool));
    return esp_render_finish(out);
}
