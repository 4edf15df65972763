#include "report/render.h"

#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "report/html_report.h"

static const esp_report_format formats[] = {
    {"text", esp_render_text}, {"md", esp_render_markdown}, {"csv", esp_render_csv},
    {"json", esp_render_json}, {"latex", esp_render_latex}, {"html", esp_render_html},
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
    return esp_fail(ESP_USAGE,
                    "unknown format '%s'; there are text, md, csv, json, latex and html%s%s%s",
                    name, meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
}

/* Names come from studies: nothing in them may steer the terminal. */
void esp_put_plain(FILE *out, const char *text, bool keep_lines)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        unsigned char next = (unsigned char)text[1];
        if (c == 0xc2 && next >= 0x80 && next < 0xa0) { /* a control character in two bytes */
            fputc('?', out);
            text++;
            continue;
        }
        bool control = (c < 0x20 && !(keep_lines && c == '\n')) || c == 0x7f;
        fputc(control ? '?' : c, out);
    }
}

int esp_render_finish(FILE *out)
{
    return fflush(out) != 0 || ferror(out) ? esp_fail(ESP_IO, "the report cannot be written")
                                           : ESP_OK;
}
