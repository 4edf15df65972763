/* The pages: what stands in them without a script; live.js brings the rest. */
#include <inttypes.h>
#include <stdlib.h>

#include "core/place.h"
#include "core/status.h"
#include "core/text.h"
#include "live_css.h"
#include "live_js.h"
#include "report/html.h"
#include "report/html_report.h"
#include "report/status_sql.h"
#include "serve/request.h"
#include "serve/url.h"
#include "study_html.h"

int esp_serve_page_begin(FILE *out, const esp_request *request, const char *title)
{
    ESP_TRY(esp_html_begin(
        out,
        &(esp_html_frame){.title = title, .style = live_css, .script = live_js, .live = true}));
    fputs("<header>\n<nav aria-label=\"Pages\"><ul><li><a id=\"home\" href=\"", out);
    esp_serve_put_root(out, request);
    fputs("\">Studies</a></li><li><a href=\"", out);
    esp_serve_put_root(out, request);
    fputs("sql\">SQL</a></li>", out);
    if (request->asked != NULL) {
        fputs("<li><a href=\"", out);
        esp_serve_put_root(out, request);
        fputs("study/", out);
        esp_url_text(out, request->asked);
        fputs("/report\">Report</a></li>", out);
    }
    esp_html_print(out, "</ul></nav>\n<h1>%s</h1>\n</header>\n", title);
    return ESP_OK;
}

int esp_serve_error_page(FILE *out, const esp_request *request, int code, const char *message)
{
    ESP_TRY(esp_serve_page_begin(out, request, code == 404 ? "Not found" : "No answer"));
    esp_html_print(out, "<p role=\"alert\" class=\"failed\">%s</p>\n", message);
    esp_html_end(out);
    return ESP_OK;
}

/* ---- all studies ----------------------------------------------------------------------------- */

static void put_study_row(FILE *out, esp_rows *rows, const esp_request *request)
{
    const char *name = esp_rows_text(rows, 0);
    fputs("<tr><th scope=\"row\"><div><a href=\"", out);
    esp_serve_put_root(out, request);
    fputs("study/", out);
    esp_url_text(out, name);
    esp_html_print(out, "\">%s</a></div></th>", name);
    for (int i = 1; i < 7; i++) {
        fprintf(out, "<td>%" PRId64 "</td>", esp_rows_integer(rows, i));
    }
    esp_html_print(out, "<td>%s</td><td class=\"word\">%s</td></tr>\n", esp_rows_text(rows, 7),
                   esp_rows_text(rows, 8));
}

int esp_serve_index_page(FILE *out, esp_store *store, const esp_request *request)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY(esp_serve_page_begin(out, request, "Studies"));
    esp_html_print(out, "<p class=\"quiet\">in %s</p>\n", request->database);
    fputs("<p id=\"clock\" class=\"quiet\"></p>\n"
          "<section class=\"scroll\" aria-label=\"Studies\" tabindex=\"0\">\n"
          "<table class=\"sortable\" id=\"studies\"><thead><tr>"
          "<th scope=\"col\" class=\"label\">study</th><th scope=\"col\">trials</th>"
          "<th scope=\"col\">done</th><th scope=\"col\">failed</th><th scope=\"col\">running</th>"
          "<th scope=\"col\">interrupted</th><th scope=\"col\">planned</th>"
          "<th scope=\"col\" class=\"label\">last run (UTC)</th>"
          "<th scope=\"col\" class=\"label\">title</th></tr></thead>\n<tbody>\n",
          out);
    ESP_TRY_OUT(esp_rows_open(&rows, store, ESP_STUDIES_SQL));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        put_study_row(out, rows, request);
    }
    fputs("</tbody></table>\n</section>\n"
          "<h2 id=\"running-title\">Running now</h2>\n<section class=\"scroll\""
          " aria-labelledby=\"running-title\" tabindex=\"0\" id=\"running-table\"></section>\n"
          "<noscript><p>This part needs JavaScript; <code>espalier status</code> tells the same."
          "</p></noscript>\n",
          out);
    esp_html_end(out);
out:
    esp_rows_close(rows);
    return status;
}

/* ---- a study --------------------------------------------------------------------------------- */

/* A link to the study's page by a name such as s@1, or s@1 s@2. */
static void put_revision_link(FILE *out, const esp_request *request, const char *name,
                              const char *words)
{
    fputs("<a href=\"", out);
    esp_serve_put_root(out, request);
    fputs("study/", out);
    esp_url_text(out, name);
    esp_html_print(out, "\">%s</a>", words);
}

/* The study's revisions, where there are several and one is shown: each by itself, and beside the
 * one shown. */
static int put_revisions(FILE *out, esp_store *store, const esp_request *request)
{
    esp_rows *rows = NULL;
    bool found = false;
    int status = ESP_OK, n = 0;
    ESP_TRY_OUT(esp_rows_open(
        &rows, store,
        "SELECT r.number, s.current_revision = r.id, coalesce((SELECT group_concat('--set ' ||"
        " o.value, ' ') FROM json_each(r.overrides) o), ''), (SELECT n.number FROM revision n WHERE"
        " n.id = s.current_revision), (SELECT count(*) FROM revision n WHERE n.study = s.id),"
        " r.last_run_at FROM study s JOIN revision r ON r.study = s.id WHERE s.name = :study"
        " ORDER BY r.number"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":study", request->study));
    for (;; n++) {
        ESP_TRY_OUT(esp_rows_step(rows, &found));
        if (!found || esp_rows_integer(rows, 4) < 2) {
            break;
        }
        const int number = (int)esp_rows_integer(rows, 0), shown = (int)esp_rows_integer(rows, 3);
        char *one = esp_text_format("%s@%d", request->study, number);
        char *both = esp_text_format("%s@%d %s@%d", request->study, number < shown ? number : shown,
                                     request->study, number < shown ? shown : number);
        fputs(n == 0 ? "<nav aria-label=\"Revisions\"><ul>" : "", out);
        fputs(number == shown ? "<li aria-current=\"page\">" : "<li>", out);
        char words[32];
        snprintf(words, sizeof words, "revision %d", number);
        if (one != NULL && both != NULL && number != shown) {
            put_revision_link(out, request, one, words);
            fputs(" (", out);
            put_revision_link(out, request, both, "beside this one");
            fputc(')', out);
        } else {
            esp_html_print(out, "%s", words);
        }
        esp_html_print(out, " <span class=\"quiet\">%s</span></li>", esp_rows_text(rows, 2));
        free(one);
        free(both);
    }
    fputs(n > 0 ? "</ul></nav>\n" : "", out);
out:
    esp_rows_close(rows);
    return status;
}

int esp_serve_study_page(FILE *out, esp_store *store, const esp_request *request)
{
    esp_rows *rows = NULL;
    bool found = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT r.title, r.source, iif(r.hash = '', '',"
                              " 'revision ' || r.number || ' of ') FROM study s"
                              " JOIN revision r ON r.id = s.current_revision"
                              " WHERE s.name = :study"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":study", request->study));
    ESP_TRY_OUT(esp_rows_step(rows, &found));
    if (!found) {
        status = esp_fail(ESP_NOT_FOUND, "there is no study of this name in the database");
        goto out;
    }
    ESP_TRY_OUT(esp_serve_page_begin(out, request, request->asked));
    esp_html_print(out, "<p>%s</p>\n<p class=\"quiet\">%s%s</p>\n", esp_rows_text(rows, 0),
                   esp_rows_text(rows, 2), request->database);
    ESP_TRY_OUT(put_revisions(out, store, request));
    esp_html_print(out, "<div id=\"study\" data-path=\"");
    esp_url_text(out, request->asked);
    fputs("\">\n", out);
    fputs(study_html, out);
    fputs("</div>\n", out);
    esp_html_end(out);
out:
    esp_rows_close(rows);
    return status;
}

int esp_serve_report_page(FILE *out, esp_store *store, const esp_request *request)
{
    char *data = esp_place_data();
    char *folder = data != NULL ? esp_text_format("%s/experiments", data) : NULL;
    esp_report *report = NULL;
    int status = esp_report_load(&report, store,
                                 &(esp_report_request){.study = request->study,
                                                       .revision = request->revision,
                                                       .beside = request->beside,
                                                       .study_folder = folder,
                                                       .source_folder = data});
    if (status == ESP_OK) {
        status = esp_render_html(out, report);
    }
    esp_report_free(report);
    free(folder);
    free(data);
    return status;
}
