#include "report/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "report/report_query.h"
#include "report/study_names.h"
#include "report/variance.h"

/* ---- the study and its revision -------------------------------------------------------------- */

/* A JSON array of strings. */
static int read_list(esp_words *out, esp_report *report, const char *json)
{
    json_t *list = json_loads(json, 0, NULL);
    int status = esp_report_words(out, report, (int)json_array_size(list));
    for (size_t i = 0; status == ESP_OK && i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        out->at[out->n++] = esp_report_keep(report, word);
    }
    json_decref(list);
    return status;
}

/* The comment that opens the study's file: its question. */
static const char *question_of(esp_report *report, const char *text)
{
    size_t length = strlen(text), used = 0;
    char *out = esp_pool_take(&report->pool, length + 1);
    if (out == NULL) {
        return "";
    }
    while (*text == '#') {
        size_t line = strcspn(text, "\n");
        size_t skip = strspn(text, "# ");
        skip = skip < line ? skip : line;
        memcpy(out + used, text + skip, line - skip);
        used += line - skip;
        out[used++] = '\n';
        text += line + (text[line] == '\n');
    }
    while (used > 0 && (out[used - 1] == '\n' || out[used - 1] == '\r')) {
        used--;
    }
    out[used] = '\0';
    return out;
}

static int load_revision(esp_report *report, esp_store *store, const esp_report_request *request)
{
    esp_rows *rows = NULL;
    bool found = false;
    int status = ESP_OK;
    report->study = esp_report_keep(report, request->study);
    report->statistics = request->statistics;
    report->queries = request->queries;
    report->beside = request->beside;
    report->revision = request->revision;
    ESP_TRY_OUT(esp_report_ask(
        &rows, store, report,
        "SELECT r.number, r.title, r.source, r.text, r.overrides, r.report, r.variants,"
        " r.id = s.current_revision FROM study s JOIN revision r ON r.study = s.id"
        " WHERE s.name = :study AND (r.number = :revision"
        " OR (:revision = 0 AND r.id = s.current_revision))"));
    ESP_TRY_OUT(esp_rows_step(rows, &found));
    if (!found) {
        esp_rows_close(rows);
        rows = NULL;
        ESP_TRY_OUT(
            esp_report_ask(&rows, store, report,
                           "SELECT max(r.number) FROM study s JOIN revision r ON r.study = s.id"
                           " WHERE s.name = :study"));
        ESP_TRY_OUT(esp_rows_step(rows, &found));
        if (!found || esp_rows_type(rows, 0) == 'n') {
            status = esp_fail(ESP_NOT_FOUND, "no study '%s' in %s", request->study,
                              esp_store_path(store));
        } else {
            status =
                esp_fail(ESP_NOT_FOUND, "study '%s' has no revision %d; it has 1 to %lld",
                         request->study, request->revision, (long long)esp_rows_integer(rows, 0));
        }
        goto out;
    }
    report->revision = (int)esp_rows_integer(rows, 0);
    report->title = esp_report_keep(report, esp_rows_text(rows, 1));
    report->source = esp_report_keep(report, esp_rows_text(rows, 2));
    const char *text = esp_rows_text(rows, 3);
    report->question = question_of(report, text);
    report->text_differs = request->text != NULL && strcmp(request->text, text) != 0;
    ESP_TRY_OUT(read_list(&report->overrides, report, esp_rows_text(rows, 4)));
    const char *section = request->section != NULL ? request->section : esp_rows_text(rows, 5);
    ESP_TRY_OUT(esp_report_section_parse(&report->section, section, &report->pool));
    ESP_TRY_OUT(read_list(&report->variants, report, esp_rows_text(rows, 6)));
    report->latest = esp_rows_integer(rows, 7) != 0;
out:
    esp_rows_close(rows);
    return status;
}

/* ---- which metrics, at which epochs ---------------------------------------------------------- */

/* Refuses a metric of the command line that nothing has recorded. */
static int check_metric(esp_store *store, const esp_report *report, const char *name)
{
    const char *known[512] = {NULL};
    size_t n = 0;
    bool found = false;
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(
        esp_report_ask(&rows, store, report,
                       "SELECT split || '.' || name FROM (SELECT split, name, id FROM metric"
                       " UNION ALL SELECT split, 'epochs_to_' || name, id + 1000000 FROM"
                       " metric WHERE id <= 14 AND name NOT LIKE 'running%')"
                       " ORDER BY id LIMIT 512"));
    while (esp_report_next(rows, &status)) {
        known[n] = strdup(esp_rows_text(rows, 0));
        found = found || (known[n] != NULL && strcmp(known[n], name) == 0);
        n += known[n] != NULL;
    }
    if (status == ESP_OK && !found) {
        const char *meant = esp_text_suggest(name, known, n);
        status = esp_fail(ESP_USAGE, "no metric '%s' is recorded%s%s%s", name,
                          meant ? "; did you mean '" : "; write SPLIT.METRIC, as in ",
                          meant ? meant : "test.hard_accuracy", meant ? "'?" : "");
    }
out:
    for (size_t i = 0; i < n; i++) {
        free((char *)known[i]);
    }
    esp_rows_close(rows);
    return status;
}

static int choose_metrics(esp_report *report, esp_store *store, const esp_report_request *request)
{
    static const char *const usual[] = {"train.soft_accuracy", "train.hard_accuracy",
                                        "test.hard_accuracy"};
    const char *const *names = usual;
    report->n_metrics = 3;
    if (request->n_metrics > 0) {
        names = request->metrics;
        report->n_metrics = request->n_metrics;
    } else if (report->section.metrics.n > 0) {
        names = report->section.metrics.at;
        report->n_metrics = report->section.metrics.n;
    }
    report->metrics =
        esp_pool_take(&report->pool, (size_t)report->n_metrics * sizeof *report->metrics);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < report->n_metrics; i++) {
        if (request->n_metrics > 0) {
            ESP_TRY(check_metric(store, report, names[i]));
        }
        esp_report_metric *metric = &report->metrics[i];
        size_t split = strcspn(names[i], ".");
        if (names[i][split] != '.') {
            return esp_fail(ESP_STUDY, "'%s' is no metric; write SPLIT.METRIC, as in %s", names[i],
                            "test.hard_accuracy");
        }
        metric->name = esp_report_keep(report, names[i]);
        metric->split = esp_pool_format(&report->pool, "%.*s", (int)split, names[i]);
        metric->key = metric->name + split + 1;
        metric->better = esp_better_of(metric->key);
    }
    return esp_pool_status(&report->pool);
}

/* Which metrics chose an epoch: "test.hard_accuracy", more than one with commas between. */
static int find_monitors(esp_report_at *at, esp_report *report, esp_store *store, bool *any,
                         bool *known)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(
        esp_report_ask(&rows, store, report,
                       "SELECT DISTINCT s.at = :at, CASE s.at WHEN :at THEN s.monitor ELSE '' END"
                       " FROM study_trial t JOIN selection s ON s.trial = t.trial_key"
                       " WHERE t.study = :study AND t.revision = :revision ORDER BY 2"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":at", at->name));
    while (esp_report_next(rows, &status)) {
        *any = true;
        const char *monitor = esp_rows_text(rows, 1);
        if (esp_rows_integer(rows, 0) == 0) {
            continue;
        }
        *known = true;
        at->by_test = at->by_test || strncmp(monitor, "test.", 5) == 0;
        at->monitors = esp_pool_format(&report->pool, "%s%s%s", at->monitors,
                                       *at->monitors && *monitor ? ", " : "", monitor);
    }
out:
    esp_rows_close(rows);
    return status;
}

static int choose_ats(esp_report *report, esp_store *store, const esp_report_request *request)
{
    static const char *const usual[] = {"selected"};
    const char *const *names = usual;
    report->n_ats = 1;
    if (request->n_ats > 0) {
        names = request->ats;
        report->n_ats = request->n_ats;
    } else if (report->section.ats.n > 0) {
        names = report->section.ats.at;
        report->n_ats = report->section.ats.n;
    }
    report->ats = esp_pool_take(&report->pool, (size_t)report->n_ats * sizeof *report->ats);
    ESP_TRY(esp_pool_status(&report->pool));
    for (int i = 0; i < report->n_ats; i++) {
        bool any = false, known = false;
        report->ats[i] = (esp_report_at){.name = esp_report_keep(report, names[i]), .monitors = ""};
        ESP_TRY(find_monitors(&report->ats[i], report, store, &any, &known));
        bool plain = strcmp(names[i], "selected") == 0 || strcmp(names[i], "last") == 0;
        /* The section's epochs were checked with the study: no trial may have reached one yet. */
        if (request->n_ats > 0 && any && !known && !plain) {
            const char *plain_names[] = {"selected", "last"};
            const char *meant = esp_text_suggest(names[i], plain_names, 2);
            return esp_fail(ESP_USAGE, "no epoch is called '%s'%s%s%s; write selected, last or %s",
                            names[i], meant ? "; did you mean '" : "", meant ? meant : "",
                            meant ? "'?" : "", "selected:<metric> for a further selection monitor");
        }
        if (!known && strncmp(names[i], "selected:", 9) == 0) {
            report->ats[i].monitors = report->ats[i].name + 9;
            report->ats[i].by_test = strncmp(report->ats[i].monitors, "test.", 5) == 0;
        }
    }
    return ESP_OK;
}

/* Whether a metric, or the first of a list, is one of the test split. */
static bool is_of_test(const char *monitor)
{
    return monitor != NULL && strncmp(monitor + (*monitor == '['), "test.", 5) == 0;
}

/* Training that stops early or changes its learning rate by the test set, or goes on from the epoch
 * best there, has chosen its last epoch by it, too. */
static void find_training_by_test(esp_report *report)
{
    for (int c = 0; c < report->n_cells; c++) {
        const esp_report_cell *cell = &report->cells[c];
        for (int i = 0; i < cell->keys.n; i++) {
            const char *key = cell->keys.at[i], *last = strrchr(key, '.');
            const bool stops = strncmp(key, "phases.", 7) == 0 &&
                               (strstr(key, ".early_stopping.monitor") != NULL ||
                                strstr(key, ".schedule.monitor") != NULL) &&
                               is_of_test(cell->values.at[i]);
            const bool starts = last != NULL && strcmp(last, ".start_from") == 0 &&
                                strcmp(cell->values.at[i], "best") == 0 &&
                                is_of_test(esp_report_value(cell, "selection.monitor"));
            if (stops || starts) {
                report->training_saw_test = key;
            }
        }
    }
    for (int i = 0; i < report->n_ats && report->training_saw_test != NULL; i++) {
        report->ats[i].by_test = true;
    }
}

/* ---- the report ------------------------------------------------------------------------------ */

const char *esp_report_value(const esp_report_cell *cell, const char *key)
{
    if (strcmp(key, "variant") == 0) {
        return cell->variant;
    }
    if (strcmp(key, "cell") == 0) {
        return cell->label;
    }
    const char *bare = strncmp(key, "model.", 6) == 0 ? key + 6 : key;
    const char *derived = NULL;
    for (int i = 0; i < cell->keys.n; i++) {
        const char *name = cell->keys.at[i];
        if (strcmp(name, key) == 0) {
            return cell->values.at[i];
        }
        if (strcmp(strncmp(name, "model.", 6) == 0 ? name + 6 : name, bare) == 0) {
            derived = cell->values.at[i];
        }
    }
    return derived;
}

const esp_report_series *esp_report_series_of(const esp_report *report, const esp_report_cell *cell,
                                              int at, int metric)
{
    return &cell->series[at * report->n_metrics + metric];
}

static int load(esp_report *report, esp_store *store, const esp_report_request *request)
{
    ESP_TRY(load_revision(report, store, request));
    ESP_TRY(esp_report_load_cells(report, store));
    ESP_TRY(choose_metrics(report, store, request));
    ESP_TRY(choose_ats(report, store, request));
    find_training_by_test(report);
    ESP_TRY(esp_report_load_values(report, store));
    ESP_TRY(esp_report_compare(report));
    if (request->variance) {
        ESP_TRY(esp_report_load_variance(report, store));
    }
    ESP_TRY(esp_report_count(&report->stale, store, report,
                             "SELECT count(*) FROM stale_trials_all WHERE study = :study AND"
                             " revision = :revision"));
    ESP_TRY(esp_report_count(
        &report->mismatches, store, report,
        "SELECT count(*) FROM digest_mismatch d WHERE d.trial IN (SELECT trial_key FROM"
        " study_trial WHERE study = :study AND revision = :revision)"));
    ESP_TRY(esp_report_join_published(report, request));
    return esp_pool_status(&report->pool);
}

int esp_report_choose(char **name, esp_report_request *request, esp_store *store,
                      const char *const *texts, int n)
{
    int revision = 0;
    bool exists = false;
    ESP_TRY(esp_study_exists(&exists, store, texts[0]));
    if (n == 1 && (exists || strpbrk(texts[0], ": ") == NULL)) {
        ESP_TRY(esp_study_read(name, &revision, store, texts[0]));
        request->study = *name;
        if (revision > 0 && request->revision > 0 && revision != request->revision) {
            return esp_fail(ESP_USAGE, "%s and --revision %d are two revisions: name one", texts[0],
                            request->revision);
        }
        request->revision = revision > 0 ? revision : request->revision;
        return ESP_OK;
    }
    if (request->revision > 0) {
        return esp_fail(ESP_USAGE, "--revision takes one study: name revisions as STUDY@%d",
                        request->revision);
    }
    request->beside = true;
    ESP_TRY(esp_study_show(name, &revision, store, texts, n));
    request->study = *name;
    return ESP_OK;
}

int esp_report_load(esp_report **out, esp_store *store, const esp_report_request *request)
{
    esp_report *report = calloc(1, sizeof *report);
    if (report == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the report");
    }
    report->store = store;
    int status = load(report, store, request);
    if (status != ESP_OK) {
        esp_report_free(report);
        return status;
    }
    *out = report;
    return ESP_OK;
}

void esp_report_free(esp_report *report)
{
    if (report != NULL) {
        esp_pool_free(&report->pool);
        free(report);
    }
}
