#include "run/trial.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/status.h"
#include "core/text.h"
#include "run/checkpoint.h"
#include "run/divergence.h"
#include "run/epoch_record.h"
#include "run/selection.h"

/* One trial at work. */
typedef struct worker {
    const esp_trial_context *context;
    const esp_cell *cell;
    const esp_trial *trial;
    esp_training *training;
    int64_t trial_key, attempt_key;
    int slot;
    const esp_trial_control *control;
    char *folder;
    int last_stored;     /* epoch */
    int last_kept_state; /* epoch of the last checkpoint to resume from */
    double started, last_checkpoint;
} worker;

/* ---- storing ----------------------------------------------------------------------------------
 */

/* What cannot be kept ends the run, not the trial: the trial goes on another day. */
static int kept(int status)
{
    return status == ESP_OK ? ESP_OK : esp_fail(ESP_STORE, "%s", esp_message());
}

static int kept_file(int status)
{
    return status == ESP_OK ? ESP_OK
                            : esp_fail(ESP_STORE,
                                       "%s; free some space or look at the permissions, then start "
                                       "again: finished epochs are kept",
                                       esp_message());
}

/* Waiting for the database or the disk counts for no epoch's time. */
static int rested(const worker *w, int status)
{
    atomic_store(w->control->beat, (long long)(1000 * esp_clock_working()));
    return status;
}

static void rest(const worker *w)
{
    atomic_store(w->control->beat, ESP_RESTING);
}

static int store_epoch(const worker *w, int epoch, bool selected_later)
{
    rest(w);
    return rested(w, kept(esp_epoch_store(w->context->writer, w->training, w->trial_key,
                                          w->attempt_key, epoch, selected_later)));
}

static int path_in(char **out, const worker *w, const char *name)
{
    *out = esp_text_format("%s/%s", w->folder, name);
    return *out ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a path");
}

static int write_state(worker *w)
{
    char *path = NULL;
    rest(w);
    /* a checkpoint must never be ahead of the database */
    ESP_TRY(kept(esp_writer_flush(w->context->writer)));
    ESP_TRY(path_in(&path, w, "state.safetensors"));
    int status = esp_checkpoint_write_state(path, w->training);
    free(path);
    w->last_checkpoint = esp_clock_seconds();
    w->last_kept_state = w->training->epoch;
    return rested(w, kept_file(status));
}

/* A checkpoint is due after so long or so many epochs, whichever comes first. */
static bool is_state_due(const worker *w)
{
    const int epochs = w->training->epoch - w->last_kept_state;
    return esp_clock_seconds() - w->last_checkpoint >= w->cell->checkpoint_seconds ||
           (w->cell->checkpoint_epochs > 0 && epochs >= w->cell->checkpoint_epochs);
}

static int write_model(const worker *w, const char *name, char *digest, const esp_real *parameters)
{
    char *path = NULL;
    ESP_TRY(path_in(&path, w, name));
    rest(w);
    int status =
        esp_checkpoint_write_model(path, digest, w->training, w->context->study->name, parameters);
    free(path);
    return rested(w, kept_file(status));
}

/* ---- epochs -----------------------------------------------------------------------------------
 */

/* Evaluates, selects by and stores what was trained. */
static int finish_epoch(worker *w)
{
    esp_training *t = w->training;
    bool splits[ESP_N_SPLITS] = {
        [ESP_TRAIN] = esp_selection_needs_train(t), [ESP_VALIDATION] = true, [ESP_TEST] = true};
    ESP_TRY(esp_training_evaluate(t, splits));
    esp_selection_update(t);
    esp_stopping_update(t);
    esp_rate_update(t);
    const bool last = esp_phase_is_over(t) && t->phase + 1 == w->cell->n_phases;
    if (last && !splits[ESP_TRAIN]) {
        const esp_evaluation held[ESP_N_SPLITS] = {t->evaluations[0], t->evaluations[1],
                                                   t->evaluations[2]};
        ESP_TRY(esp_training_evaluate(t, (bool[ESP_N_SPLITS]){[ESP_TRAIN] = true}));
        t->evaluations[ESP_VALIDATION] = held[ESP_VALIDATION];
        t->evaluations[ESP_TEST] = held[ESP_TEST];
    }
    ESP_TRY(esp_divergence_check(t));
    ESP_TRY(store_epoch(w, t->epoch, false));
    w->last_stored = t->epoch;
    esp_progress_epoch(w->context->progress, w->slot, t);
    return ESP_OK;
}

static int train(worker *w)
{
    esp_training *t = w->training;
    while (esp_phase_advance(t)) {
        if (atomic_load(w->control->stop) != 0) {
            ESP_TRY(write_state(w));
            return ESP_INTERRUPTED;
        }
        if (is_state_due(w)) {
            ESP_TRY(write_state(w));
        }
        ESP_TRY(esp_training_epoch(t, w->control->abandon));
        ESP_TRY(finish_epoch(w));
    }
    return ESP_OK;
}

/* ---- beginning and end -------------------------------------------------------------------------
 */

/* Continues from a checkpoint where there is a sound one. One that is missing, damaged, of another
 * shape, or ahead of the database (whose earlier epochs would be missing) is passed over with a
 * word; one that cannot be read ends the run. */
static int resume(worker *w, bool *resumed)
{
    char *path = NULL;
    const ptrdiff_t trial = w->trial - w->context->study->trials;
    *resumed = false;
    ESP_TRY(path_in(&path, w, "state.safetensors"));
    if (w->context->anew[trial]) { /* nor is a later run to go on with it, should this be cut off */
        const bool gone = remove(path) == 0 || errno == ENOENT;
        const int status =
            gone ? ESP_OK
                 : kept_file(esp_fail(ESP_IO, "%s: cannot be removed: %s", path, strerror(errno)));
        free(path);
        return status;
    }
    int status = esp_checkpoint_read_state(w->training, path);
    const int stored = w->context->stored[trial].epochs_done;
    if (status == ESP_OK && stored < w->training->epoch) {
        status = esp_fail(ESP_DATA, "%s: is at epoch %d, the database at %d", path,
                          w->training->epoch, stored);
    }
    *resumed = status == ESP_OK;
    char *line = NULL;
    if (status == ESP_DATA) {
        line = esp_text_format("warning: %s; this trial starts again from epoch 0", esp_message());
    } else if (status == ESP_NOT_FOUND && stored > 0) {
        line = esp_text_format("note: no %s: removed, or cut off before the first checkpoint; this "
                               "trial starts again from epoch 0, %d epochs are trained again",
                               path, stored);
    }
    if (line != NULL) {
        esp_progress_note(w->context->progress, line);
    }
    free(line);
    free(path);
    return status == ESP_OK || status == ESP_NOT_FOUND || status == ESP_DATA ? ESP_OK
                                                                             : kept(status);
}

static int create(worker *w)
{
    const int cell = w->trial->cell;
    esp_training_destroy(w->training);
    w->training = NULL;
    return esp_training_create(&w->training, w->cell, w->trial, w->context->data[cell],
                               w->context->partitions[cell]);
}

static int prepare(worker *w, int *first_epoch)
{
    bool resumed = false;
    *first_epoch = 0;
    ESP_TRY(kept_file(esp_file_make_directories(w->folder)));
    ESP_TRY(create(w));
    ESP_TRY(resume(w, &resumed));
    if (resumed) {
        *first_epoch = w->training->epoch + 1;
        w->last_stored = w->last_kept_state = w->training->epoch;
        return ESP_OK;
    }
    return create(w); /* a reading that failed may have left its traces */
}

static int store_untrained(worker *w)
{
    const bool all[ESP_N_SPLITS] = {true, true, true};
    ESP_TRY(esp_training_evaluate(w->training, all));
    return store_epoch(w, 0, false);
}

/* The selected epochs get their exact evaluation on train, and their models are written. What was
 * measured when they were trained stands: terms that keep a state are in another one by now. */
static int finish_selected(worker *w)
{
    esp_training *t = w->training;
    const size_t bytes = sizeof(esp_real) * t->network->n_parameters;
    const int last_epoch = t->epoch, last_phase = t->phase, last_phase_epoch = t->phase_epoch;
    const int64_t last_phase_steps = t->phase_steps;
    esp_real *last = malloc(bytes);
    int status = ESP_OK;
    if (last == NULL) {
        return esp_fail(ESP_MEMORY, "no memory to evaluate the selected epoch");
    }
    memcpy(last, t->network->parameters, bytes);
    for (int i = 0; i < t->n_best; i++) {
        char name[192];
        const esp_best *best = &t->best[i];
        if (best->epoch == 0) {
            continue;
        }
        memcpy(t->network->parameters, best->parameters, bytes);
        esp_training_stand_at(t, best->phase, best->epoch, best->phase_epoch, best->phase_steps);
        t->n_extra = 0;
        ESP_TRY_OUT(esp_training_evaluate(t, (bool[ESP_N_SPLITS]){[ESP_TRAIN] = true}));
        ESP_TRY_OUT(store_epoch(w, best->epoch, true));
        snprintf(name, sizeof name, i == 0 ? "selected.safetensors" : "selected.%s.safetensors",
                 w->cell->monitors[i].name);
        ESP_TRY_OUT(write_model(w, name, NULL, best->parameters));
    }
out:
    memcpy(t->network->parameters, last, bytes);
    esp_training_stand_at(t, last_phase, last_epoch, last_phase_epoch, last_phase_steps);
    free(last);
    return status;
}

static int64_t peak_memory(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

static int store_end(const worker *w, esp_trial_status status, const char *message,
                     const char *digest)
{
    esp_selection_record selections[ESP_MAX_MONITORS + 2];
    char names[ESP_MAX_MONITORS][192];
    int n = 0;
    const esp_training *t = w->training;
    /* Of a trial that did not end well, what it had reached. */
    for (int i = 0; t != NULL && i < t->n_best; i++) {
        const esp_monitor *monitor = &w->cell->monitors[i];
        snprintf(names[i], sizeof names[i], i == 0 ? "selected" : "selected:%s", monitor->name);
        if (t->best[i].epoch > 0 && t->best[i].epoch <= w->last_stored) {
            selections[n++] = (esp_selection_record){names[i], t->best[i].epoch, monitor->name};
        }
    }
    if (w->last_stored > 0) {
        if (t->n_best == 0) {
            selections[n++] = (esp_selection_record){"selected", w->last_stored, ""};
        }
        selections[n++] = (esp_selection_record){"last", w->last_stored, ""};
    }
    const esp_end_record record = {.trial_key = w->trial_key,
                                   .attempt_key = w->attempt_key,
                                   .status = status,
                                   .message = message,
                                   .seconds = esp_clock_working() - w->started,
                                   .epochs = t ? t->epoch : 0,
                                   .peak_memory = peak_memory(),
                                   .n_selections = n,
                                   .selections = selections,
                                   .checkpoint_digest = digest};
    rest(w);
    return rested(w, kept(esp_writer_end(w->context->writer, &record)));
}

static int train_to_end(worker *w, int first_epoch, char *digest)
{
    if (first_epoch == 0) {
        ESP_TRY(store_untrained(w));
    }
    ESP_TRY(train(w));
    ESP_TRY(finish_selected(w));
    ESP_TRY(write_model(w, "last.safetensors", digest, w->training->network->parameters));
    return write_state(w);
}

static int begin(worker *w, int first_epoch)
{
    const esp_begin_record record = {.trial_key = w->trial_key,
                                     .environment = w->context->environment,
                                     .host = w->context->host,
                                     .process = getpid(),
                                     .first_epoch = first_epoch};
    rest(w);
    ESP_TRY(rested(w, kept(esp_writer_begin(&w->attempt_key, w->context->writer, &record))));
    esp_progress_begin(w->context->progress, w->slot, (int)(w->trial - w->context->study->trials),
                       first_epoch > 0 ? first_epoch - 1 : 0);
    return ESP_OK;
}

/* Records how it ended. Where results cannot be kept it tries nevertheless, as interrupted. */
static int end(worker *w, int status, const char *digest)
{
    char message[1024];
    snprintf(message, sizeof message, "%s", status == ESP_OK ? "" : esp_message());
    const esp_trial_status ended = status == ESP_OK ? ESP_TRIAL_DONE
                                   : status == ESP_INTERRUPTED || status == ESP_STORE
                                       ? ESP_TRIAL_INTERRUPTED
                                       : ESP_TRIAL_FAILED;
    if (ended == ESP_TRIAL_FAILED) {
        atomic_fetch_add(w->control->failures, 1);
    }
    const int stored = store_end(w, ended, ended == ESP_TRIAL_FAILED ? message : "", digest);
    esp_progress_end(w->context->progress, w->slot, ended, message);
    return stored != ESP_OK ? stored : status == ESP_OK ? ESP_OK : esp_fail(status, "%s", message);
}

int esp_trial_run(const esp_trial_context *context, int trial, int slot,
                  const esp_trial_control *control)
{
    worker w = {.context = context,
                .trial = &context->study->trials[trial],
                .trial_key = context->stored[trial].key,
                .slot = slot,
                .control = control,
                .started = esp_clock_working(),
                .last_checkpoint = esp_clock_seconds()};
    char digest[65] = "", message[1024] = "";
    int first_epoch = 0;
    w.cell = &context->study->cells[w.trial->cell];
    w.folder = esp_text_format("%s/%s", context->checkpoints, w.trial->id);
    if (w.folder == NULL) {
        return esp_fail(ESP_STORE, "no memory for a path");
    }
    /* What fails before the first epoch is recorded as this attempt's failure too. */
    int status = prepare(&w, &first_epoch);
    snprintf(message, sizeof message, "%s", esp_message());
    const int begun = begin(&w, first_epoch);
    if (begun == ESP_OK) {
        status = status == ESP_OK ? train_to_end(&w, first_epoch, digest)
                                  : esp_fail(status, "%s", message);
        status = end(&w, status, digest);
    }
    esp_training_destroy(w.training);
    free(w.folder);
    return begun != ESP_OK ? begun : status;
}
