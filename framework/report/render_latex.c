/* A report as LaTeX. */
#include <string.h>

#include "core/status.h"
#include "report/render.h"

/* A tabular that is longer breaks over pages; a word that is longer breaks over lines. */
enum { LONG_TABLE = 45, LONG_WORD = 48, ENDLESS_WORD = 1000, WIDE_TABLE = 95, WIDER_TABLE = 130 };

/* ---- text ------------------------------------------------------------------------------------ */

/* The code point at *text, which then points behind it; -1 for a byte that is not UTF-8. */
static long next_point(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    int more = at[0] < 0x80 ? 0 : at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : at[0] >= 0xc2 ? 1 : -1;
    long point = more == 0   ? at[0]
                 : more == 1 ? at[0] & 0x1f
                 : more == 2 ? at[0] & 0x0f
                 : more == 3 ? at[0] & 0x07
                             : -1;
    (*text)++;
    for (int i = 1; i <= more; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return -1;
        }
        point = point << 6 | (at[i] & 0x3f);
    }
    bool sound = point >= 0 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff) &&
                 !(more == 2 && point < 0x800) && !(more == 3 && point < 0x10000);
    if (sound) {
        *text += more;
    }
    return sound ? point : -1;
}

/* What LaTeX prints by a command, or NULL. */
static const char *command_of(long point)
{
    static const struct {
        long point;
        const char *command;
    } commands[] = {
        {'\\', "\\textbackslash{}"},
        {'~', "\\textasciitilde{}"},
        {'^', "\\textasciicircum{}"},
        {'<', "\\textless{}"},
        {'>', "\\textgreater{}"},
        {'|', "\\textbar{}"},
        {'"', "\\textquotedbl{}"},
        {'\'', "\\textquotesingle{}"},
        {'`', "\\textasciigrave{}"},
        {'#', "\\#"},
        {'$', "\\$"},
        {'%', "\\%"},
        {'&', "\\&"},
        {'_', "\\_"},
        {'{', "\\{"},
        {'}', "\\}"},
        {'-', "{-}"}, /* no dashes made of several */
        {0xb1, "\\(\\pm\\)"},
        {0xb5, "\\textmu{}"},
        {0xd7, "\\(\\times\\)"},
        {0x2013, "{-}"},
        {0x2212, "\\(-\\)"},
        {0x2264, "\\(\\leq\\)"},
        {0x2265, "\\(\\geq\\)"},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (commands[i].point == point) {
            return commands[i].command;
        }
    }
    return NULL;
}

/* What pdflatex has no letter for, it prints as its number; the other engines print it. */
static void put_point(FILE *out, long point, const char *bytes, int n)
{
    const char *command = command_of(point);
    if (command != NULL) {
        fputs(command, out);
    } else if (point == '\n') {
        fputc(' ', out);
    } else if (point < 0x20 || point == 0x7f || (point >= 0x80 && point < 0xa0)) {
        fputc('?', out);
    } else if (point < 0x80 || (point >= 0xc0 && point <= 0xff)) {
        fwrite(bytes, 1, (size_t)n, out);
    } else {
        fprintf(out, "\\espchar{%lX}{%.*s}", (unsigned long)point, n, bytes);
    }
}

static void put_latex(FILE *out, const char *text, bool break_anywhere)
{
    while (*text) {
        const char *start = text;
        const long point = next_point(&text);
        put_point(out, point, start, (int)(text - start));
        fputs(break_anywhere ? "\\allowbreak{}" : "", out);
    }
}

static size_t points_of(const char *text)
{
    size_t n = 0;
    for (; *text; n++) {
        next_point(&text);
    }
    return n;
}

/* Letters of the longest run without a space. */
static size_t longest_word_of(const char *text)
{
    size_t n = 0, longest = 0;
    while (*text) {
        n = next_point(&text) == ' ' ? 0 : n + 1;
        longest = n > longest ? n : longest;
    }
    return longest;
}

/* Text beside tables: lines break within words only where no page holds a word. */
static void put_text(FILE *out, const char *text)
{
    put_latex(out, text, longest_word_of(text) > ENDLESS_WORD);
}

/* A cell; "-" is printed as a dash, "+1" and "-1" as numbers are. */
static void put_cell(FILE *out, const char *text)
{
    if (strcmp(text, "-") == 0) {
        fputs("--", out);
    } else if (*text == '-' && strspn(text, "-0123456789.") == strlen(text)) {
        fprintf(out, "\\(%s\\)", text);
    } else if (points_of(text) > LONG_WORD) {
        fputs("\\parbox[t]{14em}{\\raggedright ", out);
        put_latex(out, text, true);
        fputc('}', out);
    } else {
        put_latex(out, text, false);
    }
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* About how many letters stand beside each other. */
static size_t width_of(const esp_table *table)
{
    size_t width = 0;
    for (int i = 0; i < table->n_columns; i++) {
        size_t column = points_of(table->headings[i]);
        for (int row = 0; row < table->n_rows; row++) {
            size_t cell = points_of(table->cells[row * table->n_columns + i]);
            column = cell > column ? cell : column;
        }
        width += (column > LONG_WORD ? 30 : column) + 2;
    }
    return width;
}

static void put_spans(FILE *out, const esp_table *table)
{
    int column = 0;
    for (int i = 0; i < table->n_spans; i++) {
        const esp_table_span *span = &table->spans[i];
        for (; column < span->first; column++) {
            fputs(" &", out);
        }
        fprintf(out, " \\multicolumn{%d}{c}{", span->n);
        put_cell(out, span->text);
        fputc('}', out);
        column = span->first + span->n - 1;
    }
    fputs(table->n_spans > 0 ? " \\\\\n" : "", out);
    for (int i = 0; i < table->n_spans; i++) {
        const esp_table_span *span = &table->spans[i];
        fprintf(out, "\\cmidrule(lr){%d-%d}", span->first + 1, span->first + span->n);
    }
    fputs(table->n_spans > 0 ? "\n" : "", out);
}

static void put_row(FILE *out, const char *const *cells, const esp_table *table, bool heading)
{
    for (int i = 0; i < table->n_columns; i++) {
        fputs(i ? " & " : "", out);
        /* A row that starts with a bracket would be read as an option of the line before. */
        fputs(i == 0 && cells[i][0] == '[' ? "{}" : "", out);
        put_cell(out, heading && strcmp(cells[i], "-") == 0 ? "" : cells[i]);
    }
    fputs(" \\\\\n", out);
}

static void put_rows(FILE *out, const esp_table *table)
{
    for (int row = 0; row < table->n_rows; row++) {
        if (table->groups[row] != NULL) {
            fputs(row ? "\\midrule\n" : "", out);
            fprintf(out, "\\multicolumn{%d}{l}{\\emph{", table->n_columns);
            put_cell(out, table->groups[row]);
            fputs("}} \\\\\n", out);
        } else if (row > 0 && table->gap[row]) {
            fputs(table->gap[row] == 2 ? "\\midrule\n" : "\\addlinespace\n", out);
        }
        put_row(out, table->cells + row * table->n_columns, table, false);
    }
}

static void put_caption(FILE *out, const esp_table *table, int number)
{
    fputs("\\caption{", out);
    put_text(out, table->title);
    if (*table->subtitle) {
        fputs(". ", out);
        put_text(out, table->subtitle);
    }
    fprintf(out, ".}\\label{tab:%d}", number);
}

static void put_head(FILE *out, const esp_table *table)
{
    fputs("\\toprule\n", out);
    put_spans(out, table);
    put_row(out, table->headings, table, true);
    fputs("\\midrule\n", out);
}

static void put_columns(FILE *out, const esp_table *table, const char *environment)
{
    fprintf(out, "\\begin{%s}{@{}", environment);
    for (int i = 0; i < table->n_columns; i++) {
        fputc(i < table->n_labels ? 'l' : 'r', out);
    }
    fputs("@{}}\n", out);
}

/* On one page; the widest is shrunk to it. */
static void put_whole(FILE *out, const esp_table *table, int number, const char *size,
                      bool too_wide)
{
    fprintf(out, "\\begin{table}[H]\n\\centering%s\\setlength{\\tabcolsep}{4pt}\n", size);
    put_caption(out, table, number);
    fprintf(out, "\n%s", too_wide ? "\\resizebox{\\linewidth}{!}{%\n" : "");
    put_columns(out, table, "tabular");
    put_head(out, table);
    put_rows(out, table);
    fprintf(out, "\\bottomrule\n\\end{tabular}%s\n\\end{table}\n\n", too_wide ? "}" : "");
}

/* Over several pages, each with the headings; the widest across them. The caption stands inside,
 * and its label in the first head alone. */
static void put_broken(FILE *out, const esp_table *table, int number, const char *size,
                       bool too_wide)
{
    fprintf(out, "%s\\begingroup%s\\setlength{\\tabcolsep}{4pt}\n",
            too_wide ? "\\begin{landscape}\n" : "", size);
    put_columns(out, table, "longtable");
    put_caption(out, table, number);
    fputs("\\\\\n", out);
    put_head(out, table);
    fprintf(out, "\\endfirsthead\n\\multicolumn{%d}{@{}l}{Table \\thetable, continued}\\\\\n",
            table->n_columns);
    put_head(out, table);
    fputs("\\endhead\n", out);
    put_rows(out, table);
    fprintf(out, "\\bottomrule\n\\end{longtable}\n\\endgroup\n%s\n",
            too_wide ? "\\end{landscape}\n" : "");
}

static void put_table(FILE *out, const esp_table *table, int number)
{
    const size_t width = width_of(table);
    const char *size = width > WIDER_TABLE  ? "\\tiny"
                       : width > WIDE_TABLE ? "\\scriptsize"
                                            : "\\footnotesize";
    fprintf(out, "%% ---- table %d ----\n", number);
    if (table->n_rows > LONG_TABLE) {
        put_broken(out, table, number, size, width > WIDER_TABLE);
    } else {
        put_whole(out, table, number, size, width > WIDER_TABLE);
    }
}

/* ---- the document ---------------------------------------------------------------------------- */

static void put_paragraph(FILE *out, const char *before, const char *text)
{
    fputs(before, out);
    put_text(out, text);
    fputs("\n\n", out);
}

int esp_render_latex(FILE *out, esp_report *report)
{
    esp_page *page = NULL;
    ESP_TRY(esp_page_make(&page, report));
    fputs("\\documentclass{article}\n"
          "\\usepackage{iftex}\n"
          "\\ifPDFTeX\n"
          "\\usepackage[T1]{fontenc}\n"
          "\\usepackage[utf8]{inputenc}\n"
          "\\usepackage{textcomp}\n"
          "\\newcommand{\\espchar}[2]{\\texttt{U+#1}} % a letter that pdflatex has not\n"
          "\\else\n"
          "\\usepackage{fontspec}\n"
          "\\newcommand{\\espchar}[2]{#2}\n"
          "\\fi\n"
          "\\usepackage[margin=2cm]{geometry}\n"
          "\\usepackage{booktabs}\n"
          "\\usepackage{float}\n"
          "\\usepackage{graphicx}\n"
          "\\usepackage{longtable}\n"
          "\\usepackage{lscape}\n"
          "\\begin{document}\n",
          out);
    fputs("\\section*{", out);
    put_text(out, page->title);
    fputs("}\n", out);
    if (*report->question) {
        put_paragraph(out, "", report->question);
    }
    if (*report->source) {
        put_paragraph(out, "\\noindent Source: ", report->source);
    }
    put_paragraph(out, "\\noindent ", page->status);
    if (page->n_findings > 0) {
        put_paragraph(out, "\\noindent ", page->findings_of);
        fputs("\\begin{itemize}\n\\raggedright\n", out);
        for (int i = 0; i < page->n_findings; i++) {
            put_paragraph(out, "\\item ",
                          esp_pool_format(&report->pool, "%s%s", page->findings[i].about,
                                          page->findings[i].text));
        }
        fputs("\\end{itemize}\n", out);
    }
    for (int i = 0; i < page->n_tables; i++) {
        put_table(out, &page->tables[i], i + 1);
    }
    fputs("\\clearpage\n\\section*{Notes}\n\\begin{itemize}\n\\raggedright\n", out);
    for (int i = 0; i < page->notes.n; i++) {
        put_paragraph(out, "\\item ", page->notes.at[i]);
    }
    put_paragraph(out, "\\end{itemize}\n\\noindent Query: ", page->query);
    fputs("\\end{document}\n", out);
    ESP_TRY(esp_pool_status(&report->pool));
    return esp_render_finish(out);
}
