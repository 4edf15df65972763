/* espalier bench store: what storing results costs, and how fast verbs read them. */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/options.h"
#include "cli/print_rows.h"
#include "core/file.h"
#include "core/log.h"
#include "core/status.h"
#include "core/terminal.h"
#include "core/text.h"
#include "nn/blas.h"
#include "run/bench_store.h"
#include "statistics/sample.h"

enum { N_REPETITIONS = 5, N_LOGGED_EPOCHS = 40, MAX_WORDS = 6, N_VERBS = 9 };
enum { KEY_TRIALS = 3000, KEY_EPOCHS, KEY_DATA, KEY_KEEP, KEY_DATABASE, KEY_AGAINST };
/* Of a database of this schema, for the words before it is made. */
static const double bytes_an_epoch = 1000, seconds_an_epoch = 100e-6;

typedef struct arguments {
    const char *database, *format_name, *data, *against;
    int n_trials, n_epochs;
    bool keep;
} arguments;

typedef struct timed_verb {
    const char *words[MAX_WORDS]; /* as typed, without --db */
    double first, median;         /* seconds; first: nothing of the database in memory */
} timed_verb;

/* All that is measured. */
typedef struct bench {
    const arguments *given;
    esp_registry *registry;
    char folder[ESP_BENCH_FOLDER], *database, *study_path, *study, *trial, *environment;
    bool filled, logged;
    esp_bench_fill fill;
    esp_bench_logging logging;
    timed_verb verbs[N_VERBS];
} bench;

/* ---- the database ---------------------------------------------------------------------------- */

static int make_folder(bench *b)
{
    ESP_TRY(esp_bench_make_folder(b->folder));
    const char *path = b->given->database;
    b->database = path ? esp_text_format("%s", path) : esp_text_format("%s/bench.db", b->folder);
    b->study = esp_bench_study_name(0);
    b->study_path = esp_text_format("%s/bench_000.yaml", b->folder);
    return b->database && b->study && b->study_path ? ESP_OK
                                                    : esp_fail(ESP_MEMORY, "no memory for a path");
}

/* Says what it will take, and refuses where there is no room for it. */
static int look_ahead(const bench *b)
{
    struct statvfs disk;
    char *folder = esp_text_format("%s", b->database);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    const double epochs = (double)b->given->n_trials * b->given->n_epochs;
    const double bytes = bytes_an_epoch * epochs;
    char duration[32];
    if (slash != NULL) {
        *slash = '\0';
    }
    const bool known = statvfs(slash != NULL ? folder : ".", &disk) == 0;
    free(folder);
    const double room = known ? (double)disk.f_bavail * (double)disk.f_frsize : bytes * 2;
    if (room < 1.2 * bytes) {
        return esp_fail(ESP_USAGE,
                        "%s: this takes about %.1f GB and %.1f are free; name another place with "
                        "--db or TMPDIR, or fewer --trials or --epochs",
                        b->database, bytes / 1e9, room / 1e9);
    }
    esp_text_duration(duration, seconds_an_epoch * epochs);
    esp_log_note("%d trials of %d epochs: about %.2f GB and %s", b->given->n_trials,
                 b->given->n_epochs, bytes / 1e9, duration);
    return ESP_OK;
}

static void show_step(int trial, int n_trials)
{
    esp_terminal_step(trial == n_trials, "trial %d of %d", trial, n_trials);
}

/* Makes the database, or takes one that was made so before. */
static int provide_database(bench *b)
{
    struct stat file;
    if (stat(b->database, &file) != 0) {
        ESP_TRY(look_ahead(b));
        ESP_TRY(esp_bench_fill_store(&b->fill, b->database, b->folder, b->registry,
                                     b->given->n_trials, b->given->n_epochs, show_step));
        b->filled = true;
    }
    ESP_TRY(esp_bench_ask(&b->trial, b->database,
                          "SELECT t.trial_id FROM study_trial t WHERE t.study = 'bench_000'"
                          " AND t.latest = 1 LIMIT 1"));
    if (b->trial == NULL) {
        return esp_fail(ESP_USAGE,
                        "%s: is a results database, and not one that `bench store` made; name a "
                        "new file with --db",
                        b->database);
    }
    /* For `plan`: of a database made before, with its own number of epochs. */
    char *text = NULL;
    ESP_TRY(esp_bench_ask(&text, b->database,
                          "SELECT r.text FROM study s JOIN revision r ON r.id = s.current_revision"
                          " WHERE s.name = 'bench_000'"));
    int status = text != NULL ? esp_file_write(b->study_path, text, strlen(text))
                              : esp_fail(ESP_MEMORY, "no memory for a study");
    free(text);
    return status;
}

/* ---- verbs ----------------------------------------------------------------------------------- */

/* So that the next reader has to ask the disk. */
static void forget(const char *path)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        fdatasync(file);
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        close(file);
    }
}

static int run_verb(double *seconds, const bench *b, const timed_verb *verb)
{
    const char *words[MAX_WORDS + 3] = {NULL};
    int n = 0;
    while (n < MAX_WORDS && verb->words[n] != NULL) {
        words[n] = verb->words[n];
        n++;
    }
    words[n++] = "--db";
    words[n] = b->database;
    return esp_bench_run_program(seconds, words);
}

static int time_verbs(bench *b)
{
    const char *const words[N_VERBS][MAX_WORDS] = {
        {"report", b->study}, {"status"},          {"ls"},
        {"ls", b->study},     {"query", "spread"}, {"query", "spread", "--set", "study=bench_000"},
        {"query", "failed"},  {"show", b->trial},  {"plan", b->study_path}};
    for (int i = 0; i < N_VERBS; i++) {
        timed_verb *verb = &b->verbs[i];
        double seconds[N_REPETITIONS];
        memcpy(verb->words, words[i], sizeof verb->words);
        forget(b->database);
        ESP_TRY(run_verb(&verb->first, b, verb));
        for (int k = 0; k < N_REPETITIONS; k++) {
            ESP_TRY(run_verb(&seconds[k], b, verb));
        }
        verb->median = esp_median(seconds, N_REPETITIONS);
    }
    return ESP_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

static void name_verb(char *out, size_t size, const timed_verb *verb)
{
    size_t used = 0;
    for (int i = 0; i < MAX_WORDS && verb->words[i] != NULL && used < size; i++) {
        const char *file = strrchr(verb->words[i], '/');
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? " " : "",
                                 file ? file + 1 : verb->words[i]);
    }
}

static double mean_depth(const esp_writer_figures *writer)
{
    return (double)writer->depth_sum / (double)writer->n_records;
}

static double milliseconds_a_commit(const esp_writer_figures *writer)
{
    return 1e3 * writer->transaction_seconds / (double)writer->n_transactions;
}

static void print_text(const bench *b)
{
    const esp_bench_fill *fill = &b->fill;
    const esp_bench_logging *logging = &b->logging;
    if (b->filled) {
        printf("writing as fast as it goes: %lld epochs in %.1f s\n", (long long)fill->n_epochs,
               fill->seconds);
        printf("  %-28s %10.0f\n", "epochs a second", (double)fill->n_epochs / fill->seconds);
        printf("  %-28s %10.0f\n", "records a second",
               (double)fill->writer.n_records / fill->seconds);
        printf("  %-28s %10.2f\n", "times SQLite's own inserts", fill->seconds / fill->floor);
        printf("  %-28s %10.0f\n", "bytes an epoch", (double)fill->bytes / (double)fill->n_epochs);
        printf("  %-28s %10.2f\n", "milliseconds a commit", milliseconds_a_commit(&fill->writer));
        printf("  %-28s %10.1f\n", "records a commit",
               (double)fill->writer.n_records / (double)fill->writer.n_transactions);
        printf("  %-28s %10.1f, greatest %d\n", "queue depth, mean", mean_depth(&fill->writer),
               fill->writer.greatest_depth);
    }
    if (b->logged) {
        printf("\none trial on %s (training width 16, leaf width 8): %d epochs in %.2f s\n",
               b->given->data, logging->n_epochs, logging->trial_seconds);
        printf("  %-28s %10.3f\n", "milliseconds an epoch", 1e3 * logging->epoch_seconds);
        printf("  %-28s %10.3f\n", "of these, posting records",
               1e3 * logging->writer.post_seconds / logging->n_epochs);
        printf("  %-28s %10.3f\n", "the writer's processor time",
               1e3 * logging->writer.cpu_seconds / logging->n_epochs);
        printf("  %-28s %10.3f\n", "digests of the parameters",
               1e3 * logging->digest_seconds / logging->n_epochs);
        printf("  %-28s %9.2f%%\n", "share of the trial's time", 100 * logging->share);
        printf("  %-28s %10.1f, greatest %d\n", "queue depth, mean", mean_depth(&logging->writer),
               logging->writer.greatest_depth);
    }
    printf("\n%-36s %10s %10s\n", "reading, seconds", "from disk", "median");
    for (int i = 0; i < N_VERBS; i++) {
        char name[96] = "";
        name_verb(name, sizeof name, &b->verbs[i]);
        printf("  %-34s %10.3f %10.3f\n", name, b->verbs[i].first, b->verbs[i].median);
    }
}

static json_t *describe_writer(const esp_writer_figures *writer)
{
    return json_pack("{s:I, s:I, s:f, s:f, s:i, s:f, s:f}", "records",
                     (json_int_t)writer->n_records, "commits", (json_int_t)writer->n_transactions,
                     "milliseconds_a_commit", milliseconds_a_commit(writer), "mean_depth",
                     mean_depth(writer), "greatest_depth", writer->greatest_depth, "post_s",
                     writer->post_seconds, "cpu_s", writer->cpu_seconds);
}

static json_t *describe(const bench *b)
{
    const esp_bench_fill *fill = &b->fill;
    const esp_bench_logging *logging = &b->logging;
    json_t *root = json_object();
    json_t *verbs = json_array();
    esp_bench_describe_program(root, b->environment);
    if (b->filled) {
        json_t *entry = json_pack(
            "{s:i, s:i, s:i, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:f, s:o}", "trials",
            b->given->n_trials, "epochs_a_trial", b->given->n_epochs, "studies", fill->n_studies,
            "epochs", (json_int_t)fill->n_epochs, "seconds", fill->seconds, "floor_s", fill->floor,
            "ratio", fill->seconds / fill->floor, "epochs_a_second",
            (double)fill->n_epochs / fill->seconds, "records_a_second",
            (double)fill->writer.n_records / fill->seconds, "bytes", (json_int_t)fill->bytes,
            "bytes_an_epoch", (double)fill->bytes / (double)fill->n_epochs, "writer",
            describe_writer(&fill->writer));
        json_object_set_new(root, "fills", json_pack("[o]", entry));
    }
    if (b->logged) {
        json_object_set_new(root, "logging",
                            json_pack("{s:s, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:o}", "data",
                                      b->given->data, "training_width", 16, "leaf_width", 8,
                                      "epochs", logging->n_epochs, "trial_s",
                                      logging->trial_seconds, "epoch_s", logging->epoch_seconds,
                                      "digest_s", logging->digest_seconds, "share", logging->share,
                                      "writer", describe_writer(&logging->writer)));
    }
    for (int i = 0; i < N_VERBS; i++) {
        char name[96] = "";
        name_verb(name, sizeof name, &b->verbs[i]);
        json_array_append_new(verbs, json_pack("{s:s, s:f, s:f}", "verb", name, "from_disk_s",
                                               b->verbs[i].first, "median_s", b->verbs[i].median));
    }
    json_object_set_new(root, "verbs", verbs);
    return root;
}

/* Fails where writing takes longer, against SQLite's own inserts, than when the file was made. */
static int compare(const json_t *result, const char *path)
{
    static const char *const keys[] = {"trials", "epochs_a_trial", NULL};
    const esp_bench_comparison what = {.list = "fills", .keys = keys, .figure = "ratio"};
    fflush(stdout);
    return esp_bench_compare(result, path, &what);
}

/* ---- store ----------------------------------------------------------------------------------- */

static int measure_logging(bench *b)
{
    esp_dataset_description data;
    int status = esp_dataset_describe(&data, b->given->data);
    if (status == ESP_OK) {
        free(data.class_names);
    }
    if (status == ESP_OK && !data.present) {
        esp_log_note("%s is not here, so what logging takes of a trial is not measured: "
                     "`espalier data fetch %s`, or name another with --data",
                     b->given->data, b->given->data);
        return ESP_OK;
    }
    ESP_TRY(status);
    ESP_TRY(esp_bench_measure_logging(&b->logging, b->given->data, b->folder, b->registry,
                                      N_LOGGED_EPOCHS));
    b->logged = true;
    return ESP_OK;
}

static int bench_store(const arguments *given)
{
    bench b = {.given = given};
    json_t *result = NULL;
    esp_row_format format;
    int status = ESP_OK;
    ESP_TRY(esp_row_format_parse(&format, given->format_name));
    ESP_TRY(esp_bench_check_against(given->against));
    ESP_TRY_OUT(esp_blas_prepare());
    ESP_TRY_OUT(esp_registry_create(&b.registry));
    ESP_TRY_OUT(make_folder(&b));
    ESP_TRY_OUT(esp_bench_describe(&b.environment, b.folder, b.registry));
    ESP_TRY_OUT(provide_database(&b));
    ESP_TRY_OUT(measure_logging(&b));
    ESP_TRY_OUT(time_verbs(&b));
    result = describe(&b);
    if (format == ESP_ROWS_JSON) {
        json_dumpf(result, stdout, JSON_INDENT(1));
        putchar('\n');
    } else {
        print_text(&b);
    }
    if (given->against != NULL) {
        status = compare(result, given->against);
    }
    if (given->keep || given->database != NULL) {
        esp_log_note("the database is %s", b.database);
    }
out:
    json_decref(result);
    if (!given->keep) {
        esp_bench_remove_folder(b.folder);
    }
    esp_registry_destroy(b.registry);
    free(b.database);
    free(b.study_path);
    free(b.study);
    free(b.trial);
    free(b.environment);
    return status;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static error_t parse_store(int key, char *value, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        return 0;
    case KEY_TRIALS:
        given->n_trials = esp_option_count(state, "--trials", value, 100000);
        return 0;
    case KEY_EPOCHS:
        given->n_epochs = esp_option_count(state, "--epochs", value, 100000);
        return 0;
    case KEY_DATA:
        given->data = value;
        return 0;
    case KEY_KEEP:
        given->keep = true;
        return 0;
    case KEY_DATABASE:
        given->database = esp_option_database(state, value);
        return 0;
    case KEY_AGAINST:
        given->against = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is taken, and '%s' is one", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"trials", KEY_TRIALS, "N", 0, "how many trials to write (default 200)", 0},
    {"epochs", KEY_EPOCHS, "N", 0, "of how many epochs each (default 100)", 0},
    {"db", KEY_DATABASE, "FILE", 0,
     "a new file, which is kept; or one made so before, which is only read", 0},
    {"keep", KEY_KEEP, NULL, 0, "keep the temporary folder", 0},
    {"data", KEY_DATA, "NAME", 0, "data set of the trial that is trained (default fashion-mnist)",
     0},
    {"against", KEY_AGAINST, "FILE", 0,
     "an earlier result in JSON: writing that takes 15 % longer, against SQLite's own inserts, "
     "fails",
     0},
    {0}};
static const struct argp_child shared[] = {{&esp_text_or_json_argp, 0, NULL, 0}, {0}};
static const struct argp parser = {
    .options = options,
    .parser = parse_store,
    .children = shared,
    .doc = "Measures the results database: writes a new one through the writer of a run, trains "
           "a trial and tells what of its time went into storing epochs, and times the verbs "
           "that read.\v"
           "Writing is compared with SQLite's own inserts of the same rows in one transaction. "
           "Studies are of 100 trials. The share of a trial's time is what its thread spends "
           "posting records and hashing parameters, and the processor time of the writer's "
           "thread, over the time from the trial's begin to its end. A verb is run as a program: "
           "once after the system was told to drop the file from memory, then 5 times, of which "
           "the median is shown.\n\n"
           "examples:\n"
           "  espalier bench store\n"
           "  espalier bench store --trials 10000 --epochs 600 --db /tmp/large.db\n"
           "  espalier bench store --db /tmp/large.db --format json"};

static int run_store(int argc, char **argv)
{
    arguments given = {.n_trials = 200, .n_epochs = 100, .data = "fashion-mnist"};
    esp_argp_parse(&parser, argc, argv, &given);
    return bench_store(&given);
}

const esp_bench_subject esp_bench_store = {
    {"store", "epochs a second, the share of a trial logging takes, how fast verbs read",
     run_store},
    &parser};
