/* Reads tests/fixtures/statistics. */
#ifndef ESP_TESTS_STATISTICS_FIXTURE_H
#define ESP_TESTS_STATISTICS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MOST_ROWS = 16, MOST_VALUES = 32, MOST_SETS = 32 };

/* Named rows of numbers: the samples a and b, or cells x seeds. */
typedef struct data_set {
    char name[32];
    int n_rows, n[MOST_ROWS];
    double rows[MOST_ROWS][MOST_VALUES];
} data_set;

static inline FILE *open_fixture(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/fixtures/statistics/%s", ESPALIER_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fail_msg("%s cannot be read", path);
    }
    return file;
}

/* "name: 1 2 3 | 4 nan 6"; the number of sets. */
static inline int read_sets(data_set *sets, const char *file_name)
{
    FILE *file = open_fixture(file_name);
    char line[2048];
    int n_sets = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        char *at = strchr(line, ':');
        if (*line == '#' || at == NULL) {
            continue;
        }
        assert_true(n_sets < MOST_SETS);
        data_set *set = &sets[n_sets++];
        memset(set, 0, sizeof *set);
        snprintf(set->name, sizeof set->name, "%.*s", (int)(at - line), line);
        char *rest = NULL;
        for (char *word = strtok_r(at + 1, " \n", &rest); word;
             word = strtok_r(NULL, " \n", &rest)) {
            if (strcmp(word, "|") == 0) {
                set->n_rows++;
            } else {
                set->rows[set->n_rows][set->n[set->n_rows]++] = strtod(word, NULL);
            }
        }
        set->n_rows++;
    }
    fclose(file);
    return n_sets;
}

/* One line of expectations: a statistic, its arguments as text, its value. */
typedef struct expectation {
    char statistic[64], arguments[256];
    double value;
} expectation;

static inline bool read_expectation(expectation *out, FILE *file)
{
    char line[512];
    while (fgets(line, sizeof line, file) != NULL) {
        char *first = strchr(line, ' '), *last = strrchr(line, ' ');
        if (*line == '#' || last == NULL || first == last) {
            continue;
        }
        snprintf(out->statistic, sizeof out->statistic, "%.*s", (int)(first - line), line);
        snprintf(out->arguments, sizeof out->arguments, "%.*s", (int)(last - first - 1), first + 1);
        out->value = strtod(last + 1, NULL);
        return true;
    }
    return false;
}

/* To 1e-9; absolutely below 1e-14, and as far as R's pt() itself goes where it is noncentral. */
static inline void assert_agrees(const expectation *expected, double value)
{
    const double e = expected->value;
    const double floor = strcmp(expected->statistic, "noncentral_t_cdf") == 0 ? 1e-12 : 1e-14;
    const bool agrees = isnan(e) ? isnan(value) : fabs(value - e) <= 1e-9 * fabs(e) + floor;
    if (!agrees) {
        fail_msg("%s of %s is %.17g, expected %.17g", expected->statistic, expected->arguments,
                 value, e);
    }
}

#endif
