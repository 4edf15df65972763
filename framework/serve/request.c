#include "serve/request.h"

#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"
#include "core/text_pool.h"
#include "report/named_query.h"
#include "report/report.h"
#include "report/study_names.h"
#include "serve/json_out.h"
#include "store/confine.h"

/* What one answer may take. Names and studies' texts are values too. */
enum { LIVE_MILLISECONDS = 5000, PAGE_MILLISECONDS = 30000, MOST_HEAVY = 2 };
enum { QUERY_VALUE = 1 << 20, PAGE_VALUE = 1 << 24 };

typedef struct page_route {
    const char *path;      /* "/study/" stands for all below it */
    const char *last;      /* what the path ends with then */
    const char *arguments; /* a space before each; "set." is all that begin so; NULL: any */
    esp_handler answer;
    bool heavy; /* may take long: few at a time */
    bool sql;   /* runs a query of the user's choice: bounded more tightly */
} page_route;

static const page_route routes[] = {
    {"/", "", "", esp_serve_index_page, false, false},
    {"/study/", "/report", "", esp_serve_report_page, true, false},
    {"/study/", "", NULL, esp_serve_study_page, false, false},
    {"/sql", "", " sql name set.", esp_serve_sql_page, true, true},
    {"/api/studies", "", "", esp_serve_studies, false, false},
    {"/api/study/", "", " metric at", esp_serve_study, false, false},
    {"/api/live/", "", "", esp_serve_live, false, false},
    {"/api/curves", "", " trials metric points", esp_serve_curves, false, false},
    {"/api/leaves", "", " trial split points", esp_serve_leaves, false, false},
    {"/api/trial", "", " study trial", esp_serve_trial, false, false},
    {"/api/query", "", " sql name set.", esp_serve_query, true, true},
};
enum { N_ROUTES = sizeof routes / sizeof *routes };

const char *esp_request_value(const esp_request *request, const char *name)
{
    for (int i = 0; i < request->n; i++) {
        if (strcmp(request->names[i], name) == 0) {
            return request->values[i];
        }
    }
    return NULL;
}

int esp_request_number(int *out, const esp_request *request, const char *name, int least, int most)
{
    const char *text = esp_request_value(request, name);
    char *end = NULL;
    const long number = text != NULL ? strtol(text, &end, 10) : *out;
    if (text != NULL && (*text == '\0' || *end != '\0' || number < least || number > most)) {
        return esp_fail(ESP_USAGE, "%s is a whole number from %d to %d", name, least, most);
    }
    *out = (int)number;
    return ESP_OK;
}

/* Whether a route knows an argument of that name. */
static bool knows(const page_route *route, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = route->arguments; at != NULL && *at; at += strcspn(at, " ")) {
        const size_t known = strcspn(++at, " ");
        if (at[known - 1] == '.' ? length > known && strncmp(at, name, known) == 0
                                 : length == known && memcmp(at, name, known) == 0) {
            return true;
        }
    }
    return route->arguments == NULL;
}

static int check_arguments(const page_route *route, const esp_request *request)
{
    for (int i = 0; i < request->n; i++) {
        if (!knows(route, request->names[i])) {
            return esp_fail(ESP_USAGE, "unknown parameter '%s'; known:%s", request->names[i],
                            *route->arguments ? route->arguments : " none");
        }
    }
    return ESP_OK;
}

void esp_serve_put_root(FILE *out, const esp_request *request)
{
    enum { DEEPEST = 64 }; /* no page is so deep; what is refused there has no use for links */
    const char *path = request->raw_path + strspn(request->raw_path, "/");
    int depth = 0;
    for (; *path != '\0' && depth < DEEPEST; path++) {
        depth += *path == '/';
    }
    fputs(depth == 0 ? "./" : "", out);
    for (int i = 0; i < depth; i++) {
        fputs("../", out);
    }
}

/* The path without what proxies add: slashes before it, one behind it. Owned by the caller. */
static char *plain_path(const char *path)
{
    path += strspn(path, "/");
    const size_t length = strlen(path);
    const bool slash = length > 0 && path[length - 1] == '/';
    return esp_text_format("/%.*s", (int)(length - slash), path);
}

/* Whether the route is the path's; *study is then what stands between, owned by the caller. */
static bool matches(char **study, const page_route *route, const char *path)
{
    const size_t length = strlen(route->path), all = strlen(path), last = strlen(route->last);
    if (length < 2 || route->path[length - 1] != '/') {
        return strcmp(path, route->path) == 0;
    }
    if (strncmp(path, route->path, length) != 0 || all <= length + last ||
        strcmp(path + all - last, route->last) != 0) {
        return false;
    }
    *study = strndup(path + length, all - length - last);
    return *study != NULL;
}

static int code_of(int status)
{
    switch (status) {
    case ESP_OK:
        return 200;
    case ESP_NOT_FOUND:
        return 404;
    case ESP_USAGE:
        return 400;
    default:
        return 500;
    }
}

/* Lets the connection show the revisions that the request names, before it is confined. *name is
 * owned by the caller, texts are the pool's. */
static int show_studies(char **name, esp_text_pool *pool, esp_store *store, const page_route *route,
                        esp_request *request)
{
    if (route->sql) {
        for (int i = 0; i < request->n; i++) {
            if (strcmp(request->names[i], "set.study") == 0) {
                const char *set = esp_pool_format(pool, "study=%s", request->values[i]);
                ESP_TRY(esp_query_show_studies(&set, 1, store, pool));
                request->values[i] = set + strlen("study=");
            }
        }
    } else if (request->asked != NULL && route->answer == esp_serve_report_page) {
        esp_report_request report = {0};
        ESP_TRY(esp_report_choose(name, &report, store, &request->asked, 1));
        request->study = *name;
        request->revision = report.revision;
        request->beside = report.beside;
    } else if (request->asked != NULL) {
        ESP_TRY(esp_study_show(name, NULL, store, &request->asked, 1));
        request->study = *name;
    }
    return ESP_OK;
}

/* pool: of texts that the request may hold from then on. */
static int answer_by(FILE *out, esp_text_pool *pool, const page_route *route, esp_request *request)
{
    esp_store *store = NULL;
    char *name = NULL;
    ESP_TRY(check_arguments(route, request));
    int status = esp_store_open(&store, request->database, ESP_STORE_READ);
    if (status == ESP_OK) {
        status = show_studies(&name, pool, store, route, request);
    }
    if (status == ESP_OK) {
        status = esp_store_confine(
            store,
            &(esp_confinement){
                .milliseconds = route->heavy && !route->sql ? PAGE_MILLISECONDS : LIVE_MILLISECONDS,
                .value_bytes = route->sql ? QUERY_VALUE : PAGE_VALUE,
            });
    }
    if (status == ESP_OK) {
        status = route->answer(out, store, request);
    }
    esp_store_close(store);
    request->study = NULL;
    free(name);
    return status;
}

static int put_error(FILE *out, const esp_request *request, bool html, int code,
                     const char *message)
{
    if (html) {
        return esp_serve_error_page(out, request, code, message);
    }
    fputs("{\"error\": ", out);
    esp_json_put_text(out, message);
    fputs("}\n", out);
    return ESP_OK;
}

static void refuse(esp_answer *out, const esp_request *request, int code, const char *message)
{
    FILE *stream = open_memstream(&out->body, &out->size);
    out->code = code;
    if (stream != NULL) {
        put_error(stream, request, out->html, code, message);
        fclose(stream);
    }
}

/* Runs the route into the answer's body; what a failure had written by then is dropped. */
static void fill(esp_answer *out, const page_route *route, esp_request *request)
{
    FILE *stream = open_memstream(&out->body, &out->size);
    if (stream == NULL) {
        return;
    }
    esp_text_pool pool = {0};
    const int status = answer_by(stream, &pool, route, request);
    fclose(stream);
    out->code = code_of(status);
    if (status != ESP_OK) {
        free(out->body);
        out->body = NULL;
        refuse(out, request, out->code, esp_message());
    }
    esp_pool_free(&pool);
}

void esp_request_answer(esp_answer *out, esp_request *request)
{
    *out =
        (esp_answer){.html = strncmp(request->path + strspn(request->path, "/"), "api/", 4) != 0};
    const page_route *found = NULL;
    char *study = NULL, *path = plain_path(request->path);
    for (int i = 0; i < N_ROUTES && found == NULL && path != NULL; i++) {
        found = matches(&study, &routes[i], path) ? &routes[i] : NULL;
    }
    request->asked = study;
    if (found != NULL && study == NULL && found->arguments != NULL &&
        strstr(found->arguments, " study") != NULL) {
        request->asked = esp_request_value(request, "study");
    }
    free(path);
    if (found == NULL) {
        refuse(out, request, 404, "there is no such page");
    } else if (found->heavy && atomic_fetch_add(request->heavy, 1) >= MOST_HEAVY) {
        atomic_fetch_sub(request->heavy, 1);
        refuse(out, request, 503, "busy with other queries: try again in a few seconds");
    } else {
        fill(out, found, request);
        if (found->heavy) {
            atomic_fetch_sub(request->heavy, 1);
        }
    }
    request->asked = NULL;
    free(study);
}
