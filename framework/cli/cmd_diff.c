/* espalier diff: what differs between two trials, two variants or two studies. Each side is read
 * into {section: {key: {scope: value}}}, where the scope is a study's variant, else ""; whatever
 * the two do not share is printed. A key with several values (of cells, of seeds) holds them all.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/study_names.h"
#include "core/status.h"
#include "core/text.h"
#include "store/store.h"

typedef struct arguments {
    const char *names[2], *database, *format_name;
    int n_names;
} arguments;

typedef enum kind { TRIAL, VARIANT, STUDY } kind;
static const char *const kind_names[] = {"trial", "variant", "study"};

typedef struct side {
    kind kind;
    char *study, *variant; /* variant NULL: all of them */
    char trial[17];
    char *title;
    json_t *facts;
} side;

static const char *const sections[] = {"variants", "cells",       "config", "seeds",
                                       "trial",    "environment", "metrics"};
enum { N_SECTIONS = sizeof sections / sizeof *sections };

/* Queries give scope, key, value. */
typedef struct query {
    const char *section, *sql;
} query;

#define CELL_OF_TRIAL                                                                              \
    "(SELECT max(ct.cell) FROM cell_trial ct JOIN trial t ON t.id = ct.trial"                      \
    " WHERE t.trial_id = :trial)"
#define LATEST_ATTEMPT " AND a.number = (SELECT max(number) FROM attempt b WHERE b.trial = a.trial)"
#define FLAT_ENVIRONMENT                                                                           \
    " replace(substr(j.fullkey, 3), '\"', ''), j.atom FROM x JOIN environment e"                   \
    " ON e.id = x.environment, json_tree(e.content) j WHERE j.atom IS NOT NULL"
#define METRIC                                                                                     \
    "SELECT '', v.split || '.' || v.metric || ' at ' || s.at, printf('%!.17g', v.value) FROM"      \
    " trial t JOIN selection s ON s.trial = t.id CROSS JOIN "
#define METRIC_OF                                                                                  \
    " v ON v.trial = s.trial AND v.epoch = s.epoch WHERE t.trial_id = :trial"                      \
    " AND s.at IN ('selected', 'last') AND v.value IS NOT NULL"

static const query trial_queries[] = {
    {"config",
     "SELECT '', k.key, k.value FROM cell_key k WHERE k.cell = " CELL_OF_TRIAL " ORDER BY k.key"},
    {"seeds", "SELECT '', s.column1, CASE s.column1 WHEN 'init' THEN seed_init WHEN 'order' THEN"
              " seed_order ELSE seed_noise END FROM trial,"
              " (VALUES ('init'), ('order'), ('noise')) s WHERE trial_id = :trial"},
    {"trial", "SELECT '', 'status', status FROM trial WHERE trial_id = :trial UNION ALL"
              " SELECT '', 'epochs', (SELECT max(epoch) FROM epoch e WHERE e.trial = t.id)"
              " FROM trial t WHERE trial_id = :trial UNION ALL"
              " SELECT '', 'digest of parameters at ' || s.at, e.digest FROM trial t"
              " JOIN selection s ON s.trial = t.id JOIN epoch e ON e.trial = t.id"
              " AND e.epoch = s.epoch WHERE t.trial_id = :trial AND s.at IN ('selected', 'last')"
              " UNION ALL SELECT '', 'epoch ' || s.at, s.epoch FROM trial t JOIN selection s"
              " ON s.trial = t.id WHERE t.trial_id = :trial AND s.at = 'selected'"},
    {"environment", "WITH x AS (SELECT a.environment FROM attempt a JOIN trial t ON t.id = a.trial"
                    " WHERE t.trial_id = :trial" LATEST_ATTEMPT ") SELECT ''," FLAT_ENVIRONMENT},
    {"metrics",
     METRIC "wide_value" METRIC_OF " UNION ALL " METRIC "tall_value" METRIC_OF " ORDER BY 2"},
};

/* The scope is '' where one variant is asked for. */
#define SCOPE "SELECT DISTINCT CASE WHEN :variant IS NULL THEN variant ELSE '' END AS scope,"
#define MINE  " WHERE study = :study AND (:variant IS NULL OR variant = :variant)"

static const query study_queries[] = {
    {"variants", "SELECT DISTINCT '', variant, 'there' FROM study_cell WHERE study = :study"
                 " AND latest = 1 AND :variant IS NULL ORDER BY ordinal"},
    {"cells", SCOPE " substr(cell, length(variant) + 2), 'there' FROM study_cell" MINE
                    " AND latest = 1 AND cell <> variant ORDER BY ordinal"},
    {"config", SCOPE " key, value FROM cell_param" MINE " ORDER BY key, value"},
    {"seeds", SCOPE " 'seeds', seed FROM study_trial" MINE
                    " AND latest = 1 ORDER BY seed_init, seed_order, seed_noise"},
    {"environment", "WITH x AS (" SCOPE " a.environment FROM study_trial JOIN attempt a"
                    " ON a.trial = trial_key" LATEST_ATTEMPT MINE
                    " AND latest = 1) SELECT DISTINCT x.scope," FLAT_ENVIRONMENT " ORDER BY 2, 3"},
};

/* ---- finding ------------------------------------------------------------ */

static int find_variant(esp_store *store, const char *study, const char *variant)
{
    esp_rows *rows = NULL;
    bool has_row = false, found = false;
    char *names[256];
    int status = ESP_OK, count = 0;
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT DISTINCT variant FROM study_cell WHERE study = :study"
                              " AND latest = 1"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":study", study));
    while (!found && count < 256) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        found = strcmp(esp_rows_text(rows, 0), variant) == 0;
        names[count] = strdup(esp_rows_text(rows, 0));
        count += names[count] != NULL;
    }
    if (!found) {
        const char *meant = esp_text_suggest(variant, (const char *const *)names, (size_t)count);
        status = esp_fail(ESP_NOT_FOUND,
                          "no variant '%s' in study %s%s%s%s; `espalier ls %s` lists its cells",
                          variant, study, meant ? "; did you mean '" : "", meant ? meant : "",
                          meant ? "'?" : "", study);
    }
out:
    while (count > 0) {
        free(names[--count]);
    }
    esp_rows_close(rows);
    return status;
}

/* The trial's id, with study, cell and seed where the study run last has it. */
static int find_trial(side *out, esp_store *store, const char *prefix)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY(esp_trial_find(out->trial, store, prefix));
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT study || ': ' || cell || ' seed ' || seed FROM study_trial"
                              " WHERE trial_id = :id ORDER BY cell_key DESC LIMIT 1"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":id", out->trial));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    const char *label = has_row ? esp_rows_text(rows, 0) : NULL;
    out->title = esp_text_format("%s  %s", out->trial, label != NULL ? label : "");
out:
    esp_rows_close(rows);
    return status;
}

static int find_side(side *out, esp_store *store, const char *name)
{
    bool exists = false;
    const char *colon = strchr(name, ':');
    ESP_TRY(esp_study_exists(&exists, store, name));
    if (!exists && colon == NULL) {
        out->kind = TRIAL;
        return find_trial(out, store, name);
    }
    out->kind = exists ? STUDY : VARIANT;
    out->title = strdup(name);
    out->study = exists ? strdup(name) : strndup(name, (size_t)(colon - name));
    out->variant = exists ? NULL : strdup(colon + 1);
    if (out->title == NULL || out->study == NULL || (!exists && out->variant == NULL)) {
        return esp_fail(ESP_MEMORY, "no memory for %s", name);
    }
    if (!exists) {
        ESP_TRY(esp_study_must_exist(store, out->study));
        ESP_TRY(find_variant(store, out->study, out->variant));
    }
    return ESP_OK;
}

/* ---- reading ------------------------------------------------------------ */

static json_t *object_in(json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);
    if (found == NULL) {
        found = json_object();
        json_object_set_new(object, key, found);
    }
    return found;
}

static int read_facts(json_t *facts, esp_store *store, const side *from, const query *one)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(&rows, store, one->sql));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":trial", from->trial));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":study", from->study));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":variant", from->variant));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        const char *value = esp_rows_text(rows, 2), *scope = esp_rows_text(rows, 0);
        if (value == NULL) {
            continue;
        }
        json_t *scopes = object_in(object_in(facts, one->section), esp_rows_text(rows, 1));
        const char *before = json_string_value(json_object_get(scopes, scope));
        char *all = before != NULL ? esp_text_format("%s, %s", before, value) : strdup(value);
        json_object_set_new(scopes, scope, all != NULL ? json_string(all) : json_null());
        free(all);
    }
out:
    esp_rows_close(rows);
    return status;
}

/* Environments list plugins and data sets of the whole study: those that this configuration does
 * not use tell nothing about it. */
static bool is_used(const json_t *facts, const char *key)
{
    char name[128];
    const char *path;
    json_t *scopes;
    if (sscanf(key, "plugins.%127[^.]", name) == 1) {
        json_object_foreach(json_object_get(facts, "config"), path, scopes)
        {
            size_t length = strlen(name);
            if ((strncmp(path, "losses.", 7) == 0 && strncmp(path + 7, name, length) == 0 &&
                 strchr(".", path[7 + length]) != NULL) ||
                (strncmp(path, "heads.", 6) == 0 && strncmp(path + 6, name, length) == 0 &&
                 strchr(".", path[6 + length]) != NULL)) {
                return true;
            }
        }
        return false;
    }
    if (sscanf(key, "data.%127[^.]", name) == 1) {
        const char *scope;
        json_t *value;
        json_object_foreach(json_object_get(json_object_get(facts, "config"), "data.name"), scope,
                            value)
        {
            if (strstr(json_string_value(value), name) != NULL) {
                return true;
            }
        }
        return false;
    }
    return true;
}

static int read_side(side *out, esp_store *store, const char *name)
{
    ESP_TRY(find_side(out, store, name));
    out->facts = json_object();
    const query *queries = out->kind == TRIAL ? trial_queries : study_queries;
    size_t count = out->kind == TRIAL ? sizeof trial_queries / sizeof *trial_queries
                                      : sizeof study_queries / sizeof *study_queries;
    for (size_t i = 0; i < count; i++) {
        ESP_TRY(read_facts(out->facts, store, out, &queries[i]));
    }
    json_t *environment = json_object_get(out->facts, "environment");
    const char *key;
    void *next;
    json_t *scopes;
    json_object_foreach_safe(environment, next, key, scopes)
    {
        if (!is_used(out->facts, key)) {
            json_object_del(environment, key);
        }
    }
    return ESP_OK;
}

static void free_side(side *one)
{
    free(one->study);
    free(one->variant);
    free(one->title);
    json_decref(one->facts);
}

/* ---- comparing ------------------------------------------------------------ */

static json_t *value_of(const side *one, const char *section, const char *key, const char *scope)
{
    json_t *keys = json_object_get(one->facts, section);
    return json_object_get(json_object_get(keys, key), scope);
}

static bool same(const json_t *a, const json_t *b)
{
    return a == b || (a != NULL && b != NULL && json_equal(a, b));
}

/* phases.<phase>.KEY holds what KEY is during a phase: where it only repeats KEY's difference,
 * KEY's line says it. */
static bool is_repeated(const side *sides, const char *key, const char *scope)
{
    const char *base = strncmp(key, "phases.", 7) == 0 ? strchr(key + 7, '.') : NULL;
    if (base == NULL) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (!same(value_of(&sides[i], "config", key, scope),
                  value_of(&sides[i], "config", base + 1, scope))) {
            return false;
        }
    }
    return true;
}

static bool differs(const side *sides, const char *section, const char *key, const char *scope)
{
    return !same(value_of(&sides[0], section, key, scope),
                 value_of(&sides[1], section, key, scope)) &&
           !(strcmp(section, "config") == 0 && is_repeated(sides, key, scope));
}

static void add(json_t *list, const char *section, const char *key, const char *scope, json_t *a,
                json_t *b)
{
    json_t *one =
        json_pack("{s:s, s:s, s:O?, s:O?}", "section", section, "key", key, "a", a, "b", b);
    if (scope[0] != '\0') {
        json_object_set_new(one, "variant", json_string(scope));
    }
    if (strcmp(section, "metrics") == 0 && a != NULL && b != NULL) {
        double x = strtod(json_string_value(a), NULL), y = strtod(json_string_value(b), NULL);
        json_object_set_new(one, "a", json_real(x));
        json_object_set_new(one, "b", json_real(y));
        json_object_set_new(one, "delta", json_real(y - x));
    }
    json_array_append_new(list, one);
}

/* One key: once where all variants that both have differ alike, else by variant. */
static void compare_key(json_t *list, const side *sides, const char *section, const char *key)
{
    const char *scopes[256] = {""};
    int n_scopes = 0, n_differ = 0;
    bool alike = true;
    const char *name;
    json_t *there;
    if (strcmp(section, "variants") == 0 || sides[0].kind != STUDY) {
        n_scopes = 1;
    } else {
        json_object_foreach(json_object_get(sides[0].facts, "variants"), name, there)
        {
            if (value_of(&sides[1], "variants", name, "") != NULL && n_scopes < 256) {
                scopes[n_scopes++] = name;
            }
        }
    }
    json_t *first[2] = {NULL, NULL};
    for (int i = 0; i < n_scopes; i++) {
        json_t *a = value_of(&sides[0], section, key, scopes[i]);
        json_t *b = value_of(&sides[1], section, key, scopes[i]);
        first[0] = i == 0 ? a : first[0];
        first[1] = i == 0 ? b : first[1];
        n_differ += differs(sides, section, key, scopes[i]);
        alike = alike && same(a, first[0]) && same(b, first[1]);
    }
    if (n_differ == n_scopes && alike && n_scopes > 0) {
        add(list, section, key, "", first[0], first[1]);
        return;
    }
    for (int i = 0; n_differ > 0 && i < n_scopes; i++) {
        if (differs(sides, section, key, scopes[i])) {
            add(list, section, key, scopes[i], value_of(&sides[0], section, key, scopes[i]),
                value_of(&sides[1], section, key, scopes[i]));
        }
    }
}

static json_t *compare(const side *sides)
{
    json_t *list = json_array();
    for (int s = 0; s < N_SECTIONS; s++) {
        json_t *keys[2];
        for (int i = 0; i < 2; i++) {
            keys[i] = json_object_get(sides[i].facts, sections[s]);
        }
        bool none = (json_object_size(keys[0]) == 0) != (json_object_size(keys[1]) == 0);
        if (none &&
            (strcmp(sections[s], "environment") == 0 || strcmp(sections[s], "metrics") == 0)) {
            /* one of them never ran: a line, not a list of what the other has */
            json_t *words[2] = {json_string("recorded"), json_string("none yet")};
            int which = json_object_size(keys[0]) == 0;
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:O, s:O}", "section", sections[s], "key",
                                            "(all)", "a", words[which], "b", words[!which]));
            json_decref(words[0]);
            json_decref(words[1]);
            continue;
        }
        const char *key;
        json_t *scopes;
        json_object_foreach(keys[0], key, scopes)
        {
            compare_key(list, sides, sections[s], key);
        }
        json_object_foreach(keys[1], key, scopes)
        {
            if (json_object_get(keys[0], key) == NULL) {
                compare_key(list, sides, sections[s], key);
            }
        }
    }
    return list;
}

/* ---- printing ------------------------------------------------------------ */

enum { SHORT_VALUE = 40, LONG_VALUE = 400 };

/* A value as one line. */
static void value_text(char *out, size_t size, const json_t *value, int digits)
{
    if (json_is_real(value)) {
        snprintf(out, size, "%.*g", digits, json_real_value(value));
        return;
    }
    const char *text = json_is_string(value) ? json_string_value(value) : "-";
    snprintf(out, size, "%s", text);
    for (char *c = out; *c != '\0'; c++) {
        *c = *c == '\n' || *c == '\t' ? ' ' : *c;
    }
    if (strlen(text) >= size) {
        memcpy(out + size - 4, "...", 4);
    }
}

static void print_text(const json_t *list, const side *sides)
{
    const char *section = "";
    int width = 0;
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        int length = (int)strlen(json_string_value(json_object_get(one, "key")));
        const char *variant = json_string_value(json_object_get(one, "variant"));
        length += variant != NULL ? (int)strlen(variant) + 3 : 0;
        width = length > width ? length : width;
    }
    printf("A  %s %s\nB  %s %s\n", kind_names[sides[0].kind], sides[0].title,
           kind_names[sides[1].kind], sides[1].title);
    json_array_foreach(list, i, one)
    {
        char a[LONG_VALUE], b[LONG_VALUE], key[256];
        const json_t *values[2] = {json_object_get(one, "a"), json_object_get(one, "b")};
        const char *variant = json_string_value(json_object_get(one, "variant"));
        const char *here = json_string_value(json_object_get(one, "section"));
        value_text(a, sizeof a, values[0], 6);
        value_text(b, sizeof b, values[1], 6);
        if (strcmp(a, b) == 0) {
            value_text(a, sizeof a, values[0], 17);
            value_text(b, sizeof b, values[1], 17);
        }
        snprintf(key, sizeof key, "%s%s%s%s", json_string_value(json_object_get(one, "key")),
                 variant ? " [" : "", variant ? variant : "", variant ? "]" : "");
        if (strcmp(section, here) != 0) {
            printf("\n%s\n", here);
            section = here;
        }
        if (strlen(a) > SHORT_VALUE || strlen(b) > SHORT_VALUE) {
            printf("  %s\n    A  %s\n    B  %s\n", key, a, b);
        } else {
            printf("  %-*s  %-14s  %s", width, key, a, b);
            if (json_object_get(one, "delta") != NULL) {
                printf("%*s  (%+.3g)", (int)strlen(b) < 14 ? 14 - (int)strlen(b) : 0, "",
                       json_real_value(json_object_get(one, "delta")));
            }
            putchar('\n');
        }
    }
    if (json_array_size(list) == 0) {
        printf("\nnothing differs\n");
    }
}

static int print_json(json_t *list, const side *sides)
{
    json_t *all = json_pack("{s:s, s:s, s:s, s:O}", "kind", kind_names[sides[0].kind], "a",
                            sides[0].title, "b", sides[1].title, "differences", list);
    int failed = all == NULL || json_dumpf(all, stdout, JSON_INDENT(1)) != 0;
    json_decref(all);
    putchar('\n');
    return failed ? esp_fail(ESP_MEMORY, "no memory for the differences") : ESP_OK;
}

/* ---- the verb ------------------------------------------------------------ */

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        state->child_inputs[1] = &given->database;
        return 0;
    case ARGP_KEY_ARG:
        if (given->n_names == 2) {
            argp_error(state, "two at a time");
        }
        given->names[given->n_names++] = argument;
        return 0;
    case ARGP_KEY_END:
        if (given->n_names < 2) {
            argp_error(state, "two trials, two studies or two STUDY:VARIANT are compared; "
                              "`espalier ls` lists them");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int diff(esp_store *store, const arguments *given, bool json)
{
    side sides[2] = {{0}, {0}};
    json_t *list = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(read_side(&sides[0], store, given->names[0]));
    ESP_TRY_OUT(read_side(&sides[1], store, given->names[1]));
    if (sides[0].kind != sides[1].kind) {
        status = esp_fail(ESP_USAGE, "'%s' is a %s and '%s' a %s: only like is compared with like",
                          given->names[0], kind_names[sides[0].kind], given->names[1],
                          kind_names[sides[1].kind]);
        goto out;
    }
    list = compare(sides);
    if (json) {
        status = print_json(list, sides);
    } else {
        print_text(list, sides);
    }
out:
    json_decref(list);
    free_side(&sides[0]);
    free_side(&sides[1]);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct argp_child shared[] = {
        {&esp_format_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = parse_option,
        .children = shared,
        .args_doc = "TRIAL|STUDY[:VARIANT] TRIAL|STUDY[:VARIANT]",
        .doc =
            "Prints what differs between two trials, two variants or two studies, and nothing "
            "else.\v"
            "Compared are the resolved configuration, seeds, and what trained them last: "
            "executable, plugins and data sets in use, compiler, CPU, BLAS kernel; of trials also "
            "status, digests of the parameters, and metrics at the selected and the last epoch. "
            "A trial is an id or the beginning of one; of a study the revision run last counts. "
            "Formats are text and json.\n\n"
            "examples:\n"
            "  espalier diff 3f2a 81c0\n"
            "  espalier diff quickstart:baseline quickstart:balanced\n"
            "  espalier diff table1 table2 --format json"};
    argp_err_exit_status = esp_exit_code(ESP_USAGE);
    arguments given = {0};
    if (argp_parse(&parser, argc, argv, 0, NULL, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier diff --help` shows how it is used");
    }
    bool json = strcmp(given.format_name, "json") == 0;
    if (!json && strcmp(given.format_name, "text") != 0) {
        return esp_fail(ESP_USAGE, "diff writes text or json, not '%s'", given.format_name);
    }
    esp_store *store = NULL;
    ESP_TRY(esp_store_open(&store, esp_store_default_path(given.database), ESP_STORE_READ));
    int status = diff(store, &given, json);
    esp_store_close(store);
    return status;
}

const esp_command esp_cmd_diff = {"diff", "what differs between two trials, variants or studies",
                                  run};
