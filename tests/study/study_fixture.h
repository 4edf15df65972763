/* A study from text, and what was said about it. Plugins are those built with the tests. */
#ifndef STUDY_FIXTURE_H
#define STUDY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"
#include "study/study.h"

/* The smallest sound study; errors are made in copies of it. */
#define SOUND                                                                                      \
    "study: s\n"                                                                                   \
    "seeds: 0\n"                                                                                   \
    "defaults:\n"                                                                                  \
    "  data: {name: mnist}\n"                                                                      \
    "  model: {kind: fff, training_width: 16, leaf_width: 8}\n"                                    \
    "  losses: {cross_entropy: {}}\n"                                                              \
    "  optimizer: {learning_rate: 0.001}\n"                                                        \
    "  phases: {train: {epochs: 2}}\n"                                                             \
    "  selection: {monitor: []}\n"

static const char fixture_path[] = "study_under_test.yaml";

typedef struct fixture {
    esp_registry *registry;
    esp_study *study;
    char *words; /* all that was written to the errors stream */
    int status;
} fixture;

static inline int fixture_open(void **state)
{
    char folder[] = "/tmp/espalier-study-XXXXXX";
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    return f == NULL || mkdtemp(folder) == NULL || chdir(folder) != 0 ||
           esp_registry_create(&f->registry) != ESP_OK;
}

static inline void fixture_forget(fixture *f)
{
    esp_study_free(f->study);
    free(f->words);
    f->study = NULL;
    f->words = NULL;
}

static inline int fixture_close(void **state)
{
    fixture *f = *state;
    char folder[4096];
    fixture_forget(f);
    esp_registry_destroy(f->registry);
    free(f);
    unlink(fixture_path);
    return getcwd(folder, sizeof folder) == NULL || chdir("/") != 0 || rmdir(folder) != 0;
}

/* Loads bytes as a study; f->status, f->study and f->words tell the rest. */
static inline void load_bytes(fixture *f, const char *bytes, size_t count,
                              const esp_study_options *options)
{
    static const esp_study_options none = {0};
    fixture_forget(f);
    FILE *file = fopen(fixture_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
    size_t size = 0;
    FILE *errors = open_memstream(&f->words, &size);
    assert_non_null(errors);
    f->status =
        esp_study_load(&f->study, fixture_path, options ? options : &none, f->registry, errors);
    fclose(errors);
}

static inline void load(fixture *f, const char *text, const esp_study_options *options)
{
    load_bytes(f, text, strlen(text), options);
}

/* The same, which must succeed; prints what was said otherwise. */
static inline esp_study *load_sound(fixture *f, const char *text, const esp_study_options *options)
{
    load(f, text, options);
    if (f->status != ESP_OK) {
        print_error("%s", f->words);
    }
    assert_int_equal(f->status, ESP_OK);
    return f->study;
}

/* The study must be refused with exactly these lines, the path left out. */
static inline void assert_refused(fixture *f, const char *text, const esp_study_options *options,
                                  const char *expected)
{
    load(f, text, options);
    assert_int_equal(f->status, ESP_STUDY);
    assert_null(f->study);
    char *without = calloc(1, strlen(f->words) + 1);
    size_t length = strlen(fixture_path);
    for (const char *at = f->words; *at;) {
        at += strncmp(at, fixture_path, length) == 0 ? length + 1 : 0;
        size_t line = strcspn(at, "\n") + 1;
        strncat(without, at, line);
        at += line;
    }
    assert_string_equal(without, expected);
    free(without);
}

static inline void assert_said(const fixture *f, const char *words)
{
    if (strstr(f->words, words) == NULL) {
        fail_msg("'%s' is not in: %s", words, f->words);
    }
}

static inline const esp_cell *cell_of(const esp_study *study, const char *label)
{
    for (int i = 0; i < study->n_cells; i++) {
        if (strcmp(study->cells[i].label, label) == 0) {
            return &study->cells[i];
        }
    }
    fail_msg("no cell '%s'", label);
    return NULL;
}

static inline const esp_term_config *term_of(const esp_cell *cell, int phase, const char *name)
{
    for (int i = 0; i < cell->phases[phase].n_terms; i++) {
        if (strcmp(cell->phases[phase].terms[i].plugin->name, name) == 0) {
            return &cell->phases[phase].terms[i];
        }
    }
    return NULL;
}

static inline const char *param_of(const esp_cell *cell, const char *key)
{
    for (int i = 0; i < cell->n_params; i++) {
        if (strcmp(cell->params[i].key, key) == 0) {
            return cell->params[i].value;
        }
    }
    return "(none)";
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

#endif
