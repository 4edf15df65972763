/* Queries by name: the files of analysis/, their parameters, and what a query of a user's own needs
 * beside it. How rows look is the caller's. */
#ifndef ESP_REPORT_NAMED_QUERY_H
#define ESP_REPORT_NAMED_QUERY_H

#include "core/text_pool.h"
#include "store/store.h"

enum { ESP_MAX_QUERIES = 128, ESP_MAX_QUERY_PARAMETERS = 32 };

/* As its file declares it: "-- :study %  studies, a LIKE pattern". */
typedef struct esp_query_parameter {
    const char *name;  /* without the colon */
    const char *value; /* the default; "-" is NULL */
    const char *help;
} esp_query_parameter;

typedef struct esp_named_query {
    const char *name;    /* of the file, without ".sql" */
    const char *answers; /* its first line */
    const char *sql;
    int n_parameters;
    esp_query_parameter parameters[ESP_MAX_QUERY_PARAMETERS];
} esp_named_query;

typedef struct esp_named_queries {
    const char *folder;
    int n;
    esp_named_query *at; /* by name */
} esp_named_queries;

/* Reads them all; they live in the pool. No folder, no queries. Errors: ESP_MEMORY, ESP_IO,
 * ESP_USAGE for a file that cannot be read. Thread: the pool's. */
int esp_named_queries_read(esp_named_queries *out, esp_text_pool *pool);

/* Errors: ESP_NOT_FOUND with the name that could have been meant. Thread: any. */
int esp_named_query_find(const esp_named_query **out, const esp_named_queries *queries,
                         const char *name);

/* esp_rows_open that tells for a table which is not there the one that could have been meant. */
int esp_query_open(esp_rows **out, esp_store *store, const char *sql);

/* Gives the query's parameters their values: first the defaults that its text declares, then sets,
 * "name=value" each. What looks like a number is one, unless that would lose something ("007").
 * Where the query has :split too, metric=test.hard_accuracy gives both.
 * Errors: ESP_USAGE for a set that is no name=value or names no parameter, and for a parameter left
 * without a value; ESP_MEMORY. Thread: the rows'. */
int esp_query_bind(esp_rows *rows, const char *sql, const char *const *sets, int n_sets);

/* Shows what study=STUDY@REVISION among the sets names (esp_study_show), before the query is
 * opened, and puts what the store calls it into that set. A LIKE pattern and a study's name stay.
 * The texts are the pool's. Errors: as esp_study_show. Thread: the store's. */
int esp_query_show_studies(const char **sets, int n_sets, esp_store *store, esp_text_pool *pool);

/* Refuses a study, split, metric or epoch (at) among the sets that the database does not know: a
 * query's own parameters of these names mean them. A study is a LIKE pattern. Errors: ESP_NOT_FOUND
 * with what could have been meant; ESP_STORE. Thread: the store's. */
int esp_query_check_sets(esp_store *store, const char *const *sets, int n_sets);

#endif
