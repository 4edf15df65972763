#include "report/named_query.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/place.h"
#include "core/status.h"
#include "core/text.h"
#include "report/study_names.h"

/* ---- the files ------------------------------------------------------------------------------- */

static int by_name(const void *left, const void *right)
{
    return strcmp(((const esp_named_query *)left)->name, ((const esp_named_query *)right)->name);
}

/* Lines "-- :name default what it is". */
static int declared_parameters(esp_query_parameter out[ESP_MAX_QUERY_PARAMETERS],
                               esp_text_pool *pool, const char *sql)
{
    int count = 0;
    for (const char *line = sql; *line != '\0' && count < ESP_MAX_QUERY_PARAMETERS;) {
        const int length = (int)strcspn(line, "\n");
        char name[64], value[256];
        int used = 0;
        if (strncmp(line, "-- :", 4) == 0 &&
            sscanf(line, "-- :%63[a-z0-9_] %255s %n", name, value, &used) == 2) {
            out[count++] = (esp_query_parameter){
                .name = esp_pool_format(pool, "%s", name),
                .value = esp_pool_format(pool, "%s", value),
                .help =
                    esp_pool_format(pool, "%.*s", used < length ? length - used : 0, line + used),
            };
        }
        line += length + (line[length] == '\n');
    }
    return count;
}

static int read_query(esp_named_query *out, esp_text_pool *pool, const char *folder,
                      const char *file)
{
    char *sql = NULL;
    size_t length = 0;
    ESP_TRY(esp_file_read(&sql, &length, esp_pool_format(pool, "%s/%s", folder, file)));
    const char *first = sql + strspn(sql, "- ");
    out->name = esp_pool_format(pool, "%.*s", (int)strlen(file) - 4, file);
    out->answers = esp_pool_format(pool, "%.*s", (int)strcspn(first, "\n"), first);
    out->sql = esp_pool_format(pool, "%s", sql);
    out->n_parameters = declared_parameters(out->parameters, pool, out->sql);
    free(sql);
    return esp_pool_status(pool);
}

int esp_named_queries_read(esp_named_queries *out, esp_text_pool *pool)
{
    char *data = esp_place_data();
    *out = (esp_named_queries){.folder = esp_pool_format(pool, "%s/analysis", data ? data : ".")};
    out->at = esp_pool_take(pool, ESP_MAX_QUERIES * sizeof *out->at);
    free(data);
    DIR *directory = opendir(out->folder);
    const struct dirent *entry;
    int status = esp_pool_status(pool);
    while (status == ESP_OK && directory != NULL && (entry = readdir(directory)) != NULL &&
           out->n < ESP_MAX_QUERIES) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".sql") == 0) {
            status = read_query(&out->at[out->n++], pool, out->folder, entry->d_name);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    if (status == ESP_OK) {
        qsort(out->at, (size_t)out->n, sizeof *out->at, by_name);
    }
    return status;
}

int esp_named_query_find(const esp_named_query **out, const esp_named_queries *queries,
                         const char *name)
{
    const char *names[ESP_MAX_QUERIES];
    *out = NULL;
    for (int i = 0; i < queries->n; i++) {
        names[i] = queries->at[i].name;
        if (strcmp(names[i], name) == 0) {
            *out = &queries->at[i];
            return ESP_OK;
        }
    }
    const char *meant = esp_text_suggest(name, names, (size_t)queries->n);
    return esp_fail(ESP_NOT_FOUND, "no query named '%s' in %s%s%s%s; `espalier query` lists them",
                    name, queries->folder, meant ? "; did you mean '" : "", meant ? meant : "",
                    meant ? "'?" : "");
}

/* ---- parameters ------------------------------------------------------------------------------ */

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
    const char *names[ESP_MAX_QUERY_PARAMETERS];
    char list[1024] = "";
    int count = 0;
    for (int i = 0; i < esp_rows_parameters(rows) && count < ESP_MAX_QUERY_PARAMETERS; i++) {
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

static int bind_declared(bool bound[], esp_rows *rows, const char *sql)
{
    esp_text_pool pool = {0};
    esp_query_parameter declared[ESP_MAX_QUERY_PARAMETERS];
    int n_declared = declared_parameters(declared, &pool, sql);
    int status = esp_pool_status(&pool);
    for (int i = 0; i < esp_rows_parameters(rows); i++) {
        const char *name = esp_rows_parameter_name(rows, i);
        for (int j = 0; j < n_declared && status == ESP_OK; j++) {
            if (strcmp(declared[j].name, name + 1) == 0) {
                bound[i] = true;
                status = strcmp(declared[j].value, "-") == 0
                             ? ESP_OK
                             : bind_value(rows, name, declared[j].value);
            }
        }
    }
    esp_pool_free(&pool);
    return status;
}

/* Binds the parameter of this name; *found where there is one. */
static int bind_named(bool *found, bool bound[], esp_rows *rows, const char *set, size_t length,
                      const char *value)
{
    for (int i = 0; i < esp_rows_parameters(rows); i++) {
        const char *name = esp_rows_parameter_name(rows, i);
        if (strncmp(name + 1, set, length) == 0 && name[1 + length] == '\0') {
            *found = bound[i] = true;
            ESP_TRY(bind_value(rows, name, value));
        }
    }
    return ESP_OK;
}

/* The characters of "test." in "test.hard_accuracy"; 0 without a split. */
static size_t split_length(const char *metric)
{
    static const char *const splits[] = {"train.", "validation.", "test."};
    for (int i = 0; i < 3; i++) {
        if (strncmp(metric, splits[i], strlen(splits[i])) == 0) {
            return strlen(splits[i]);
        }
    }
    return 0;
}

static int bind_set(bool bound[], esp_rows *rows, const char *set)
{
    const char *equals = strchr(set, '=');
    if (equals == NULL || equals == set) {
        return esp_fail(ESP_USAGE, "--set '%s': expected name=value", set);
    }
    const size_t length = (size_t)(equals - set);
    const char *value = equals + 1;
    bool found = false;
    if (strncmp(set, "metric=", 7) == 0 && split_length(value) > 0) {
        char split[16];
        bool has_split = false;
        snprintf(split, sizeof split, "%.*s", (int)split_length(value) - 1, value);
        ESP_TRY(bind_named(&has_split, bound, rows, "split", 5, split));
        value += has_split ? split_length(value) : 0;
    }
    ESP_TRY(bind_named(&found, bound, rows, set, length, value));
    if (found) {
        return ESP_OK;
    }
    char *wrong = esp_text_format("%.*s", (int)length, set);
    int status = unknown_parameter(rows, wrong != NULL ? wrong : "");
    free(wrong);
    return status;
}

int esp_query_bind(esp_rows *rows, const char *sql, const char *const *sets, int n_sets)
{
    bool bound[ESP_MAX_QUERY_PARAMETERS] = {false};
    int n_parameters = esp_rows_parameters(rows);
    if (n_parameters > ESP_MAX_QUERY_PARAMETERS) {
        return esp_fail(ESP_USAGE, "a query has at most %d parameters", ESP_MAX_QUERY_PARAMETERS);
    }
    ESP_TRY(bind_declared(bound, rows, sql));
    for (int i = 0; i < n_sets; i++) {
        ESP_TRY(bind_set(bound, rows, sets[i]));
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

/* ---- values that the database knows ---------------------------------------------------------- */

typedef struct known_values {
    const char *parameter, *sql; /* one column of names; :value is bound */
} known_values;

static int check_value(esp_store *store, const known_values *known, const char *value)
{
    esp_text_pool pool = {0};
    const char *names[ESP_MAX_QUERIES];
    char list[512] = "";
    esp_rows *rows = NULL;
    bool has_row = false, found = false;
    int count = 0, status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(&rows, store, known->sql));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":value", value));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        found = found || esp_rows_integer(rows, 1) != 0;
        if (count < ESP_MAX_QUERIES) {
            const size_t used = strlen(list);
            names[count] = esp_pool_format(&pool, "%s", esp_rows_text(rows, 0));
            snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "", names[count]);
            count++;
        }
    }
    ESP_TRY_OUT(esp_pool_status(&pool));
    if (!found && count > 0) {
        const char *meant = esp_text_suggest(value, names, (size_t)count);
        status = esp_fail(ESP_NOT_FOUND, "--set %s: no '%s' in %s; %s%s%s", known->parameter, value,
                          esp_store_path(store), meant ? "did you mean '" : "it has ",
                          meant ? meant : list, meant ? "'?" : "");
    }
out:
    esp_rows_close(rows);
    esp_pool_free(&pool);
    return status;
}

int esp_query_show_studies(const char **sets, int n_sets, esp_store *store, esp_text_pool *pool)
{
    for (int i = 0; i < n_sets; i++) {
        const char *value = strncmp(sets[i], "study=", 6) == 0 ? sets[i] + 6 : NULL;
        bool exists = true;
        if (value == NULL || strpbrk(value, "@: ") == NULL) {
            continue;
        }
        ESP_TRY(esp_study_exists(&exists, store, value));
        if (!exists) {
            char *name = NULL;
            ESP_TRY(esp_study_show(&name, NULL, store, &value, 1));
            sets[i] = esp_pool_format(pool, "study=%s", name);
            free(name);
        }
    }
    return esp_pool_status(pool);
}

int esp_query_check_sets(esp_store *store, const char *const *sets, int n_sets)
{
    static const known_values known[] = {
        {"study", "SELECT name, name LIKE :value FROM study ORDER BY name"},
        {"split", "SELECT column1, column1 = :value FROM"
                  " (VALUES ('train'), ('validation'), ('test'))"},
        {"metric", "SELECT DISTINCT name, name = :value FROM metric ORDER BY id"},
        {"at", "SELECT DISTINCT at, at = :value FROM selection"},
    };
    for (int i = 0; i < n_sets; i++) {
        const size_t length = strcspn(sets[i], "=");
        for (size_t j = 0; j < sizeof known / sizeof *known; j++) {
            if (sets[i][length] == '=' && strlen(known[j].parameter) == length &&
                strncmp(sets[i], known[j].parameter, length) == 0) {
                const char *value = sets[i] + length + 1;
                const bool is_metric = strcmp(known[j].parameter, "metric") == 0;
                ESP_TRY(
                    check_value(store, &known[j], value + (is_metric ? split_length(value) : 0)));
            }
        }
    }
    return ESP_OK;
}

/* ---- mistakes -------------------------------------------------------------------------------- */

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
    char *names[ESP_MAX_QUERIES];
    int count = 0;
    if (message != NULL && wrong != NULL &&
        esp_rows_open(&rows, store,
                      "SELECT name FROM sqlite_master WHERE type IN ('view', "
                      "'table') ORDER BY type DESC, name") == ESP_OK) {
        bool has_row = false;
        while (esp_rows_step(rows, &has_row) == ESP_OK && has_row && count < ESP_MAX_QUERIES) {
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

int esp_query_open(esp_rows **out, esp_store *store, const char *sql)
{
    int status = esp_rows_open(out, store, sql);
    return status == ESP_OK ? ESP_OK : suggest_table(store, status);
}
