/* Any SELECT, or a query by name, over a confined connection: as JSON, and as a page that needs no
 * script. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/status.h"
#include "report/html.h"
#include "report/named_query.h"
#include "serve/json_out.h"
#include "serve/request.h"
#include "serve/url.h"

enum { MOST_ROWS = 1000, MOST_BYTES = 4 << 20, MAX_SETS = 32 };

/* What is asked: the text, and "name=value" for each argument "set.name". */
typedef struct question {
    esp_text_pool pool;
    esp_named_queries queries;
    const esp_named_query *named; /* NULL: the user's own text */
    const char *sql;              /* NULL: nothing is asked yet */
    int n_sets;
    const char *sets[MAX_SETS];
} question;

static int read_question(question *q, const esp_request *request)
{
    const char *name = esp_request_value(request, "name");
    ESP_TRY(esp_named_queries_read(&q->queries, &q->pool));
    for (int i = 0; i < request->n; i++) {
        if (strncmp(request->names[i], "set.", 4) == 0) {
            if (q->n_sets == MAX_SETS) {
                return esp_fail(ESP_USAGE, "more than %d parameters", MAX_SETS);
            }
            q->sets[q->n_sets++] =
                esp_pool_format(&q->pool, "%s=%s", request->names[i] + 4, request->values[i]);
        }
    }
    q->sql = esp_request_value(request, "sql");
    if (name != NULL && *name != '\0') {
        ESP_TRY(esp_named_query_find(&q->named, &q->queries, name));
        q->sql = q->named->sql;
    }
    return esp_pool_status(&q->pool);
}

static int open_question(esp_rows **rows, esp_store *store, const question *q)
{
    ESP_TRY(esp_query_open(rows, store, q->sql));
    return esp_query_bind(*rows, q->sql, q->sets, q->n_sets);
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static void put_queries(FILE *out, const question *q)
{
    fputs("{\"queries\": [", out);
    for (int i = 0; i < q->queries.n; i++) {
        const esp_named_query *query = &q->queries.at[i];
        fputs(i > 0 ? ",\n{\"name\": " : "\n{\"name\": ", out);
        esp_json_put_text(out, query->name);
        fputs(", \"answers\": ", out);
        esp_json_put_text(out, query->answers);
        fputs(", \"parameters\": {", out);
        for (int j = 0; j < query->n_parameters; j++) {
            fputs(j > 0 ? ", " : "", out);
            esp_json_put_text(out, query->parameters[j].name);
            fputs(": ", out);
            esp_json_put_text(out, query->parameters[j].value);
        }
        fputs("}}", out);
    }
    fputs("]}\n", out);
}

int esp_serve_query(FILE *out, esp_store *store, const esp_request *request)
{
    const esp_json_limit limit = {.rows = MOST_ROWS, .bytes = MOST_BYTES};
    question q = {0};
    esp_rows *rows = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(read_question(&q, request));
    if (q.sql == NULL) {
        put_queries(out, &q);
    } else {
        ESP_TRY_OUT(open_question(&rows, store, &q));
        ESP_TRY_OUT(esp_json_put_table(out, rows, &limit));
    }
out:
    esp_rows_close(rows);
    esp_pool_free(&q.pool);
    return status;
}

/* ---- as a page ------------------------------------------------------------------------------- */

static void put_cell(FILE *out, esp_rows *rows, int column)
{
    size_t count = 0;
    const unsigned char *bytes;
    switch (esp_rows_type(rows, column)) {
    case 'i':
        fprintf(out, "<td>%" PRId64 "</td>", esp_rows_integer(rows, column));
        break;
    case 'r':
        fprintf(out, "<td>%.6g</td>", esp_rows_real(rows, column));
        break;
    case 't':
        esp_html_print(out, "<td class=\"word\">%s</td>", esp_rows_text(rows, column));
        break;
    case 'b':
        bytes = esp_rows_bytes(&count, rows, column);
        fputs("<td class=\"word\">X'", out);
        for (size_t i = 0; i < count; i++) {
            fprintf(out, "%02x", bytes[i]);
        }
        fputs("'</td>", out);
        break;
    default:
        fputs("<td class=\"quiet\">NULL</td>", out);
    }
}

static int put_result(FILE *out, esp_rows *rows)
{
    const double started = esp_clock_seconds();
    const long start = ftell(out);
    bool has_row = false, truncated = false;
    int n = 0;
    fputs("<h2 id=\"result\">Result</h2>\n"
          "<section class=\"scroll\" aria-labelledby=\"result\" tabindex=\"0\">\n"
          "<table class=\"sortable\" id=\"answer\"><thead><tr>",
          out);
    for (int i = 0; i < esp_rows_columns(rows); i++) {
        esp_html_print(out, "<th scope=\"col\">%s</th>", esp_rows_column_name(rows, i));
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    for (;; n++) {
        ESP_TRY(esp_rows_step(rows, &has_row));
        truncated = has_row && (n == MOST_ROWS || ftell(out) - start > MOST_BYTES);
        if (!has_row || truncated) {
            break;
        }
        fputs("<tr>", out);
        for (int i = 0; i < esp_rows_columns(rows); i++) {
            put_cell(out, rows, i);
        }
        fputs("</tr>\n", out);
    }
    fprintf(out, "</tbody></table>\n</section>\n<p class=\"quiet\">%d %s in %.0f ms%s</p>\n", n,
            n == 1 ? "row" : "rows", 1000 * (esp_clock_seconds() - started),
            truncated ? "; there are more: <code>espalier query</code> prints them all" : "");
    return ESP_OK;
}

static void put_field(FILE *out, const question *q, const esp_query_parameter *parameter)
{
    const char *value = strcmp(parameter->value, "-") == 0 ? "" : parameter->value;
    for (int i = 0; i < q->n_sets; i++) {
        const size_t length = strlen(parameter->name);
        if (strncmp(q->sets[i], parameter->name, length) == 0 && q->sets[i][length] == '=') {
            value = q->sets[i] + length + 1;
        }
    }
    esp_html_print(
        out,
        "<p><label for=\"set-%s\">%s</label> <input type=\"text\" id=\"set-%s\" name=\"set.%s\""
        " value=\"%s\"> <span class=\"quiet\">%s</span></p>\n",
        parameter->name, parameter->name, parameter->name, parameter->name, value, parameter->help);
}

static void put_form(FILE *out, const esp_request *request)
{
    fputs("<form method=\"get\" action=\"", out);
    esp_serve_put_root(out, request);
    fputs("sql\">\n", out);
}

static void put_named(FILE *out, const question *q, const esp_request *request)
{
    const esp_named_query *query = q->named;
    esp_html_print(out, "<h2>Query %s</h2>\n<p>%s</p>\n", query->name, query->answers);
    put_form(out, request);
    esp_html_print(out, "<input type=\"hidden\" name=\"name\" value=\"%s\">\n", query->name);
    for (int i = 0; i < query->n_parameters; i++) {
        put_field(out, q, &query->parameters[i]);
    }
    fputs("<p><button type=\"submit\">Ask</button> <a href=\"", out);
    esp_serve_put_root(out, request);
    fputs("sql?sql=", out);
    esp_url_text(out, query->sql);
    esp_html_print(out,
                   "\">change its SQL</a></p>\n</form>\n<details><summary>Its SQL</summary>"
                   "<pre tabindex=\"0\">%s</pre></details>\n",
                   query->sql);
}

static void put_own(FILE *out, const question *q, const esp_request *request)
{
    esp_html_print(out, "<h2>A query of your own</h2>\n");
    put_form(out, request);
    esp_html_print(out,
                   "<p><label for=\"sql\">One SELECT over the views; nothing can be changed, and a"
                   " query ends after five seconds</label></p>\n"
                   "<textarea id=\"sql\" name=\"sql\" rows=\"8\" spellcheck=\"false\">%s"
                   "</textarea>\n<p><button type=\"submit\">Ask</button></p>\n</form>\n",
                   q->sql != NULL
                       ? q->sql
                       : "SELECT study, cell, n, mean, sd, best, spread FROM seed_stats\n"
                         "WHERE at = 'selected' AND split = 'test' AND metric = "
                         "'hard_accuracy' LIMIT 50");
}

static void put_list(FILE *out, const question *q, const esp_request *request)
{
    esp_html_print(out, "<h2>Queries by name</h2>\n<ul>\n");
    for (int i = 0; i < q->queries.n; i++) {
        fputs("<li><a href=\"", out);
        esp_serve_put_root(out, request);
        fputs("sql?name=", out);
        esp_url_text(out, q->queries.at[i].name);
        esp_html_print(out, "\">%s</a>: %s</li>\n", q->queries.at[i].name,
                       q->queries.at[i].answers);
    }
    fputs("</ul>\n", out);
}

/* The answer, or why there is none: either stands in the page. */
static int put_answer(FILE *out, esp_store *store, const question *q)
{
    esp_rows *rows = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the answer");
    }
    int status = open_question(&rows, store, q);
    if (status == ESP_OK) {
        status = put_result(memory, rows);
    }
    fclose(memory);
    esp_rows_close(rows);
    if (status == ESP_OK) {
        fwrite(text, 1, size, out);
    } else {
        esp_html_print(out, "<p role=\"alert\" class=\"failed\">%s</p>\n", esp_message());
    }
    free(text);
    return ESP_OK;
}

int esp_serve_sql_page(FILE *out, esp_store *store, const esp_request *request)
{
    question q = {0};
    int status = ESP_OK;
    ESP_TRY_OUT(read_question(&q, request));
    ESP_TRY_OUT(esp_serve_page_begin(out, request, "SQL"));
    if (q.named != NULL) {
        put_named(out, &q, request);
    } else {
        put_own(out, &q, request);
    }
    if (q.sql != NULL && *q.sql != '\0') {
        ESP_TRY_OUT(put_answer(out, store, &q));
    }
    put_list(out, &q, request);
    if (q.named != NULL) {
        fputs("<p><a href=\"", out);
        esp_serve_put_root(out, request);
        fputs("sql\">A query of your own</a></p>\n", out);
    }
    esp_html_end(out);
out:
    esp_pool_free(&q.pool);
    return status;
}
