/* Where a report's values come from, and how to get them again. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "report/html.h"
#include "report/html_report.h"
#include "report/report_query.h"

/* Environments shown, and bytes of a diff. */
enum { MAX_ENVIRONMENTS = 8, MAX_DIFF = 20000, MAX_DEPTH = 4 };

/* ---- provenance ------------------------------------------------------------------------------ */

static const char *word_at(const json_t *object, const char *key)
{
    const char *word = json_string_value(json_object_get(object, key));
    return word != NULL ? word : "";
}

/* Many lines, folded; at most MAX_DIFF bytes of them. */
static void put_lines(FILE *out, esp_report *report, const char *name, const char *text)
{
    const size_t length = strlen(text);
    const bool cut = length > MAX_DIFF;
    esp_html_print(out,
                   "<dt>%s</dt><dd><details><summary>%zu bytes</summary><pre tabindex=\"0\">"
                   "%s</pre>",
                   name, length,
                   cut ? esp_pool_format(&report->pool, "%.*s", MAX_DIFF, text) : text);
    if (cut) {
        esp_html_print(out, "<p>%zu bytes more: <code>espalier show TRIAL --format json</code></p>",
                       length - MAX_DIFF);
    }
    fputs("</details></dd>\n", out);
}

static void put_pair(FILE *out, esp_report *report, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text != NULL && strchr(text, '\n') != NULL) {
        put_lines(out, report, name, text);
    } else if (text != NULL) {
        esp_html_print(out, "<dt>%s</dt><dd>%s</dd>\n", name, *text ? text : "(not set)");
    } else {
        char *dumped = json_dumps(value, JSON_ENCODE_ANY);
        esp_html_print(out, "<dt>%s</dt><dd>%s</dd>\n", name, dumped != NULL ? dumped : "");
        free(dumped);
    }
}

/* Every value as "path: value", descending into maps. */
static void put_values(FILE *out, esp_report *report, const char *prefix, const json_t *values,
                       int depth)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)values, key, value)
    {
        const char *path = *prefix ? esp_pool_format(&report->pool, "%s.%s", prefix, key) : key;
        if (depth == 0 && (strcmp(key, "plugins") == 0 || strcmp(key, "study") == 0)) {
            continue; /* plugins have a table; the study is this one */
        }
        if (json_is_object(value) && depth < MAX_DEPTH) {
            put_values(out, report, path, value, depth + 1);
        } else {
            put_pair(out, report, path, value);
        }
    }
}

static void put_plugins(FILE *out, const json_t *plugins)
{
    const char *name;
    json_t *plugin;
    if (json_object_size(plugins) == 0) {
        return;
    }
    fputs("<section class=\"scroll\" aria-label=\"Plugins\" tabindex=\"0\"><table>\n"
          "<thead><tr><th scope=\"col\" class=\"label\">plugin</th>"
          "<th scope=\"col\" class=\"label\">version</th>"
          "<th scope=\"col\" class=\"label\">SHA-256</th>"
          "<th scope=\"col\" class=\"label\">file</th></tr></thead>\n<tbody>\n",
          out);
    json_object_foreach((json_t *)(uintptr_t)plugins, name, plugin)
    {
        esp_html_print(out,
                       "<tr><th scope=\"row\">%s</th><td class=\"word\">%s</td>"
                       "<td class=\"word\"><code>%s</code></td><td class=\"word\">%s</td></tr>\n",
                       name, word_at(plugin, "version"), word_at(plugin, "sha256"),
                       word_at(plugin, "file"));
    }
    fputs("</tbody>\n</table></section>\n", out);
}

/* "commit 4f3a..., with changes that were not committed", of a source or repository. */
static const char *state_of(esp_report *report, const json_t *source)
{
    const char *commit = word_at(source, "commit");
    const json_t *dirty = json_object_get(source, "dirty");
    return *commit ? esp_pool_format(&report->pool, "commit %.12s%s", commit,
                                     json_is_true(dirty) ? ", with changes not committed" : "")
                   : "no commit known";
}

static void put_environment(FILE *out, esp_report *report, const char *hash, int n_trials,
                            const json_t *content, bool open)
{
    esp_html_print(out,
                   "<details%s><summary>%d trials: espalier %s, %s; %s (environment"
                   " <code>",
                   open ? " open" : "", n_trials, word_at(content, "espalier"),
                   state_of(report, json_object_get(content, "source")),
                   *word_at(content, "cpu") ? word_at(content, "cpu") : "machine unknown");
    fprintf(out, "%.8s</code>)</summary>\n", hash);
    put_plugins(out, json_object_get(content, "plugins"));
    fputs("<dl>\n", out);
    put_values(out, report, "", content, 0);
    fputs("</dl>\n</details>\n", out);
}

int esp_html_provenance(FILE *out, esp_report *report)
{
    esp_rows *rows = NULL;
    int status = ESP_OK, n = 0;
    ESP_TRY_OUT(
        esp_report_ask(&rows, report->store, report,
                       "SELECT e.hash, count(DISTINCT t.trial_key), e.content FROM study_trial t"
                       " CROSS JOIN attempt a ON a.trial = t.trial_key CROSS JOIN environment e"
                       " ON e.id = a.environment WHERE t.study = :study AND t.revision = :revision"
                       " GROUP BY e.id ORDER BY count(DISTINCT t.trial_key) DESC, max(a.id) DESC"));
    fputs("<section id=\"provenance\" aria-labelledby=\"provenance-heading\">\n"
          "<h2 id=\"provenance-heading\">Provenance</h2>\n<p>What trained these trials; a trial"
          " that went on elsewhere counts in each.</p>\n",
          out);
    while (esp_report_next(rows, &status)) {
        if (n++ >= MAX_ENVIRONMENTS) {
            continue;
        }
        const int n_trials = (int)esp_rows_integer(rows, 1);
        json_t *content = json_loads(esp_rows_text(rows, 2), 0, NULL);
        put_environment(out, report, esp_rows_text(rows, 0), n_trials, content, n == 1);
        json_decref(content);
    }
    ESP_TRY_OUT(status);
    if (n == 0) {
        fputs("<p>No trial was begun yet.</p>\n", out);
    } else if (n > MAX_ENVIRONMENTS) {
        esp_html_print(out,
                       "<p>%d environments more: <code>espalier show TRIAL</code> prints a"
                       " trial's.</p>\n",
                       n - MAX_ENVIRONMENTS);
    }
    fputs("</section>\n", out);
out:
    esp_rows_close(rows);
    return status;
}

/* ---- how to get it again --------------------------------------------------------------------- */

/* A word as a shell takes it: as it is where nothing in it means something there, else in quotes.
 */
static const char *shell_word(esp_report *report, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
    if (*word && word[strspn(word, plain)] == '\0') {
        return word;
    }
    char *quoted = esp_pool_take(&report->pool, 4 * strlen(word) + 3), *at = quoted;
    if (quoted == NULL) {
        return "";
    }
    *at++ = '\'';
    for (; *word; word++) {
        if (*word == '\'') {
            memcpy(at, "'\\''", 4);
            at += 4;
        } else {
            *at++ = *word;
        }
    }
    *at = '\'';
    return quoted;
}

static int compare_numbers(const void *left, const void *right)
{
    const long a = *(const long *)left, b = *(const long *)right;
    return (a > b) - (a < b);
}

/* "0..9,12" where all seeds are plain numbers; NULL where some are not. */
static const char *seeds_of(esp_report *report, const esp_report_trials *trials)
{
    long *seeds = esp_pool_take(&report->pool, (size_t)trials->n * sizeof *seeds);
    if (seeds == NULL || trials->n == 0) {
        return NULL;
    }
    for (int i = 0; i < trials->n; i++) {
        char *end;
        seeds[i] = strtol(trials->at[i].seed, &end, 10);
        if (*end != '\0') {
            return NULL;
        }
    }
    qsort(seeds, (size_t)trials->n, sizeof *seeds, compare_numbers);
    const char *text = "";
    for (int i = 0, next; i < trials->n; i = next) {
        long last = seeds[i];
        for (next = i + 1; next < trials->n && seeds[next] <= last + 1; next++) {
            last = seeds[next];
        }
        text = esp_pool_format(&report->pool, last > seeds[i] ? "%s%s%ld..%ld" : "%s%s%ld", text,
                               *text ? "," : "", seeds[i], last);
    }
    return text;
}

/* The commit of the program that ran most of the trials, "" where none is known. */
static int find_source(const char **commit, bool *dirty, esp_report *report)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    *commit = "";
    ESP_TRY_OUT(esp_report_ask(
        &rows, report->store, report,
        "SELECT e.content ->> '$.source.commit', e.content ->> '$.source.dirty'"
        " FROM study_trial t CROSS JOIN attempt a ON a.trial = t.trial_key"
        " CROSS JOIN environment e ON e.id = a.environment WHERE t.study = :study AND"
        " t.revision = :revision GROUP BY e.id"
        " ORDER BY count(DISTINCT t.trial_key) DESC, max(a.id) DESC LIMIT 1"));
    if (esp_report_next(rows, &status)) {
        *commit = esp_report_keep(report, esp_rows_text(rows, 0));
        *dirty = esp_rows_integer(rows, 1) != 0;
    }
out:
    esp_rows_close(rows);
    return status;
}

/* The revision's text. */
static int put_study(FILE *out, esp_report *report)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_report_ask(&rows, report->store, report,
                               "SELECT r.text FROM study s JOIN revision r ON r.study = s.id"
                               " WHERE s.name = :study AND r.number = :revision"));
    if (esp_report_next(rows, &status)) {
        esp_html_print(out,
                       "<details><summary>study.yaml, as it was run</summary>\n"
                       "<pre tabindex=\"0\">\n%s</pre>\n</details>\n",
                       esp_rows_text(rows, 0));
    }
out:
    esp_rows_close(rows);
    return status;
}

int esp_html_reproduce(FILE *out, esp_report *report, const esp_page *page,
                       const esp_report_trials *trials)
{
    const char *commit, *seeds = seeds_of(report, trials);
    const char *study = shell_word(report, report->study);
    bool dirty = false;
    if (report->beside) {
        esp_html_print(out,
                       "<section id=\"reproduce\" aria-labelledby=\"reproduce-heading\">\n"
                       "<h2 id=\"reproduce-heading\">Reproduce it</h2>\n<pre tabindex=\"0\">"
                       "espalier report %s --format html -o report.html\n</pre>\n"
                       "<p>The numbers behind the tables:</p>\n<pre tabindex=\"0\">%s</pre>\n"
                       "</section>\n",
                       report->study, page->query);
        return esp_pool_status(&report->pool);
    }
    ESP_TRY(find_source(&commit, &dirty, report));
    fputs("<section id=\"reproduce\" aria-labelledby=\"reproduce-heading\">\n"
          "<h2 id=\"reproduce-heading\">Reproduce it</h2>\n"
          "<p>With the study's text, below, saved as <code>study.yaml</code>. On the same"
          " processor and BLAS library the same numbers come out to the bit; elsewhere they differ"
          " in the last digits.</p>\n<pre tabindex=\"0\">",
          out);
    if (*commit) {
        esp_html_print(out, "git checkout %s%s\n./quickstart.sh   # builds the program\n", commit,
                       dirty ? "   # and the changes that provenance shows" : "");
    }
    fputs("espalier run study.yaml", out);
    for (int i = 0; i < report->overrides.n; i++) {
        esp_html_print(out, " --set %s", shell_word(report, report->overrides.at[i]));
    }
    esp_html_print(out, seeds != NULL ? " --seeds %s\n" : "\n", seeds);
    esp_html_print(out, "espalier report %s", study);
    if (!report->latest) {
        esp_html_print(out, " --revision %d", report->revision);
    }
    fputs(" --format html -o report.html\n", out);
    if (trials->n > 0) {
        esp_html_print(out,
                       "espalier replay %s   # one trial again, compared epoch by epoch\n"
                       "espalier show %s     # all that is recorded of it\n",
                       trials->at[0].id, trials->at[0].id);
    }
    esp_html_print(out,
                   "</pre>\n<p>The numbers behind the tables:</p>\n<pre tabindex=\"0\">%s</pre>\n",
                   page->query);
    ESP_TRY(put_study(out, report));
    fputs("</section>\n", out);
    return esp_pool_status(&report->pool);
}
