/* Figures inline. */
#include <stdlib.h>

#include "core/status.h"
#include "report/figure.h"
#include "report/html.h"
#include "report/html_report.h"

/* Cells up to which a study that asks for no figures gets the usual ones. */
enum { FEW_CELLS = 12 };

static const esp_figure_wish usual[] = {{.kind = "learning_curve", .name = "learning_curve"},
                                        {.kind = "seed_dots", .name = "seed_dots"}};

/* Why something is not drawn, where the page is worth having without it. */
static int excuse(FILE *out, int status)
{
    if (status == ESP_MEMORY || status == ESP_STORE) {
        return status;
    }
    esp_html_print(out, "<p class=\"failed\">Not drawn: %s</p>\n", esp_message());
    return ESP_OK;
}

static int put_picture(FILE *out, const esp_figure *figure, int number, bool *gnuplot)
{
    char *svg = NULL, id[32];
    snprintf(id, sizeof id, "picture-%d", number);
    int status = esp_figure_svg(&svg, figure, id);
    if (status == ESP_OK) {
        fprintf(out,
                "<div class=\"picture\" tabindex=\"0\" role=\"group\""
                " aria-labelledby=\"%s-title\">%s</div>\n",
                id, svg);
    }
    *gnuplot = status != ESP_NOT_FOUND;
    free(svg);
    return status != ESP_OK ? excuse(out, status) : ESP_OK;
}

/* One figure; *gnuplot false where it cannot be drawn for want of gnuplot. */
static int put_figure(FILE *out, esp_report *report, const esp_figure_wish *wish, int number,
                      bool *gnuplot)
{
    esp_figure *figure = NULL;
    int status = esp_figure_make(&figure, report->store, report, wish);
    if (status != ESP_OK) {
        return excuse(out, status);
    }
    esp_html_print(out, "<h3>%s</h3>\n<figure id=\"figure-%s\">\n", figure->title, figure->name);
    if (figure->empty != NULL) {
        esp_html_print(out, "<p>%s</p>\n", figure->empty);
    } else if (*gnuplot) {
        status = put_picture(out, figure, number, gnuplot);
    }
    esp_html_print(out, "<figcaption>%s</figcaption>\n</figure>\n", figure->caption);
    esp_figure_free(figure);
    return status;
}

int esp_html_figures(FILE *out, esp_report *report)
{
    const esp_figure_wishes *asked = &report->section.figures;
    const esp_figure_wish *wishes = asked->n > 0 ? asked->at : usual;
    const int n = asked->n > 0                  ? asked->n
                  : report->n_cells > FEW_CELLS ? 0
                                                : (int)(sizeof usual / sizeof *usual);
    bool gnuplot = true;
    int status = ESP_OK;
    fputs("<section id=\"figures\" aria-labelledby=\"figures-heading\">\n"
          "<h2 id=\"figures-heading\">Figures</h2>\n",
          out);
    if (n == 0) {
        fputs("<p>The study's report section asks for none, as with <code>figures:"
              " [learning_curve, seed_dots]</code>.</p>\n",
              out);
    }
    for (int i = 0; i < n && status == ESP_OK; i++) {
        status = put_figure(out, report, &wishes[i], i + 1, &gnuplot);
    }
    if (n > 0) {
        fputs(
            "<p class=\"quiet\">Each figure's data, and what redraws it in gnuplot, matplotlib and"
            " R: <code>espalier report STUDY --figures DIR</code>.</p>\n",
            out);
    }
    fputs("</section>\n", out);
    return status;
}
