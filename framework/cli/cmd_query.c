/* espalier query: SQL, or a query by name from analysis/, on the results database. */
#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/print_rows.h"
#include "core/file.h"
#include "core/log.h"
#include "core/place.h"
#include "core/status.h"
#include "core/text.h"

enum { MAX_SETS = 32, MAX_QUERIES = 128, MAX_PARAMETERS = 32 };

typedef struct arguments {
    const char *query, *database, *format_name;
    int n_sets;
    char *sets[MAX_SETS]; /* "name=value", cut in two at use */
} arguments;

/* A parameter as a named query declares it: "-- :study %  studies, a LIKE pattern". */
typedef struct parameter {
    char name[64]; /* with its colon */
    char value[256];
} parameter;

/* ---- where queries lie -------------------------------------------------------------------------
 */

/* Owned by the caller. */
static char *query_folder(void)
{
    char *data = esp_place_data();
    char *folder = data != NULL ? esp_text_format("%s/analysis", data) : NULL;
    free(data);
    return folder;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Names without ".sql", in order; the caller frees each. */
static int query_names(char *names[MAX_QUERIES], const char *folder)
{
    int count = 0;
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL && count < MAX_QUERIES) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".sql") == 0) {
            names[count] = strndup(entry->d_name, length - 4);
            count += names[count] != NULL;
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    qsort(names, (size_t)count, sizeof *names, by_name);
    return count;
}

static int read_query(char **sql, const char *folder, const char *name)
{
    size_t length = 0;
    char *path = esp_text_format("%s/%s.sql", folder, name);
    if (path == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a path");
    }
    int status = esp_file_read(sql, &length, path);
    free(path);
    return status;
}

static int list_queries(const char *folder, const arguments *given)
{
    char *names[MAX_QUERIES];
    int count = query_names(names, folder), status = ESP_OK;
    bool json = strcmp(given->format_name, "json") == 0;
    json_t *array = json_array();
    for (int i = 0; i < count; i++) {
        char *sql = NULL;
        if (status == ESP_OK && (status = read_query(&sql, folder, names[i])) == ESP_OK) {
            const char *first = sql + strspn(sql, "- ");
            int length = (int)strcspn(first, "\n");
            if (json) {
                json_array_append_new(array, json_pack("{s:s, s:s%}", "name", names[i], "answers",
                                                       first, (size_t)length));
            } else {
                printf("%-12s %.*s\n", names[i], length, first);
            }
        }
        free(sql);
        free(names[i]);
    }
    if (json && status == ESP_OK) {
        json_dumpf(array, stdout, JSON_INDENT(1));
        putchar('\n');
    } else if (status == ESP_OK) {
        fflush(stdout);
        esp_log_note("(in %s; `espalier query NAME`, or any SELECT)", folder);
    }
    json_decref(array);
    return status;
}

static int unknown_query(const char *name, const char *folder)
{
    char *names[MAX_QUERIES];
    int count = query_names(names, folder);
    const char *meant = esp_text_suggest(name, (const char *const *)names, (size_t)count);
    int status = esp_fail(ESP_NOT_FOUND,
                          "no query named '%s' in %s%s%s%s; `espalier query` lists "
                          "them",
                          name, folder, meant ? "; did you mean '" : "", meant ? meant : "",
                          meant ? "'?" : "");
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    return status;
}

/* ---- parameters --------------------------------------------------------------------------------
 */

static int declared_parameters(parameter out[MAX_PARAMETERS], const char *sql)
{
    int count = 0;
    for (const char *line = sql; *line != '\0' && count < MAX_PARAMETERS;) {
        if (sscanf(line, "-- %63[:a-z0-9_] %255s", out[count].name, out[count].value) == 2 &&
            out[count].name[0] == ':' && strncmp(line, "-- :", 4) == 0) {
            count++;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return count;
}

/* Numbers as numbers, unless that would lose something ("007", an id of digits stays what it is).
 */
static int bind_value(esp_rows *rows, const char *name, const char *value)
{
    char *end = NULL;
    const char *digits = value + (*value == '-');
    size_t length = strlen(digits);
    bool leading_zero = digits[0] == '0' && isdigit((unsigned char)digits[1]);
    if (length > 0 && length < 16 && strspn(digits, "0123456789") == length && !leading_zero) {
        return esp_rows_bind_integer(rows, name, strtoll(value, NULL, 10));
    }
    if (isdigit((unsigned char)*digits) && strspn(digits, "0123456789.e-") == length &&
        strpbrk(digits, ".-") != NULL && !leading_zero) {
        double real = strtod(value, &end);
        if (*end == '\0' && isfinite(real)) {
            return esp_rows_bind_real(rows, name, real);
        }
    }
    return esp_rows_bind_text(rows, name, value);
}

static int unknown_parameter(esp_rows *rows, const char *name)
{
    const char *names[MAX_PARAMETERS];
    char list[1024] = "";
    int count = 0;
    for (int i = 0; i < esp_rows_parameters(rows) && count < MAX_PARAMETERS; i++) {
        names[count] = esp_rows_parameter_name(rows, i) + 1;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "", names[count]);
        count++;
    }
    const char *meant = esp_text_suggest(name, names, (size_t)count);
    return esp_fail(ESP_USAGE, "--set: the query has no parameter '%s'%s%s%s; it has %s", name,
                    meant ? ", did you mean '" : "", meant ? meant : "", meant ? "'" : "",
                    count > 0 ? list : "none");
}

static int bind_all(esp_rows *rows, arguments *given, const char *sql)
{
    parameter declared[MAX_PARAMETERS];
    int n_declared = declared_parameters(declared, sql);
    int n_parameters = esp_rows_parameters(rows);
    bool bound[MAX_PARAMETERS] = {false};
    if (n_parameters > MAX_PARAMETERS) {
        return esp_fail(ESP_USAGE, "a query has at most %d parameters", MAX_PARAMETERS);
    }
    for (int i = 0; i < n_parameters; i++) {
        const char *name = esp_rows_parameter_name(rows, i);
        for (int j = 0; j < n_declared; j++) {
            if (strcmp(declared[j].name, name) == 0) {
                bound[i] = true;
                ESP_TRY(strcmp(declared[j].value, "-") == 0
                            ? ESP_OK
                            : bind_value(rows, name, declared[j].value));
            }
        }
    }
    for (int i = 0; i < given->n_sets; i++) {
        char *equals = strchr(given->sets[i], '=');
        if (equals == NULL || equals == given->sets[i]) {
            return esp_fail(ESP_USAGE, "--set '%s': expected name=value", given->sets[i]);
        }
        *equals = '\0';
        bool found = false;
        for (int j = 0; j < n_parameters; j++) {
            const char *name = esp_rows_parameter_name(rows, j);
            if (strcmp(name + 1, given->sets[i]) == 0) {
                found = bound[j] = true;
                ESP_TRY(bind_value(rows, name, equals + 1));
            }
        }
        if (!found) {
            return unknown_parameter(rows, given->sets[i]);
        }
    }
    for (int i = 0; i < n_parameters; i++) {
        if (!bound[i]) {
            const char *name = esp_rows_parameter_name(rows, i);
            return name[1] != '\0'
                       ? esp_fail(ESP_USAGE, "parameter %s has no value; add --set %s=VALUE", name,
                                  name + 1)
                       : esp_fail(ESP_USAGE, "name the parameter: :name in place of ?");
        }
    }
    return ESP_OK;
}

/* ---- the query ---------------------------------------------------------------------------------
 */

/* After "no such table: X": which view or table could have been meant. */
static int suggest_table(esp_store *store, int status)
{
    const char *at = strstr(esp_message(), "no such table: ");
    if (at == NULL) {
        return status;
    }
    char *message = esp_text_format("%s", esp_message());
    char *wrong = esp_text_format("%s", at + strlen("no such table: "));
    esp_rows *rows = NULL;
    char *names[MAX_QUERIES];
    int count = 0;
    if (message != NULL && wrong != NULL &&
        esp_rows_open(&rows, store,
                      "SELECT name FROM sqlite_master WHERE type IN ('view', "
                      "'table') ORDER BY type DESC, name") == ESP_OK) {
        bool has_row = false;
        while (esp_rows_step(rows, &has_row) == ESP_OK && has_row && count < MAX_QUERIES) {
            names[count] = strdup(esp_rows_text(rows, 0));
            count += names[count] != NULL;
        }
        const char *meant = esp_text_suggest(wrong, (const char *const *)names, (size_t)count);
        esp_fail(status, "%s%s%s%s", message,
                 meant ? "; did you mean '"
                       : "; analysis/README.md "
                         "lists the views",
                 meant ? meant : "", meant ? "'?" : "");
    }
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    esp_rows_close(rows);
    free(message);
    free(wrong);
    return status;
}

static int answer(const char *sql, arguments *given, esp_row_format format)
{
    esp_store *store = NULL;
    esp_rows *rows = NULL;
    int status = ESP_OK;
    size_t n_rows = 0;
    ESP_TRY(esp_store_open(&store, esp_store_default_path(given->database), ESP_STORE_READ));
    status = esp_rows_open(&rows, store, sql);
    if (status != ESP_OK) {
        status = suggest_table(store, status);
        goto out;
    }
    ESP_TRY_OUT(bind_all(rows, given, sql));
    ESP_TRY_OUT(esp_print_rows(&n_rows, rows, format, 0, stdout));
    if (n_rows == 0 && format == ESP_ROWS_TEXT) {
        fflush(stdout);
        esp_log_note("(no rows)");
    }
out:
    esp_rows_close(rows);
    esp_store_close(store);
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

enum { OPTION_SET = 1000 };

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
        {"set", OPTION_SET, "NAME=VALUE", 0, "value of the query's parameter :NAME", 0}, {0}};
    static const struct argp_child shared[] = {
        {&esp_format_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .options = options,
        .parser = parse_option,
        .children = shared,
        .args_doc = "[NAME|SQL]",
        .doc = "Asks the results database, read-only: a query by name, or one SELECT.\v"
               "Without arguments: the queries there are by name. analysis/README.md describes "
               "the views.\n\n"
               "examples:\n"
               "  espalier query\n"
               "  espalier query spread --set study=quickstart\n"
               "  espalier query \"SELECT cell, mean, sd FROM seed_stats WHERE at = 'selected'\"\n"
               "  espalier query curve --set study=table1 --format csv > curve.csv"};
    argp_err_exit_status = esp_exit_code(ESP_USAGE);
    arguments given = {0};
    if (argp_parse(&parser, argc, argv, 0, NULL, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier query --help` shows how it is used");
    }
    esp_row_format format;
    ESP_TRY(esp_row_format_parse(&format, given.format_name));
    if (given.query != NULL && !is_name(given.query)) {
        return answer(given.query, &given, format);
    }
    char *folder = query_folder(), *sql = NULL;
    if (folder == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a path");
    }
    int status = ESP_OK;
    if (given.query == NULL) {
        status = list_queries(folder, &given);
    } else {
        status = read_query(&sql, folder, given.query);
        status = status == ESP_NOT_FOUND ? unknown_query(given.query, folder)
                 : status == ESP_OK      ? answer(sql, &given, format)
                                         : status;
    }
    free(sql);
    free(folder);
    return status;
}

const esp_command esp_cmd_query = {"query", "ask the results database, by name or in SQL", run};
