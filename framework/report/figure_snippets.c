/* What redraws a figure from its CSV in matplotlib and in R: short programs to start from, with the
 * figure's words in them. Words stand as escaped literals that hold nothing but ASCII. */
#include <stdint.h>
#include <string.h>

#include "core/status.h"
#include "report/figure_plot.h"

/* Characters of a panel's title. */
enum { MOST_TITLE = 60 };

/* The next character of UTF-8 text; a broken byte stands for itself. */
static uint32_t next_character(const unsigned char **at)
{
    const unsigned char *c = *at;
    const int more = c[0] >= 0xf0 ? 3 : c[0] >= 0xe0 ? 2 : c[0] >= 0xc2 ? 1 : 0;
    uint32_t code = more == 3 ? c[0] & 7 : more == 2 ? c[0] & 15 : more == 1 ? c[0] & 31 : c[0];
    for (int i = 1; i <= more; i++) {
        if ((c[i] & 0xc0) != 0x80) {
            *at = c + 1;
            return c[0];
        }
        code = code << 6 | (c[i] & 63);
    }
    *at = c + 1 + more;
    return code;
}

/* A string literal that Python and R read alike. */
static void put_literal(FILE *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    putc('"', out);
    while (*at) {
        const uint32_t c = next_character(&at);
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", (char)c);
        } else if (c >= 0x20 && c < 0x7f) {
            putc((char)c, out);
        } else if (c < 0x10000) {
            fprintf(out, "\\u%04x", c < 0x20 || c == 0x7f ? '?' : c);
        } else {
            fprintf(out, "\\U%08x", c);
        }
    }
    putc('"', out);
}

/* The words of a comment, which must not end it. */
static void put_comment(FILE *out, const esp_figure *figure, const char *how)
{
    fprintf(out, "# %s\n# %s\n", esp_plot_short(figure->plot->pool, figure->caption, 100000), how);
}

typedef const char *word_at(const esp_plot *plot, int i);

static const char *y_label_at(const esp_plot *plot, int i)
{
    return plot->panels[i].y_label;
}

static const char *series_at(const esp_plot *plot, int i)
{
    return plot->series[i].label;
}

static const char *color_at(const esp_plot *plot, int i)
{
    return plot->series[i].style.color;
}

/* name = [..] or c(..) */
static void put_words(FILE *out, const char *open, const char *close, const char *const *words,
                      int n)
{
    fputs(open, out);
    for (int i = 0; i < n; i++) {
        fputs(i > 0 ? ", " : "", out);
        put_literal(out, words[i]);
    }
    fputs(close, out);
}

static void put_list(FILE *out, const esp_plot *plot, const char *open, const char *close,
                     word_at *word, int n)
{
    const char **words = esp_pool_take(plot->pool, ((size_t)n + 1) * sizeof *words);
    for (int i = 0; words != NULL && i < n; i++) {
        words[i] = word(plot, i);
    }
    put_words(out, open, close, words, words != NULL ? n : 0);
}

static void put_numbers(FILE *out, const esp_plot *plot, const char *open, const char *close,
                        const char *const *names, bool dash)
{
    fputs(open, out);
    for (int i = 0; i < plot->n_series; i++) {
        const esp_style *style = &plot->series[i].style;
        fprintf(out, "%s%s", i > 0 ? ", " : "", names[dash ? style->dash : style->marker]);
    }
    fputs(close, out);
}

int esp_figure_python(FILE *out, const esp_figure *figure)
{
    static const char *const markers[ESP_N_MARKERS] = {"\"o\"", "\"s\"", "\"^\"", "\"D\"",
                                                       "\"v\"", "\"P\"", "\"X\""};
    static const char *const dashes[ESP_N_DASHES] = {"\"-\"", "(0, (4, 1.5))", "(0, (1, 1))",
                                                     "(0, (4, 1.5, 1, 1.5))", "(0, (7, 2))"};
    const esp_plot *plot = figure->plot;
    const esp_plot_layout layout = esp_plot_layout_of(plot);
    esp_plot_words words;
    ESP_TRY(esp_plot_words_of(&words, plot, MOST_TITLE));
    put_comment(out, figure, "Redraws the figure from its CSV with matplotlib: python3 THIS_FILE");
    fputs("import csv\nfrom collections import defaultdict\n\nimport matplotlib\n\n"
          "matplotlib.use(\"Agg\")\nimport matplotlib.pyplot as plt\n\n",
          out);
    put_words(out, "panels = [", "]\n", words.titles, layout.n_drawn);
    put_list(out, plot, "y_labels = [", "]\n", y_label_at, layout.n_drawn);
    put_list(out, plot, "series = [", "]\n", series_at, plot->n_series);
    put_list(out, plot, "colors = [", "]\n", color_at, plot->n_series);
    put_numbers(out, plot, "dashes = [", "]\n", dashes, true);
    put_numbers(out, plot, "markers = [", "]\n", markers, false);
    put_words(out, "ticks = [", "]\n", words.ticks, plot->n_ticks);
    fputs("x_label = ", out);
    put_literal(out, plot->x_label);
    fputs("\ntitle = ", out);
    put_literal(out, figure->title);
    fputs("\nsubtitle = ", out);
    put_literal(out, esp_plot_subtitle(plot));
    fprintf(out,
            "\n\nseeds = defaultdict(lambda: defaultdict(list))\nmeans = defaultdict(list)\n"
            "with open(\"%s.csv\", newline=\"\", encoding=\"utf-8\") as file:\n"
            "    for row in csv.DictReader(file):\n"
            "        key = int(row[\"panel\"]), int(row[\"series\"])\n"
            "        point = [float(row[k]) if row[k] else float(\"nan\") for k in"
            " (\"x\", \"value\", \"low\", \"high\", \"leaf\")]\n"
            "        if row[\"role\"] == \"seed\":\n"
            "            seeds[key][row[\"curve\"]].append(point)\n"
            "        else:\n            means[key].append(point)\n\n"
            "figure, axes = plt.subplots(%d, %d, figsize=(%.2f, %.2f), squeeze=False)\n"
            "for axis in axes.flat[len(panels):]:\n    axis.set_visible(False)\n"
            "for p, axis in enumerate(axes.flat[:len(panels)]):\n"
            "    axis.set_title(panels[p].replace(\"$\", r\"\\$\"), fontsize=9)\n"
            "    axis.set_ylabel(y_labels[p], fontsize=9)\n"
            "    axis.set_xlabel(x_label.replace(\"$\", r\"\\$\"))\n",
            figure->name, layout.rows, layout.columns, layout.width / 96.0, layout.height / 96.0);
    if (plot->draw == ESP_DRAW_HEATMAP) {
        fputs(
            "    points = [q for s in range(len(series)) for c in seeds[p, s].values() for q in c]"
            "\n    xs, ys = sorted({q[0] for q in points}), sorted({q[4] for q in points})\n"
            "    grid = [[float(\"nan\")] * len(xs) for _ in ys]\n"
            "    for q in points:\n        grid[ys.index(q[4])][xs.index(q[0])] = q[1]\n"
            "    image = axis.pcolormesh(xs, ys, grid, cmap=\"Blues\", vmin=0, shading=\"nearest\")"
            "\n    figure.colorbar(image, ax=axis)\n",
            out);
    } else if (plot->draw == ESP_DRAW_CURVES) {
        fputs("    for s in range(len(series)):\n"
              "        for curve in seeds[p, s].values():\n"
              "            axis.plot([q[0] for q in curve], [q[1] for q in curve], color=colors[s],"
              " alpha=0.5, linewidth=0.6)\n"
              "        x, y, low, high, _ = zip(*means[p, s]) if means[p, s] else [[]] * 5\n"
              "        axis.fill_between(x, low, high, color=colors[s], alpha=0.15, linewidth=0)\n"
              "        axis.plot(x, y, color=colors[s], linestyle=dashes[s], linewidth=2,"
              " label=series[s].replace(\"$\", r\"\\$\"))\n",
              out);
    } else {
        fprintf(
            out,
            "    for s in range(len(series)):\n"
            "        aside = %s\n"
            "        dots = [q for curve in seeds[p, s].values() for q in curve]\n"
            "        axis.plot([q[0] + aside + %s for q in dots], [q[1] for q in dots], \"o\","
            " color=colors[s], fillstyle=\"none\", markersize=4)\n"
            "        for q in means[p, s]:\n"
            "            axis.plot([q[0] + aside] * 2, q[2:4], color=colors[s])\n"
            "        axis.plot([q[0] + aside for q in means[p, s]], [q[1] for q in means[p, s]],"
            " marker=markers[s], color=colors[s], linestyle=%s,"
            " label=series[s].replace(\"$\", r\"\\$\"))\n",
            plot->dodge ? "0.7 * ((s + 0.5) / len(series) - 0.5)" : "0",
            plot->n_ticks > 0 ? "0.18 / len(series)" : "0",
            plot->connect ? "dashes[s]" : "\"none\"");
        fprintf(out, "%s%s",
                plot->n_ticks > 0 ? "    axis.set_xticks(range(len(ticks)), [t.replace(\"$\","
                                    " r\"\\$\") for t in ticks])\n"
                                    "    axis.set_xlim(-0.6, len(ticks) - 0.4)\n"
                                  : "",
                plot->log_x ? "    axis.set_xscale(\"log\")\n" : "");
    }
    fputs("figure.suptitle((title + \"\\n\" + subtitle).replace(\"$\", r\"\\$\"), fontsize=10)\n",
          out);
    fprintf(out, "%sfigure.savefig(\"%s_matplotlib.pdf\")\n",
            plot->draw == ESP_DRAW_HEATMAP
                ? "figure.tight_layout()\n"
                : "figure.legend(*axes.flat[0].get_legend_handles_labels(), loc=\"lower center\","
                  " ncol=3)\nfigure.tight_layout(rect=(0, 0.08, 1, 1))\n",
            figure->name);
    return ferror(out) ? esp_fail(ESP_IO, "cannot write figure %s for Python", figure->name)
                       : ESP_OK;
}

int esp_figure_r(FILE *out, const esp_figure *figure)
{
    static const char *const markers[ESP_N_MARKERS] = {"16", "15", "17", "18", "25", "3", "4"};
    static const char *const dashes[ESP_N_DASHES] = {"\"solid\"", "\"83\"", "\"22\"", "\"8323\"",
                                                     "\"E4\""};
    const esp_plot *plot = figure->plot;
    const esp_plot_layout layout = esp_plot_layout_of(plot);
    esp_plot_words words;
    ESP_TRY(esp_plot_words_of(&words, plot, MOST_TITLE));
    put_comment(out, figure, "Redraws the figure from its CSV with R alone: Rscript THIS_FILE");
    put_words(out, "panels <- c(", ")\n", words.titles, layout.n_drawn);
    put_list(out, plot, "y_labels <- c(", ")\n", y_label_at, layout.n_drawn);
    put_list(out, plot, "series <- c(", ")\n", series_at, plot->n_series);
    put_list(out, plot, "colors <- c(", ")\n", color_at, plot->n_series);
    put_numbers(out, plot, "dashes <- c(", ")\n", dashes, true);
    put_numbers(out, plot, "markers <- c(", ")\n", markers, false);
    put_words(out, "ticks <- c(", ")\n", words.ticks, plot->n_ticks);
    fputs("x_label <- ", out);
    put_literal(out, plot->x_label);
    fputs("\ntitle <- ", out);
    put_literal(out, figure->title);
    fputs("\nsubtitle <- ", out);
    put_literal(out, esp_plot_subtitle(plot));
    fprintf(out,
            "\n\ndata <- read.csv(\"%s.csv\", encoding = \"UTF-8\")\n"
            "cairo_pdf(\"%s_r.pdf\", width = %.2f, height = %.2f)\n"
            "par(mfrow = c(%d, %d), mar = c(4, 4.5, 2, 1), oma = c(%d, 0, 3, 0), bty = \"l\")\n"
            "for (p in seq_along(panels) - 1) {\n  here <- data[data$panel == p, ]\n",
            figure->name, figure->name, layout.width / 96.0, layout.height / 96.0, layout.rows,
            layout.columns, plot->draw == ESP_DRAW_HEATMAP ? 0 : 1 + (plot->n_series + 2) / 3);
    if (plot->draw == ESP_DRAW_HEATMAP) {
        fputs("  xs <- sort(unique(here$x)); ys <- sort(unique(here$leaf))\n"
              "  grid <- matrix(NA, length(xs), length(ys))\n"
              "  grid[cbind(match(here$x, xs), match(here$leaf, ys))] <- here$value\n"
              "  image(xs, ys, grid, col = hcl.colors(64, \"Blues\", rev = TRUE),"
              " zlim = c(0, max(data$value)), main = panels[p + 1], xlab = x_label,"
              " ylab = y_labels[p + 1])\n",
              out);
    } else if (plot->draw == ESP_DRAW_CURVES) {
        fputs("  same <- data[data$panel %in% (which(y_labels == y_labels[p + 1]) - 1), ]\n"
              "  plot(NA, xlim = range(data$x), ylim = range(same$value), main = panels[p + 1],"
              " xlab = x_label, ylab = y_labels[p + 1])\n"
              "  for (s in seq_along(series) - 1) {\n"
              "    mine <- here[here$series == s, ]\n"
              "    for (one in split(mine[mine$role == \"seed\", ], mine$curve[mine$role =="
              " \"seed\"]))\n"
              "      lines(one$x, one$value, col = adjustcolor(colors[s + 1], 0.5), lwd = 0.6)\n"
              "    mean <- mine[mine$role == \"mean\", ]\n"
              "    band <- mean[!is.na(mean$low), ]\n"
              "    polygon(c(band$x, rev(band$x)), c(band$low, rev(band$high)), border = NA,\n"
              "            col = adjustcolor(colors[s + 1], 0.15))\n"
              "    lines(mean$x, mean$value, col = colors[s + 1], lty = dashes[s + 1], lwd = 2)\n"
              "  }\n",
              out);
    } else {
        fprintf(
            out,
            "  plot(NA, xlim = %s, ylim = range(data[c(\"value\", \"low\", \"high\")], na.rm ="
            " TRUE), main = panels[p + 1],\n       xlab = x_label, ylab = y_labels[p + 1]%s%s)\n"
            "%s  for (s in seq_along(series) - 1) {\n"
            "    mine <- here[here$series == s, ]\n"
            "    mine$x <- mine$x + %s\n"
            "    dots <- mine[mine$role == \"seed\", ]\n"
            "    points(dots$x + %s, dots$value, col = colors[s + 1], cex = 0.7)\n"
            "    mean <- mine[mine$role == \"mean\", ]\n"
            "    segments(mean$x, mean$low, mean$x, mean$high, col = colors[s + 1])\n"
            "%s    points(mean$x, mean$value, pch = markers[s + 1], col = colors[s + 1],"
            " bg = colors[s + 1])\n  }\n",
            plot->n_ticks > 0 ? "c(-0.6, length(ticks) - 0.4)" : "range(data$x)",
            plot->n_ticks > 0 ? ", xaxt = \"n\"" : "", plot->log_x ? ", log = \"x\"" : "",
            plot->n_ticks > 0 ? "  axis(1, at = seq_along(ticks) - 1, labels = ticks)\n" : "",
            plot->dodge ? "0.7 * ((s + 0.5) / length(series) - 0.5)" : "0",
            plot->n_ticks > 0 ? "0.18 / length(series)" : "0",
            plot->connect ? "    lines(mean$x, mean$value, col = colors[s + 1], lty ="
                            " dashes[s + 1])\n"
                          : "");
    }
    fputs("}\nmtext(title, outer = TRUE, line = 1.4)\n"
          "mtext(subtitle, outer = TRUE, line = 0.2, cex = 0.6)\n",
          out);
    if (plot->draw != ESP_DRAW_HEATMAP) {
        fputs(
            "par(fig = c(0, 1, 0, 1), oma = rep(0, 4), mar = rep(0, 4), new = TRUE)\n"
            "plot.new()\n"
            "legend(\"bottom\", series, col = colors, pt.bg = colors, lty = dashes, pch = markers,"
            " bty = \"n\", ncol = min(3, length(series)), xpd = NA)\n",
            out);
    }
    fputs("invisible(dev.off())\n", out);
    return ferror(out) ? esp_fail(ESP_IO, "cannot write figure %s for R", figure->name) : ESP_OK;
}
