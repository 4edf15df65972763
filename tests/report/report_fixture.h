/* A results database with one study, made through the store's own functions:
 *   ff (no reference), baseline (the reference) and a balanced variant with a hostile name, at leaf
 *   widths 8 and 1; three seeds each. Of baseline at width 1, seed 1 failed and seed 2 is not run;
 *   the hostile variant at width 1 has no trial done. */
#ifndef TESTS_REPORT_FIXTURE_H
#define TESTS_REPORT_FIXTURE_H

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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/status.h"
#include "fixtures/asserts.h"
#include "report/render.h"

#define HOSTILE "bal|anced, \"x\"\033[31m*"

#define ASSERT_LACKS(text, part)                                                                   \
    do {                                                                                           \
        if (strstr((text), (part)) != NULL) {                                                      \
            fail_msg("'%s' in:\n%s", (part), (text));                                              \
        }                                                                                          \
    } while (0)

enum { N_CELLS = 5, N_SEEDS = 3 };

typedef struct fixture {
    char folder[64], path[96];
} fixture;

/* Test accuracies at the selected epoch, by cell and seed; NaN: not done. Hand-computed below:
 * baseline 8: .80 .90 .85: mean .85, deviations -.05 .05 0, variance .005/2 = .0025, sd .05
 * balanced 8: .90 .92 .88: mean .90, deviations 0 .02 -.02, variance .0008/2 = .0004, sd .02
 * ratio .16; paired .10 .02 .03: mean .05 */
static const double fixture_accuracy[N_CELLS][N_SEEDS] = {
    {0.95, 0.96, 0.94}, {0.80, 0.90, 0.85}, {0.70, NAN, NAN}, {0.90, 0.92, 0.88}, {NAN, NAN, NAN},
};

static const char fixture_section[] =
    "{\"rows\": [\"model.leaf_width\"], \"columns\": [\"variant\"],"
    " \"metrics\": [\"test.hard_accuracy\", \"train.soft_accuracy\", \"test.hard_loss\"],"
    " \"at\": \"selected\", \"baseline_rows\": [\"ff\"], \"contrasts\": []}";

static inline void fixture_train(esp_writer *writer, int64_t trial, double accuracy)
{
    int64_t attempt = 0;
    const esp_begin_record begin = {
        .trial_key = trial, .environment = "{}", .host = "here", .process = 1, .first_epoch = 0};
    ASSERT_OK(esp_writer_begin(&attempt, writer, &begin));
    static const int64_t even[] = {5, 5}, skewed[] = {10, 0};
    for (int epoch = 1; epoch <= 2; epoch++) {
        esp_epoch_record record = {.trial_key = trial,
                                   .attempt_key = attempt,
                                   .epoch = epoch,
                                   .phase = "balance",
                                   .phase_epoch = epoch,
                                   .learning_rate = 0.001,
                                   .seconds = 1,
                                   .digest = "d",
                                   .running_loss = 0.5,
                                   .running_soft_accuracy = 0.5,
                                   .n_leaves = 2};
        for (int i = 0; i < ESP_N_SPLITS * ESP_N_METRICS; i++) {
            record.metrics[i / ESP_N_METRICS][i % ESP_N_METRICS] = NAN;
        }
        /* The first epoch is the selected one, the last is worse. */
        double value = accuracy - (epoch == 2 ? 0.1 : 0);
        record.metrics[ESP_TEST][ESP_HARD_ACCURACY] = value;
        record.metrics[ESP_TEST][ESP_HARD_LOSS] = 1 - value;
        record.metrics[ESP_TRAIN][ESP_SOFT_ACCURACY] = value / 2;
        record.leaf_counts[ESP_TEST] = epoch == 1 ? even : skewed;
        ASSERT_OK(esp_writer_epoch(writer, &record));
    }
    const esp_selection_record selections[] = {{"selected", 1, "test.hard_accuracy"},
                                               {"last", 2, ""}};
    const esp_end_record end = {.trial_key = trial,
                                .attempt_key = attempt,
                                .status = ESP_TRIAL_DONE,
                                .message = "",
                                .seconds = 2,
                                .epochs = 2,
                                .n_selections = 2,
                                .selections = selections,
                                .checkpoint_digest = ""};
    ASSERT_OK(esp_writer_end(writer, &end));
}

static inline void fixture_fail(esp_writer *writer, int64_t trial)
{
    int64_t attempt = 0;
    const esp_begin_record begin = {
        .trial_key = trial, .environment = "{}", .host = "here", .process = 1, .first_epoch = 0};
    ASSERT_OK(esp_writer_begin(&attempt, writer, &begin));
    const esp_end_record end = {.trial_key = trial,
                                .attempt_key = attempt,
                                .status = ESP_TRIAL_FAILED,
                                .message = "balance: NaN in epoch 1, batch 3",
                                .checkpoint_digest = ""};
    ASSERT_OK(esp_writer_end(writer, &end));
}

static inline void fixture_register(esp_store_study *study, const char *path, const char *section,
                                    const char *overrides)
{
    static const esp_store_param params[3][5] = {
        {{"data.name", "mnist"}, {"training_width", "16"}, {"leaf_width", "16"}, {"depth", "0"}},
        {{"data.name", "mnist"},
         {"training_width", "16"},
         {"leaf_width", "8"},
         {"depth", "1"},
         {"model.leaf_width", "8"}},
        {{"data.name", "mnist"},
         {"training_width", "16"},
         {"leaf_width", "1"},
         {"depth", "4"},
         {"model.leaf_width", "1"}}};
    static const esp_store_param swept[3][1] = {
        {{"", ""}}, {{"model.leaf_width", "8"}}, {{"model.leaf_width", "1"}}};
    static const struct {
        const char *variant, *label;
        int reference, params, n_params;
    } plan[N_CELLS] = {{"ff", "ff", -1, 0, 4},
                       {"baseline", "baseline model.leaf_width=8", -1, 1, 5},
                       {"baseline", "baseline model.leaf_width=1", -1, 2, 5},
                       {HOSTILE, HOSTILE " model.leaf_width=8", 1, 1, 5},
                       {HOSTILE, HOSTILE " model.leaf_width=1", 2, 2, 5}};
    static esp_store_cell cells[N_CELLS];
    static esp_store_trial trials[N_CELLS * N_SEEDS];
    static char ids[N_CELLS * N_SEEDS][17], seeds[N_SEEDS][8];
    for (int c = 0; c < N_CELLS; c++) {
        cells[c] = (esp_store_cell){.variant = plan[c].variant,
                                    .label = plan[c].label,
                                    .reference = plan[c].reference,
                                    .config = "{}",
                                    .identity = "{}",
                                    .n_params = plan[c].n_params,
                                    .params = params[plan[c].params],
                                    .n_swept = plan[c].params > 0,
                                    .swept = swept[plan[c].params]};
        for (int s = 0; s < N_SEEDS; s++) {
            snprintf(ids[c * N_SEEDS + s], 17, "%016x", c * N_SEEDS + s);
            snprintf(seeds[s], sizeof seeds[s], "%d", s);
            trials[c * N_SEEDS + s] = (esp_store_trial){.cell = c,
                                                        .id = ids[c * N_SEEDS + s],
                                                        .seed = seeds[s],
                                                        .seed_init = (uint64_t)s,
                                                        .seed_order = (uint64_t)s,
                                                        .seed_noise = (uint64_t)s};
        }
    }
    *study = (esp_store_study){.name = "small",
                               .title = "A small study",
                               .source = "arXiv:2405.16836",
                               .text = "# Does balance help?\n# It might.\nstudy: small\n",
                               .overrides = overrides,
                               .report = section,
                               .variants = "[\"ff\", \"baseline\", \"balanced\"]",
                               .n_cells = N_CELLS,
                               .n_trials = N_CELLS * N_SEEDS,
                               .cells = cells,
                               .trials = trials};
    esp_store *store = NULL;
    ASSERT_OK(esp_store_open(&store, path, ESP_STORE_WRITE));
    ASSERT_OK(esp_store_register(store, study));
    esp_store_close(store);
}

static inline int fixture_setup(void **state)
{
    fixture *made = calloc(1, sizeof *made);
    assert_non_null(made);
    snprintf(made->folder, sizeof made->folder, "/tmp/espalier-report-XXXXXX");
    assert_non_null(mkdtemp(made->folder));
    snprintf(made->path, sizeof made->path, "%s/espalier.db", made->folder);
    *state = made;
    esp_store_study study;
    fixture_register(&study, made->path, fixture_section, "[\"batch_size=64\"]");
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, made->path));
    for (int c = 0; c < N_CELLS; c++) {
        for (int s = 0; s < N_SEEDS; s++) {
            if (!isnan(fixture_accuracy[c][s])) {
                fixture_train(writer, study.trials[c * N_SEEDS + s].key, fixture_accuracy[c][s]);
            }
        }
    }
    fixture_fail(writer, study.trials[2 * N_SEEDS + 1].key);
    ASSERT_OK(esp_writer_stop(writer));
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

/* A report as text in memory, owned by the caller; NULL and *status where it fails. */
static inline char *fixture_report(int *status, const fixture *db, const char *format,
                                   esp_report_request request)
{
    esp_store *store = NULL;
    esp_report *report = NULL;
    const esp_report_format *chosen = NULL;
    char *text = NULL;
    size_t length = 0;
    if (request.study == NULL) {
        request.study = "small";
    }
    ASSERT_OK(esp_report_format_find(&chosen, format));
    ASSERT_OK(esp_store_open(&store, db->path, ESP_STORE_READ));
    *status = esp_report_load(&report, store, &request);
    if (*status == ESP_OK) {
        FILE *out = open_memstream(&text, &length);
        assert_non_null(out);
        *status = chosen->render(out, report);
        fclose(out);
    }
    esp_report_free(report);
    esp_store_close(store);
    return text;
}

#endif
