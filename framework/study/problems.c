#include "study/problems.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"

enum { MAX_KEPT = 1000, MAX_PRINTED = 100 };

typedef struct problem {
    esp_severity severity;
    esp_mark mark;
    char *text;
} problem;

struct esp_problems {
    char *path;
    int n_kept, n_errors, n_excused;
    problem kept[MAX_KEPT];
    char *excused[MAX_PRINTED];
};

int esp_problems_create(esp_problems **out, const char *path)
{
    esp_problems *problems = calloc(1, sizeof *problems);
    char *copy = strdup(path);
    if (problems == NULL || copy == NULL) {
        free(problems);
        free(copy);
        return esp_fail(ESP_MEMORY, "out of memory");
    }
    problems->path = copy;
    *out = problems;
    return ESP_OK;
}

void esp_problems_destroy(esp_problems *problems)
{
    if (problems == NULL) {
        return;
    }
    for (int i = 0; i < problems->n_kept; i++) {
        free(problems->kept[i].text);
    }
    for (int i = 0; i < problems->n_excused; i++) {
        free(problems->excused[i]);
    }
    free(problems->path);
    free(problems);
}

void esp_problem(esp_problems *problems, esp_severity severity, esp_mark mark, const char *format,
                 ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (int i = 0; i < problems->n_kept; i++) {
        const problem *other = &problems->kept[i];
        if (other->mark.source == mark.source && other->mark.line == mark.line &&
            other->mark.column == mark.column && strcmp(other->text, text) == 0) {
            return;
        }
    }
    problems->n_errors += severity == ESP_ERROR;
    char *copy = problems->n_kept < MAX_KEPT ? strdup(text) : NULL;
    if (copy != NULL) {
        problems->kept[problems->n_kept++] = (problem){severity, mark, copy};
    }
}

void esp_problems_excuse(esp_problems *problems, const char *path)
{
    char *copy = problems->n_excused < MAX_PRINTED ? strdup(path) : NULL;
    if (copy != NULL) {
        problems->excused[problems->n_excused++] = copy;
    }
}

bool esp_problems_excused(const esp_problems *problems, const char *path)
{
    for (int i = 0; i < problems->n_excused; i++) {
        if (strcmp(problems->excused[i], path) == 0) {
            return true;
        }
    }
    return false;
}

int esp_problems_errors(const esp_problems *problems)
{
    return problems->n_errors;
}

/* The file comes first, then --set in order, then --seeds and --only. */
static int source_rank(int source)
{
    return source >= 0 ? source : 1000000 - source;
}

static int compare(const void *left, const void *right)
{
    const problem *a = left, *b = right;
    int ranks[2] = {source_rank(a->mark.source), source_rank(b->mark.source)};
    if (ranks[0] != ranks[1]) {
        return ranks[0] < ranks[1] ? -1 : 1;
    }
    if (a->mark.line != b->mark.line) {
        return a->mark.line < b->mark.line ? -1 : 1;
    }
    if (a->mark.column != b->mark.column) {
        return a->mark.column < b->mark.column ? -1 : 1;
    }
    return strcmp(a->text, b->text);
}

void esp_mark_print(char *out, size_t capacity, const esp_problems *problems, esp_mark mark)
{
    if (mark.source > 0) {
        snprintf(out, capacity, "--set:%d", mark.source);
    } else if (mark.source == ESP_IN_SEEDS) {
        snprintf(out, capacity, "--seeds");
    } else if (mark.source == ESP_IN_ONLY) {
        snprintf(out, capacity, "--only");
    } else if (mark.line > 0) {
        snprintf(out, capacity, "%s:%d:%d", problems->path, mark.line, mark.column);
    } else {
        snprintf(out, capacity, "%s", problems->path);
    }
}

void esp_problems_print(esp_problems *problems, FILE *out)
{
    static const char *const words[] = {"error", "warning", "note"};
    qsort(problems->kept, (size_t)problems->n_kept, sizeof *problems->kept, compare);
    bool errors_only = problems->n_errors > 0;
    int n_printed = 0;
    for (int i = 0; i < problems->n_kept && n_printed < MAX_PRINTED; i++) {
        const problem *it = &problems->kept[i];
        if (errors_only && it->severity != ESP_ERROR) {
            continue;
        }
        char place[1024];
        esp_mark_print(place, sizeof place, problems, it->mark);
        fprintf(out, "%s: %s: %s\n", place, words[it->severity], it->text);
        n_printed++;
    }
    if (errors_only && problems->n_errors > n_printed) {
        fprintf(out, "%s: error: and %d more\n", problems->path, problems->n_errors - n_printed);
    }
}
