#include "study/published_csv.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/status.h"

const char *esp_published_find(esp_text_pool *pool, const char *file, const char *study_folder,
                               const char *source_folder)
{
    const struct {
        const char *folder, *below;
    } places[] = {{*file == '/' ? "" : study_folder, ""},
                  {source_folder, "/analysis/published"},
                  {study_folder, "/../analysis/published"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *path = places[i].folder != NULL
                               ? esp_pool_format(pool, "%s%s%s%s", places[i].folder,
                                                 places[i].below, *file == '/' ? "" : "/", file)
                               : NULL;
        if (path != NULL && access(path, R_OK) == 0) {
            return path;
        }
    }
    return NULL;
}

/* Reads one record into fields [capacity], unquoted in place; *next moves past it. n_fields is the
 * number found, which may pass capacity. */
static int read_record(char **fields, int capacity, int *n_fields, char **next, int *line,
                       const char *path)
{
    char *in = *next, *out = in;
    int started = *line;
    *n_fields = 0;
    for (bool more = true; more;) {
        char *field = out;
        if (*in == '"') {
            for (in++; *in != '\0' && !(in[0] == '"' && in[1] != '"');) {
                *line += *in == '\n';
                in += in[0] == '"' && in[1] == '"';
                *out++ = *in++;
            }
            if (*in == '\0') {
                return esp_fail(ESP_DATA, "%s:%d: a quoted field does not end", path, started);
            }
            in++;
        }
        while (*in != '\0' && *in != ',' && *in != '\n') {
            *out++ = *in++;
        }
        if (out > field && out[-1] == '\r') {
            out--;
        }
        more = *in == ',';
        *line += *in == '\n';
        in += *in != '\0';
        /* The end that in has passed is free to hold the terminator: out < in. */
        *out++ = '\0';
        if (*n_fields < capacity) {
            fields[*n_fields] = field;
        }
        (*n_fields)++;
    }
    *next = in;
    return ESP_OK;
}

/* "# source NAME: words" */
static void note_source(esp_published_csv *csv, const char *line, esp_text_pool *pool)
{
    const char *start = line + strspn(line, "# \t");
    size_t length = strcspn(line, "\r\n");
    const char *end = line + length;
    if (strncmp(start, "source ", 7) != 0) {
        return;
    }
    start += 7;
    size_t name = strcspn(start, ":");
    if (start + name + 1 >= end) {
        return;
    }
    const char *words = start + name + 1;
    words += strspn(words, " \t");
    csv->sources[csv->n_sources] = esp_pool_format(pool, "%.*s", (int)name, start);
    csv->words[csv->n_sources++] = esp_pool_format(pool, "%.*s", (int)(end - words), words);
}

static int parse(esp_published_csv *csv, char *text, esp_text_pool *pool)
{
    size_t n_lines = 2;
    for (const char *c = text; *c != '\0'; c++) {
        n_lines += *c == '\n';
    }
    csv->sources = esp_pool_take(pool, n_lines * sizeof *csv->sources);
    csv->words = esp_pool_take(pool, n_lines * sizeof *csv->words);
    ESP_TRY(esp_pool_status(pool));
    char *fields[64];
    for (int line = 1; *text != '\0';) {
        const char first = text[strspn(text, " \t\r")];
        if (*text == '#' || first == '\n' || first == '\0') {
            note_source(csv, text, pool);
            text += strcspn(text, "\n");
            text += *text == '\n';
            line++;
            continue;
        }
        int at = line, n = 0;
        ESP_TRY(read_record(fields, 64, &n, &text, &line, csv->path));
        if (n > 64) {
            return esp_fail(ESP_DATA, "%s:%d: more than 64 columns", csv->path, at);
        }
        if (csv->columns == NULL) {
            csv->n_columns = n;
            csv->columns = esp_pool_take(pool, (size_t)n * sizeof *csv->columns);
            csv->fields = esp_pool_take(pool, n_lines * (size_t)n * sizeof *csv->fields);
            ESP_TRY(esp_pool_status(pool));
            for (int i = 0; i < n; i++) {
                csv->columns[i] = esp_pool_format(pool, "%s", fields[i]);
            }
            continue;
        }
        if (n != csv->n_columns) {
            return esp_fail(ESP_DATA, "%s:%d: expected %d fields, found %d", csv->path, at,
                            csv->n_columns, n);
        }
        for (int i = 0; i < n; i++) {
            csv->fields[csv->n_lines * n + i] = esp_pool_format(pool, "%s", fields[i]);
        }
        csv->n_lines++;
    }
    if (csv->columns == NULL) {
        return esp_fail(ESP_DATA, "%s: holds no line of column names", csv->path);
    }
    return esp_pool_status(pool);
}

int esp_published_csv_read(esp_published_csv *out, const char *path, esp_text_pool *pool)
{
    *out = (esp_published_csv){.path = esp_pool_format(pool, "%s", path)};
    char *text = NULL;
    size_t count = 0;
    ESP_TRY(esp_file_read(&text, &count, path));
    int status = parse(out, text, pool);
    free(text);
    return status;
}

int esp_published_csv_column(const esp_published_csv *csv, const char *name)
{
    for (int i = 0; i < csv->n_columns; i++) {
        if (strcmp(csv->columns[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

const char *esp_published_csv_field(const esp_published_csv *csv, int line, const char *column)
{
    int at = esp_published_csv_column(csv, column);
    return at < 0 ? "" : csv->fields[line * csv->n_columns + at];
}

int esp_published_same(const char *a, const char *b)
{
    if (strcmp(a, b) == 0) {
        return 1;
    }
    char *end_a = NULL, *end_b = NULL;
    double x = strtod(a, &end_a), y = strtod(b, &end_b);
    return *a != '\0' && *b != '\0' && *end_a == '\0' && *end_b == '\0' && x == y;
}

/* Percent in the file, a fraction here; an empty field is NaN. */
static int read_percent(double *out, const esp_published_csv *csv, int line, const char *column)
{
    const char *text = esp_published_csv_field(csv, line, column);
    char *end = NULL;
    *out = NAN;
    if (*text == '\0') {
        return ESP_OK;
    }
    double percent = strtod(text, &end);
    if (*end != '\0' || !(percent >= 0 && percent <= 100)) {
        return esp_fail(ESP_DATA, "%s: column %s: expected a percentage, found '%s'", csv->path,
                        column, text);
    }
    *out = percent / 100;
    return ESP_OK;
}

int esp_published_csv_value(esp_published_value *out, const esp_published_csv *csv, int line)
{
    ESP_TRY(read_percent(&out->best, csv, line, "best"));
    ESP_TRY(read_percent(&out->spread, csv, line, "spread"));
    out->split = esp_published_csv_field(csv, line, "split");
    out->routing = esp_published_csv_field(csv, line, "routing");
    out->spread_is = esp_published_csv_field(csv, line, "spread_is");
    out->runs = atoi(esp_published_csv_field(csv, line, "runs"));
    out->source = esp_published_csv_field(csv, line, "source");
    return ESP_OK;
}

const char *esp_published_csv_words(const esp_published_csv *csv, const char *source)
{
    for (int i = 0; i < csv->n_sources; i++) {
        if (strcmp(csv->sources[i], source) == 0) {
            return csv->words[i];
        }
    }
    return NULL;
}
