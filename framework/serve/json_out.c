#include "serve/json_out.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/status.h"
#include "core/utf8.h"

void esp_json_put_text(FILE *out, const char *text)
{
    if (text == NULL) {
        fputs("null", out);
        return;
    }
    fputc('"', out);
    while (*text != '\0') {
        long code;
        size_t n = esp_utf8_decode(&code, text);
        if (code < 0) {
            fputs("\\ufffd", out);
        } else if (code < 0x20 || code == '<' || code == 0x7f) {
            fprintf(out, "\\u%04lx", (unsigned long)code);
        } else {
            if (code == '"' || code == '\\') {
                fputc('\\', out);
            }
            fwrite(text, 1, n, out);
        }
        text += n;
    }
    fputc('"', out);
}

void esp_json_put_real(FILE *out, double value)
{
    char digits[40];
    if (!isfinite(value)) {
        fputs("null", out);
        return;
    }
    for (int precision = 6; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    fputs(digits, out);
}

static void put_cell(FILE *out, esp_rows *rows, int column)
{
    size_t count = 0;
    const unsigned char *bytes;
    switch (esp_rows_type(rows, column)) {
    case 'i':
        fprintf(out, "%" PRId64, esp_rows_integer(rows, column));
        break;
    case 'r':
        esp_json_put_real(out, esp_rows_real(rows, column));
        break;
    case 't':
        esp_json_put_text(out, esp_rows_text(rows, column));
        break;
    case 'b':
        bytes = esp_rows_bytes(&count, rows, column);
        fputs("\"X'", out);
        for (size_t i = 0; i < count; i++) {
            fprintf(out, "%02x", bytes[i]);
        }
        fputs("'\"", out);
        break;
    default:
        fputs("null", out);
    }
}

int esp_json_put_table(FILE *out, esp_rows *rows, const esp_json_limit *limit)
{
    const int n_columns = esp_rows_columns(rows);
    const long start = ftell(out);
    bool has_row = false, truncated = false;
    fputs("{\"columns\": [", out);
    for (int i = 0; i < n_columns; i++) {
        fputs(i > 0 ? ", " : "", out);
        esp_json_put_text(out, esp_rows_column_name(rows, i));
    }
    fputs("], \"rows\": [", out);
    for (size_t n = 0;; n++) {
        ESP_TRY(esp_rows_step(rows, &has_row));
        truncated = has_row && limit != NULL &&
                    (n >= limit->rows || (size_t)(ftell(out) - start) > limit->bytes);
        if (!has_row || truncated) {
            break;
        }
        fputs(n > 0 ? ",\n[" : "\n[", out);
        for (int i = 0; i < n_columns; i++) {
            fputs(i > 0 ? "," : "", out);
            put_cell(out, rows, i);
        }
        fputc(']', out);
    }
    fprintf(out, "], \"truncated\": %s}", truncated ? "true" : "false");
    return ESP_OK;
}
