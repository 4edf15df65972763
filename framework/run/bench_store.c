/* Filling a database with what a run would write, as fast as the writer takes it. */
#include "run/bench_store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/rng.h"
#include "core/status.h"
#include "core/text.h"
#include "run/environment.h"
#include "run/record.h"
#include "study/study.h"

enum { N_LEAVES = 16, TRAIN_EVERY = 10, FAILS_EVERY = 50, N_CUT_OFF = 2, FLOOR_TRIALS = 200 };
static const int n_examples[ESP_N_SPLITS] = {54000, 6000, 10000};

/* Studies differ in the examples they hold out, so none shares a trial with another. */
static const char study_text[] =
    "# Made by `espalier bench store`: the values in the database are made up.\n"
    "study: %s\n"
    "title: Made-up values, to measure the results database\n"
    "seeds: 0..9\n"
    "defaults:\n"
    "  data: {name: fashion-mnist, validation: 0.1, split_seed: %d}\n"
    "  model: {kind: fff, training_width: 16, leaf_width: 1}\n"
    "  heads: {master_leaf: {width: 8}}\n"
    "  losses:\n"
    "    cross_entropy: {weight: 1}\n"
    "    hardening: {weight: 1, reduction: mean}\n"
    "    balance: {weight: 1}\n"
    "  optimizer: {kind: adam, learning_rate: 0.001}\n"
    "  phases:\n"
    "    train: {epochs: %d}\n"
    "  selection: {monitor: validation.hard_accuracy}\n"
    "variants:\n"
    "  baseline: {reference: true, set: {losses.balance.weight: 0}}\n"
    "  balanced: {}\n"
    "grid:\n"
    "  optimizer.learning_rate: [0.0005, 0.001, 0.002, 0.004, 0.008]\n"
    "report:\n"
    "  rows: [optimizer.learning_rate]\n"
    "  columns: [variant]\n"
    "  metrics: [test.soft_accuracy, test.hard_accuracy, validation.hard_accuracy]\n"
    "  at: selected\n";

/* What such trials log beside the columns of table epoch: running terms on train, then what an
 * evaluation adds, on validation and test after every epoch and on train after every tenth. */
static const char *const running_names[] = {"loss.cross_entropy", "loss.hardening", "loss.balance"};
static const char *const evaluated_names[] = {
    "loss.cross_entropy",    "loss.hardening",        "loss.balance",
    "node_entropy",          "mixture_entropy",       "mixture_max",
    "master_leaf.tree_norm", "master_leaf.head_norm", "master_leaf.k"};
enum {
    N_RUNNING = sizeof running_names / sizeof *running_names,
    N_EVALUATED = sizeof evaluated_names / sizeof *evaluated_names,
};

typedef struct generator {
    esp_writer *writer;
    const char *environment;
    esp_rng noise;
    int n_epochs;
    int64_t n_posted;
    char digest[65];
    esp_extra_metric extra[N_RUNNING + ESP_N_SPLITS * N_EVALUATED];
    int64_t counts[ESP_N_SPLITS][N_LEAVES];
} generator;

char *esp_bench_study_name(int study)
{
    return esp_text_format("bench_%03d", study);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Around a curve that falls from 1 to 0. */
static double falling(generator *g, int epoch)
{
    return 1 / (1 + 0.2 * epoch) + 0.02 * esp_rng_uniform(&g->noise);
}

static void make_digest(generator *g)
{
    for (int i = 0; i < 64; i += 8) {
        snprintf(g->digest + i, 9, "%08x", esp_rng_next(&g->noise));
    }
}

static void make_counts(int64_t *counts, generator *g, int n)
{
    int left = n;
    for (int i = 0; i < N_LEAVES - 1; i++) {
        counts[i] = (int64_t)esp_rng_below(&g->noise, (uint32_t)(2 * left / (N_LEAVES - i)) + 1);
        left -= (int)counts[i];
    }
    counts[N_LEAVES - 1] = left;
}

static void add_extra(esp_epoch_record *record, generator *g, esp_split split,
                      const char *const *names, int n)
{
    for (int i = 0; i < n; i++) {
        g->extra[record->n_extra++] =
            (esp_extra_metric){split, names[i], falling(g, record->epoch)};
    }
}

static esp_epoch_record make_epoch(generator *g, int64_t trial, int64_t attempt, int epoch)
{
    esp_epoch_record record = {.trial_key = trial,
                               .attempt_key = attempt,
                               .epoch = epoch,
                               .phase = epoch > 0 ? "train" : "",
                               .phase_epoch = epoch,
                               .learning_rate = 0.001,
                               .seconds = epoch > 0 ? 0.1 + 0.01 * falling(g, epoch) : 0,
                               .digest = g->digest,
                               .running_loss = epoch > 0 ? falling(g, epoch) : NAN,
                               .running_soft_accuracy = epoch > 0 ? 1 - falling(g, epoch) : NAN,
                               .extra = g->extra,
                               .n_leaves = N_LEAVES};
    make_digest(g);
    if (epoch > 0) {
        add_extra(&record, g, ESP_TRAIN, running_names, N_RUNNING);
    }
    for (int split = 0; split < ESP_N_SPLITS; split++) {
        const bool evaluated = split != ESP_TRAIN || epoch % TRAIN_EVERY == 0;
        for (int metric = 0; metric < ESP_N_METRICS; metric++) {
            const double value = falling(g, epoch);
            record.metrics[split][metric] = !evaluated                   ? NAN
                                            : metric < ESP_SOFT_ACCURACY ? value
                                                                         : 1 - value;
        }
        if (evaluated) {
            add_extra(&record, g, (esp_split)split, evaluated_names, N_EVALUATED);
        }
        make_counts(g->counts[split], g, n_examples[split]);
        record.leaf_counts[split] = g->counts[split];
    }
    return record;
}

/* ---- trials ---------------------------------------------------------------------------------- */

static int write_trial(generator *g, int64_t trial, bool fails, bool is_cut_off)
{
    int64_t attempt = 0;
    const int last = fails || is_cut_off ? (g->n_epochs + 1) / 2 : g->n_epochs;
    const esp_begin_record begin = {
        .trial_key = trial, .environment = g->environment, .host = "bench", .process = getpid()};
    ESP_TRY(esp_writer_begin(&attempt, g->writer, &begin));
    for (int epoch = 0; epoch <= last; epoch++) {
        const esp_epoch_record record = make_epoch(g, trial, attempt, epoch);
        ESP_TRY(esp_writer_epoch(g->writer, &record));
    }
    g->n_posted += last;
    if (is_cut_off) {
        return ESP_OK;
    }
    const esp_selection_record selections[] = {
        {"selected", last - last / 7, "validation.hard_accuracy"}, {"last", last, ""}};
    const esp_end_record end = {.trial_key = trial,
                                .attempt_key = attempt,
                                .status = fails ? ESP_TRIAL_FAILED : ESP_TRIAL_DONE,
                                .message = fails ? "made up: the loss on test is not finite" : "",
                                .seconds = 0.1 * last,
                                .epochs = last,
                                .peak_memory = 70000000,
                                .n_selections = 2,
                                .selections = selections,
                                .checkpoint_digest = g->digest};
    return esp_writer_end(g->writer, &end);
}

/* ---- studies --------------------------------------------------------------------------------- */

static int load_study(esp_study **out, const char *folder, const esp_registry *registry, int number,
                      int n_epochs)
{
    const esp_study_options whole = {0};
    char *name = esp_bench_study_name(number);
    char *path = esp_text_format("%s/%s.yaml", folder, name ? name : "");
    char *text = esp_text_format(study_text, name ? name : "", number, n_epochs);
    int status = ESP_OK;
    if (name == NULL || path == NULL || text == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for a study");
        goto out;
    }
    ESP_TRY_OUT(esp_file_write(path, text, strlen(text)));
    ESP_TRY_OUT(esp_study_load(out, path, &whole, registry, stderr));
out:
    free(name);
    free(path);
    free(text);
    return status;
}

int esp_bench_describe(char **out, const char *folder, const esp_registry *registry)
{
    esp_study *study = NULL;
    ESP_TRY(load_study(&study, folder, registry, 0, 1));
    int status = esp_environment_describe(out, study, registry, false, NULL, 0);
    esp_study_free(study);
    return status;
}

/* All studies are registered before the writer starts, as each is before its run; keys of their
 * trials one after another. */
static int register_studies(int64_t *keys, char **environment, const char *database,
                            const char *folder, const esp_registry *registry, int n_studies,
                            int n_epochs)
{
    esp_store *store = NULL;
    esp_study *study = NULL;
    esp_store_study record = {0};
    int status = ESP_OK;
    ESP_TRY_OUT(esp_store_open(&store, database, ESP_STORE_WRITE));
    for (int number = 0; number < n_studies; number++) {
        ESP_TRY_OUT(load_study(&study, folder, registry, number, n_epochs));
        ESP_TRY_OUT(esp_record_make(&record, study));
        ESP_TRY_OUT(esp_store_register(store, &record));
        for (int i = 0; i < ESP_BENCH_TRIALS_A_STUDY; i++) {
            *keys++ = record.trials[i].key;
        }
        if (number == 0) {
            ESP_TRY_OUT(esp_environment_describe(environment, study, registry, false, NULL, 0));
        }
        esp_record_free(&record);
        esp_study_free(study);
        study = NULL;
    }
out:
    esp_record_free(&record);
    esp_study_free(study);
    esp_store_close(store);
    return status;
}

static int write_trials(generator *g, const int64_t *keys, int n_trials,
                        void (*step)(int trial, int n_trials))
{
    for (int i = 0; i < n_trials; i++) {
        const bool fails = i % FAILS_EVERY == FAILS_EVERY / 2;
        ESP_TRY(write_trial(g, keys[i], fails, n_trials > N_CUT_OFF && i >= n_trials - N_CUT_OFF));
        if (step != NULL) {
            step(i + 1, n_trials);
        }
    }
    return esp_writer_flush(g->writer);
}

static int measure_floor(double *seconds, const char *database, const char *folder,
                         int64_t n_epochs)
{
    char *path = esp_text_format("%s/floor.db", folder);
    if (path == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a path");
    }
    double an_epoch = 0;
    const int status = esp_store_time_inserts(&an_epoch, path, database, FLOOR_TRIALS);
    *seconds = an_epoch * (double)n_epochs;
    remove(path);
    free(path);
    return status;
}

int esp_bench_fill_store(esp_bench_fill *out, const char *database, const char *folder,
                         const esp_registry *registry, int n_trials, int n_epochs,
                         void (*step)(int trial, int n_trials))
{
    const int n_studies = (n_trials + ESP_BENCH_TRIALS_A_STUDY - 1) / ESP_BENCH_TRIALS_A_STUDY;
    generator g = {.noise = esp_rng_make(0, "bench", 0), .n_epochs = n_epochs};
    char *environment = NULL;
    int64_t *keys = calloc((size_t)n_studies * ESP_BENCH_TRIALS_A_STUDY, sizeof *keys);
    struct stat file;
    int status = ESP_OK;
    *out = (esp_bench_fill){.n_studies = n_studies};
    if (keys == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for %d trials", n_trials);
    }
    ESP_TRY_OUT(
        register_studies(keys, &environment, database, folder, registry, n_studies, n_epochs));
    g.environment = environment;
    const double started = esp_clock_seconds();
    ESP_TRY_OUT(esp_writer_start(&g.writer, database));
    ESP_TRY_OUT(write_trials(&g, keys, n_trials, step));
    esp_writer_measure(&out->writer, g.writer);
    out->seconds = esp_clock_seconds() - started;
    out->n_epochs = g.n_posted;
out:
    if (g.writer != NULL) {
        const int stopped = esp_writer_stop(g.writer);
        status = status != ESP_OK ? status : stopped;
    }
    if (status == ESP_OK) {
        status = measure_floor(&out->floor, database, folder, out->n_epochs);
    }
    out->bytes = stat(database, &file) == 0 ? (int64_t)file.st_size : 0;
    free(keys);
    free(environment);
    return status;
}
