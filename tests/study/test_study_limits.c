/* Small files that would take all memory or hours: each is refused or read, within what a study may
 * take. Expected words are those of the limits in study/reading.h and yaml.c. Found by fuzzing and
 * by looking for what grows faster than its file. */
#include "study/study_fixture.h"

#include <sys/resource.h>

/* A study in the making. */
typedef struct text {
    char *bytes;
    size_t used;
    FILE *file;
} text;

static void begin(text *t, const char *phases)
{
    t->file = open_memstream(&t->bytes, &t->used);
    assert_non_null(t->file);
    fprintf(t->file,
            "study: s\nseeds: 0\ndefaults:\n  data: {name: mnist}\n"
            "  model: {kind: fff, training_width: 16, leaf_width: 8}\n"
            "  losses: {cross_entropy: {weight: 1}}\n"
            "  optimizer: {kind: adam, learning_rate: 0.001}\n  phases: {%s}\n",
            phases);
}

/* Sanitizers take memory of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MOST_MEMORY = 4 << 20 };
#else
enum { MOST_MEMORY = 512 << 10 };
#endif

/* Refused, and said so; peak memory grows by less than MOST_MEMORY kilobytes. */
static void expect_refused(fixture *f, text *t, const char *words)
{
    struct rusage before, after;
    fclose(t->file);
    getrusage(RUSAGE_SELF, &before);
    load_bytes(f, t->bytes, t->used, NULL);
    getrusage(RUSAGE_SELF, &after);
    free(t->bytes);
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, words);
    assert_true(after.ru_maxrss - before.ru_maxrss < MOST_MEMORY);
}

static void list(text *t, const char *key, int n, const char *format)
{
    fprintf(t->file, "  %s: [", key);
    for (int i = 1; i <= n; i++) {
        fprintf(t->file, "%s", i > 1 ? ", " : "");
        fprintf(t->file, format, i);
    }
    fprintf(t->file, "]\n");
}

static void test_limits__keys_of_a_map(void **state)
{
    text t;
    begin(&t, "train: {epochs: 1}");
    fprintf(t.file, "variants:\n");
    for (int i = 0; i < 5001; i++) {
        fprintf(t.file, "  v%d: {}\n", i);
    }
    expect_refused(*state, &t, "study_under_test.yaml:5010:3: error: a map of more than 5000 keys");
}

static void test_limits__values_of_a_file(void **state)
{
    text t;
    begin(&t, "train: {epochs: 1}");
    fprintf(t.file, "grid:\n");
    list(&t, "batch_size", 200000, "%d");
    expect_refused(*state, &t, "error: more than 200000 values");
}

/* Each cell has all phases: 1000 cells of 64 took 2.7 GB. */
static void test_limits__phases_of_all_cells(void **state)
{
    char phases[4096] = "";
    for (int i = 0; i < 64; i++) {
        sprintf(phases + strlen(phases), "p%d: {epochs: 1, set: {drop_last: true}}, ", i);
    }
    text t;
    begin(&t, phases);
    fprintf(t.file, "grid:\n");
    list(&t, "batch_size", 10, "%d");
    list(&t, "data.split_seed", 10, "%d");
    list(&t, "data.normalize.mean", 10, "%d");
    expect_refused(*state, &t, "error: the phases of all cells together are more than 40000");
}

/* Each cell would have a copy of the list, 10 GB in all. */
static void test_limits__configurations_of_all_cells(void **state)
{
    text t;
    begin(&t, "train: {epochs: 1}");
    fprintf(t.file, "  selection:\n  ");
    list(&t, "phases", 5000, "p%d");
    fprintf(t.file, "grid:\n");
    list(&t, "batch_size", 100, "%d");
    list(&t, "data.split_seed", 100, "%d");
    expect_refused(*state, &t,
                   "error: the configurations of all cells together are larger than 256 MB");
}

/* The text of a list was built anew with each of its items. */
static void test_limits__a_long_list_as_a_value(void **state)
{
    text t;
    begin(&t, "train: {epochs: 1}");
    fprintf(t.file, "grid:\n  selection.phases:\n    - [a");
    for (int i = 0; i < 20000; i++) {
        fprintf(t.file, ", phase%d", i);
    }
    fprintf(t.file, "]\n    - [train]\n");
    expect_refused(*state, &t, "selection.phases");
}

/* Each unknown name had the list of all variants made anew, in a time that grew with its square. */
static void test_limits__unknown_variants_among_many(void **state)
{
    text t;
    begin(&t, "train: {epochs: 1}");
    fprintf(t.file, "variants:\n");
    for (int i = 0; i < 500; i++) {
        fprintf(t.file, "  a_variant_with_a_long_name_%d: {set: {batch_size: %d}}\n", i, i + 1);
    }
    fprintf(t.file, "contrasts:\n");
    for (int i = 0; i < 500; i++) {
        fprintf(t.file, "  - [other%d, a_variant_with_a_long_name_%d]\n", i, i);
    }
    expect_refused(*state, &t, "error: unknown variant 'other0'");
}

static void test_limits__exclusions(void **state)
{
    text t;
    begin(&t, "train: {epochs: 1}");
    fprintf(t.file, "exclude:\n");
    for (int i = 0; i < 1001; i++) {
        fprintf(t.file, "  - {batch_size: %d}\n", i + 1);
    }
    expect_refused(*state, &t, "error: exclude lists more than 1000 maps");
}

/* Contrasts that compare nothing are looked for by all pairs of cells: for 100 of them among 400
 * cells that is stopped, and the study is read. */
static void test_limits__contrasts_without_partners(void **state)
{
    fixture *f = *state;
    text t;
    begin(&t, "train: {epochs: 1}");
    fprintf(t.file, "variants:\n  a:\n    grid:\n    ");
    list(&t, "batch_size", 200, "%d");
    fprintf(t.file, "  b:\n    grid:\n    ");
    list(&t, "batch_size", 200, "1%04d");
    fprintf(t.file, "contrasts:\n");
    for (int i = 0; i < 100; i++) {
        fprintf(t.file, "  - [a, b]\n");
    }
    fclose(t.file);
    load_bytes(f, t.bytes, t.used, NULL);
    free(t.bytes);
    assert_int_equal(f->status, ESP_STUDY);
    assert_said(f, "error: contrasts: no cell like a has a partner like b");
    const char *second = strstr(f->words, "contrasts: no cell like a");
    int n = 0;
    for (; second != NULL; second = strstr(second + 1, "contrasts: no cell like a")) {
        n++;
    }
    assert_in_range(n, 1, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits__keys_of_a_map),
        cmocka_unit_test(test_limits__values_of_a_file),
        cmocka_unit_test(test_limits__phases_of_all_cells),
        cmocka_unit_test(test_limits__configurations_of_all_cells),
        cmocka_unit_test(test_limits__a_long_list_as_a_value),
        cmocka_unit_test(test_limits__unknown_variants_among_many),
        cmocka_unit_test(test_limits__exclusions),
        cmocka_unit_test(test_limits__contrasts_without_partners),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
