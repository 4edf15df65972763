#include "report/render.h"

#include <string.h>

#include "core/status.h"
#include "core/text.h"

static const esp_report_format formats[] = {
    {"text", esp_render_text},
    {"md", esp_render_markdown},
    {"csv", esp_render_csv},
    {"json", esp_render_json},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

int esp_report_format_find(const esp_report_format **out, const char *name)
{
    const char *names[N_FORMATS];
    for (int i = 0; i < N_FORMATS; i++) {
        names[i] = formats[i].name;
        if (strcmp(name, names[i]) == 0) {
            *out = &formats[i];
            return ESP_OK;
        }
    }
    const char *meant = esp_text_suggest(name, names, N_FORMATS);
    return esp_fail(ESP_USAGE, "unknown format '%s'; there are text, md, csv and json%s%s%s", name,
                    meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Columns a text takes on a terminal: its code points (names here are of Latin-like scripts). */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

/* Names come from studies: nothing in them may steer the terminal. */
static void put_plain(FILE *out, const char *text, bool keep_lines)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool control = (c < 0x20 && !(keep_lines && c == '\n')) || c == 0x7f;
        fputc(control ? '?' : c, out);
    }
}

static void put_padded(FILE *out, const char *text, int width, bool right)
{
    int spaces = width - width_of(text);
    fprintf(out, "%*s", right && spaces > 0 ? spaces : 0, "");
    put_plain(out, text, false);
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
            put_plain(out, word, false);
            column += width_of(word);
        }
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static int column_width(const esp_table *table, int column)
{
    int width = width_of(table->headings[column]);
    for (int i = 0; i < table->n_rows; i++) {
        int cell = width_of(table->cells[i * table->n_columns + column]);
        width = cell > width ? cell : width;
    }
    return width;
}

static void put_rule(FILE *out, const esp_table *table)
{
    int width = -2;
    for (int i = 0; i < table->n_columns; i++) {
        width += column_width(table, i) + 2;
    }
    fputs("  ", out);
    for (int i = 0; i < width; i++) {
        fputc('-', out);
    }
    fputc('\n', out);
}

static void put_table(FILE *out, const esp_table *table)
{
    put_plain(out, table->title, false);
    fputc('\n', out);
    if (*table->subtitle) {
        put_plain(out, table->subtitle, false);
        fputc('\n', out);
    }
    fputc('\n', out);
    for (int row = -1; row < table->n_rows; row++) {
        const char *const *cells =
            row < 0 ? table->headings : table->cells + row * table->n_columns;
        if (row >= 0 && table->gap[row]) {
            fputc('\n', out);
        }
        for (int i = 0; i < table->n_columns; i++) {
            bool right = i >= table->n_labels, last = i == table->n_columns - 1;
            fputs("  ", out);
            put_padded(out, cells[i], last && !right ? 0 : column_width(table, i), right);
        }
        fputc('\n', out);
        if (row < 0) {
            put_rule(out, table);
        }
    }
    fputc('\n', out);
}

static int finish(FILE *out)
{
    return fflush(out) != 0 || ferror(out) ? esp_fail(ESP_IO, "the report cannot be written")
                                           : ESP_OK;
}

int esp_render_text(FILE *out, esp_report *report)
{
    esp_page *page = NULL;
    ESP_TRY(esp_page_make(&page, report));
    put_plain(out, page->title, false);
    fputc('\n', out);
    if (*report->source) {
        fputs("source: ", out);
        put_plain(out, report->source, false);
        fputc('\n', out);
    }
    put_wrapped(out, page->status, 0, 100);
    if (*report->question) {
        fputc('\n', out);
        put_plain(out, report->question, true);
        fputc('\n', out);
    }
    fputc('\n', out);
    for (int i = 0; i < page->n_tables; i++) {
        put_table(out, &page->tables[i]);
    }
    fputs("notes\n", out);
    for (int i = 0; i < page->notes.n; i++) {
        fputs("- ", out);
        put_wrapped(out, page->notes.at[i], 2, 100);
    }
    fputs("\nquery: ", out);
    put_plain(out, page->query, false);
    fputc('\n', out);
    return finish(out);
}

/* ---- Markdown -------------------------------------------------------------------------------- */

static void put_markdown(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            fputc(' ', out);
        } else if (c == '<') {
            fputs("&lt;", out);
        } else {
            if (strchr("\\|*`[]", c) != NULL) {
                fputc('\\', out);
            }
            fputc(c, out);
        }
    }
}

static void put_markdown_table(FILE *out, const esp_table *table)
{
    fputs("## ", out);
    put_markdown(out, table->title);
    fputs("\n\n", out);
    if (*table->subtitle) {
        put_markdown(out, table->subtitle);
        fputs("\n\n", out);
    }
    for (int row = -1; row < table->n_rows; row++) {
        const char *const *cells =
            row < 0 ? table->headings : table->cells + row * table->n_columns;
        for (int i = 0; i < table->n_columns; i++) {
            fputs("| ", out);
            put_markdown(out, cells[i]);
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
    put_markdown(out, page->title);
    fputs("\n\n", out);
    if (*report->question) {
        for (const char *line = report->question; *line;) {
            size_t length = strcspn(line, "\n");
            put_markdown(out, esp_pool_format(&report->pool, "%.*s", (int)length, line));
            fputc('\n', out);
            line += length + (line[length] == '\n');
        }
        fputc('\n', out);
    }
    if (*report->source) {
        fputs("Source: ", out);
        put_markdown(out, report->source);
        fputs(". ", out);
    }
    put_markdown(out, page->status);
    fputs(".\n\n", out);
    for (int i = 0; i < page->n_tables; i++) {
        put_markdown_table(out, &page->tables[i]);
    }
    fputs("## Notes\n\n", out);
    for (int i = 0; i < page->notes.n; i++) {
        fputs("- ", out);
        put_markdown(out, page->notes.at[i]);
        fputc('\n', out);
    }
    fputs("\n    ", out);
    put_plain(out, page->query, false);
    fputc('\n', out);
    ESP_TRY(esp_pool_status(&report->pool));
    return finish(out);
}
