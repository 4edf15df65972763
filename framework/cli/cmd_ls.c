/* espalier ls: the studies of the results database, or one study's cells and trials. */

#include <stdlib.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/print_rows.h"
#include "core/log.h"
#include "core/status.h"
#include "report/status_sql.h"
#include "report/study_names.h"

typedef struct arguments {
    const char *study, *database, *format_name;
} arguments;

static const char studies_sql[] = ESP_STUDIES_SQL;

static const char cells_sql[] = "SELECT t.cell," ESP_STATES_SQL " FROM study_trial t JOIN cell c"
                                " ON c.id = t.cell_key WHERE t.latest = 1 AND t.study = :name"
                                " GROUP BY t.cell_key ORDER BY c.ordinal";

static const char trials_sql[] =
    "SELECT t.trial_id, CASE WHEN t.status = 'running' AND NOT trial_is_held(t.trial_key) THEN "
    "'cut off'"
    " ELSE t.status END AS status, t.cell, t.seed,"
    " (SELECT max(epoch) FROM epoch e WHERE e.trial = t.trial_key) AS epochs,"
    " (SELECT sum(seconds) FROM attempt a WHERE a.trial = t.trial_key) AS seconds"
    " FROM study_trial t JOIN cell c ON c.id = t.cell_key"
    " WHERE t.latest = 1 AND t.study = :name"
    " ORDER BY c.ordinal, t.seed_init, t.seed_order, t.seed_noise";

static int list_studies(esp_store *store, esp_row_format format)
{
    esp_rows *rows = NULL;
    size_t n_rows = 0;
    int status = esp_rows_of(&rows, store, studies_sql, NULL);
    if (status == ESP_OK) {
        status = esp_print_rows(&n_rows, rows, format, 0, stdout);
    }
    esp_rows_close(rows);
    if (status == ESP_OK && n_rows == 0 && format == ESP_ROWS_TEXT) {
        fflush(stdout);
        esp_log_note("(no studies yet: `espalier run STUDY.yaml`)");
    }
    return status;
}

static int list_study(esp_store *store, const char *study, esp_row_format format)
{
    static const char *const parts[] = {"cells", "trials"};
    static const char *const texts[] = {cells_sql, trials_sql};
    char *name = NULL;
    ESP_TRY(esp_study_show(&name, NULL, store, &study, 1));
    json_t *object = json_pack("{s:s}", "study", name);
    int status = ESP_OK;
    /* A CSV file is one table: the trials, each with its cell. */
    for (int i = format == ESP_ROWS_CSV; i < 2 && status == ESP_OK; i++) {
        esp_rows *rows = NULL;
        json_t *array = NULL;
        status = esp_rows_of(&rows, store, texts[i], name);
        if (status == ESP_OK && format == ESP_ROWS_JSON) {
            status = esp_rows_to_json(&array, rows);
            json_object_set_new(object, parts[i], array);
        } else if (status == ESP_OK) {
            fputs(i > 0 && format != ESP_ROWS_CSV ? "\n" : "", stdout);
            status = esp_print_rows(NULL, rows, format, 0, stdout);
        }
        esp_rows_close(rows);
    }
    if (status == ESP_OK && format == ESP_ROWS_JSON) {
        json_dumpf(object, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(object);
    free(name);
    return status;
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
        if (given->study != NULL) {
            argp_error(state, "one study at a time");
        }
        given->study = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run(int argc, char **argv)
{
    static const struct argp_child shared[] = {
        {&esp_format_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = parse_option,
        .children = shared,
        .args_doc = "[STUDY[@REVISION]]",
        .doc = "Lists the studies of the results database, or the cells and trials of one.\v"
               "Counts are of the revision run last, or of the one named. A trial whose runner was "
               "killed is cut off and "
               "counts as interrupted. CSV of a study is its trials. `espalier show` tells all "
               "about a trial.\n\n"
               "examples:\n"
               "  espalier ls\n"
               "  espalier ls quickstart\n"
               "  espalier ls quickstart@1\n"
               "  espalier ls quickstart --format json"};
    arguments given = {0};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier ls --help` shows how it is used");
    }
    esp_row_format format;
    esp_store *store = NULL;
    ESP_TRY(esp_row_format_parse(&format, given.format_name));
    ESP_TRY(esp_store_open(&store, esp_store_default_path(given.database), ESP_STORE_READ));
    int status =
        given.study == NULL ? list_studies(store, format) : list_study(store, given.study, format);
    esp_store_close(store);
    return status;
}

const esp_command esp_cmd_ls = {"ls", "list studies, or a study's cells and trials", run};
