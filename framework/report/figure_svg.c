/* gnuplot's svg made fit to stand in a page: named for readers of screens, its ids its own. */
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "report/figure_plot.h"

static void put_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        switch (c) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        default:
            putc(c < 0x20 || c == 0x7f ? '?' : c, out);
        }
    }
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Passes over an element with its end tag: "<title>..</title>". */
static const char *after(const char *text, const char *end)
{
    const char *found = strstr(text, end);
    return found != NULL ? found + strlen(end) : text + strlen(text);
}

static void put_head(FILE *out, const char *id)
{
    fprintf(out, "<svg role=\"img\" aria-labelledby=\"%s-title %s-desc\"", id, id);
}

static void put_names(FILE *out, const esp_figure *figure, const char *id)
{
    fprintf(out, "<title id=\"%s-title\">", id);
    put_escaped(out, figure->title);
    fprintf(out, "</title>\n<desc id=\"%s-desc\">", id);
    put_escaped(out, figure->caption);
    fputs("</desc>\n", out);
}

/* One tag, from its '<' to its '>': ids, and what refers to them, begin with id. Returns its end.
 */
static const char *put_tag(FILE *out, const char *tag, const char *id)
{
    static const char *const before[] = {" id=\"", " id='", "xlink:href=\"#", "xlink:href='#",
                                         "url(#"};
    while (*tag && *tag != '>') {
        bool found = false;
        for (size_t i = 0; i < sizeof before / sizeof *before && !found; i++) {
            if (starts(tag, before[i])) {
                fprintf(out, "%s%s-", before[i], id);
                tag += strlen(before[i]);
                found = true;
            }
        }
        if (!found) {
            const size_t n = 1 + (tag[1] ? strcspn(tag + 1, " xu>") : 0);
            fwrite(tag, 1, n, out);
            tag += n;
        }
    }
    if (*tag == '>') {
        putc(*tag++, out);
    }
    return tag;
}

int esp_svg_finish(char **out, const char *svg, const esp_figure *figure, const char *id,
                   bool whole)
{
    size_t length = 0;
    *out = NULL;
    FILE *to = open_memstream(out, &length);
    if (to == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the svg of figure %s", figure->name);
    }
    if (whole) {
        fputs("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n", to);
    }
    const char *at = strstr(svg, "<svg");
    bool named = false;
    for (at = at != NULL ? at : ""; *at;) {
        if (starts(at, "<svg")) {
            put_head(to, id);
            at = put_tag(to, at + 4, id);
            putc('\n', to);
        } else if (starts(at, "<title>")) { /* of the picture, and one of every plot in it */
            at = after(at, "</title>");
            if (!named) {
                put_names(to, figure, id);
                named = true;
            }
        } else if (starts(at, "<desc>")) {
            at = after(at, "</desc>");
        } else if (*at == '<') {
            at = put_tag(to, at, id);
        } else {
            const size_t n = strcspn(at, "<");
            fwrite(at, 1, n, to);
            at += n;
        }
    }
    if (fclose(to) != 0) {
        free(*out);
        *out = NULL;
        return esp_fail(ESP_MEMORY, "no memory for the svg of figure %s", figure->name);
    }
    return ESP_OK;
}
