#include "data/csv.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "data/class_names.h"
#include "data/numbers.h"

enum { MAX_LABEL = 255, LISTED_NAMES = 200 };

/* ---- fields ---------------------------------------------------------------------------------- */

typedef struct reader {
    const char *path;
    char *at, *end;
    const char *line_start;
    size_t line;
    const char *separator; /* what the columns are separated by instead of ','; or NULL */
} reader;

typedef struct field {
    char *text; /* unescaped; without blanks around it where it was not quoted */
    size_t length;
    size_t line, column; /* where it starts, from 1 */
    int is_last;         /* of its line */
} field;

static int fail_at(const reader *in, size_t line, size_t column, const char *expected,
                   const char *found)
{
    return esp_fail(ESP_DATA, "%s:%zu:%zu: expected %s, found %s", in->path, line, column, expected,
                    found);
}

static bool at_line_end(const reader *in)
{
    return in->at == in->end || *in->at == '\n' || *in->at == '\r';
}

/* Moves past "\n", "\r\n" or, as old Macs wrote, "\r". */
static void end_line(reader *in)
{
    const bool returns = in->at < in->end && *in->at == '\r';
    in->at += returns;
    in->at += in->at < in->end && (!returns || *in->at == '\n');
    in->line++;
    in->line_start = in->at;
}

static void skip_blanks(reader *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t')) {
        in->at++;
    }
}

/* Lines of nothing but blanks hold no row: a table has two columns at least. */
static void skip_blank_lines(reader *in)
{
    while (in->at < in->end) {
        char *const start = in->at;
        skip_blanks(in);
        if (!at_line_end(in)) {
            in->at = start;
            return;
        }
        end_line(in);
    }
}

/* A field in quotes: two of them stand for one, and commas and line ends for themselves. */
static int read_quoted(field *out, reader *in)
{
    char *to = out->text = ++in->at;
    for (; in->at < in->end; in->at++) {
        if (*in->at == '"') {
            in->at++;
            if (in->at == in->end || *in->at != '"') {
                out->length = (size_t)(to - out->text);
                return ESP_OK;
            }
        }
        const bool ends_line =
            *in->at == '\n' || (*in->at == '\r' && (in->at + 1 == in->end || in->at[1] != '\n'));
        *to++ = *in->at;
        if (ends_line) {
            in->line++;
            in->line_start = in->at + 1;
        }
    }
    return fail_at(in, out->line, out->column, "a closing '\"'", "the end of the file");
}

static void read_plain(field *out, reader *in)
{
    out->text = in->at;
    while (!at_line_end(in) && *in->at != ',') {
        in->at++;
    }
    const char *stop = in->at;
    while (stop > out->text && (stop[-1] == ' ' || stop[-1] == '\t')) {
        stop--;
    }
    out->length = (size_t)(stop - out->text);
}

static int fail_separator(const reader *in, size_t line)
{
    return esp_fail(ESP_DATA,
                    "%s:%zu:1: expected columns separated by ',', found a file separated by %s; "
                    "write it with commas and decimal points (pandas: to_csv without sep and "
                    "decimal; R: write.csv)",
                    in->path, line, in->separator);
}

static int read_field(field *out, reader *in)
{
    skip_blanks(in);
    *out = (field){.line = in->line, .column = (size_t)(in->at - in->line_start) + 1};
    if (in->at < in->end && *in->at == '"') {
        ESP_TRY(read_quoted(out, in));
        skip_blanks(in);
    } else {
        read_plain(out, in);
    }
    if (at_line_end(in)) {
        out->is_last = 1;
        end_line(in);
        return ESP_OK;
    }
    if (*in->at != ',') {
        char shown[64];
        esp_text_shown(shown, in->at, 1);
        return in->separator != NULL ? fail_separator(in, in->line)
                                     : fail_at(in, in->line, (size_t)(in->at - in->line_start) + 1,
                                               "',' or the end of the line after '\"'", shown);
    }
    in->at++;
    return ESP_OK;
}

/* ---- the header ------------------------------------------------------------------------------ */

static int add_name(esp_csv_header *header, uint32_t *capacity, const field *name)
{
    if (header->count == *capacity) {
        *capacity = 2 * *capacity + 16;
        char **larger = realloc(header->names, *capacity * sizeof *larger);
        if (larger == NULL) {
            return esp_fail(ESP_MEMORY, "no memory for a header");
        }
        header->names = larger;
    }
    char *copy = strndup(name->text, name->length);
    if (copy == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a header");
    }
    header->names[header->count++] = copy;
    return ESP_OK;
}

/* Whether a line [length], split at one character outside quotes, has the word among its parts,
 * blanks and quotes around them aside. *n: how often it was split. */
static bool splits_into(size_t *n, const char *line, size_t length, char at, const char *word)
{
    bool quoted = false, found = false;
    size_t start = 0;
    *n = 0;
    for (size_t i = 0; i <= length; i++) {
        quoted = quoted != (i < length && line[i] == '"');
        if (i < length && (quoted || line[i] != at)) {
            continue;
        }
        size_t stop = i;
        while (start < stop && strchr(" \t\"", line[start]) != NULL) {
            start++;
        }
        while (stop > start && strchr(" \t\"", line[stop - 1]) != NULL) {
            stop--;
        }
        found = found ||
                (stop - start == strlen(word) && memcmp(line + start, word, stop - start) == 0);
        *n += i < length;
        start = i + 1;
    }
    return found;
}

/* What a header's line is separated by, in words, where that is not ','; or NULL. Splitting must
 * give the label's column; where nothing does, any usual separator in a line without commas. */
static const char *other_separator(const reader *in, const char *label)
{
    static const struct {
        char character;
        bool is_usual;
        const char *words;
    } others[] = {{';', true, "';'"},
                  {'\t', true, "tabs"},
                  {'|', true, "'|'"},
                  {':', false, "':'"},
                  {' ', false, "blanks"}};
    const char *usual = NULL;
    const size_t length = strcspn(in->at, "\r\n");
    size_t n = 0;
    if (splits_into(&n, in->at, length, ',', label)) {
        return NULL;
    }
    const bool has_comma = n > 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const bool found = splits_into(&n, in->at, length, others[i].character, label);
        if (found && n > 0 && (others[i].is_usual || !has_comma)) {
            return others[i].words;
        }
        usual =
            usual == NULL && n > 0 && others[i].is_usual && !has_comma ? others[i].words : usual;
    }
    return usual;
}

static int fail_without_label(const reader *in, const esp_csv_header *header, const char *label,
                              size_t line)
{
    if (in->separator != NULL) {
        return fail_separator(in, line);
    }
    char list[LISTED_NAMES + 8] = "";
    for (uint32_t i = 0; i < header->count; i++) {
        size_t used = strlen(list);
        if (used + strlen(header->names[i]) + 4 > LISTED_NAMES) {
            snprintf(list + used, sizeof list - used, ", ...");
            break;
        }
        snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", header->names[i]);
    }
    const char *meant = esp_text_suggest(label, (const char *const *)header->names, header->count);
    return esp_fail(
        ESP_DATA,
        "%s:%zu:1: expected a header with the label's column '%s', found columns %s%s%s%s; "
        "a file label-column beside it can name another",
        in->path, line, label, *list != '\0' ? list : "of no name",
        meant != NULL ? "; did you mean '" : "", meant != NULL ? meant : "",
        meant != NULL ? "'?" : "");
}

static int read_header(esp_csv_header *out, reader *in, const char *label)
{
    uint32_t capacity = 0;
    int n_labels = 0;
    field name = {.is_last = 0};
    skip_blank_lines(in);
    const size_t line = out->line = in->line;
    in->separator = other_separator(in, label);
    while (!name.is_last) {
        ESP_TRY(read_field(&name, in));
        if (out->count >= ESP_MAX_FEATURES) {
            return fail_at(in, name.line, name.column, "at most 16777216 columns", "more");
        }
        if (name.length == 0 && !(out->count == 0 && name.is_last)) { /* row numbers, say */
            return fail_at(in, name.line, name.column,
                           out->count == 0 ? "a column's name (pandas: index=False)"
                                           : "a column's name after ','",
                           "nothing");
        }
        ESP_TRY(add_name(out, &capacity, &name));
        if (strcmp(out->names[out->count - 1], label) == 0) {
            out->label = out->count - 1;
            n_labels++;
            if (n_labels > 1) {
                return fail_at(in, name.line, name.column, "one column of the label's name",
                               "a second one");
            }
        }
    }
    if (n_labels == 0) {
        return fail_without_label(in, out, label, line);
    }
    in->separator = NULL;
    if (out->count < 2) {
        return fail_at(in, line, 1, "features beside the label", "none");
    }
    return ESP_OK;
}

/* ---- the rows -------------------------------------------------------------------------------- */

static int reserve(esp_part *part, size_t *capacity, const char *path)
{
    if (part->count < *capacity) {
        return ESP_OK;
    }
    const size_t larger = 2 * *capacity + 4;
    float *values = realloc(part->values, larger * part->columns * sizeof *values);
    part->values = values != NULL ? values : part->values;
    uint8_t *labels = realloc(part->labels, larger);
    part->labels = labels != NULL ? labels : part->labels;
    if (values == NULL || labels == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for %zu examples", path, larger);
    }
    *capacity = larger;
    return ESP_OK;
}

static int fail_number(const reader *in, const field *value, const char *name)
{
    char expected[160], shown[64];
    esp_text_shown(shown, value->text, value->length);
    const bool has_comma = memchr(value->text, ',', value->length) != NULL;
    snprintf(expected, sizeof expected, "a number%s in column '%.60s'",
             has_comma ? " with a decimal point" : "", name);
    return fail_at(in, value->line, value->column, expected, shown);
}

/* The first label tells whether all are numbers or all are text: a word among numbers is rather a
 * mistake than a class. */
static int read_label(esp_part *part, const reader *in, const field *value, const char *column)
{
    char expected[192], shown[64];
    float number = 0;
    const bool is_number = esp_number_read(&number, value->text, value->length);
    const bool wants_text = part->names != NULL || (part->count == 0 && !is_number);
    esp_text_shown(shown, value->text, value->length);
    if (value->length == 0 || wants_text == is_number) {
        snprintf(expected, sizeof expected, "a label in column '%.60s', %s as in the rows before",
                 column, wants_text ? "text" : "a number");
        if (part->count == 0) {
            snprintf(expected, sizeof expected, "a label in column '%.60s'", column);
        }
        return fail_at(in, value->line, value->column, expected, shown);
    }
    if (wants_text) {
        const int status = esp_class_names_take(&part->labels[part->count], part, part->count,
                                                value->text, value->length);
        return status == ESP_OK
                   ? ESP_OK
                   : esp_fail_prefix(status, "%s:%zu:%zu", in->path, value->line, value->column);
    }
    if (!(number >= 0 && number <= MAX_LABEL) || number != (float)(int)number) {
        snprintf(expected, sizeof expected,
                 "a label, a whole number from 0 to 255 or text, in column '%.60s'", column);
        return fail_at(in, value->line, value->column, expected, shown);
    }
    part->labels[part->count] = (uint8_t)number;
    return ESP_OK;
}

static int read_row(esp_part *part, reader *in, const esp_csv_header *header)
{
    float *to = part->values + (size_t)part->count * part->columns;
    field value = {.is_last = 0};
    for (uint32_t j = 0; j < header->count; j++) {
        if (value.is_last) {
            char expected[64], found[32];
            snprintf(expected, sizeof expected, "%u fields, as in the header", header->count);
            snprintf(found, sizeof found, "%u", j);
            return fail_at(in, value.line, value.column, expected, found);
        }
        ESP_TRY(read_field(&value, in));
        if (j == header->label) {
            ESP_TRY(read_label(part, in, &value, header->names[j]));
        } else if (!esp_number_read(to++, value.text, value.length)) {
            return fail_number(in, &value, header->names[j]);
        }
    }
    if (!value.is_last) {
        char expected[64];
        snprintf(expected, sizeof expected, "%u fields, as in the header", header->count);
        return fail_at(in, value.line, value.column + value.length, expected, "more");
    }
    part->count++;
    return ESP_OK;
}

/* What stands before text that some editors write; 0 bytes or 3. */
static size_t byte_order_mark(const char *text, size_t size)
{
    return size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

int esp_csv_parse(esp_csv_header *header, esp_part *part, const char *path, char *text, size_t size,
                  const char *label)
{
    *header = (esp_csv_header){.names = NULL};
    reader in = {.path = path, .at = text, .end = text + size, .line_start = text, .line = 1};
    if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
        return fail_at(&in, 1, 1, "text in UTF-8", "UTF-16");
    }
    in.line_start = in.at += byte_order_mark(text, size);
    ESP_TRY(read_header(header, &in, label));
    *part = (esp_part){.channels = 1, .rows = 1, .columns = header->count - 1};
    size_t capacity = 0;
    for (skip_blank_lines(&in); in.at < in.end; skip_blank_lines(&in)) {
        if (part->count == UINT32_MAX) {
            return esp_fail(ESP_DATA, "%s: expected at most %u examples, found more", path,
                            UINT32_MAX);
        }
        ESP_TRY(reserve(part, &capacity, path));
        ESP_TRY(read_row(part, &in, header));
    }
    if (part->count == 0) {
        return esp_fail(ESP_DATA, "%s: truncated: expected examples below the header, found none",
                        path);
    }
    float *values = realloc(part->values, (size_t)part->count * part->columns * sizeof *values);
    part->values = values != NULL ? values : part->values;
    return ESP_OK;
}

void esp_csv_header_free(esp_csv_header *header)
{
    for (uint32_t i = 0; i < header->count; i++) {
        free(header->names[i]);
    }
    free(header->names);
    *header = (esp_csv_header){.names = NULL};
}

/* ---- the pair of files ----------------------------------------------------------------------- */

/* What label-column says, without blanks around it; "label" where there is no such file. */
static int read_label_name(char **out, esp_data_file *file)
{
    if (file->path == NULL) {
        *out = strdup("label");
        return *out != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a name");
    }
    char *text = NULL;
    size_t size = 0;
    ESP_TRY(esp_data_file_load(&text, &size, file));
    size_t start = byte_order_mark(text, size), stop = size;
    start += strspn(text + start, " \t\r\n");
    while (stop > start && strchr(" \t\r\n", text[stop - 1]) != NULL) {
        stop--;
    }
    int status = ESP_OK;
    if (start >= stop || memchr(text + start, '\n', stop - start) != NULL) {
        status = esp_fail(ESP_DATA, "%s: expected the name of one column, found %s", file->path,
                          start >= stop ? "nothing" : "several lines");
    } else if ((*out = strndup(text + start, stop - start)) == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for a name");
    }
    free(text);
    return status;
}

static int compare_headers(const esp_csv_header *train, const esp_csv_header *test,
                           const esp_data_file *files)
{
    if (train->count != test->count) {
        return esp_fail(ESP_DATA, "%s:%zu:1: expected the %u columns of %s, found %u",
                        files[1].path, test->line, train->count, files[0].path, test->count);
    }
    for (uint32_t i = 0; i < train->count; i++) {
        if (strcmp(train->names[i], test->names[i]) != 0) {
            return esp_fail(ESP_DATA,
                            "%s:%zu:1: expected the columns of %s, column %u being '%s', found "
                            "'%s'",
                            files[1].path, test->line, files[0].path, i + 1, train->names[i],
                            test->names[i]);
        }
    }
    return ESP_OK;
}

int esp_read_csv(esp_part parts[ESP_N_PARTS], esp_data_file *files)
{
    int status = ESP_OK;
    char *label = NULL, *text = NULL;
    esp_csv_header headers[ESP_N_PARTS] = {{.names = NULL}};
    ESP_TRY(read_label_name(&label, &files[ESP_N_PARTS]));
    for (int p = 0; p < ESP_N_PARTS && files[p].path != NULL; p++) {
        size_t size = 0;
        ESP_TRY_OUT(esp_data_file_load(&text, &size, &files[p]));
        ESP_TRY_OUT(esp_csv_parse(&headers[p], &parts[p], files[p].path, text, size, label));
        parts[p].label_file = p;
        free(text);
        text = NULL;
    }
    if (files[ESP_TEST_PART].path != NULL) {
        status = compare_headers(&headers[ESP_TRAIN_PART], &headers[ESP_TEST_PART], files);
    }
out:
    free(text);
    free(label);
    for (int p = 0; p < ESP_N_PARTS; p++) {
        esp_csv_header_free(&headers[p]);
    }
    return status;
}
