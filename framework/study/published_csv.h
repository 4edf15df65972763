/* Published values from a CSV file, as analysis/published holds them: accuracies in percent, one
 * line a value, columns split, routing, best, spread, spread_is, runs, source and model, and any
 * others to join by. Lines that start with # are comments; "# source NAME: words" says how that
 * source's method differs. */
#ifndef ESP_STUDY_PUBLISHED_CSV_H
#define ESP_STUDY_PUBLISHED_CSV_H

#include "core/text_pool.h"

typedef struct esp_published_csv {
    const char *path;
    int n_columns, n_lines;
    const char **columns; /* [n_columns] */
    const char **fields;  /* [n_lines x n_columns] */
    int n_sources;
    const char **sources; /* [n_sources] */
    const char **words;   /* [n_sources] what the comments say of each */
} esp_published_csv;

typedef struct esp_published_value {
    const char *split, *routing; /* "soft", "hard" or "none" */
    double best, spread;         /* fractions; NaN where none is printed */
    const char *spread_is;       /* "sd", "best-worst" or "" */
    int runs;
    const char *source;
} esp_published_value;

/* The first readable file of that name: beside the study, in analysis/published of the source, in
 * ../analysis/published from the study. A folder may be NULL. NULL where there is none. Thread: the
 * pool's. */
const char *esp_published_find(esp_text_pool *pool, const char *file, const char *study_folder,
                               const char *source_folder);

/* Reads a file: quoted fields (RFC 4180: quotes doubled, line ends inside), comments, empty lines.
 * Strings live in the pool. Errors: ESP_NOT_FOUND, ESP_IO; ESP_DATA naming file and line. Thread:
 * the pool's. */
int esp_published_csv_read(esp_published_csv *out, const char *path, esp_text_pool *pool);

/* The column of that name, or -1. */
int esp_published_csv_column(const esp_published_csv *csv, const char *name);

/* A line's field, "" past the end. */
const char *esp_published_csv_field(const esp_published_csv *csv, int line, const char *column);

/* Whether two texts mean the same: equal, or equal as numbers ("8", "8.0"). */
int esp_published_same(const char *a, const char *b);

/* A line's numbers and words. Errors: ESP_DATA naming file, column and what stands there. */
int esp_published_csv_value(esp_published_value *out, const esp_published_csv *csv, int line);

/* What the file's comments say of a source, or NULL. */
const char *esp_published_csv_words(const esp_published_csv *csv, const char *source);

#endif
