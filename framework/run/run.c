#include "run/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/processors.h"
#include "core/status.h"
#include "core/text.h"
#include "nn/blas.h"
#include "plugin/verdict.h"
#include "run/claim.h"
#include "run/environment.h"
#include "run/order.h"
#include "run/pool.h"
#include "run/record.h"
#include "run/stale.h"
#include "run/supervisor.h"
#include "run/trial.h"
#include "store/lock.h"

enum { MAX_DATA = 64 };

/* One run, in the child. */
typedef struct runner {
    const esp_study *study;
    const esp_registry *registry;
    const esp_run_options *options;
    esp_shared *shared;
    int lock; /* of the database */
    int jobs;

    /* data sets by name, partitions by cell; cells that split alike share one */
    int n_data;
    esp_dataset *data[MAX_DATA];
    const esp_dataset **cell_data;
    const esp_partition **cell_partitions;
    esp_partition *partitions;

    esp_store_study record;
    bool *anew;       /* by trial */
    esp_stale *stale; /* by trial */
    int n_todo;
    int *todo;          /* trials to train, in the order they begin */
    int *epochs_done;   /* of these, by earlier runs */
    double *epoch_work; /* by cell: of one epoch, in multiply-adds */
    esp_claims claims;
    esp_trial_context context;
} runner;

char *esp_run_checkpoints(const char *database)
{
    return esp_store_beside(database, ".checkpoints");
}

static int open_data(runner *r, int cell)
{
    const char *name = r->study->cells[cell].data.name;
    for (int i = 0; i < r->n_data; i++) {
        if (strcmp(r->data[i]->name, name) == 0) {
            r->cell_data[cell] = r->data[i];
            return ESP_OK;
        }
    }
    if (r->n_data == MAX_DATA) {
        return esp_fail(ESP_STUDY, "a run can use %d data sets at most", MAX_DATA);
    }
    ESP_TRY(esp_dataset_open(&r->data[r->n_data], name));
    r->cell_data[cell] = r->data[r->n_data++];
    return ESP_OK;
}

static bool is_same_rule(const esp_partition_rule *a, const esp_partition_rule *b)
{
    const size_t size = sizeof *a->keep * ESP_MAX_CLASSES;
    return a->test == b->test && a->validation == b->validation && a->split_seed == b->split_seed &&
           (a->keep == NULL) == (b->keep == NULL) &&
           (a->keep == NULL || memcmp(a->keep, b->keep, size) == 0);
}

static int split_data(runner *r, int cell)
{
    const esp_data_config *own = &r->study->cells[cell].data;
    for (int i = 0; i < cell; i++) {
        const esp_data_config *other = &r->study->cells[i].data;
        if (r->cell_partitions[i] != NULL && strcmp(own->name, other->name) == 0 &&
            is_same_rule(&own->partition, &other->partition)) {
            r->cell_partitions[cell] = r->cell_partitions[i];
            return ESP_OK;
        }
    }
    r->cell_partitions[cell] = &r->partitions[cell];
    return esp_partition_make(&r->partitions[cell], r->cell_data[cell], &own->partition);
}

static int prepare_data(runner *r)
{
    const size_t cells = (size_t)r->study->n_cells;
    r->cell_data = calloc(cells, sizeof *r->cell_data);
    r->cell_partitions = calloc(cells, sizeof *r->cell_partitions);
    r->partitions = calloc(cells, sizeof *r->partitions);
    if (!r->cell_data || !r->cell_partitions || !r->partitions) {
        return esp_fail(ESP_MEMORY, "no memory for a run");
    }
    for (int i = 0; i < r->study->n_trials; i++) {
        const int cell = r->study->trials[i].cell;
        if (r->study->trials[i].asked_for && r->cell_data[cell] == NULL) {
            ESP_TRY(open_data(r, cell));
            ESP_TRY(split_data(r, cell));
        }
    }
    return ESP_OK;
}

static int allocate_lists(runner *r)
{
    const size_t n = (size_t)r->study->n_trials;
    r->todo = calloc(n, sizeof *r->todo);
    r->anew = calloc(n, sizeof *r->anew);
    r->stale = calloc(n, sizeof *r->stale);
    r->epochs_done = calloc(n, sizeof *r->epochs_done);
    r->epoch_work = calloc((size_t)r->study->n_cells, sizeof *r->epoch_work);
    return r->todo && r->anew && r->stale && r->epochs_done && r->epoch_work
               ? ESP_OK
               : esp_fail(ESP_MEMORY, "no memory for a run");
}

/* Whether other code trained what the run would count or go on from. */
static int find_stale(runner *r, esp_store *store)
{
    for (int i = 0; i < r->study->n_trials; i++) {
        const esp_trial *trial = &r->study->trials[i];
        const esp_store_trial *stored = &r->record.trials[i];
        if (trial->asked_for && (stored->status == ESP_TRIAL_DONE || stored->epochs_done > 0)) {
            ESP_TRY(esp_stale_check(&r->stale[i], store, stored->key, &r->study->cells[trial->cell],
                                    r->context.environment));
        }
    }
    return ESP_OK;
}

/* What another build of somebody's own plugin trained is neither counted nor trained again unasked:
 * names it. What failed is no result, and is trained from its beginning where it is tried again. */
static int refuse_stale(const runner *r)
{
    enum { SHOWN = 10 };
    int count = 0;
    const esp_plugin *changed = NULL;
    for (int i = 0; i < r->study->n_trials; i++) {
        const esp_trial *trial = &r->study->trials[i];
        const bool failed = r->record.trials[i].status == ESP_TRIAL_FAILED;
        if (r->stale[i].changed == NULL || failed) {
            continue;
        }
        changed = r->stale[i].changed;
        if (count++ < SHOWN) {
            esp_log_note("stale: %s seed %s, trial %s: another build of plugin '%s' trained it",
                         r->study->cells[trial->cell].label, trial->seed, trial->id, changed->name);
        }
    }
    if (count == 0 || r->options->strict_code || r->options->reuse_stale) {
        return ESP_OK;
    }
    if (count > SHOWN) {
        esp_log_note("... and %d more", count - SHOWN);
    }
    const esp_plugin_entry *entry = esp_registry_entry_of(r->registry, changed);
    return esp_fail(ESP_USAGE,
                    "%d trial%s stale, since %s is another file now than when %s trained: "
                    "--strict-code trains %s again, --reuse-stale counts %s as %s; a raised "
                    "version in the plugin makes new trials and leaves the old ones alone",
                    count, count == 1 ? " is" : "s are",
                    entry != NULL ? entry->path : changed->name,
                    count == 1 ? "it was" : "they were", count == 1 ? "it" : "them",
                    count == 1 ? "it" : "them", count == 1 ? "it is" : "they are");
}

/* What becomes of the trials asked for. */
typedef struct tally {
    int asked, done, stale, begun, failed, displacing;
} tally;

static bool is_todo(runner *r, int trial, tally *counts)
{
    const esp_store_trial *stored = &r->record.trials[trial];
    const int failures =
        atomic_load(&r->shared->trials[trial].failures); /* in this run, before a restart */
    if (stored->status == ESP_TRIAL_DONE) {
        r->anew[trial] = r->stale[trial].other_code && r->options->strict_code;
        counts->stale += r->stale[trial].other_code;
        counts->done += !r->anew[trial];
        return r->anew[trial];
    }
    const int retries = r->study->cells[r->study->trials[trial].cell].retries;
    if (stored->status == ESP_TRIAL_FAILED &&
        !(failures > 0 ? failures <= retries : r->options->retry_failed)) {
        counts->failed++;
        return false;
    }
    /* What failed is not what --reuse-stale is about: it starts with the plugin as it is now. */
    r->anew[trial] = r->stale[trial].changed != NULL &&
                     (stored->status == ESP_TRIAL_FAILED || !r->options->reuse_stale);
    counts->begun += stored->epochs_done > 0 && !r->anew[trial];
    return true;
}

static void tell(const runner *r, const tally *counts)
{
    char words[512];
    size_t used = (size_t)snprintf(words, sizeof words, "%s: %d of %d trials to train",
                                   r->study->name, r->n_todo, counts->asked);
    const struct {
        int count;
        const char *words;
    } parts[] = {
        {counts->done, "done before"},
        {counts->begun, "begun before"},
        {counts->failed, "failed before (--retry-failed tries them again)"},
        {counts->displacing, "in the place of others: data, a plugin's version or the trainer's "
                             "changed, and reports leave those out"},
        {counts->stale, r->options->strict_code
                            ? "done by another build, so trained again"
                            : "of these by another build (--strict-code trains them again)"}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].count > 0) {
            used += (size_t)snprintf(words + used, sizeof words - used, ", %d %s", parts[i].count,
                                     parts[i].words);
        }
    }
    esp_log_note("%s", words);
}

typedef struct place_of_key {
    int64_t key;
    int trial;
} place_of_key;

static int by_key_and_trial(const void *left, const void *right)
{
    const place_of_key *a = left, *b = right;
    return a->key != b->key ? (a->key > b->key) - (a->key < b->key) : a->trial - b->trial;
}

/* Two variants may come down to the same trial: all but the first of those asked for are twins. */
static int find_twins(bool **out, const runner *r)
{
    const size_t n = (size_t)r->study->n_trials;
    bool *twins = calloc(n + 1, sizeof *twins);
    place_of_key *places = malloc((n + 1) * sizeof *places);
    size_t n_asked = 0;
    *out = twins;
    if (twins == NULL || places == NULL) {
        free(places);
        return esp_fail(ESP_MEMORY, "no memory for a run");
    }
    for (int i = 0; i < r->study->n_trials; i++) {
        if (r->study->trials[i].asked_for) {
            places[n_asked++] = (place_of_key){r->record.trials[i].key, i};
        }
    }
    qsort(places, n_asked, sizeof *places, by_key_and_trial);
    for (size_t i = 1; i < n_asked; i++) {
        twins[places[i].trial] = places[i].key == places[i - 1].key;
    }
    free(places);
    return ESP_OK;
}

/* Which of the asked trials are left to do, and the words about the others. */
static int list_todo(runner *r)
{
    tally counts = {0};
    bool *twins = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(find_twins(&twins, r));
    for (int i = 0; i < r->study->n_trials; i++) {
        if (!r->study->trials[i].asked_for) {
            continue;
        }
        counts.asked++;
        counts.displacing += r->record.trials[i].displaces;
        if (is_todo(r, i, &counts) && !twins[i]) {
            r->todo[r->n_todo++] = i;
        }
    }
    r->shared->n_todo = r->shared->n_todo > 0 ? r->shared->n_todo : r->n_todo;
    tell(r, &counts);
out:
    free(twins);
    return status;
}

/* For `status` and others: what this run means to train. */
static int tell_wanted(const runner *r)
{
    int64_t *keys = calloc((size_t)r->n_todo + 1, sizeof *keys);
    if (keys == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a run");
    }
    for (int i = 0; i < r->n_todo; i++) {
        keys[i] = r->record.trials[r->todo[i]].key;
    }
    const int status = esp_lock_wanted(r->lock, keys, r->n_todo);
    free(keys);
    return status;
}

/* Reports show the revision run last: says so where there are others. */
static int tell_revision(const runner *r, esp_store *store)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(
        &rows, store,
        "SELECT r.number, (SELECT max(o.number) FROM revision o WHERE o.study = s.id AND"
        " o.number <> r.number) FROM study s JOIN revision r ON r.id = s.current_revision"
        " WHERE s.name = :study"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":study", r->study->name));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    if (has_row && esp_rows_integer(rows, 1) > 0) {
        esp_log_note(
            "this is revision %d of %s: its text or its --set differ from others'. Reports "
            "show the revision run last, `espalier report %s@%d` another, and `espalier diff %s@%d"
            " %s@%d` compares them",
            (int)esp_rows_integer(rows, 0), r->study->name, r->study->name,
            (int)esp_rows_integer(rows, 1), r->study->name, (int)esp_rows_integer(rows, 1),
            r->study->name, (int)esp_rows_integer(rows, 0));
    }
out:
    esp_rows_close(rows);
    return status;
}

/* A trial that brought an earlier child down has failed, and is tried again where its study allows
 * that. What other trials of that child held is free again. */
static int record_crashes(runner *r)
{
    for (; r->shared->n_recorded < r->shared->n_crashes; r->shared->n_recorded++) {
        const esp_crash *crash = &r->shared->crashes[r->shared->n_recorded % ESP_MAX_CRASHES];
        char message[256];
        bool is_over = false;
        esp_end_record end = {
            .status = ESP_TRIAL_FAILED, .message = message, .checkpoint_digest = ""};
        esp_crash_describe(message, crash);
        for (int i = 0; i < r->study->n_trials; i++) { /* a twin is the same trial */
            if (strcmp(r->study->trials[i].id, crash->trial) == 0) {
                const int retries = r->study->cells[r->study->trials[i].cell].retries;
                end.trial_key = r->record.trials[i].key;
                r->record.trials[i].status = ESP_TRIAL_FAILED;
                is_over = atomic_fetch_add(&r->shared->trials[i].failures, 1) + 1 > retries;
                atomic_store(&r->shared->trials[i].begun, false);
            }
        }
        ESP_TRY(esp_writer_end(r->context.writer, &end));
        ESP_TRY(esp_writer_flush(r->context.writer));
        atomic_fetch_add(&r->shared->n_failed, is_over);
    }
    esp_unlock_trials(r->lock);
    return ESP_OK;
}

static int train_all(runner *r)
{
    const int most = r->shared->one_at_a_time ? 1 : r->jobs;
    const int jobs = most < r->n_todo ? most : r->n_todo;
    ESP_TRY(esp_progress_start(&r->context.progress, stderr, jobs,
                               &(esp_progress_todo){.study = r->study,
                                                    .trials = r->todo,
                                                    .n = r->n_todo,
                                                    .epochs_done = r->epochs_done,
                                                    .work = r->epoch_work}));
    int status = esp_pool_run(&r->context, &r->claims, r->shared, r->todo, r->n_todo, jobs,
                              &r->options->halt);
    esp_progress_stop(r->context.progress);
    return status;
}

static int tell_failure(runner *r, int i)
{
    const esp_trial *trial = &r->study->trials[i];
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(
        esp_rows_open(&rows, r->claims.store, "SELECT message FROM attempt WHERE id = :attempt"));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":attempt", r->record.trials[i].latest_attempt));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    const char *why = has_row ? esp_rows_text(rows, 0) : NULL;
    esp_log_note("failed: %s seed %s, trial %s: %s", r->study->cells[trial->cell].label,
                 trial->seed, trial->id, why != NULL ? why : "no reason is recorded");
out:
    esp_rows_close(rows);
    return status;
}

/* Which of the trials asked for failed, whoever trained them, and why; how many are neither done
 * nor failed. */
static int tell_failures(int *n_failed, int *n_left, runner *r)
{
    enum { SHOWN = 10 };
    *n_failed = *n_left = 0;
    for (int i = 0; i < r->study->n_trials; i++) {
        if (r->study->trials[i].asked_for) {
            ESP_TRY(esp_claim_look(&r->claims, i));
            const esp_trial_status now = r->record.trials[i].status;
            *n_left += now != ESP_TRIAL_DONE && now != ESP_TRIAL_FAILED;
            *n_failed += now == ESP_TRIAL_FAILED;
            if (now == ESP_TRIAL_FAILED && *n_failed <= SHOWN) {
                ESP_TRY(tell_failure(r, i));
            }
        }
    }
    if (*n_failed > SHOWN) {
        esp_log_note("... and %d more", *n_failed - SHOWN);
    }
    return ESP_OK;
}

/* What the run has come to. */
static int conclude(runner *r)
{
    int n_failed = 0, n_left = 0;
    if (atomic_load(&esp_supervisor_stop) != 0) {
        return esp_fail(ESP_INTERRUPTED,
                        "interrupted; finished epochs are kept, the same command goes on");
    }
    ESP_TRY(tell_failures(&n_failed, &n_left, r));
    if (n_left > 0) { /* --halt, or another run tries again what had failed */
        esp_log_note("%d trial%s not done: the same command goes on, `espalier status` shows what "
                     "other runs train",
                     n_left, n_left == 1 ? " is" : "s are");
    }
    return n_failed == 0 && n_left == 0 ? ESP_OK
           : n_failed == 0
               ? esp_fail(ESP_FAILED, "not all trials are done")
               : esp_fail(ESP_FAILED,
                          "%d trial%s failed: `espalier show TRIAL` tells all of one, `espalier "
                          "query failed` lists them; --retry-failed tries them again",
                          n_failed, n_failed == 1 ? "" : "s");
}

static void free_runner(runner *r)
{
    for (int i = 0; i < r->study->n_cells && r->partitions != NULL; i++) {
        esp_partition_free(&r->partitions[i]);
    }
    for (int i = 0; i < r->n_data; i++) {
        esp_dataset_close(r->data[i]);
    }
    esp_record_free(&r->record);
    free(r->cell_data);
    free(r->cell_partitions);
    free(r->partitions);
    free(r->anew);
    free(r->stale);
    free(r->todo);
    free(r->epochs_done);
    free(r->epoch_work);
    free((void *)(uintptr_t)r->context.checkpoints);
    free((void *)(uintptr_t)r->context.environment);
}

/* The child's work. */
static int run_in_child(void *argument, esp_shared *shared)
{
    const runner *asked = argument;
    runner r = {.study = asked->study,
                .registry = asked->registry,
                .options = asked->options,
                .lock = asked->lock,
                .claims = {.lock = -1},
                .shared = shared};
    esp_store *store = NULL;
    char host[256] = "unknown";
    int status = ESP_OK;
    gethostname(host, sizeof host - 1);
    r.jobs = r.options->jobs > 0 ? r.options->jobs : esp_processors_usable();
    r.jobs = r.jobs < ESP_MAX_JOBS ? r.jobs : ESP_MAX_JOBS;
    r.context = (esp_trial_context){
        .study = r.study, .host = host, .checkpoints = esp_run_checkpoints(r.options->database)};
    ESP_TRY_OUT(esp_blas_prepare());
    ESP_TRY_OUT(prepare_data(&r));
    r.context.data = r.cell_data;
    r.context.partitions = r.cell_partitions;
    char *environment = NULL;
    ESP_TRY_OUT(esp_environment_describe(&environment, r.study, r.registry, r.options->unchecked,
                                         (const esp_dataset *const *)r.data, r.n_data));
    r.context.environment = environment;
    ESP_TRY_OUT(esp_record_make(&r.record, r.study));
    if (access(r.options->database, F_OK) != 0) {
        esp_log_note("results go to a new database, %s", r.options->database);
    }
    ESP_TRY_OUT(esp_store_open(&store, r.options->database, ESP_STORE_WRITE));
    ESP_TRY_OUT(allocate_lists(&r));
    ESP_TRY_OUT(esp_store_lookup(store, r.record.trials, r.record.n_trials));
    ESP_TRY_OUT(find_stale(&r, store));
    ESP_TRY_OUT(refuse_stale(&r));
    ESP_TRY_OUT(esp_store_register(store, &r.record));
    if (shared->n_crashes == 0) {
        ESP_TRY_OUT(tell_revision(&r, store));
    }
    esp_store_close(store);
    store = NULL;
    ESP_TRY_OUT(esp_writer_start(&r.context.writer, r.options->database));
    ESP_TRY_OUT(record_crashes(&r));
    ESP_TRY_OUT(list_todo(&r));
    ESP_TRY_OUT(esp_order_longest_first(
        &(esp_order){.todo = r.todo, .epochs_done = r.epochs_done, .epoch_work = r.epoch_work},
        r.n_todo, r.study, r.cell_partitions, r.record.trials, r.anew));
    ESP_TRY_OUT(tell_wanted(&r));
    ESP_TRY_OUT(esp_claims_open(&r.claims, r.lock, r.options->database, r.record.trials,
                                r.study->n_trials));
    r.context.stored = r.record.trials;
    r.context.anew = r.anew;
    if (r.n_todo > 0) {
        ESP_TRY_OUT(train_all(&r));
    }
    status = conclude(&r);
out:
    esp_claims_close(&r.claims); /* the writer's is to be the last connection: it tidies up */
    if (r.context.writer != NULL) {
        char held[1024];
        snprintf(held, sizeof held, "%s", esp_message());
        int written = esp_writer_stop(r.context.writer);
        if (written != ESP_OK) {
            status = written;
        } else {
            esp_fail(status, "%s", held);
        }
    }
    esp_store_close(store);
    free_runner(&r);
    return status;
}

static bool has_plugin(const esp_cell *cell, const esp_plugin *plugin)
{
    bool has = false;
    for (int i = 0; i < cell->phases[0].n_terms; i++) {
        has = has || cell->phases[0].terms[i].plugin == plugin;
    }
    for (int i = 0; i < cell->n_heads; i++) {
        has = has || cell->heads[i].plugin == plugin;
    }
    return has;
}

static bool is_asked_for(const esp_study *study, const esp_plugin *plugin)
{
    for (int i = 0; i < study->n_trials; i++) {
        const esp_trial *trial = &study->trials[i];
        if (trial->asked_for && has_plugin(&study->cells[trial->cell], plugin)) {
            return true;
        }
    }
    return false;
}

/* Every plugin of what was asked for must have passed the contract test. */
static int check_plugins(const runner *r)
{
    for (int i = 0; i < esp_registry_count(r->registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(r->registry, i);
        if (entry->plugin != NULL && !entry->is_shipped && is_asked_for(r->study, entry->plugin)) {
            ESP_TRY(esp_verdict_require(entry));
        }
    }
    return ESP_OK;
}

int esp_run(const esp_study *study, const esp_registry *registry, const esp_run_options *options)
{
    runner asked = {.study = study, .registry = registry, .options = options, .lock = -1};
    if (!options->unchecked) {
        ESP_TRY(check_plugins(&asked));
    }
    ESP_TRY(esp_lock_take(&asked.lock, options->database, ESP_LOCK_SHARED));
    int status = esp_supervise(run_in_child, &asked, study->n_trials);
    close(asked.lock);
    return status;
}
