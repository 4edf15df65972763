/* USPS as LIBSVM's page of data sets has it: a line an example, "label 1:value 2:value ...", every
 * one of the 256 pixels written, values from -1 to 1, labels 1 to 10 for the digits 0 to 9. */
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "data/format.h"
#include "data/numbers.h"

enum { SIDE = 16, FEATURES = SIDE * SIDE, CLASSES = 10 };

typedef struct line_reader {
    const char *path;
    const char *start, *at, *end; /* of the line */
    size_t number;
} line_reader;

static int fail_at(const line_reader *in, const char *at, const char *expected)
{
    char shown[64];
    esp_text_shown(shown, at, strcspn(at, " \t\r\n"));
    return esp_fail(ESP_DATA, "%s:%zu:%zu: expected %s, found %s", in->path, in->number,
                    (size_t)(at - in->start) + 1, expected, shown);
}

static void skip_blanks(line_reader *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\r')) {
        in->at++;
    }
}

/* Reads a number that ends at one of the stops or at the end of the line. */
static bool read_number(float *out, line_reader *in, char stop)
{
    const char *start = in->at;
    while (in->at < in->end && *in->at != stop && strchr(" \t\r", *in->at) == NULL) {
        in->at++;
    }
    return esp_number_read(out, start, (size_t)(in->at - start));
}

static int read_line(uint8_t *label, float *values, line_reader *in)
{
    float number = 0;
    skip_blanks(in);
    const char *start = in->at;
    if (!read_number(&number, in, ' ') || !(number >= 1 && number <= CLASSES) ||
        number != (float)(int)number) {
        return fail_at(in, start, "a label from 1 to 10");
    }
    *label = (uint8_t)(number - 1);
    for (int j = 0; j < FEATURES; j++) {
        char expected[64];
        snprintf(expected, sizeof expected, "%d:VALUE, pixel %d of %d", j + 1, j + 1, FEATURES);
        skip_blanks(in);
        start = in->at;
        if (!read_number(&number, in, ':') || number != (float)(j + 1) || in->at == in->end ||
            *in->at != ':') {
            return fail_at(in, start, expected);
        }
        in->at++;
        if (!read_number(&values[j], in, ' ')) {
            return fail_at(in, start, expected);
        }
    }
    skip_blanks(in);
    return in->at == in->end ? ESP_OK : fail_at(in, in->at, "the end of the line");
}

/* The next line that holds more than blanks; false at the end of the text. */
static bool next_line(line_reader *in, const char *text_end)
{
    while (in->end < text_end) {
        in->start = in->at = in->end + (in->number > 0);
        const char *end = memchr(in->at, '\n', (size_t)(text_end - in->at));
        in->end = end != NULL ? end : text_end;
        in->number++;
        skip_blanks(in);
        if (in->at < in->end) {
            in->at = in->start;
            return true;
        }
    }
    return false;
}

static int read_part(esp_part *part, const char *path, const char *text, size_t size)
{
    size_t n_lines = 0;
    for (line_reader in = {.end = text}; next_line(&in, text + size);) {
        n_lines++;
    }
    /* A pixel takes four bytes at least, so that a short file cannot ask for much. */
    if (n_lines == 0 || n_lines > size / (4 * FEATURES) + 1) {
        return esp_fail(ESP_DATA,
                        "%s: truncated or not USPS: expected lines of a label and %d pixels, found "
                        "%zu lines in %zu bytes",
                        path, FEATURES, n_lines, size);
    }
    *part = (esp_part){.channels = 1, .rows = SIDE, .columns = SIDE};
    part->values = malloc(n_lines * FEATURES * sizeof *part->values);
    part->labels = malloc(n_lines);
    if (part->values == NULL || part->labels == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory for %zu examples", path, n_lines);
    }
    for (line_reader in = {.path = path, .end = text}; next_line(&in, text + size);) {
        const size_t i = part->count;
        ESP_TRY(read_line(&part->labels[i], part->values + i * FEATURES, &in));
        part->count++;
    }
    return ESP_OK;
}

int esp_read_usps(esp_part parts[ESP_N_PARTS], esp_data_file *files)
{
    for (int p = 0; p < ESP_N_PARTS && files[p].path != NULL; p++) {
        char *text = NULL;
        size_t size = 0;
        ESP_TRY(esp_data_file_load(&text, &size, &files[p]));
        int status = read_part(&parts[p], files[p].path, text, size);
        parts[p].label_file = p;
        free(text);
        ESP_TRY(status);
    }
    return ESP_OK;
}
