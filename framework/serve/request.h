/* A request that was let in, and its answer: nothing here knows of sockets. */
#ifndef ESP_SERVE_REQUEST_H
#define ESP_SERVE_REQUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "store/store.h"

enum { ESP_MAX_ARGUMENTS = 128 };

typedef struct esp_request {
    const char *database;
    atomic_int *heavy;    /* of all requests: how many long answers are being made */
    const char *path;     /* decoded, "/study/a name" */
    const char *raw_path; /* as it came, "/study/a%20name" */
    const char
        *asked; /* of /study/NAME as it came, "s@1", or the parameter study; NULL elsewhere */
    const char *study; /* what the connection calls it, which shows what was asked for */
    int revision;      /* for reports: as esp_report_choose sets them */
    bool beside;
    int n; /* arguments, decoded */
    const char *names[ESP_MAX_ARGUMENTS], *values[ESP_MAX_ARGUMENTS];
} esp_request;

/* The first argument of that name, NULL where there is none. */
const char *esp_request_value(const esp_request *request, const char *name);

/* The same as a whole number; where it is absent *out stays. Errors: ESP_USAGE for what is none, or
 * not from least to most. */
int esp_request_number(int *out, const esp_request *request, const char *name, int least, int most);

typedef struct esp_answer {
    int code; /* of HTTP */
    bool html;
    char *body; /* owned by the caller */
    size_t size;
} esp_answer;

/* Answers from a connection of its own, which is confined. Errors are answers too; without memory
 * the body is NULL. Thread: any. */
void esp_request_answer(esp_answer *out, esp_request *request);

/* What answers: writes to out. A failure's message becomes the answer in its place. */
typedef int (*esp_handler)(FILE *out, esp_store *store, const esp_request *request);

/* Data, JSON (live.c). */
int esp_serve_studies(FILE *out, esp_store *store, const esp_request *request);
int esp_serve_study(FILE *out, esp_store *store, const esp_request *request);
int esp_serve_live(FILE *out, esp_store *store, const esp_request *request);
/* The same of trials (trial_data.c). */
int esp_serve_curves(FILE *out, esp_store *store, const esp_request *request);
int esp_serve_leaves(FILE *out, esp_store *store, const esp_request *request);
int esp_serve_trial(FILE *out, esp_store *store, const esp_request *request);

/* The SQL box, JSON and page (sql_box.c). */
int esp_serve_query(FILE *out, esp_store *store, const esp_request *request);
int esp_serve_sql_page(FILE *out, esp_store *store, const esp_request *request);

/* Writes the way from the request's page back to the first one, "../", so that links hold below any
 * path that a proxy puts before ours. */
void esp_serve_put_root(FILE *out, const esp_request *request);

/* Pages, HTML (pages.c). */
int esp_serve_index_page(FILE *out, esp_store *store, const esp_request *request);
int esp_serve_study_page(FILE *out, esp_store *store, const esp_request *request);
int esp_serve_report_page(FILE *out, esp_store *store, const esp_request *request);
/* The frame of a page up to its heading, the title. */
int esp_serve_page_begin(FILE *out, const esp_request *request, const char *title);
/* What a failure looks like. */
int esp_serve_error_page(FILE *out, const esp_request *request, int code, const char *message);

#endif
