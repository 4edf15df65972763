/* The gnuplot script that draws a figure from its CSV. Names stand in single quotes, where gnuplot
 * substitutes nothing, and every terminal is told that text is not markup. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "report/figure_plot.h"

/* gnuplot's point types of the palette's markers. */
static const int point_types[ESP_N_MARKERS] = {7, 5, 9, 13, 11, 1, 2};

/* More points a curve than a panel has room for are drawn every so many epochs. */
enum { MOST_POINTS = 300, MOST_POINTS_OF_MANY = 120 };

/* Above the panels: title and subtitle. */
enum { TOP = 46 };

static int legend_columns(const esp_plot *plot, int width)
{
    int longest = 1;
    for (int i = 0; i < plot->n_series; i++) {
        const int length = (int)strlen(plot->series[i].label);
        longest = length > longest ? length : longest;
    }
    const int fit = (width - 40) / (longest * 7 + 50);
    return fit < 1 ? 1 : fit > plot->n_series ? plot->n_series : fit;
}

esp_plot_layout esp_plot_layout_of(const esp_plot *plot)
{
    const int n = plot->n_panels < ESP_MAX_PANELS ? plot->n_panels : ESP_MAX_PANELS;
    const int side = n <= 1 ? 1 : n <= 4 && n != 3 ? 2 : n <= 9 ? 3 : 4;
    const int columns = !plot->pairs ? side : n <= 8 ? 2 : 4;
    esp_plot_layout layout = {
        .columns = columns, .rows = n > 0 ? (n + columns - 1) / columns : 1, .n_drawn = n};
    layout.width = columns == 1 ? 640 : 60 + 300 * columns;
    int longest = 0;
    for (int i = 0; i < plot->n_ticks; i++) {
        const int length = (int)strlen(plot->ticks[i]);
        longest = length > longest ? length : longest;
    }
    longest = longest < ESP_MOST_TICK ? longest : ESP_MOST_TICK;
    const bool fits = (longest + 1) * plot->n_ticks * 6 < layout.width / columns - 80;
    layout.slanted = fits ? 0 : 3 * longest;
    const int wide = plot->n_series > 0 ? legend_columns(plot, layout.width) : 1;
    layout.legend =
        plot->draw == ESP_DRAW_HEATMAP ? 10 : 12 + 20 * ((plot->n_series + wide - 1) / wide);
    layout.height =
        TOP + 30 + layout.legend + ((columns == 1 ? 320 : 230) + layout.slanted) * layout.rows;
    return layout;
}

/* Quoted for gnuplot. tic: a label of a tic, which gnuplot would format. */
static void put_quoted(FILE *out, const char *text, bool tic)
{
    putc('\'', out);
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '\'' || (tic && c == '%')) {
            putc(c, out);
        }
        putc(c < 0x20 || c == 0x7f ? '?' : c, out);
    }
    putc('\'', out);
}

static const char *dash_of(const esp_plot *plot, const esp_style *style)
{
    const char *dash = esp_palette_dash(style->dash);
    if (*dash == '\0') {
        return "1";
    }
    char *list = esp_pool_take(plot->pool, strlen(dash) + 3);
    if (list == NULL) {
        return "1";
    }
    list[0] = '(';
    for (size_t i = 0; dash[i]; i++) {
        list[i + 1] = (char)(dash[i] == ' ' ? ',' : dash[i]);
    }
    list[strlen(dash) + 1] = ')';
    return list;
}

/* Which rows are of a panel and a series, seeds or means: rows first to last, none: last < first.
 */
typedef struct row_range {
    int first, last;
} row_range;

static row_range range_of(const esp_plot *plot, int panel, int series, bool mean)
{
    row_range range = {0, -1};
    for (int i = 0; i < plot->n_rows; i++) {
        const esp_plot_row *row = &plot->rows[i];
        if (row->panel == panel && row->series == series && (row->trial < 0) == mean) {
            range.first = range.last < 0 ? i : range.first;
            range.last = i;
        }
    }
    return range;
}

static int stride_of(const esp_plot *plot)
{
    int longest = 0;
    for (int i = 0, start = 0; i < plot->n_rows; i++) {
        const esp_plot_row *row = &plot->rows[i], *first = &plot->rows[start];
        if (row->trial != first->trial || row->panel != first->panel ||
            row->series != first->series) {
            start = i;
        }
        longest = i - start + 1 > longest ? i - start + 1 : longest;
    }
    const int most = plot->n_panels > 4 ? MOST_POINTS_OF_MANY : MOST_POINTS;
    return longest > most ? (longest + most - 1) / most : 1;
}

/* The same y axis for all panels that show the same thing. */
static void put_y_range(FILE *out, const esp_plot *plot, int panel)
{
    double low = INFINITY, high = -INFINITY;
    bool fractions = true;
    for (int i = 0; i < plot->n_rows; i++) {
        const esp_plot_row *row = &plot->rows[i];
        if (strcmp(plot->panels[row->panel].y_label, plot->panels[panel].y_label) == 0) {
            fractions = fractions && row->y >= 0 && row->y <= 1;
            const double values[] = {row->y, row->low, row->high};
            for (int k = 0; k < 3; k++) {
                low = values[k] < low ? values[k] : low;
                high = values[k] > high ? values[k] : high;
            }
        }
    }
    if (fractions) { /* bands of fractions may reach out of 0 to 1; the panel need not */
        low = low < 0 ? 0 : low;
        high = high > 1 ? 1 : high;
    }
    double margin = 0.05 * (high - low);
    margin = margin > 0 ? margin : fabs(high) > 0 ? 0.05 * fabs(high) : 0.05;
    fprintf(out, "set yrange [%.6g:%.6g]\n", low - margin, high + margin);
}

/* ---- a panel ----------------------------------------------------------------------------------
 */

static void put_curves(FILE *out, const esp_plot *plot, int panel, int stride)
{
    fputs("plot NaN notitle", out);
    for (int s = 0; s < plot->n_series; s++) {
        const esp_plot_series *series = &plot->series[s];
        const char *color = series->style.color + 1;
        const row_range seeds = range_of(plot, panel, s, false);
        const row_range means = range_of(plot, panel, s, true);
        if (means.last >= means.first) {
            fprintf(out,
                    ", \\\n  data skip 1 every %d::%d::%d using 4:6:7 with filledcurves lc rgb"
                    " '#%s' fs transparent solid 0.15 noborder notitle",
                    stride, means.first, means.last, color);
        }
        if (seeds.last >= seeds.first) {
            /* Segments, each from the point before of the same seed: one pass for all seeds. */
            fprintf(out,
                    ", \\\n  data skip 1 every %d::%d::%d using (same = $3 == c, c = $3, x0 = x,"
                    " y0 = y, x = $4, y = $5, same ? x0 : NaN):(y0):(x - x0):(y - y0) with vectors"
                    " nohead lw 0.7 lc rgb '#80%s' notitle",
                    stride, seeds.first, seeds.last, color);
        }
        if (means.last >= means.first) {
            fprintf(out,
                    ", \\\n  data skip 1 every %d::%d::%d using 4:5 with lines lw 2 dt %s lc rgb"
                    " '#%s' notitle",
                    stride, means.first, means.last, dash_of(plot, &series->style), color);
        }
    }
    putc('\n', out);
}

static double dodge_of(const esp_plot *plot, int series)
{
    return plot->dodge && plot->n_ticks > 0 ? 0.7 * ((series + 0.5) / plot->n_series - 0.5) : 0;
}

static void put_dots(FILE *out, const esp_plot *plot, int panel)
{
    fputs("plot NaN notitle", out);
    for (int s = 0; s < plot->n_series; s++) {
        const esp_plot_series *series = &plot->series[s];
        const char *color = series->style.color + 1;
        const int type = point_types[series->style.marker];
        const row_range seeds = range_of(plot, panel, s, false);
        const row_range means = range_of(plot, panel, s, true);
        const double dodge = dodge_of(plot, s);
        if (means.last >= means.first && plot->connect) {
            fprintf(out,
                    ", \\\n  data skip 1 every ::%d::%d using ($4 + %.6g):5 with lines lw 1.2 dt %s"
                    " lc rgb '#%s' notitle",
                    means.first, means.last, dodge, dash_of(plot, &series->style), color);
        }
        if (means.last >= means.first) {
            fprintf(out,
                    ", \\\n  data skip 1 every ::%d::%d using ($4 + %.6g):5:6:7 with yerrorbars"
                    " lw 1.2 pt %d ps 0.01 lc rgb '#%s' notitle, \\\n"
                    "  data skip 1 every ::%d::%d using ($4 + %.6g):5 with points pt %d ps 1.1 lc"
                    " rgb '#%s' notitle",
                    means.first, means.last, dodge, type, color, means.first, means.last, dodge,
                    type, color);
        }
        if (seeds.last >= seeds.first) { /* beside the mean, so that neither hides the other */
            fprintf(out,
                    ", \\\n  data skip 1 every ::%d::%d using ($4 + %.6g):5 with points pt 6 ps 0.7"
                    " lw 0.8 lc rgb '#%s' notitle",
                    seeds.first, seeds.last,
                    dodge + (plot->n_ticks > 0 ? (plot->dodge ? 0.18 / plot->n_series : 0.12) : 0),
                    color);
        }
    }
    putc('\n', out);
}

static double greatest_x(const esp_plot *plot)
{
    double most = 0;
    for (int i = 0; i < plot->n_rows; i++) {
        most = plot->rows[i].x > most ? plot->rows[i].x : most;
    }
    return most;
}

/* Tics at whole numbers only, about eight of them. */
static void put_whole_step(FILE *out, double most)
{
    static const int nice[] = {1, 2, 5};
    int step = 1;
    for (int i = 0; most / step > 8.5; i++) {
        step = nice[i % 3];
        for (int k = 0; k < i / 3; k++) {
            step *= 10;
        }
    }
    fprintf(out, "%d\n", step);
}

static void put_heatmap(FILE *out, const esp_plot *plot, int panel)
{
    int first = 0, last = -1;
    for (int i = 0; i < plot->n_rows; i++) {
        if (plot->rows[i].panel == panel) {
            first = last < 0 ? i : first;
            last = i;
        }
    }
    double leaves = 0;
    for (int i = first; i <= last; i++) {
        leaves = plot->rows[i].leaf > leaves ? plot->rows[i].leaf : leaves;
    }
    fputs("set ytics ", out);
    put_whole_step(out, leaves);
    fprintf(out, "set yrange [-0.5:%.6g]\n", leaves + 0.5);
    fprintf(out, "plot data skip 1 every ::%d::%d using 4:10:5 with image notitle\n", first, last);
}

static double greatest_color(const esp_plot *plot)
{
    double most = 0;
    for (int i = 0; i < plot->n_rows; i++) {
        most = plot->rows[i].y > most ? plot->rows[i].y : most;
    }
    return most > 0 ? most : 1;
}

static void put_subtitle(FILE *out, const esp_plot *plot, const esp_plot_layout *layout)
{
    fputs("set label ", out);
    put_quoted(out, esp_plot_short(plot->pool, esp_plot_subtitle(plot), (int)(layout->width / 5.4)),
               false);
    fprintf(out, " at screen 0.5, screen %.5f center font ',9' textcolor rgb '#444444'\n",
            1 - 34.0 / layout->height);
}

static void put_arrow(FILE *out, double x)
{
    fprintf(out,
            "set arrow from %.6g, graph 0 to %.6g, graph 1 nohead dt 3 lc rgb '#666666' front\n", x,
            x);
}

/* A line before the first epoch of every phase but the first, two where seeds begin it apart. */
static void put_marks(FILE *out, const esp_plot_panel *panel)
{
    fputs("unset arrow\nunset label\n", out);
    for (int i = 0; panel->n_marks > 1 && i < panel->n_marks; i++) {
        const esp_plot_mark *mark = &panel->marks[i];
        if (mark->first > 1) {
            put_arrow(out, mark->first - 0.5);
        }
        if (mark->last > mark->first) {
            put_arrow(out, mark->last - 0.5);
        }
        fputs("set label ", out);
        put_quoted(out, mark->label, false);
        fprintf(out,
                " at %.6g, graph 0.05 left offset 0.4, 0 font ',9' textcolor rgb '#666666' front\n",
                mark->last - 0.5);
    }
}

/* About five tics at round numbers. */
static void put_step(FILE *out, const esp_plot *plot)
{
    double low = INFINITY;
    for (int i = 0; i < plot->n_rows; i++) {
        low = plot->rows[i].x < low ? plot->rows[i].x : low;
    }
    const double wanted = (greatest_x(plot) - low) / 4;
    const double power = wanted > 0 ? pow(10, floor(log10(wanted))) : 1;
    const double times = wanted / power;
    fprintf(out, "%.6g\n", power * (times > 5 ? 10 : times > 2 ? 5 : times > 1 ? 2 : 1));
}

static void put_ticks(FILE *out, const esp_plot *plot, const esp_plot_layout *layout,
                      const char *const *ticks)
{
    if (plot->n_ticks == 0) {
        fputs(plot->log_x ? "set xtics autofreq\n" : "set xtics ", out);
        if (plot->whole_x) {
            put_whole_step(out, greatest_x(plot));
        } else if (!plot->log_x) {
            put_step(out, plot);
        }
        if (plot->draw == ESP_DRAW_CURVES && strcmp(plot->x_label, "epoch") == 0) {
            fprintf(out, "set xrange [0:%.6g]\n", greatest_x(plot));
        }
        return;
    }
    fprintf(out, "set xrange [-0.6:%.6g]\nset xtics %s (", plot->n_ticks - 0.4,
            layout->slanted > 0 ? "rotate by -25" : "norotate");
    for (int i = 0; i < plot->n_ticks; i++) {
        fputs(i > 0 ? ", " : "", out);
        put_quoted(out, ticks[i], true);
        fprintf(out, " %d", i);
    }
    fputs(")\n", out);
}

/* The width of a panel with its axis. */
static double panel_width(const esp_plot_layout *layout)
{
    return (layout->width - 20.0) / layout->columns;
}

static void put_panel(FILE *out, const esp_plot *plot, const esp_plot_layout *layout,
                      const esp_plot_words *words, int panel, int stride)
{
    const int column = panel % layout->columns, row = panel / layout->columns;
    const double width = layout->width, height = layout->height;
    const double cell_width = panel_width(layout);
    const double cell_height = (height - TOP - layout->legend) / layout->rows;
    const double left = 10 + column * cell_width + 62, right = 10 + (column + 1) * cell_width - 14;
    const double top = height - TOP - row * cell_height - 22;
    const double bottom = height - TOP - (row + 1) * cell_height + 46 + layout->slanted;
    const esp_plot_panel *at = &plot->panels[panel];
    fprintf(out, "\n# panel %d\n", panel);
    fprintf(out, "set lmargin at screen %.5f\nset rmargin at screen %.5f\n", left / width,
            (plot->draw == ESP_DRAW_HEATMAP ? right - 52 : right) / width);
    fprintf(out, "set tmargin at screen %.5f\nset bmargin at screen %.5f\n", top / height,
            bottom / height);
    put_marks(out, at);
    if (panel == 0) {
        put_subtitle(out, plot, layout);
    }
    fputs("set title ", out);
    put_quoted(out, words->titles[panel], false);
    fputs(" font ',10' offset 0, -0.5\nset xlabel ", out);
    put_quoted(out,
               row == layout->rows - 1 || panel + layout->columns >= layout->n_drawn ? plot->x_label
                                                                                     : "",
               false);
    fputs(" font ',11'\nset ylabel ", out);
    bool same = column > 0;
    for (int i = panel - column; i < panel; i++) {
        same = same && strcmp(plot->panels[i].y_label, at->y_label) == 0;
    }
    put_quoted(out, same ? "" : at->y_label, false);
    const double fit = (cell_height - 10) / (0.55 * (double)(strlen(at->y_label) + 1));
    const double most = layout->columns > 1 ? 9 : 11;
    fprintf(out, " font ',%.3g'\n", fit < 6 ? 6 : fit > most ? most : fit);
    put_ticks(out, plot, layout, words->ticks);
    if (plot->draw == ESP_DRAW_HEATMAP) {
        put_heatmap(out, plot, panel);
        return;
    }
    put_y_range(out, plot, panel);
    if (plot->draw == ESP_DRAW_CURVES) {
        put_curves(out, plot, panel, stride);
    } else {
        put_dots(out, plot, panel);
    }
}

/* ---- the legend, below all panels --------------------------------------------------------------
 */

static void put_legend(FILE *out, const esp_plot *plot, const esp_plot_layout *layout)
{
    fprintf(out,
            "\n# the legend\nunset arrow\nunset label\nunset title\nunset xlabel\nunset ylabel\n"
            "unset xtics\nunset ytics\nunset border\nunset grid\nunset logscale\n"
            "set lmargin at screen 0\nset rmargin at screen 1\nset bmargin at screen 0\n"
            "set tmargin at screen %.5f\nset key on at screen 0.5, screen %.5f center center"
            " horizontal maxcols %d samplen 3 font ',11'\nset xrange [0:1]\nset yrange [0:1]\n"
            "plot NaN notitle",
            layout->legend / (double)layout->height, layout->legend / 2.0 / layout->height,
            legend_columns(plot, layout->width));
    for (int s = 0; s < plot->n_series; s++) {
        const esp_plot_series *series = &plot->series[s];
        const bool dots = plot->draw == ESP_DRAW_DOTS;
        const int type = point_types[series->style.marker];
        if (dots && !plot->connect) {
            fprintf(out, ", \\\n  NaN with points pt %d ps 1.1 lc rgb '%s' title ", type,
                    series->style.color);
        } else {
            fprintf(out, ", \\\n  NaN with lines%s lw %s dt %s lc rgb '%s' title ",
                    dots ? esp_pool_format(plot->pool, "points pt %d ps 1.1", type) : "",
                    dots ? "1.2" : "2", dash_of(plot, &series->style), series->style.color);
        }
        put_quoted(out, series->label, false);
    }
    putc('\n', out);
}

int esp_figure_gnuplot(FILE *out, const esp_figure *figure)
{
    const esp_plot *plot = figure->plot;
    const esp_plot_layout layout = esp_plot_layout_of(plot);
    const bool heatmap = plot->draw == ESP_DRAW_HEATMAP;
    esp_plot_words words;
    ESP_TRY(esp_plot_words_of(&words, plot, (int)(panel_width(&layout) / 6.2)));
    fprintf(out,
            "# %s\n# Draws %s.svg from %s.csv: gnuplot %s.gp\n"
            "# Others: gnuplot -e \"format = 'pdf'\" %s.gp; svg, pdf, png\n",
            esp_plot_short(plot->pool, figure->caption, 100000), figure->name, figure->name,
            figure->name, figure->name);
    fprintf(
        out,
        "if (!exists('format')) format = 'svg'\ndata = '%s.csv'\nset encoding utf8\n"
        "set datafile separator comma\nset datafile commentschars ''\n"
        "if (format eq 'svg') set terminal svg noenhanced size %d,%d font 'sans-serif,12'"
        " background rgb 'white'\n"
        "if (format eq 'pdf') set terminal pdfcairo noenhanced size %.3fin,%.3fin font 'Sans,12'"
        " fontscale 0.75 linewidth 1 background rgb 'white'\n"
        "if (format eq 'png') set terminal pngcairo noenhanced size %d,%d font 'Sans,12'"
        " fontscale 1.5 linewidth 1.5 pointscale 1.5 background rgb 'white'\n"
        "set output '%s.'.format\n",
        figure->name, layout.width, layout.height, layout.width / 96.0, layout.height / 96.0,
        layout.width * 2, layout.height * 2, figure->name);
    fputs("set bars small\nset tics font ',10' nomirror\n"
          "set border 3 lc rgb '#444444'\nset grid y lc rgb '#dddddd' lt 1 lw 0.5\nset key off\n",
          out);
    if (heatmap) {
        fputs("set border 15\nunset grid\nset palette defined (0 '#ffffff', 0.5 '#56b4e9',"
              " 1 '#08306b')\nset autoscale xfix\nset autoscale yfix\nset cbtics font ',9'\n",
              out);
        fprintf(out, "set cbrange [0:%.6g]\nset format cb '%%.2g'\n", greatest_color(plot));
    }
    if (plot->log_x) {
        fputs("set logscale x\n", out);
    }
    fputs("same = 0\nc = -2\nx = y = x0 = y0 = NaN\nset multiplot title ", out);
    put_quoted(out, figure->title, false);
    fputs(" font ',13'\n", out);
    const int stride = stride_of(plot);
    for (int i = 0; i < layout.n_drawn; i++) {
        put_panel(out, plot, &layout, &words, i, stride);
    }
    if (!heatmap) {
        put_legend(out, plot, &layout);
    }
    fputs("unset multiplot\nset output\n", out);
    return ferror(out) ? esp_fail(ESP_IO, "cannot write the script of figure %s", figure->name)
                       : ESP_OK;
}
