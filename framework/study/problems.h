/* What is wrong with a study: collected everywhere, printed once, sorted by place. */
#ifndef ESP_STUDY_PROBLEMS_H
#define ESP_STUDY_PROBLEMS_H

#include <stdbool.h>
#include <stdio.h>

/* A place in what the user wrote. */
enum { ESP_IN_FILE = 0, ESP_IN_SEEDS = -1, ESP_IN_ONLY = -2 };
typedef struct esp_mark {
    int source;       /* ESP_IN_FILE, ESP_IN_SEEDS, ESP_IN_ONLY, or N of the N-th --set */
    int line, column; /* from 1; of the file only */
} esp_mark;

typedef enum esp_severity { ESP_ERROR, ESP_WARNING, ESP_NOTE } esp_severity;

typedef struct esp_problems esp_problems;

/* An empty collection for a file. Errors: ESP_MEMORY. Thread: the owner's, as all below. */
int esp_problems_create(esp_problems **out, const char *path);
void esp_problems_destroy(esp_problems *problems);

/* Adds one; the same words at the same place are kept once. */
void esp_problem(esp_problems *problems, esp_severity severity, esp_mark mark, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

int esp_problems_errors(const esp_problems *problems);

/* Remembers that a key was meant by a misspelled one, so that it is not called missing as well. */
void esp_problems_excuse(esp_problems *problems, const char *path);
bool esp_problems_excused(const esp_problems *problems, const char *path);

/* Writes them, sorted: the errors alone where there are any (at most a hundred), else warnings and
 * notes. */
void esp_problems_print(esp_problems *problems, FILE *out);

/* "FILE:LINE:COL", "--set:N", "--seeds" or "--only"; out [capacity]. */
void esp_mark_print(char *out, size_t capacity, const esp_problems *problems, esp_mark mark);

#endif
