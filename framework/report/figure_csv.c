/* A figure's data as one tidy CSV. Numbers stand first, so that gnuplot's reader, which knows
 * quotes but no doubled ones, never has to get past a name. */
#include <math.h>

#include "core/status.h"
#include "report/figure_plot.h"
#include "study/yaml_tree.h"

static void put_number(FILE *out, double value)
{
    char text[32] = "";
    if (!isnan(value)) {
        esp_text_print_number(text, value);
    }
    fprintf(out, ",%s", text);
}

/* In quotes; what would end a line is shown as '?', as in all tables. */
static void put_text(FILE *out, const char *text)
{
    fputs(",\"", out);
    while (*text) {
        size_t n = 0; /* as they stand */
        while ((unsigned char)text[n] >= 0x20 && text[n] != 0x7f && text[n] != '"') {
            n++;
        }
        fwrite(text, 1, n, out);
        text += n;
        if (*text) {
            fputs(*text == '"' ? "\"\"" : "?", out);
            text++;
        }
    }
    putc('"', out);
}

/* What gnuplot looks at. */
static void put_numbers(FILE *out, const esp_plot_row *row)
{
    fprintf(out, "%d,%d,%d", row->panel, row->series, row->trial);
    put_number(out, row->x);
    put_number(out, row->y);
    put_number(out, row->low);
    put_number(out, row->high);
    put_number(out, row->trial < 0 ? row->n : NAN);
    put_number(out, row->epoch >= 0 ? row->epoch : NAN);
    put_number(out, row->leaf >= 0 ? row->leaf : NAN);
}

static void put_words(FILE *out, const esp_plot *plot, const esp_plot_row *row)
{
    static const esp_plot_trial none = {.seed = "", .id = "", .status = ""};
    const esp_plot_trial *trial = row->trial >= 0 ? &plot->trials[row->trial] : &none;
    const esp_report_cell *cell = &plot->report->cells[row->cell];
    const esp_plot_panel *panel = &plot->panels[row->panel];
    fputs(row->trial >= 0 ? ",seed" : ",mean", out);
    put_text(out, plot->report->study);
    put_text(out, cell->variant);
    put_text(out, cell->label);
    put_text(out, trial->seed);
    put_text(out, trial->id);
    put_text(out, trial->status);
    put_text(out, plot->at);
    put_text(out, plot->split);
    put_text(out, panel->metric != NULL ? panel->metric : plot->metric);
    put_text(out, panel->title);
}

#define NUMBERS "panel,series,curve,x,value,low,high,n,epoch,leaf"
#define WORDS   "role,study,variant,cell,seed,trial_id,status,at,split,metric,panel_title"

int esp_figure_csv(FILE *out, const esp_figure *figure)
{
    const esp_plot *plot = figure->plot;
    fputs(NUMBERS "," WORDS "\n", out);
    for (int i = 0; i < plot->n_rows; i++) {
        put_numbers(out, &plot->rows[i]);
        put_words(out, plot, &plot->rows[i]);
        putc('\n', out);
    }
    return ferror(out) ? esp_fail(ESP_IO, "cannot write the data of figure %s", figure->name)
                       : ESP_OK;
}

int esp_figure_numbers(FILE *out, const esp_figure *figure)
{
    const esp_plot *plot = figure->plot;
    fputs(NUMBERS "\n", out);
    for (int i = 0; i < plot->n_rows; i++) {
        put_numbers(out, &plot->rows[i]);
        putc('\n', out);
    }
    return ferror(out) ? esp_fail(ESP_IO, "cannot write the data of figure %s", figure->name)
                       : ESP_OK;
}
