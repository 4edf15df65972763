/* A folder for one test, and files in it, raw or gzip. */
#ifndef ESP_TESTS_DATA_SCRATCH_H
#define ESP_TESTS_DATA_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "core/status.h"
#include "data/dataset.h"

/* Setup and teardown of a test: *state is the folder's path. */
static inline int scratch_create(void **state)
{
    const char *base = getenv("TMPDIR");
    char path[1024];
    snprintf(path, sizeof path, "%s/espalier-test-XXXXXX", base != NULL ? base : "/tmp");
    *state = mkdtemp(path) != NULL ? strdup(path) : NULL;
    return *state != NULL ? 0 : -1;
}

static inline int scratch_remove_one(const char *path, const struct stat *information, int kind,
                                     struct FTW *where)
{
    (void)information;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline int scratch_destroy(void **state)
{
    nftw(*state, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return 0;
}

static inline void scratch_write(const char *path, const void *bytes, size_t count, int gzip)
{
    gzFile file = gzopen(path, gzip ? "wb" : "wbT");
    assert_non_null(file);
    assert_int_equal(count == 0 ? 0 : gzwrite(file, bytes, (unsigned)count), (int)count);
    assert_int_equal(gzclose(file), Z_OK);
}

/* Asserts a failure of that status whose message has all the parts. */
static inline void assert_fails(int status, int expected, const char *const *parts)
{
    assert_int_equal(status, expected);
    for (; *parts != NULL; parts++) {
        if (strstr(esp_message(), *parts) == NULL) {
            fail_msg("message lacks '%s': %s", *parts, esp_message());
        }
    }
}
#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The data set "it" of ESPALIER_DATA_PATH: opened, or refused with a message that has all parts. */
static inline esp_dataset *open_it(void)
{
    esp_dataset *dataset = NULL;
    if (esp_dataset_open(&dataset, "it") != ESP_OK) {
        fail_msg("%s", esp_message());
    }
    return dataset;
}

static inline void expect_it_refused(const char *const *parts)
{
    esp_dataset *dataset = NULL;
    assert_fails(esp_dataset_open(&dataset, "it"), ESP_DATA, parts);
    assert_null(dataset);
}

#endif
