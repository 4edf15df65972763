#include "report/html.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "core/digest.h"
#include "core/status.h"
#include "core/utf8.h"
#include "page_css.h"
#include "page_js.h"

/* ---- escapes --------------------------------------------------------------------------------- */

/* Characters that HTML may hold (Living Standard, 13.2.3.5), and none that reorder what follows. */
static bool is_allowed(long code)
{
    if (code < 0x20) {
        return code == '\t' || code == '\n';
    }
    const bool none = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe;
    return !none && !esp_utf8_steers(code);
}

void esp_html_text(FILE *out, const char *text)
{
    while (*text) {
        long code;
        size_t n = esp_utf8_decode(&code, text);
        switch (code) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            if (code >= 0 && is_allowed(code)) {
                fwrite(text, 1, n, out);
            } else {
                fputs("\xef\xbf\xbd", out);
            }
        }
        text += n;
    }
}

void esp_html_print(FILE *out, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    for (; *format; format++) {
        if (*format != '%') {
            fputc(*format, out);
            continue;
        }
        format++;
        if (*format == 's') {
            esp_html_text(out, va_arg(values, const char *));
        } else if (*format == 'd') {
            fprintf(out, "%d", va_arg(values, int));
        } else if (strncmp(format, "ld", 2) == 0) {
            fprintf(out, "%ld", va_arg(values, long));
            format++;
        } else if (strncmp(format, "zu", 2) == 0) {
            fprintf(out, "%zu", va_arg(values, size_t));
            format++;
        } else {
            assert(*format == '%');
            fputc('%', out);
        }
    }
    va_end(values);
}

/* ---- the frame ------------------------------------------------------------------------------- */

static int digit_of(char hex)
{
    return hex <= '9' ? hex - '0' : hex - 'a' + 10;
}

/* 'sha256-...' as a content security policy names a script. */
static int put_script_hash(FILE *out, const char *script)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char hex[ESP_SHA256_HEX];
    ESP_TRY(esp_sha256(hex, script, strlen(script)));
    fputs(" 'sha256-", out);
    for (size_t i = 0; i < 33; i += 3) { /* 32 bytes and a zero, 3 to a group */
        unsigned group = 0;
        for (size_t k = i; k < i + 3; k++) {
            unsigned byte =
                k == 32 ? 0 : (unsigned)(digit_of(hex[2 * k]) << 4 | digit_of(hex[2 * k + 1]));
            group = group << 8 | byte;
        }
        for (int k = 3; k >= 0; k--) {
            fputc(i == 30 && k == 0 ? '=' : digits[group >> (6 * k) & 63], out);
        }
    }
    fputc('\'', out);
    return ESP_OK;
}

int esp_html_begin(FILE *out, const esp_html_frame *frame)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"
          " style-src 'unsafe-inline'; img-src data:; base-uri 'none';",
          out);
    fputs(frame->live ? " form-action 'self'; connect-src 'self';" : " form-action 'none';", out);
    fputs(" script-src", out);
    ESP_TRY(put_script_hash(out, page_js));
    if (frame->script != NULL) {
        ESP_TRY(put_script_hash(out, frame->script));
    }
    esp_html_print(out,
                   "\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<meta name=\"color-scheme\" content=\"light dark\">\n<title>%s</title>\n",
                   frame->title);
    fprintf(out, "<style>\n%s%s</style>\n", page_css, frame->style != NULL ? frame->style : "");
    fprintf(out, "<script>%s</script>\n", page_js);
    if (frame->script != NULL) {
        fprintf(out, "<script>%s</script>\n", frame->script);
    }
    fputs("</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n"
          "<main id=\"main\">\n",
          out);
    return ESP_OK;
}

void esp_html_end(FILE *out)
{
    fputs("</main>\n</body>\n</html>\n", out);
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* One line of headings over several columns; what none covers stays empty. */
static void put_spans(FILE *out, const esp_table *table)
{
    fputs("<tr>", out);
    for (int column = 0, next; column < table->n_columns; column = next) {
        const esp_table_span *found = NULL;
        next = table->n_columns;
        for (int i = 0; i < table->n_spans; i++) {
            const esp_table_span *span = &table->spans[i];
            if (span->first < column) {
                continue;
            }
            if (span->first == column) {
                found = span;
                next = column + span->n;
                break;
            }
            next = span->first < next ? span->first : next;
        }
        if (found != NULL) {
            esp_html_print(out, "<th scope=\"colgroup\" colspan=\"%d\" class=\"span\">%s</th>",
                           found->n, found->text);
        } else {
            esp_html_print(out, "<td colspan=\"%d\"></td>", next - column);
        }
    }
    fputs("</tr>\n", out);
}

static void put_headings(FILE *out, const esp_table *table)
{
    fputs("<thead>\n", out);
    if (table->n_spans > 0) {
        put_spans(out, table);
    }
    fputs("<tr>", out);
    for (int i = 0; i < table->n_columns; i++) {
        esp_html_print(out,
                       *table->headings[i] == '\0' ? "<td>%s</td>"
                       : i < table->n_labels       ? "<th scope=\"col\" class=\"label\">%s</th>"
                                                   : "<th scope=\"col\">%s</th>",
                       table->headings[i]);
    }
    fputs("</tr>\n</thead>\n", out);
}

static void put_row(FILE *out, const esp_table *table, int row)
{
    const char *const *cells = &table->cells[row * table->n_columns];
    fputs(table->gap[row] == 2   ? "<tr class=\"group\">"
          : table->gap[row] == 1 ? "<tr class=\"gap\">"
                                 : "<tr>",
          out);
    for (int i = 0; i < table->n_columns; i++) {
        esp_html_print(
            out, i < table->n_labels && *cells[i] ? "<th scope=\"row\">%s</th>" : "<td>%s</td>",
            cells[i]);
    }
    fputs("</tr>\n", out);
}

void esp_html_table(FILE *out, const esp_table *table, const char *id)
{
    esp_html_print(out, "<h3 id=\"%s\">%s</h3>\n<p id=\"%s-of\" class=\"quiet\">%s</p>\n", id,
                   table->title, id, table->subtitle);
    esp_html_print(out,
                   "<section class=\"scroll\" aria-labelledby=\"%s %s-of\" tabindex=\"0\">\n"
                   "<table class=\"sortable\" aria-labelledby=\"%s %s-of\">\n",
                   id, id, id, id);
    put_headings(out, table);
    fputs("<tbody>\n", out);
    for (int row = 0; row < table->n_rows; row++) {
        if (table->groups != NULL && table->groups[row] != NULL) {
            fputs(row > 0 ? "</tbody>\n<tbody>\n" : "", out);
            esp_html_print(
                out, "<tr class=\"heading\"><th colspan=\"%d\" scope=\"rowgroup\">%s</th></tr>\n",
                table->n_columns, table->groups[row]);
        }
        put_row(out, table, row);
    }
    fputs("</tbody>\n</table>\n</section>\n", out);
    if (table->query != NULL && *table->query) {
        esp_html_print(out,
                       "<details class=\"query\"><summary>query</summary>"
                       "<pre tabindex=\"0\">%s</pre></details>\n",
                       table->query);
    }
}
