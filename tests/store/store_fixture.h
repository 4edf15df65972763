/* A results database in a folder of its own, and short ways to fill it. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

/* cmocka.h needs these before it. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <ftw.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"
#include "fixtures/asserts.h"
#include "store/store.h"

typedef struct fixture {
    char folder[64];
    char path[96];
} fixture;

static inline int fixture_setup(void **state)
{
    fixture *made = calloc(1, sizeof *made);
    assert_non_null(made);
    snprintf(made->folder, sizeof made->folder, "/tmp/espalier-store-XXXXXX");
    assert_non_null(mkdtemp(made->folder));
    snprintf(made->path, sizeof made->path, "%s/r/espalier.db", made->folder);
    *state = made;
    return 0;
}

static inline int fixture_remove(const char *path, const struct stat *information, int kind,
                                 struct FTW *place)
{
    (void)information;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline int fixture_teardown(void **state)
{
    fixture *made = *state;
    nftw(made->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    free(made);
    return 0;
}

/* ---- a study with two variants, one grid key with one value, and any number of seeds -----------
 */

enum { FIXTURE_MAX_SEEDS = 16 };

typedef struct fixture_study {
    esp_store_param params[2][2], swept[1];
    esp_store_cell cells[2];
    int n_seeds;
    char ids[2 * FIXTURE_MAX_SEEDS][17], seeds[FIXTURE_MAX_SEEDS][12];
    esp_store_trial trials[2 * FIXTURE_MAX_SEEDS]; /* baseline's first */
    esp_store_study study;
} fixture_study;

/* id_base keeps the ids of different studies apart; the same base makes shared trials. */
static inline void fixture_make_study(fixture_study *made, const char *name, const char *text,
                                      int n_seeds, unsigned id_base)
{
    memset(made, 0, sizeof *made);
    made->n_seeds = n_seeds;
    made->swept[0] = (esp_store_param){"leaf", "8"};
    static const char *const variants[] = {"baseline", "balanced"};
    static const char *const configs[] = {
        "{\"batch_size\": 256, \"losses\": {\"balance\": {\"weight\": 0}}, \"heads\": {}}",
        "{\"batch_size\": 256, \"losses\": {\"balance\": {\"weight\": 1}},"
        " \"heads\": {\"master_leaf\": {\"width\": 8}}}"};
    static const char *const labels[] = {"baseline leaf=8", "balanced leaf=8"};
    for (int i = 0; i < 2; i++) {
        made->params[i][0] = (esp_store_param){"depth", "1"};
        made->params[i][1] = (esp_store_param){"losses.balance.weight", i == 0 ? "0" : "1"};
        made->cells[i] = (esp_store_cell){.variant = variants[i],
                                          .label = labels[i],
                                          .reference = i == 0 ? -1 : 0,
                                          .config = configs[i],
                                          .identity = "{}",
                                          .n_swept = 1,
                                          .n_params = 2,
                                          .swept = made->swept,
                                          .params = made->params[i]};
        for (int seed = 0; seed < n_seeds; seed++) {
            int index = i * n_seeds + seed;
            snprintf(made->ids[index], sizeof *made->ids, "%016x", id_base + (unsigned)index);
            snprintf(made->seeds[seed], sizeof *made->seeds, "%d", seed);
            made->trials[index] = (esp_store_trial){.cell = i,
                                                    .id = made->ids[index],
                                                    .seed = made->seeds[seed],
                                                    .seed_init = (uint64_t)seed,
                                                    .seed_order = (uint64_t)seed,
                                                    .seed_noise = (uint64_t)seed};
        }
    }
    made->study = (esp_store_study){.name = name,
                                    .title = "A title",
                                    .source = "none",
                                    .text = text,
                                    .overrides = "[]",
                                    .report = "{}",
                                    .variants = "[\"baseline\", \"balanced\"]",
                                    .n_cells = 2,
                                    .n_trials = 2 * n_seeds,
                                    .cells = made->cells,
                                    .trials = made->trials};
}

static inline void fixture_register(const char *path, fixture_study *study)
{
    esp_store *store = NULL;
    ASSERT_OK(esp_store_open(&store, path, ESP_STORE_WRITE));
    ASSERT_OK(esp_store_register(store, &study->study));
    esp_store_close(store);
}

/* An epoch record in which nothing was measured. */
static inline esp_epoch_record fixture_epoch(int64_t trial, int64_t attempt, int epoch)
{
    esp_epoch_record record = {.trial_key = trial,
                               .attempt_key = attempt,
                               .epoch = epoch,
                               .phase = epoch == 0 ? "" : "train",
                               .phase_epoch = epoch,
                               .learning_rate = 0.001,
                               .seconds = 0.5,
                               .digest = "",
                               .running_loss = NAN,
                               .running_soft_accuracy = NAN};
    for (int split = 0; split < ESP_N_SPLITS; split++) {
        for (int metric = 0; metric < ESP_N_METRICS; metric++) {
            record.metrics[split][metric] = NAN;
        }
    }
    return record;
}

static inline int64_t fixture_begin(esp_writer *writer, int64_t trial, const char *environment)
{
    int64_t attempt = 0;
    ASSERT_OK(esp_writer_begin(&attempt, writer,
                               &(esp_begin_record){.trial_key = trial,
                                                   .environment = environment,
                                                   .host = "here",
                                                   .process = 1,
                                                   .first_epoch = 0}));
    return attempt;
}

static inline void fixture_end(esp_writer *writer, int64_t trial, int64_t attempt,
                               esp_trial_status status, int selected, int last)
{
    const esp_selection_record selections[] = {{"selected", selected, "test.hard_accuracy"},
                                               {"last", last, ""}};
    ASSERT_OK(esp_writer_end(writer, &(esp_end_record){.trial_key = trial,
                                                       .attempt_key = attempt,
                                                       .status = status,
                                                       .message = "",
                                                       .seconds = 2,
                                                       .epochs = last,
                                                       .n_selections = 2,
                                                       .selections = selections,
                                                       .checkpoint_digest = ""}));
}

/* A done trial: accuracy [n] of test by hard routing at epochs 1..n, the selected one given. */
static inline void fixture_train(esp_writer *writer, int64_t trial, const double *accuracy, int n,
                                 int selected)
{
    int64_t attempt = fixture_begin(writer, trial, "{\"executable\": \"a\"}");
    for (int epoch = 1; epoch <= n; epoch++) {
        esp_epoch_record record = fixture_epoch(trial, attempt, epoch);
        record.metrics[ESP_TEST][ESP_HARD_ACCURACY] = accuracy[epoch - 1];
        record.metrics[ESP_TEST][ESP_HARD_LOSS] = 1 - accuracy[epoch - 1];
        ASSERT_OK(esp_writer_epoch(writer, &record));
    }
    fixture_end(writer, trial, attempt, ESP_TRIAL_DONE, selected, n);
}

/* The only row of a query, its columns as text joined by '|', NULL as "-". */
static inline void fixture_row(char *out, size_t capacity, const char *path, const char *sql)
{
    esp_store *store = NULL;
    esp_rows *rows = NULL;
    bool has_row = false;
    ASSERT_OK(esp_store_open(&store, path, ESP_STORE_READ));
    ASSERT_OK(esp_rows_open(&rows, store, sql));
    ASSERT_OK(esp_rows_step(rows, &has_row));
    if (!has_row) {
        fail_msg("no row: %s", sql);
    }
    out[0] = '\0';
    for (int i = 0; i < esp_rows_columns(rows); i++) {
        const char *text = esp_rows_text(rows, i);
        size_t used = strlen(out);
        snprintf(out + used, capacity - used, "%s%s", i > 0 ? "|" : "", text ? text : "-");
    }
    ASSERT_OK(esp_rows_step(rows, &has_row));
    if (has_row) {
        fail_msg("more than one row: %s", sql);
    }
    esp_rows_close(rows);
    esp_store_close(store);
}

static inline double fixture_real(const char *path, const char *sql)
{
    char text[64];
    fixture_row(text, sizeof text, path, sql);
    return strcmp(text, "-") == 0 ? NAN : strtod(text, NULL);
}

#define ASSERT_ROW(path, sql, expected)                                                            \
    do {                                                                                           \
        char row_[1024];                                                                           \
        fixture_row(row_, sizeof row_, (path), (sql));                                             \
        assert_string_equal(row_, (expected));                                                     \
    } while (0)

#endif
