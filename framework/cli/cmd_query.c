/* espalier query: SQL, or a query by name from analysis/, on the results database. */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/print_rows.h"
#include "core/log.h"
#include "core/status.h"
#include "report/named_query.h"

enum { MAX_SETS = 32 };

typedef struct arguments {
    const char *query, *database, *format_name;
    bool list;
    int n_sets;
    const char *sets[MAX_SETS]; /* "name=value" */
} arguments;

static void list_queries(const esp_named_queries *queries, const char *format_name)
{
    if (strcmp(format_name, "json") == 0) {
        json_t *array = json_array();
        for (int i = 0; i < queries->n; i++) {
            json_array_append_new(array, json_pack("{s:s, s:s}", "name", queries->at[i].name,
                                                   "answers", queries->at[i].answers));
        }
        json_dumpf(array, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(array);
        return;
    }
    for (int i = 0; i < queries->n; i++) {
        printf("%-12s %s\n", queries->at[i].name, queries->at[i].answers);
    }
    fflush(stdout);
    esp_log_note("(in %s; `espalier query NAME`, or any SELECT)", queries->folder);
}

/* What a named query's file says of it, and how to ask it. */
static void describe_query(const esp_named_query *query, const char *folder)
{
    printf("%s: %s\n", query->name, query->answers);
    bool first = true;
    for (const char *line = query->sql; strncmp(line, "--", 2) == 0;) {
        const int length = (int)strcspn(line, "\n");
        if (!first && strncmp(line, "-- :", 4) != 0) {
            printf("  %.*s\n", length - 2 - (line[2] == ' '), line + 2 + (line[2] == ' '));
        }
        first = false;
        line += length + (line[length] == '\n');
    }
    printf("%s", query->n_parameters > 0 ? "\nparameters, --set NAME=VALUE:\n" : "");
    for (int i = 0; i < query->n_parameters; i++) {
        const esp_query_parameter *parameter = &query->parameters[i];
        printf("  %-8s %s (default %s)\n", parameter->name, parameter->help, parameter->value);
    }
    printf("\nits SQL: %s/%s.sql\n", folder, query->name);
}

/* named: its parameters study, split, metric and at mean what the database knows by these names. */
static int answer(const char *sql, bool named, arguments *given, esp_row_format format)
{
    esp_store *store = NULL;
    esp_rows *rows = NULL;
    esp_text_pool pool = {0};
    int status = ESP_OK;
    size_t n_rows = 0;
    ESP_TRY(esp_store_open(&store, esp_store_default_path(given->database), ESP_STORE_READ));
    ESP_TRY_OUT(esp_query_show_studies(given->sets, given->n_sets, store, &pool));
    ESP_TRY_OUT(esp_query_open(&rows, store, sql));
    ESP_TRY_OUT(esp_query_bind(rows, sql, given->sets, given->n_sets));
    if (named) {
        ESP_TRY_OUT(esp_query_check_sets(store, given->sets, given->n_sets));
    }
    ESP_TRY_OUT(esp_print_rows(&n_rows, rows, format, 0, stdout));
    if (n_rows == 0 && format == ESP_ROWS_TEXT) {
        fflush(stdout);
        esp_log_note("(no rows)");
    }
out:
    esp_rows_close(rows);
    esp_store_close(store);
    esp_pool_free(&pool);
    return status;
}

static bool is_name(const char *query)
{
    for (; *query != '\0'; query++) {
        if (!isalnum((unsigned char)*query) && *query != '-' && *query != '_') {
            return false;
        }
    }
    return true;
}

enum { OPTION_SET = 1000, OPTION_LIST };

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        state->child_inputs[1] = &given->database;
        return 0;
    case OPTION_SET:
        if (given->n_sets == MAX_SETS) {
            argp_error(state, "more than %d --set", MAX_SETS);
        }
        given->sets[given->n_sets++] = argument;
        return 0;
    case OPTION_LIST:
        given->list = true;
        return 0;
    case ARGP_KEY_ARG:
        if (given->query != NULL) {
            argp_error(state, "one query at a time; quote SQL: espalier query \"SELECT ...\"");
        }
        given->query = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"list", OPTION_LIST, NULL, 0, "the queries there are by name (so without arguments)", 0},
        {"set", OPTION_SET, "NAME=VALUE", 0, "value of the query's parameter :NAME", 0},
        {0}};
    static const struct argp_child shared[] = {
        {&esp_format_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .options = options,
        .parser = parse_option,
        .children = shared,
        .args_doc = "[NAME|SQL]",
        .doc = "Asks the results database, read-only: a query by name, or one SELECT.\v"
               "`espalier query NAME --help` tells of one query: what it answers, its parameters. "
               "analysis/README.md describes the views. They show the revision run last;"
               " with --set study=STUDY@1 they show that one.\n\n"
               "examples:\n"
               "  espalier query --list\n"
               "  espalier query spread --help\n"
               "  espalier query spread --set study=quickstart --set metric=test.soft_accuracy\n"
               "  espalier query spread --set study=quickstart@1\n"
               "  espalier query \"SELECT cell, mean, sd FROM seed_stats WHERE at = 'selected'\"\n"
               "  espalier query curve --set study=table1 --format csv > curve.csv"};
    arguments given = {0};
    /* argp would take --help for the verb's */
    const bool help = argc == 3 && argv[1][0] != '-' && is_name(argv[1]) &&
                      (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-?") == 0);
    if (esp_argp_parse(&parser, help ? 2 : argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier query --help` shows how it is used");
    }
    if (given.list && given.query != NULL) {
        return esp_fail(ESP_USAGE, "--list lists the queries; it asks none, not '%s' either",
                        given.query);
    }
    esp_row_format format;
    ESP_TRY(esp_row_format_parse(&format, given.format_name));
    if (given.query != NULL && !is_name(given.query)) {
        return answer(given.query, false, &given, format);
    }
    esp_text_pool pool = {0};
    esp_named_queries queries;
    const esp_named_query *query = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_named_queries_read(&queries, &pool));
    if (given.query == NULL) {
        list_queries(&queries, given.format_name);
    } else {
        ESP_TRY_OUT(esp_named_query_find(&query, &queries, given.query));
        if (help) {
            describe_query(query, queries.folder);
        } else {
            status = answer(query->sql, true, &given, format);
        }
    }
out:
    esp_pool_free(&pool);
    return status;
}

const esp_command esp_cmd_query = {"query", "ask the results database, by name or in SQL", run};
