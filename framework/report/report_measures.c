/* What a report asks the database for beside recorded metrics: trials beyond the failure limit, the
 * size of test sets, builds of plugins. */
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "report/report_query.h"

/* Done trials whose metric is beyond the section's limit, at one epoch. */
static int count_beyond(esp_report *report, esp_store *store, int at)
{
    const esp_failure_rule *rule = &report->section.failure;
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_report_ask(&rows, store, report,
                               "SELECT cell_key, total(CASE WHEN :above THEN value > :limit ELSE"
                               " value < :limit END) FROM trial_final_all WHERE study = :study AND"
                               " revision = :revision AND status = 'done' AND at = :at AND"
                               " split || '.' || metric = :metric GROUP BY cell_key"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":at", report->ats[at].name));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":metric", rule->metric));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":above", rule->above));
    ESP_TRY_OUT(esp_rows_bind_real(rows, ":limit", rule->limit));
    while (esp_report_next(rows, &status)) {
        esp_report_cell_of(report, esp_rows_integer(rows, 0))->beyond[at] =
            (int)esp_rows_integer(rows, 1);
    }
out:
    esp_rows_close(rows);
    return status;
}

/* Which files of plugins that espalier does not ship trained each cell's done trials. A trial is of
 * every attempt since the last one that began it. */
static int count_builds(esp_report *report, esp_store *store)
{
    static const char sql[] =
        "WITH used AS MATERIALIZED (SELECT DISTINCT a.environment FROM study_cell c CROSS JOIN"
        "  cell_trial ct ON ct.cell = c.cell_key CROSS JOIN attempt a ON a.trial = ct.trial"
        "  WHERE c.study = :study AND c.revision = :revision),"
        " files AS MATERIALIZED (SELECT u.environment, p.key AS plugin,"
        "  json_extract(p.value, '$.sha256') AS file, json_extract(p.value, '$.shipped') AS shipped"
        "  FROM used u CROSS JOIN environment e ON e.id = u.environment CROSS JOIN"
        "  json_each(e.content, '$.plugins') p),"
        " own AS MATERIALIZED (SELECT environment, plugin, file FROM files WHERE plugin IN"
        "  (SELECT plugin FROM files WHERE shipped = 0))"
        "SELECT c.cell_key, o.plugin, count(DISTINCT o.file), min(o.file), max(o.file)"
        " FROM study_cell c CROSS JOIN cell k ON k.id = c.cell_key CROSS JOIN cell_trial ct ON"
        " ct.cell = c.cell_key CROSS JOIN trial t ON t.id = ct.trial AND t.status = 'done'"
        " CROSS JOIN attempt a ON a.trial = t.id AND a.number >= (SELECT max(b.number) FROM attempt"
        " b WHERE b.trial = t.id AND b.first_epoch = 0) CROSS JOIN own o ON o.environment ="
        " a.environment AND (json_type(k.config, '$.losses.\"' || o.plugin || '\"') IS NOT NULL OR"
        " json_type(k.config, '$.heads.\"' || o.plugin || '\"') IS NOT NULL)"
        " WHERE c.study = :study AND c.revision = :revision GROUP BY o.plugin, c.cell_key"
        " ORDER BY o.plugin, c.cell_key";
    esp_rows *rows = NULL;
    int status = ESP_OK, any = 0;
    const char *last_plugin = "", *last_file = "";
    ESP_TRY(esp_report_count(&any, store, report,
                             "SELECT count(*) FROM environment WHERE :study <> '' AND :revision > 0"
                             " AND instr(content, '\"shipped\":false') > 0"));
    if (any == 0) {
        return ESP_OK;
    }
    ESP_TRY_OUT(esp_report_ask(&rows, store, report, sql));
    while (esp_report_next(rows, &status)) {
        esp_report_cell *cell = esp_report_cell_of(report, esp_rows_integer(rows, 0));
        const char *plugin = esp_report_keep(report, esp_rows_text(rows, 1));
        const int builds = (int)esp_rows_integer(rows, 2);
        const char *file = esp_report_keep(report, esp_rows_text(rows, 3));
        const bool differs = strcmp(plugin, last_plugin) == 0 && strcmp(file, last_file) != 0;
        if (builds > 1) {
            cell->builds = builds > cell->builds ? builds : cell->builds;
        }
        if (builds > 1 || differs) {
            report->mixed = plugin;
        }
        last_plugin = plugin;
        last_file = file;
    }
out:
    esp_rows_close(rows);
    return status;
}

/* How many leaves see one example: 1 of a tree, top_k of a gate, all trees of fff_nodes. */
static double choices_of(const esp_report_cell *cell)
{
    const char *kind = esp_report_value(cell, "model.kind");
    const char *choices = kind == NULL                     ? NULL
                          : strcmp(kind, "moe") == 0       ? esp_report_value(cell, "model.top_k")
                          : strcmp(kind, "fff_nodes") == 0 ? esp_report_value(cell, "model.trees")
                                                           : NULL;
    double n = choices != NULL ? strtod(choices, NULL) : 1;
    return n > 0 ? n : 1;
}

/* Whether two cells are tested on as many examples: the same data, and the same fraction of it. */
static bool same_test_set(const esp_report_cell *a, const esp_report_cell *b)
{
    const char *data = esp_report_value(a, "data.name");
    const char *other_data = esp_report_value(b, "data.name");
    const char *test = esp_report_value(a, "data.test");
    const char *other_test = esp_report_value(b, "data.test");
    return data != NULL && other_data != NULL && strcmp(data, other_data) == 0 &&
           strcmp(test != NULL ? test : "0", other_test != NULL ? other_test : "0") == 0;
}

/* Examples of the test set, by what the leaves of one trial counted; cells without leaves learn it
 * from others with the same data. */
static int load_examples(esp_report *report, esp_store *store)
{
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_report_ask(
        &rows, store, report,
        "SELECT t.cell_key, (SELECT sum(l.count) FROM leaf_load l WHERE l.trial_id = t.trial_id AND"
        " l.epoch = s.epoch AND l.split = 'test') FROM (SELECT cell_key, min(trial_key) AS"
        " trial_key, trial_id FROM study_trial WHERE study = :study AND revision = :revision AND"
        " status = 'done' GROUP BY cell_key) t JOIN selection s ON s.trial = t.trial_key AND"
        " s.at = 'last'"));
    while (esp_report_next(rows, &status)) {
        esp_report_cell *cell = esp_report_cell_of(report, esp_rows_integer(rows, 0));
        cell->examples = esp_rows_real(rows, 1) / choices_of(cell);
    }
    for (int i = 0; i < report->n_cells; i++) {
        esp_report_cell *cell = &report->cells[i];
        for (int j = 0; j < report->n_cells && !(cell->examples > 0); j++) {
            if (report->cells[j].examples > 0 && same_test_set(cell, &report->cells[j])) {
                cell->examples = report->cells[j].examples;
            }
        }
    }
out:
    esp_rows_close(rows);
    return status;
}

int esp_report_load_measures(esp_report *report, esp_store *store)
{
    for (int i = 0; i < report->n_cells; i++) {
        report->cells[i].beyond =
            esp_pool_take(&report->pool, (size_t)report->n_ats * sizeof *report->cells[i].beyond);
    }
    ESP_TRY(esp_pool_status(&report->pool));
    for (int at = 0; at < report->n_ats && report->section.failure.metric != NULL; at++) {
        ESP_TRY(count_beyond(report, store, at));
    }
    ESP_TRY(count_builds(report, store));
    return load_examples(report, store);
}
