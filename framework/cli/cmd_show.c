/* espalier show: all that is known of one trial or one study. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/print_rows.h"
#include "cli/show_environment.h"
#include "cli/show_models.h"
#include "core/status.h"
#include "core/text.h"
#include "report/study_names.h"
#include "store/shown.h"

typedef struct arguments {
    const char *name, *database, *format_name;
} arguments;

/* A part of the answer: a heading, a query, and whether it gives one row to be shown as lines. */
typedef struct section {
    const char *key;
    const char *sql;
    bool single;
} section;

/* Whether a phase of trial t ends, changes its rate or begins by a metric of the test split. */
#define TRAINING_SAW_TEST                                                                          \
    "EXISTS (SELECT 1 FROM cell_trial ct JOIN cell_key k USING (cell) JOIN cell_key p USING"       \
    " (cell) WHERE ct.trial = t.id AND ltrim(k.value, '[') LIKE 'test.%' AND (k.key LIKE"          \
    " 'phases.%.monitor' OR k.key = 'selection.monitor' AND p.key LIKE '%.start_from'"             \
    " AND p.value = 'best'))"

/* What the database calls running was cut off where no run holds the trial. */
#define STATUS_OF(row, trial)                                                                      \
    " CASE WHEN " row ".status = 'running' AND NOT trial_is_held(" trial ")"                       \
    " THEN 'interrupted (its runner is gone)' ELSE " row ".status END AS status"

/* The revision that the trial's last attempt was run for; where none says, the last to plan it. */
#define REVISION_OF_TRIAL                                                                          \
    "coalesce((SELECT r.id FROM (SELECT e.content FROM attempt a JOIN trial t ON t.id = a.trial"   \
    " JOIN environment e ON e.id = a.environment WHERE t.trial_id = :name"                         \
    " ORDER BY a.number DESC LIMIT 1) JOIN study s ON s.name = content ->> '$.study.name'"         \
    " JOIN revision r ON r.study = s.id AND r.hash = content ->> '$.study.revision_hash'),"        \
    " (SELECT max(c.revision) FROM cell c JOIN cell_trial ct ON ct.cell = c.id"                    \
    " JOIN trial t ON t.id = ct.trial WHERE t.trial_id = :name))"

static const section trial_sections[] = {
    {"trial",
     "SELECT trial_id," STATUS_OF(
         "t", "t.id") ", seed_init, seed_order, seed_noise, created_at,"
                      " (SELECT max(epoch) FROM epoch e WHERE e.trial = t.id) AS epochs,"
                      " (SELECT count(*) FROM digest_mismatch m WHERE m.trial = t.id) AS "
                      "digest_mismatches"
                      " FROM trial t WHERE trial_id = :name",
     true},
    {"cells",
     "SELECT study, revision, cell, seed FROM study_trial WHERE trial_id = :name"
     " ORDER BY study, revision",
     false},
    /* Memory is the process's: trials that run beside each other share it. */
    {"attempts",
     "SELECT a.number," STATUS_OF(
         "a", "a.trial") ", a.host, a.process, a.first_epoch, a.epochs, a.started_at, a.ended_at,"
                         " a.seconds, a.peak_memory / 1000000 AS process_peak_megabytes,"
                         " substr(e.hash, 1, 8) AS environment, (SELECT s.name || ' ' || r.number"
                         " FROM study s JOIN revision r ON r.study = s.id"
                         " WHERE s.name = e.content ->> '$.study.name'"
                         " AND r.hash = e.content ->> '$.study.revision_hash') AS revision,"
                         " a.message FROM attempt a JOIN trial t ON t.id = a.trial"
                         " JOIN environment e ON e.id = a.environment"
                         " WHERE t.trial_id = :name ORDER BY a.number",
     false},
    {"selections",
     "SELECT s.at, s.epoch, s.monitor, CASE WHEN s.monitor LIKE 'test.%' THEN 'the test set!'"
     " WHEN " TRAINING_SAW_TEST " THEN 'training looked at the test set!' ELSE '' END"
     " AS chosen_by FROM selection s JOIN trial t ON t.id = s.trial"
     " WHERE t.trial_id = :name ORDER BY s.at = 'last', s.at",
     false},
    {"metrics",
     /* A trial that did not end well may lack selections: its last epoch is the last it has. */
     "WITH chosen AS (SELECT s.trial, s.epoch, s.at FROM trial t JOIN selection s"
     " ON s.trial = t.id WHERE t.trial_id = :name AND s.at IN ('selected', 'last')"
     " UNION ALL SELECT t.id, (SELECT max(e.epoch) FROM epoch e WHERE e.trial = t.id), 'last'"
     " FROM trial t WHERE t.trial_id = :name AND NOT EXISTS (SELECT 1 FROM selection s"
     " WHERE s.trial = t.id AND s.at = 'last')),"
     " found AS (SELECT c.at, v.split, v.metric, v.value FROM chosen c JOIN wide_value v"
     " ON v.trial = c.trial AND v.epoch = c.epoch WHERE v.value IS NOT NULL UNION ALL"
     " SELECT c.at, v.split, v.metric, v.value FROM chosen c JOIN tall_value v"
     " ON v.trial = c.trial AND v.epoch = c.epoch)"
     " SELECT split, metric, max(CASE at WHEN 'selected' THEN value END) AS selected,"
     " max(CASE at WHEN 'last' THEN value END) AS last FROM found GROUP BY split, metric",
     false},
    {"leaf_balance",
     "SELECT b.split, b.epoch, b.leaves, b.dead, b.entropy, b.cv, b.max_share FROM leaf_balance b"
     " WHERE b.trial_id = :name AND b.epoch = (SELECT max(e.epoch) FROM epoch e JOIN trial t"
     " ON t.id = e.trial WHERE t.trial_id = :name)",
     false},
    {"config",
     "SELECT k.key, k.value FROM cell_key k WHERE k.cell = (SELECT max(ct.cell) FROM cell_trial ct"
     " JOIN trial t ON t.id = ct.trial WHERE t.trial_id = :name) ORDER BY k.key",
     false},
    {"environment",
     "SELECT e.content FROM attempt a JOIN trial t ON t.id = a.trial JOIN environment e"
     " ON e.id = a.environment WHERE t.trial_id = :name ORDER BY a.number DESC LIMIT 1",
     true},
    {"environments",
     "SELECT e.hash, group_concat(a.number, ', ') AS attempts, e.content FROM attempt a"
     " JOIN trial t ON t.id = a.trial JOIN environment e ON e.id = a.environment"
     " WHERE t.trial_id = :name GROUP BY e.id ORDER BY max(a.number) DESC",
     false},
    {"revision",
     "SELECT s.name AS study, r.number AS revision, r.overrides, r.created_at FROM revision r"
     " JOIN study s ON s.id = r.study WHERE r.id = " REVISION_OF_TRIAL,
     true},
    {"text", "SELECT r.text FROM revision r WHERE r.id = " REVISION_OF_TRIAL, true},
};

static const section study_sections[] = {
    {"study",
     "SELECT s.name AS study, r.title, r.source, r.number AS revision,"
     " (SELECT count(*) FROM revision q WHERE q.study = s.id) AS revisions, r.overrides,"
     " r.variants, r.created_at, r.last_run_at FROM study s JOIN revision r"
     " ON r.id = s.current_revision WHERE s.name = :name",
     true},
    {"trials",
     "SELECT" STATUS_OF("t",
                        "t.trial_key") ", count(*) AS trials FROM study_trial t WHERE latest = 1"
                                       " AND study = :name GROUP BY 1",
     false},
    {"revisions",
     "SELECT r.number AS revision, iif(r.id = s.current_revision, 'yes', '') AS shown,"
     " r.overrides, r.created_at, r.last_run_at, (SELECT count(*) FROM study_trial t WHERE"
     " t.study = s.name AND t.revision = r.number AND t.status = 'done') AS done, (SELECT count(*)"
     " FROM study_trial t WHERE t.study = s.name AND t.revision = r.number) AS trials"
     " FROM study s JOIN revision r ON r.study = s.id WHERE s.name = :name ORDER BY r.number",
     false},
    {"text",
     "SELECT r.text FROM study s JOIN revision r ON r.id = s.current_revision"
     " WHERE s.name = :name",
     true},
};

/* ---- finding -----------------------------------------------------------------------------------
 */

/* ---- showing -----------------------------------------------------------------------------------
 */

/* JSON inside a text column as JSON, so that a reader parses once. */
static void open_json_texts(json_t *object)
{
    static const char *const keys[] = {"content", "overrides", "variants"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = json_string_value(json_object_get(object, keys[i]));
        json_t *parsed = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        if (parsed != NULL) {
            json_object_set_new(object, keys[i], parsed);
        }
    }
}

static void print_value(const json_t *value)
{
    if (json_is_string(value)) {
        puts(json_string_value(value));
    } else if (json_is_null(value)) {
        puts("-");
    } else {
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        putchar('\n');
    }
}

/* The one row of a section as lines "key  value", or its one long text as it is. */
static void print_single(const char *key, const json_t *object)
{
    const char *name;
    json_t *value;
    if (strcmp(key, "text") == 0) {
        printf("\ntext\n%s", json_string_value(json_object_get(object, "text")));
        return;
    }
    printf("%s%s\n", strcmp(key, "revision") == 0 ? "\n" : "", key);
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        printf("  %-18s ", name);
        print_value(value);
    }
}

/* The rows of a section as a table, or nothing where there are none. */
static int print_section(const section *part, esp_rows *rows)
{
    char *text = NULL;
    size_t length = 0, n_rows = 0;
    FILE *memory = open_memstream(&text, &length);
    if (memory == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for %s", part->key);
    }
    int status = esp_print_rows(&n_rows, rows, ESP_ROWS_TEXT, 2, memory);
    fclose(memory);
    if (status == ESP_OK && n_rows > 0) {
        printf("\n%s\n%s", part->key, text);
    }
    free(text);
    return status;
}

static int show_section(json_t *all, esp_store *store, const section *part, const char *name,
                        bool json)
{
    esp_rows *rows = NULL;
    json_t *array = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_of(&rows, store, part->sql, name));
    const bool is_environments = strcmp(part->key, "environments") == 0;
    if (!json && !part->single && !is_environments) {
        status = print_section(part, rows);
        goto out;
    }
    ESP_TRY_OUT(esp_rows_to_json(&array, rows));
    json_t *first = json_array_get(array, 0);
    for (size_t i = 0; i < json_array_size(array); i++) {
        open_json_texts(json_array_get(array, i));
    }
    if (json) {
        json_object_set(all, part->key,
                        !part->single   ? array
                        : first != NULL ? first
                                        : json_null());
    } else if (is_environments) {
        esp_show_environments(array, name);
    } else if (first != NULL && strcmp(part->key, "environment") != 0) { /* one of environments */
        print_single(part->key, first);
    }
out:
    json_decref(array);
    esp_rows_close(rows);
    return status;
}

static int show_sections(esp_store *store, const section *sections, int n_sections,
                         const char *name, const char *checkpoints, bool json)
{
    json_t *all = json_object();
    int status = ESP_OK;
    for (int i = 0; i < n_sections && status == ESP_OK; i++) {
        status = show_section(all, store, &sections[i], name, json);
    }
    if (status == ESP_OK && json) {
        if (checkpoints != NULL) {
            json_object_set_new(all, "checkpoints", json_string(checkpoints));
            json_object_set_new(all, "models", esp_models_to_json(checkpoints));
        }
        json_dumpf(all, stdout, JSON_INDENT(1));
        putchar('\n');
    } else if (status == ESP_OK && checkpoints != NULL) {
        printf("\ncheckpoints\n  %s%s\n", checkpoints,
               access(checkpoints, F_OK) == 0 ? "" : "  (none there)");
        json_t *models = esp_models_to_json(checkpoints), *model = NULL;
        size_t i = 0;
        json_array_foreach(models, i, model)
        {
            esp_model_print(model);
        }
        json_decref(models);
    }
    json_decref(all);
    return status;
}

static int show(esp_store *store, const char *name, bool json)
{
    bool is_study = false;
    ESP_TRY(esp_study_exists(&is_study, store, name));
    if (is_study || strchr(name, '@') != NULL) {
        char *study = NULL;
        int revision = 0;
        ESP_TRY(esp_study_read(&study, &revision, store, name));
        int status = revision > 0 ? esp_store_show_revision(store, study, revision) : ESP_OK;
        if (status == ESP_OK) {
            status = show_sections(store, study_sections,
                                   (int)(sizeof study_sections / sizeof *study_sections), study,
                                   NULL, json);
        }
        free(study);
        return status;
    }
    char id[17];
    ESP_TRY(esp_trial_find(id, store, name));
    char *checkpoints = esp_text_format("%s.checkpoints/%s", esp_store_path(store), id);
    int status =
        show_sections(store, trial_sections, (int)(sizeof trial_sections / sizeof *trial_sections),
                      id, checkpoints, json);
    free(checkpoints);
    return status;
}

static int show_model(const char *path, bool json)
{
    json_t *model = NULL;
    ESP_TRY(esp_model_to_json(&model, path));
    if (json) {
        json_dumpf(model, stdout, JSON_INDENT(1));
        putchar('\n');
    } else {
        esp_model_print(model);
    }
    json_decref(model);
    return ESP_OK;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        state->child_inputs[1] = &given->database;
        return 0;
    case ARGP_KEY_ARG:
        if (given->name != NULL) {
            argp_error(state, "one trial, study or model at a time");
        }
        given->name = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "show what? A trial's id, the beginning of one, or a study: "
                          "`espalier ls` lists them");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run(int argc, char **argv)
{
    static const struct argp_child shared[] = {
        {&esp_text_or_json_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = parse_option,
        .children = shared,
        .args_doc = "TRIAL|STUDY[@REVISION]|MODEL",
        .doc = "Shows all that is known of a trial or of a study, or what trained a model.\v"
               "TRIAL is an id or the beginning of one. A trial: status, attempts (memory is the "
               "process's, which trials that run beside each other share), metrics at its "
               "selected and last epoch, configuration, what trained it (a program, its source, "
               "libraries, a machine, data), the study's text and overrides, where its checkpoints "
               "are and what they were trained as; long diffs are whole in json. A study: its "
               "revisions with their overrides, and of the one run last, or the one named, its "
               "trials and text. A model: the trial, study, cell and seed that its file "
               "names.\n\n"
               "examples:\n"
               "  espalier show 3f2a\n"
               "  espalier show quickstart\n"
               "  espalier show quickstart@1\n"
               "  espalier show 3f2a --format json"};
    arguments given = {0};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier show --help` shows how it is used");
    }
    esp_row_format format;
    esp_store *store = NULL;
    ESP_TRY(esp_row_format_parse(&format, given.format_name));
    if (esp_is_model_path(given.name)) {
        return show_model(given.name, format == ESP_ROWS_JSON);
    }
    ESP_TRY(esp_store_open(&store, esp_store_default_path(given.database), ESP_STORE_READ));
    int status = show(store, given.name, format == ESP_ROWS_JSON);
    esp_store_close(store);
    return status;
}

const esp_command esp_cmd_show = {"show", "all about one trial, study or model", run};
