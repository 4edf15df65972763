#include "cli/print_rows.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/terminal.h"
#include "core/text.h"

int esp_row_format_parse(esp_row_format *format, const char *name)
{
    static const char *const names[] = {"text", "md", "csv", "json"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) == 0) {
            *format = (esp_row_format)i;
            return ESP_OK;
        }
    }
    const char *meant = esp_text_suggest(name, names, 4);
    return esp_fail(ESP_USAGE, "unknown format '%s'%s%s%s: text, md, csv or json", name,
                    meant ? ", did you mean '" : "", meant ? meant : "", meant ? "'" : "");
}

int esp_rows_of(esp_rows **rows, esp_store *store, const char *sql, const char *value)
{
    ESP_TRY(esp_rows_open(rows, store, sql));
    int status = value != NULL ? esp_rows_bind_text(*rows, ":name", value) : ESP_OK;
    if (status != ESP_OK) {
        esp_rows_close(*rows);
        *rows = NULL;
    }
    return status;
}

/* The fewest digits that read back as the same number. */
static void exact_real(char text[40], double value)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, 40, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
}

/* A blob, or text that is not UTF-8, as SQL writes it: X'00ff'. NULL without memory. */
static char *hex_literal(esp_rows *rows, int column)
{
    size_t count = 0;
    const unsigned char *bytes = esp_rows_bytes(&count, rows, column);
    char *text = malloc(2 * count + 4);
    if (text == NULL) {
        return NULL;
    }
    char *next = text + sprintf(text, "X'");
    for (size_t i = 0; i < count; i++) {
        next += sprintf(next, "%02x", bytes[i]);
    }
    strcpy(next, "'");
    return text;
}

/* ---- text: the widths want all cells first -----------------------------------------------------
 */

typedef struct text_table {
    int n_columns;
    size_t n_rows, capacity;
    char **cells; /* [n_rows x n_columns] */
    int *widths;
    bool *numeric;
} text_table;

/* Characters, of UTF-8. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static char *text_of(esp_rows *rows, int column)
{
    switch (esp_rows_type(rows, column)) {
    case 'n':
        return esp_text_format("-");
    case 'r':
        return esp_text_format("%.6g", esp_rows_real(rows, column));
    case 'b':
        return hex_literal(rows, column);
    default: {
        char *text = esp_text_format("%s", esp_rows_text(rows, column));
        for (char *next = text; next != NULL && *next != '\0'; next++) {
            if (iscntrl((unsigned char)*next)) {
                *next = ' '; /* a row is a line, and a cell sends nothing to the terminal */
            }
        }
        return text;
    }
    }
}

static int add_row(text_table *table, esp_rows *rows)
{
    if (table->n_rows == table->capacity) {
        size_t capacity = table->capacity * 2 + 64;
        char **larger = realloc(table->cells, capacity * (size_t)table->n_columns * sizeof *larger);
        if (larger == NULL) {
            return esp_fail(ESP_MEMORY, "no memory for %zu rows", capacity);
        }
        table->cells = larger;
        table->capacity = capacity;
    }
    char **row = table->cells + table->n_rows * (size_t)table->n_columns;
    table->n_rows++;
    memset(row, 0, (size_t)table->n_columns * sizeof *row);
    for (int i = 0; i < table->n_columns; i++) {
        row[i] = text_of(rows, i);
        if (row[i] == NULL) {
            return esp_fail(ESP_MEMORY, "no memory for %zu rows", table->n_rows);
        }
        int width = width_of(row[i]);
        table->widths[i] = width > table->widths[i] ? width : table->widths[i];
        table->numeric[i] = table->numeric[i] && strchr("irn", esp_rows_type(rows, i)) != NULL;
    }
    return ESP_OK;
}

static void print_cell(const text_table *table, int column, const char *text, FILE *out)
{
    int padding = table->widths[column] - width_of(text);
    bool last = column == table->n_columns - 1;
    if (table->numeric[column]) {
        fprintf(out, "%*s%s", padding, "", text);
    } else {
        fprintf(out, "%s%*s", text, last ? 0 : padding, "");
    }
    fputs(last ? "\n" : "  ", out);
}

static int print_text(size_t *n_rows, esp_rows *rows, int indent, FILE *out)
{
    int status = ESP_OK;
    text_table table = {.n_columns = esp_rows_columns(rows)};
    table.widths = calloc((size_t)table.n_columns, sizeof *table.widths);
    table.numeric = calloc((size_t)table.n_columns, sizeof *table.numeric);
    if (table.widths == NULL || table.numeric == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for %d columns", table.n_columns);
        goto out;
    }
    for (int i = 0; i < table.n_columns; i++) {
        table.widths[i] = width_of(esp_rows_column_name(rows, i));
        table.numeric[i] = true;
    }
    for (bool has_row = true;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        ESP_TRY_OUT(add_row(&table, rows));
    }
    fprintf(out, "%*s", indent, "");
    for (int i = 0; i < table.n_columns; i++) {
        print_cell(&table, i, esp_rows_column_name(rows, i), out);
    }
    for (size_t row = 0; row < table.n_rows; row++) {
        fprintf(out, "%*s", indent, "");
        for (int i = 0; i < table.n_columns; i++) {
            print_cell(&table, i, table.cells[row * (size_t)table.n_columns + (size_t)i], out);
        }
    }
    *n_rows = table.n_rows;
out:
    for (size_t i = 0; i < table.n_rows * (size_t)table.n_columns; i++) {
        free(table.cells[i]);
    }
    free(table.cells);
    free(table.widths);
    free(table.numeric);
    return status;
}

/* ---- cells of CSV and Markdown -----------------------------------------------------------------
 */

static void print_csv_text(const char *text, FILE *out)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        fputs(*text == '"' ? "\"\"" : (char[]){*text, '\0'}, out);
    }
    fputc('"', out);
}

static int print_csv(esp_rows *rows, int column, FILE *out)
{
    char number[40], *literal = NULL;
    switch (esp_rows_type(rows, column)) {
    case 'n':
        break;
    case 'r':
        exact_real(number, esp_rows_real(rows, column));
        fputs(number, out);
        break;
    case 'b':
        literal = hex_literal(rows, column);
        if (literal == NULL) {
            return esp_fail(ESP_MEMORY, "no memory for a cell");
        }
        fputs(literal, out);
        free(literal);
        break;
    default:
        print_csv_text(esp_rows_text(rows, column), out);
    }
    return ESP_OK;
}

static void print_md_text(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            fputc('\\', out);
        }
        fputc(iscntrl((unsigned char)*text) ? ' ' : *text, out);
    }
}

static int print_md(esp_rows *rows, int column, FILE *out)
{
    char *text = text_of(rows, column);
    if (text == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a cell");
    }
    print_md_text(text, out);
    free(text);
    return ESP_OK;
}

/* ---- JSON --------------------------------------------------------------------------------------
 */

/* Column names as keys, which must differ: a repeated one becomes name:1, name:2, ... Owned by the
 * caller (free_keys), NULL without memory. */
static char **make_keys(const esp_rows *rows)
{
    int n_columns = esp_rows_columns(rows);
    char **keys = calloc((size_t)n_columns + 1, sizeof *keys);
    for (int i = 0; keys != NULL && i < n_columns; i++) {
        const char *name = esp_rows_column_name(rows, i);
        keys[i] = esp_text_format("%s", name);
        for (int j = 0, number = 1; keys[i] != NULL && j < i; j++) {
            if (strcmp(keys[i], keys[j]) == 0) {
                free(keys[i]);
                keys[i] = esp_text_format("%s:%d", name, number++);
                j = -1; /* the new one against all */
            }
        }
    }
    return keys;
}

static void free_keys(char **keys, int n_columns)
{
    for (int i = 0; keys != NULL && i < n_columns; i++) {
        free(keys[i]);
    }
    free(keys);
}

/* What JSON has no word for is a string: infinities, blobs, text that is not UTF-8. */
static json_t *json_of_cell(esp_rows *rows, int column)
{
    json_t *value = NULL;
    size_t count = 0;
    const char type = esp_rows_type(rows, column);
    if (type == 'n') {
        return json_null();
    }
    if (type == 'i') {
        return json_integer(esp_rows_integer(rows, column));
    }
    if (type == 'r') {
        double real = esp_rows_real(rows, column);
        return isinf(real) ? json_string(real > 0 ? "Infinity" : "-Infinity") : json_real(real);
    }
    if (type == 't') {
        const char *text = esp_rows_text(rows, column);
        esp_rows_bytes(&count, rows, column);
        value = json_stringn(text, count);
    }
    if (value == NULL) {
        char *literal = hex_literal(rows, column);
        value = json_string(literal);
        free(literal);
    }
    return value != NULL ? value : json_null();
}

static json_t *json_of_row(esp_rows *rows, char *const *keys)
{
    json_t *object = json_object();
    for (int i = 0; i < esp_rows_columns(rows); i++) {
        json_object_set_new(object, keys[i], json_of_cell(rows, i));
    }
    return object;
}

int esp_rows_to_json(json_t **array, esp_rows *rows)
{
    *array = json_array();
    bool has_row = true;
    int status = ESP_OK;
    char **keys = make_keys(rows);
    if (keys == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for the rows");
    }
    while (status == ESP_OK && (status = esp_rows_step(rows, &has_row)) == ESP_OK && has_row) {
        if (json_array_append_new(*array, json_of_row(rows, keys)) != 0) {
            status = esp_fail(ESP_MEMORY, "no memory for the rows");
        }
    }
    free_keys(keys, esp_rows_columns(rows));
    if (status != ESP_OK) {
        json_decref(*array);
        *array = NULL;
    }
    return status;
}

/* Each key as JSON with its colon, so that rows need not encode it again. Owned by the caller. NULL
 * without memory. */
static char **make_labels(const esp_rows *rows)
{
    const int n_columns = esp_rows_columns(rows);
    char **labels = make_keys(rows);
    for (int i = 0; labels != NULL && i < n_columns; i++) {
        json_t *name = json_string(labels[i]);
        char *text = name != NULL ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
        free(labels[i]);
        labels[i] = text != NULL ? esp_text_format("%s: ", text) : NULL;
        free(text);
        json_decref(name);
    }
    return labels;
}

/* One row as an object; reals with as few digits as say the same number, which jansson cannot. */
static void print_object(esp_rows *rows, char *const *labels, FILE *out)
{
    for (int i = 0; i < esp_rows_columns(rows); i++) {
        char number[40];
        json_t *value = json_of_cell(rows, i);
        fputs(i > 0 ? ", " : "{", out);
        fputs(labels[i] != NULL ? labels[i] : "\"\": ", out);
        if (json_is_real(value)) {
            exact_real(number, json_real_value(value));
            fprintf(out, "%s%s", number, strpbrk(number, ".e") == NULL ? ".0" : "");
        } else {
            json_dumpf(value, out, JSON_ENCODE_ANY);
        }
        json_decref(value);
    }
    fputc('}', out);
}

static int print_json(size_t *n_rows, esp_rows *rows, bool lines, FILE *out)
{
    bool has_row = false;
    int status = ESP_OK;
    char **labels = make_labels(rows);
    if (labels == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the rows");
    }
    for (fputs(lines ? "" : "[", out);; ++*n_rows) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        fputs(lines ? "" : *n_rows > 0 ? ",\n " : "\n ", out);
        print_object(rows, labels, out);
        fputs(lines ? "\n" : "", out);
    }
    fputs(lines ? "" : *n_rows > 0 ? "\n]\n" : "]\n", out);
out:
    free_keys(labels, esp_rows_columns(rows));
    return status;
}

/* ---- Markdown and CSV, row by row --------------------------------------------------------------
 */

static int print_lines(size_t *n_rows, esp_rows *rows, esp_row_format format, FILE *out)
{
    int n_columns = esp_rows_columns(rows);
    bool md = format == ESP_ROWS_MD, has_row = false;
    for (int i = 0; i < n_columns; i++) {
        fputs(md ? "| " : i > 0 ? "," : "", out);
        (md ? print_md_text : print_csv_text)(esp_rows_column_name(rows, i), out);
        fputs(md ? " " : "", out);
    }
    fputs(md ? "|\n" : "\n", out);
    for (int i = 0; md && i < n_columns; i++) {
        fputs(i == n_columns - 1 ? "| --- |\n" : "| --- ", out);
    }
    for (;; ++*n_rows) {
        ESP_TRY(esp_rows_step(rows, &has_row));
        if (!has_row) {
            return ESP_OK;
        }
        for (int i = 0; i < n_columns; i++) {
            fputs(md ? "| " : i > 0 ? "," : "", out);
            ESP_TRY((md ? print_md : print_csv)(rows, i, out));
            fputs(md ? " " : "", out);
        }
        fputs(md ? "|\n" : "\n", out);
    }
}

int esp_print_rows(size_t *n_rows, esp_rows *rows, esp_row_format format, int indent, FILE *out)
{
    size_t printed = 0;
    if (format == ESP_ROWS_CSV) {
        esp_terminal_data(out);
    }
    int status = format == ESP_ROWS_TEXT         ? print_text(&printed, rows, indent, out)
                 : format == ESP_ROWS_JSON       ? print_json(&printed, rows, false, out)
                 : format == ESP_ROWS_JSON_LINES ? print_json(&printed, rows, true, out)
                                                 : print_lines(&printed, rows, format, out);
    if (n_rows != NULL) {
        *n_rows = printed;
    }
    return status;
}
