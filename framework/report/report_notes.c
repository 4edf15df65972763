/* What a reader must know beside a report's tables. */
#include <string.h>

#include "core/status.h"
#include "report/report_tables.h"
#include "statistics/spreads.h"

#define NOTE(page, report, ...) esp_page_note(page, esp_pool_format(&(report)->pool, __VA_ARGS__))

bool esp_page_has_note(const esp_page *page, const char *note)
{
    for (int i = 0; i < page->notes.n; i++) {
        if (strcmp(page->notes.at[i], note) == 0) {
            return true;
        }
    }
    return false;
}

void esp_page_note(esp_page *page, const char *note)
{
    if (page->notes.n < ESP_MAX_NOTES && !esp_page_has_note(page, note)) {
        page->notes.at[page->notes.n++] = note;
    }
}

static void note_selection(esp_page *page, esp_report *report)
{
    if (report->training_saw_test != NULL) {
        NOTE(page, report,
             "training looked at the test set (%s), so test figures of every epoch are optimistic;"
             " with data.validation above 0 a study can monitor validation instead.",
             report->training_saw_test);
    }
    for (int at = 0; at < report->n_ats; at++) {
        if (strstr(report->ats[at].monitors, "test.") != NULL) {
            NOTE(page, report,
                 "%s: epochs were chosen by looking at the test set (%s), so test figures there are"
                 " optimistic; `--at last` shows the last epoch, and a study with data.validation"
                 " above 0 can select by validation.hard_accuracy.",
                 report->ats[at].name, report->ats[at].monitors);
        }
    }
}

/* What was not asked for is not late: it is named, with what compares what was. */
static void note_unasked(esp_page *page, esp_report *report)
{
    enum { MOST_NAMED = 8 };
    const char *names = "";
    int named = 0;
    for (int i = 0; i < report->n_cells; i++) {
        if (report->cells[i].unasked && named++ < MOST_NAMED) {
            names = esp_pool_format(&report->pool, "%s%s%s", names, named > 1 ? ", " : "",
                                    report->cells[i].label);
        }
    }
    const char *more = named > MOST_NAMED ? ", .." : "";
    const char *compare =
        report->revision > 1 && !report->beside
            ? esp_pool_format(&report->pool,
                              " `espalier diff %s@%d %s@%d` compares this revision with the one "
                              "before.",
                              report->study, report->revision - 1, report->study, report->revision)
            : "";
    if (named > 0) {
        NOTE(page, report, "no run of this revision has asked for %d of %d cells (--only): %s%s.%s",
             named, report->n_cells, names, more, compare);
    }
}

static void note_trials(esp_page *page, esp_report *report)
{
    const int asked = report->planned - report->unasked_trials;
    const int missing = asked - report->done - report->failed;
    for (int i = 0; i < report->n_cells; i++) {
        const esp_report_cell *cell = &report->cells[i];
        if (cell->failed > 0) {
            NOTE(page, report, "%d of %d trials of '%s' failed; the first said: %s", cell->failed,
                 cell->planned, cell->label,
                 cell->first_failure && *cell->first_failure ? cell->first_failure : "nothing");
        }
    }
    if (missing > 0) {
        NOTE(page, report,
             "%d of %d trials are not done yet (`espalier query \"SELECT * FROM missing_trials"
             "%s\"`).",
             missing, asked, report->latest && !report->beside ? "" : "_all");
    }
    if (report->stale > 0) {
        NOTE(page, report,
             "%d trials were done by another build of espalier or of a plugin; `run --strict-code`"
             " trains them again.",
             report->stale);
    }
    if (report->mismatches > 0) {
        NOTE(page, report,
             "%d epochs that were trained again did not come out the same: these trials are not"
             " repeatable on this machine.",
             report->mismatches);
    }
    if (report->text_differs) {
        NOTE(page, report,
             "the study's file has changed since revision %d was run; these are that revision's"
             " results, in the tables that the file asks for now.",
             report->revision);
    }
}

static void note_statistics(esp_page *page, esp_report *report)
{
    bool few = false, compared = false, three = false;
    const char *against = NULL;
    for (int i = 0; i < report->n_cells; i++) {
        const esp_report_cell *cell = &report->cells[i];
        for (int k = 0; k < report->n_ats * report->n_metrics; k++) {
            few = few || (cell->series[k].stats.n > 0 && cell->series[k].stats.n < 3);
            three = three || (cell->reference >= 0 && cell->series[k].stats.n == 3 &&
                              report->cells[cell->reference].series[k].stats.n == 3);
        }
        if (cell->reference >= 0) {
            compared = true;
            against = report->cells[cell->reference].variant;
        }
    }
    for (int i = 0; i < report->n_pairs * report->n_ats * report->n_metrics; i++) {
        const esp_report_pair *pair = &report->pairs[i / (report->n_ats * report->n_metrics)];
        int k = i % (report->n_ats * report->n_metrics);
        three = three || (pair->a->series[k].stats.n == 3 && pair->b->series[k].stats.n == 3);
    }
    NOTE(page, report,
         "sd and variance are over seeds (n - 1); spread = best - worst. Accuracies in percent, so"
         " their variance is in squared points.");
    if (compared) {
        NOTE(page, report,
             "var. ratio: the cell's variance over that of its reference (%s); delta: mean "
             "difference from"
             " the reference over the pairs of trials that share a seed.",
             against);
    }
    if (three) {
        /* F(2, 2) has the distribution function x / (1 + x), so its 97.5 % point is .975/.025. */
        NOTE(page, report,
             "with 3 seeds each, normal values of equal variance give a var. ratio between 0.026"
             " and 39 in 95 of 100 cases: only a ratio outside of that says something.");
    }
    if (few) {
        NOTE(page, report,
             "fewer than 3 seeds: nothing can be said of how much such a cell varies; its variance"
             " ratio is left out.");
    }
}

/* Whether cells of the variant are what others are compared with. */
static bool is_reference(const esp_report *report, const char *variant)
{
    for (int i = 0; i < report->n_cells; i++) {
        const int reference = report->cells[i].reference;
        if (reference >= 0 && strcmp(report->cells[reference].variant, variant) == 0) {
            return true;
        }
    }
    return false;
}

/* Cells that no comparison tells of, beside others that have their reference. */
static void note_without_reference(esp_page *page, esp_report *report)
{
    enum { MOST_NAMED = 4 };
    const char *names = "", *variant = "";
    bool reference = false; /* is the variant */
    int n = 0;
    for (int i = 0; i < report->n_cells && report->section.n_contrasts == 0; i++) {
        const esp_report_cell *cell = &report->cells[i];
        if (strcmp(cell->variant, variant) != 0) {
            variant = cell->variant;
            reference = is_reference(report, variant);
        }
        if (cell->reference < 0 && !reference && n++ < MOST_NAMED) {
            names = esp_pool_format(&report->pool, "%s%s%s", names, n > 1 ? ", " : "", cell->label);
        }
    }
    if (n > 0 && n < report->n_cells) {
        NOTE(page, report,
             "%d of %d cells %s compared with nothing, because no cell of the reference matches"
             " %s: %s%s.",
             n, report->n_cells, n == 1 ? "is" : "are", n == 1 ? "it" : "them", names,
             n > MOST_NAMED ? ", .." : "");
    }
}

static void note_contrasts(esp_page *page, esp_report *report)
{
    for (int i = 0; i < report->section.n_contrasts; i++) {
        const esp_contrast *contrast = &report->section.contrasts[i];
        bool found = false;
        for (int k = 0; k < report->n_pairs; k++) {
            found = found || report->pairs[k].contrast == contrast;
        }
        if (!found) {
            NOTE(page, report, "contrast of %s with %s: no two cells of this revision are of it.",
                 contrast->names[0], contrast->names[1]);
        }
    }
}

/* What differs between a published value and ours beside it. */
static void note_published_value(esp_page *page, esp_report *report,
                                 const esp_report_metric *metric, const esp_report_series *series,
                                 const esp_published_value *value)
{
    if (strcmp(value->spread_is, "sd") == 0) {
        NOTE(page, report,
             "published, %s: its ± is a standard deviation; ours is best - worst. The two are not"
             " comparable.",
             value->source);
    }
    if (strcmp(value->routing, "none") != 0 &&
        strncmp(metric->key, value->routing, strlen(value->routing)) != 0) {
        NOTE(page, report, "published, %s: %s accuracy there is with %s routing; %s here is not.",
             value->source, value->split, value->routing, metric->name);
    }
    if (value->runs > 0 && series->stats.n > 0 && value->runs != series->stats.n) {
        const bool theirs = value->runs > series->stats.n;
        const int more = theirs ? value->runs : series->stats.n;
        const int fewer = theirs ? series->stats.n : value->runs;
        NOTE(page, report,
             "published, %s: best of %d runs, ours best of %d: the best of %d beats the best of %d"
             " by luck alone, by %.2f sd.",
             value->source, value->runs, series->stats.n, more, fewer,
             esp_expected_best(more) - esp_expected_best(fewer));
    }
    const char *words = esp_published_csv_words(report->published, value->source);
    if (words != NULL) {
        NOTE(page, report, "published, %s: %s", value->source, words);
    }
}

static void note_published(esp_page *page, esp_report *report)
{
    int joined = 0;
    if (report->published_problem != NULL) {
        NOTE(page, report, "%s", report->published_problem);
    }
    if (report->published == NULL) {
        return;
    }
    for (int i = 0; i < report->n_cells; i++) {
        for (int k = 0; k < report->n_ats * report->n_metrics; k++) {
            const esp_report_series *series = &report->cells[i].series[k];
            for (int p = 0; p < series->n_published; p++) {
                note_published_value(page, report, &report->metrics[k % report->n_metrics], series,
                                     &series->published[p]);
                joined++;
            }
        }
    }
    if (joined > 0) {
        NOTE(page, report,
             "so many of ours: where best and ± of as many runs as theirs would lie in %g of 100"
             " cases, if runs are normal with our mean and sd, both known from our seeds alone"
             " (best and best - worst simulated, an sd by F). Theirs within it is compatible with"
             " ours; that does not make it the same.",
             100 * report->section.confidence);
    }
    NOTE(page, report, joined ? "published values are from %s." : "no line of %s joins a cell.",
         report->published->path);
}

static void note_figures(esp_page *page, esp_report *report)
{
    const esp_figure_wishes *figures = &report->section.figures;
    const char *names = "";
    for (int i = 0; i < figures->n; i++) {
        names = esp_pool_format(&report->pool, "%s%s%s", names, i ? ", " : "", figures->at[i].name);
    }
    if (figures->n > 0) {
        NOTE(page, report, "figures, drawn by --figures DIR: %s.", names);
    }
}

/* How to get at the numbers: a query, as typed into a shell. */
static const char *query_of(esp_report *report)
{
    size_t length = strlen(report->study), used = 0;
    char *name = esp_pool_take(&report->pool, 2 * length + 1);
    if (name == NULL) {
        return "";
    }
    for (size_t i = 0; i < length; i++) {
        char c = report->study[i];
        if (strchr("\"$`\\", c) != NULL) {
            name[used++] = '\\';
        } else if (c == '\'') {
            name[used++] = '\'';
        }
        name[used++] = c;
    }
    name[used] = '\0';
    const char *columns = "cell, at, split, metric, n, mean, sd, variance, best, spread";
    if (report->beside) {
        return esp_pool_format(&report->pool,
                               "espalier query \"SELECT %s FROM seed_stats WHERE study = :study\""
                               " --set \"study=%s\"",
                               columns, name);
    }
    return report->latest
               ? esp_pool_format(&report->pool,
                                 "espalier query \"SELECT %s FROM seed_stats WHERE study='%s'\"",
                                 columns, name)
               : esp_pool_format(&report->pool,
                                 "espalier query \"SELECT %s FROM seed_stats_all WHERE study='%s'"
                                 " AND revision=%d\"",
                                 columns, name, report->revision);
}

int esp_page_add_notes(esp_page *page, esp_report *report)
{
    const char *overrides = "";
    for (int i = 0; i < report->overrides.n; i++) {
        overrides =
            esp_pool_format(&report->pool, "%s --set %s", overrides, report->overrides.at[i]);
    }
    const char *revision = report->beside
                               ? ""
                               : esp_pool_format(&report->pool, "revision %d%s, ", report->revision,
                                                 report->latest ? "" : " (not the one run last)");
    page->status =
        esp_pool_format(&report->pool, "%s%d of %d trials done%s", revision, report->done,
                        report->planned - report->unasked_trials, *overrides ? "," : "");
    if (*overrides) {
        page->status =
            esp_pool_format(&report->pool, "%s overrides in force:%s", page->status, overrides);
    }
    note_selection(page, report);
    note_unasked(page, report);
    note_trials(page, report);
    note_statistics(page, report);
    note_without_reference(page, report);
    ESP_TRY(esp_page_add_statistics_notes(page, report));
    note_contrasts(page, report);
    note_published(page, report);
    note_figures(page, report);
    page->query = query_of(report);
    return ESP_OK;
}
