/* Trials one by one, and why some failed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "report/html.h"
#include "report/html_report.h"
#include "report/report_query.h"
#include "report/report_tables.h"

/* Trials shown in full, and reasons of failures: what keeps a page of a large study small. */
enum { MAX_TRIALS = 300, MAX_REASONS = 50, MAX_NAMED = 12 };

/* ---- failures -------------------------------------------------------------------------------- */

static bool has_failed(const esp_report_trial *trial)
{
    return strcmp(trial->status, "failed") == 0;
}

/* One reason: how often it was given, by which trials. */
static void put_reason(FILE *out, const esp_report *report, const esp_report_trials *trials,
                       int first)
{
    const char *message = trials->at[first].message;
    int n = 0;
    for (int i = first; i < trials->n; i++) {
        n += has_failed(&trials->at[i]) && strcmp(trials->at[i].message, message) == 0;
    }
    esp_html_print(out, "<tr><th scope=\"row\">%s</th><td>%d</td><td class=\"word\">",
                   *message ? message : "nothing was said", n);
    int named = 0;
    for (int i = first; i < trials->n && named < MAX_NAMED; i++) {
        const esp_report_trial *trial = &trials->at[i];
        if (has_failed(trial) && strcmp(trial->message, message) == 0) {
            esp_html_print(out, "%s%s seed %s", named++ ? "; " : "",
                           report->cells[trial->cell].label, trial->seed);
        }
    }
    if (n > named) {
        esp_html_print(out, "; %d more", n - named);
    }
    fputs("</td></tr>\n", out);
}

static bool was_said_before(const esp_report_trials *trials, int index)
{
    for (int i = 0; i < index; i++) {
        if (has_failed(&trials->at[i]) &&
            strcmp(trials->at[i].message, trials->at[index].message) == 0) {
            return true;
        }
    }
    return false;
}

int esp_html_failures(FILE *out, esp_report *report, const esp_report_trials *trials)
{
    if (report->failed == 0) {
        return ESP_OK;
    }
    esp_html_print(
        out,
        "<section id=\"failures\" aria-labelledby=\"failures-heading\">\n"
        "<h2 id=\"failures-heading\">Why trials failed</h2>\n"
        "<p>%d of %d trials failed. Nothing above averages over them.</p>\n"
        "<section class=\"scroll\" aria-label=\"What failed trials said\""
        " tabindex=\"0\">\n<table class=\"sortable\" aria-labelledby=\"failures-heading\">\n"
        "<thead><tr><th scope=\"col\" class=\"label\">reason</th><th scope=\"col\">trials"
        "</th><th scope=\"col\" class=\"label\">which</th></tr></thead>\n<tbody>\n",
        report->failed, report->planned);
    int n_reasons = 0;
    for (int i = 0; i < trials->n && n_reasons < MAX_REASONS; i++) {
        if (has_failed(&trials->at[i]) && !was_said_before(trials, i)) {
            put_reason(out, report, trials, i);
            n_reasons++;
        }
    }
    fputs("</tbody>\n</table>\n</section>\n", out);
    if (n_reasons == MAX_REASONS) {
        esp_html_print(out,
                       "<p>Further reasons are left out; <code>espalier status --help</code> tells"
                       " how to list failures.</p>\n");
    }
    fputs("</section>\n", out);
    return ESP_OK;
}

/* ---- which trials are shown ------------------------------------------------------------------ */

/* Those that failed, up to half of them, and the first others. Returns how many. */
static int choose(bool *shown, const esp_report_trials *trials)
{
    int n = 0;
    for (int i = 0; i < trials->n && n < MAX_TRIALS / 2; i++) {
        shown[i] = has_failed(&trials->at[i]);
        n += shown[i];
    }
    for (int i = 0; i < trials->n && n < MAX_TRIALS; i++) {
        n += !shown[i];
        shown[i] = true;
    }
    return n;
}

/* "[3, 4, 9]": the keys of the trials shown, for a query. */
static char *keys_of(const bool *shown, const esp_report_trials *trials)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return NULL;
    }
    fputc('[', out);
    for (int i = 0, n = 0; i < trials->n; i++) {
        if (shown[i]) {
            fprintf(out, "%s%lld", n++ ? "," : "", (long long)trials->at[i].key);
        }
    }
    fputc(']', out);
    return fclose(out) == 0 ? text : NULL;
}

/* ---- one trial ------------------------------------------------------------------------------- */

/* Rows about the trials shown, in their order; the first column is the trial's place in it. */
typedef struct cursor {
    esp_rows *rows;
    bool has_row;
} cursor;

static int open_cursor(cursor *out, esp_report *report, const char *keys, const char *sql)
{
    ESP_TRY(esp_report_ask(&out->rows, report->store, report, sql));
    ESP_TRY(esp_rows_bind_text(out->rows, ":keys", keys));
    return esp_rows_step(out->rows, &out->has_row);
}

static bool is_at(const cursor *at, int place)
{
    return at->has_row && esp_rows_integer(at->rows, 0) == place;
}

/* The two kinds of values are joined apart: SQLite would read a union of them whole. */
#define VALUES_OF(view)                                                                            \
    "SELECT k.key AS place, s.at, v.split, v.metric, v.value FROM json_each(:keys) k"              \
    " CROSS JOIN selection s ON s.trial = k.value AND s.at IN ('selected', 'last')"                \
    " CROSS JOIN " view " v ON v.trial = s.trial AND v.epoch = s.epoch WHERE v.value IS NOT NULL"

static const char metrics_sql[] =
    "SELECT place, split, metric, max(CASE at WHEN 'selected' THEN value END),"
    " max(CASE at WHEN 'last' THEN value END)"
    " FROM (" VALUES_OF("wide_value") " UNION ALL " VALUES_OF(
        "tall_value") ")"
                      " GROUP BY place, split, metric ORDER BY place, split <> 'test', split <> "
                      "'validation', metric";

static const char selections_sql[] =
    "SELECT k.key, s.at, s.epoch, s.monitor FROM json_each(:keys) k CROSS JOIN selection s"
    " ON s.trial = k.value ORDER BY k.key, s.at = 'last', s.at";

static const char leaves_sql[] =
    "SELECT k.key, c.split, c.counts FROM json_each(:keys) k CROSS JOIN trial t ON t.id = k.value"
    " CROSS JOIN selection s ON s.trial = t.id AND s.at = 'last' CROSS JOIN leaf_counts c"
    " ON c.trial_id = t.trial_id AND c.epoch = s.epoch WHERE c.counts IS NOT NULL"
    " AND c.split = 'test' ORDER BY k.key";

static void put_number(FILE *out, const char *metric, double value)
{
    if (isnan(value)) {
        fputs("<td>-</td>", out);
    } else if (esp_better_of(metric) == ESP_BETTER_HIGHER) {
        fprintf(out, "<td>%.2f %%</td>", 100 * value);
    } else {
        fprintf(out, "<td>%.4g</td>", value);
    }
}

static int put_metrics(FILE *out, cursor *at, int place)
{
    if (!is_at(at, place)) {
        return ESP_OK;
    }
    fputs("<div class=\"scroll\" role=\"group\" aria-label=\"Metrics\" tabindex=\"0\"><table>\n"
          "<thead><tr><th scope=\"col\" class=\"label\">metric</th>"
          "<th scope=\"col\">selected</th><th scope=\"col\">last</th></tr></thead>\n<tbody>\n",
          out);
    while (is_at(at, place)) {
        const char *split = esp_rows_text(at->rows, 1);
        esp_html_print(out, "<tr><th scope=\"row\">%s.", split);
        const char *metric = esp_rows_text(at->rows, 2);
        esp_html_print(out, "%s</th>", metric);
        put_number(out, metric, esp_rows_real(at->rows, 3));
        put_number(out, metric, esp_rows_real(at->rows, 4));
        fputs("</tr>\n", out);
        ESP_TRY(esp_rows_step(at->rows, &at->has_row));
    }
    fputs("</tbody>\n</table></div>\n", out);
    return ESP_OK;
}

static int put_selections(FILE *out, const esp_report *report, cursor *at, int place)
{
    while (is_at(at, place)) {
        esp_html_print(out, "<dt>%s</dt>", esp_rows_text(at->rows, 1));
        const char *monitor = esp_rows_text(at->rows, 3);
        esp_html_print(out, "<dd>epoch %d", (int)esp_rows_integer(at->rows, 2));
        if (*monitor) {
            esp_html_print(out, ", by %s", monitor);
        }
        esp_html_print(out, "%s</dd>\n",
                       strncmp(monitor, "test.", 5) == 0 ? " (the test set!)"
                                                         : esp_report_training_mark(report));
        ESP_TRY(esp_rows_step(at->rows, &at->has_row));
    }
    return ESP_OK;
}

static int put_leaves(FILE *out, cursor *at, int place)
{
    while (is_at(at, place)) {
        esp_html_print(out, "<dt>test examples by leaf, hard routing, last epoch</dt><dd>%s</dd>\n",
                       esp_rows_text(at->rows, 2));
        ESP_TRY(esp_rows_step(at->rows, &at->has_row));
    }
    return ESP_OK;
}

/* What a trial comes down to: the report's first metric at its first epoch. NaN: none. */
static double headline_of(const esp_report *report, const esp_report_trial *trial)
{
    const esp_sample *sample = &report->cells[trial->cell].series[0].sample;
    for (int i = 0; i < sample->n; i++) {
        char mapped[96], plain[32];
        const uint64_t *seed = sample->seeds[i];
        snprintf(plain, sizeof plain, "%llu", (unsigned long long)seed[0]);
        snprintf(mapped, sizeof mapped, "init=%llu,order=%llu,noise=%llu",
                 (unsigned long long)seed[0], (unsigned long long)seed[1],
                 (unsigned long long)seed[2]);
        if (strcmp(trial->seed, plain) == 0 || strcmp(trial->seed, mapped) == 0) {
            return sample->values[i];
        }
    }
    return NAN;
}

static int put_trial(FILE *out, const esp_report *report, const esp_report_trial *trial,
                     cursor cursors[3], int place)
{
    const esp_report_metric *metric = &report->metrics[0];
    const double value = headline_of(report, trial);
    char duration[32] = "-";
    esp_html_print(out, "<details id=\"trial-%s\"><summary>seed %s: <span class=\"%s\">%s</span>",
                   trial->id, trial->seed,
                   has_failed(trial)                    ? "failed"
                   : strcmp(trial->status, "done") == 0 ? "done"
                                                        : "waiting",
                   trial->status);
    if (!isnan(value)) {
        const bool percent = metric->better == ESP_BETTER_HIGHER;
        esp_html_print(out, ", %s ", metric->name);
        fprintf(out, percent ? "%.2f %%" : "%.4f", percent ? 100 * value : value);
        fputs(report->ats[0].by_test ? " (saw the test set!)" : "", out);
    }
    fputs("</summary>\n<dl>\n", out);
    if (!isnan(trial->seconds)) {
        esp_text_duration(duration, trial->seconds);
    }
    esp_html_print(out,
                   "<dt>trial</dt><dd><code>%s</code></dd>\n<dt>epochs</dt><dd>%d</dd>\n"
                   "<dt>time</dt><dd>%s</dd>\n<dt>attempts</dt><dd>%d</dd>\n",
                   trial->id, trial->epochs, duration, trial->attempts);
    if (*trial->host) {
        esp_html_print(out, "<dt>machine</dt><dd>%s</dd>\n", trial->host);
    }
    if (*trial->message) {
        esp_html_print(out, "<dt>said</dt><dd>%s</dd>\n", trial->message);
    }
    ESP_TRY(put_selections(out, report, &cursors[1], place));
    ESP_TRY(put_leaves(out, &cursors[2], place));
    fputs("</dl>\n", out);
    ESP_TRY(put_metrics(out, &cursors[0], place));
    fputs("</details>\n", out);
    return ESP_OK;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void put_cell_configuration(FILE *out, const esp_report_cell *cell)
{
    fputs("<details><summary>configuration</summary>\n<dl>\n", out);
    for (int i = 0; i < cell->keys.n; i++) {
        esp_html_print(out, "<dt>%s</dt><dd>%s</dd>\n", cell->keys.at[i], cell->values.at[i]);
    }
    fputs("</dl>\n</details>\n", out);
}

static int put_trials(FILE *out, const esp_report *report, const esp_report_trials *trials,
                      const bool *shown, cursor cursors[3])
{
    int open_cell = -1, place = 0;
    for (int i = 0; i < trials->n; i++) {
        const esp_report_trial *trial = &trials->at[i];
        if (!shown[i]) {
            continue;
        }
        if (trial->cell != open_cell) {
            const esp_report_cell *cell = &report->cells[trial->cell];
            fputs(open_cell >= 0 ? "</details>\n" : "", out);
            esp_html_print(out, "<details class=\"cell\"><summary>%s: %d of %d done", cell->label,
                           cell->done, cell->planned);
            if (cell->failed > 0) {
                esp_html_print(out, ", <span class=\"failed\">%d failed</span>", cell->failed);
            }
            fputs("</summary>\n", out);
            put_cell_configuration(out, cell);
            open_cell = trial->cell;
        }
        ESP_TRY(put_trial(out, report, trial, cursors, place++));
    }
    fputs(open_cell >= 0 ? "</details>\n" : "", out);
    return ESP_OK;
}

int esp_html_trials(FILE *out, esp_report *report, const esp_report_trials *trials)
{
    cursor cursors[3] = {{0}};
    char *keys = NULL;
    int status = ESP_OK;
    bool *shown = esp_pool_take(&report->pool, (size_t)trials->n * sizeof *shown);
    ESP_TRY_OUT(esp_pool_status(&report->pool));
    const int n_shown = choose(shown, trials);
    keys = keys_of(shown, trials);
    ESP_TRY_OUT(keys != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for trials"));
    ESP_TRY_OUT(open_cursor(&cursors[0], report, keys, metrics_sql));
    ESP_TRY_OUT(open_cursor(&cursors[1], report, keys, selections_sql));
    ESP_TRY_OUT(open_cursor(&cursors[2], report, keys, leaves_sql));
    fputs("<section id=\"trials\" aria-labelledby=\"trials-heading\">\n"
          "<h2 id=\"trials-heading\">Trials</h2>\n<p>One entry a cell, within it one a seed."
          " <code>espalier show TRIAL</code> prints all that is recorded of one.</p>\n",
          out);
    if (n_shown < trials->n) {
        esp_html_print(out,
                       "<p><strong>%d of %d trials are shown</strong>, those that failed and the"
                       " first ones, to keep this page small. All of them: <code>espalier query"
                       " \"SELECT * FROM trial_final\"</code>.</p>\n",
                       n_shown, trials->n);
    }
    ESP_TRY_OUT(put_trials(out, report, trials, shown, cursors));
    fputs("</section>\n", out);
out:
    for (int i = 0; i < 3; i++) {
        esp_rows_close(cursors[i].rows);
    }
    free(keys);
    return status;
}
