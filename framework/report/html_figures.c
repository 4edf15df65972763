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

/* What becomes of a page's figures. */
typedef struct drawing {
    esp_report *report;
    bool no_gnuplot;
    int n_undrawn;
    const char *names, *why; /* of what is not drawn; why the first is not */
} drawing;

static void note_undrawn(drawing *d, const char *name)
{
    d->why = d->n_undrawn == 0 ? esp_pool_format(&d->report->pool, "%s", esp_message()) : d->why;
    d->names = d->n_undrawn == 0 ? esp_pool_format(&d->report->pool, "%s", name)
                                 : esp_pool_format(&d->report->pool, "%s, %s", d->names, name);
    d->n_undrawn++;
}

/* Why something is not drawn, where the page is worth having without it. */
static int excuse(FILE *out, drawing *d, const char *name, int status)
{
    if (status == ESP_MEMORY || status == ESP_STORE) {
        return status;
    }
    esp_html_print(out, "<p class=\"failed\">Not drawn: %s</p>\n", esp_message());
    note_undrawn(d, name);
    return ESP_OK;
}

static int put_picture(FILE *out, drawing *d, const esp_figure *figure, int number)
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
    d->no_gnuplot = status == ESP_NOT_FOUND;
    free(svg);
    return status != ESP_OK ? excuse(out, d, figure->name, status) : ESP_OK;
}

static int put_figure(FILE *out, drawing *d, const esp_figure_wish *wish, int number)
{
    esp_figure *figure = NULL;
    int status = esp_figure_make(&figure, d->report->store, d->report, wish);
    if (status != ESP_OK) {
        return excuse(out, d, wish->name, status);
    }
    esp_html_print(out, "<h3>%s</h3>\n<figure id=\"figure-%s\">\n", figure->title, figure->name);
    if (figure->empty != NULL) {
        esp_html_print(out, "<p>%s</p>\n", figure->empty);
    } else if (!d->no_gnuplot) {
        status = put_picture(out, d, figure, number);
    } else {
        note_undrawn(d, figure->name);
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
    drawing d = {.report = report};
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
        status = put_figure(out, &d, &wishes[i], i + 1);
    }
    if (n > 0) {
        fputs(
            "<p class=\"quiet\">Each figure's data, and what redraws it in gnuplot, matplotlib and"
            " R: <code>espalier report STUDY --figures DIR</code>.</p>\n",
            out);
    }
    fputs("</section>\n", out);
    report->undrawn = d.n_undrawn == 0
                          ? NULL
                          : esp_pool_format(&report->pool, "%d of %d figures not drawn (%s): %s",
                                            d.n_undrawn, n, d.names, d.why);
    return status;
}
