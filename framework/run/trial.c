#include "run/trial.h"

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

/* One trial at work. */
typedef struct worker {
    const esp_trial_context *context;
    const esp_cell *cell;
    const esp_trial *trial;
    esp_training *training;
    int64_t trial_key, attempt_key;
    int slot;
    char *folder;
    double started, last_checkpoint, epoch_work;
} worker;

static double epoch_work(const esp_network *network, uint32_t n_train)
{
    return 3 * esp_network_training_macs(network) * n_train;
}

double esp_cell_work(const esp_cell *cell, const esp_dataset *data, const esp_partition *partition)
{
    int epochs = 0;
    for (int i = 0; i < cell->n_phases; i++) {
        epochs += cell->phases[i].epochs;
    }
    double rows = cell->training_width + (1 << cell->model.depth) - 1;
    for (int i = 0; i < cell->n_heads; i++) {
        rows += 8; /* near enough for a time left */
    }
    return 3 * rows * (data->n_features + data->n_classes) * partition->n_train * epochs;
}

/* ---- storing ----------------------------------------------------------------------------------
 */

static int store_epoch(const worker *w, int epoch, bool selected_later)
{
    const esp_training *t = w->training;
    const bool trained = epoch > 0 && !selected_later;
    const esp_phase_config *phase = &w->cell->phases[t->phase];
    char digest[65];
    esp_epoch_record record = {.trial_key = w->trial_key,
                               .attempt_key = w->attempt_key,
                               .epoch = epoch,
                               .phase = epoch > 0 ? phase->name : "",
                               .phase_epoch = epoch > 0 ? t->phase_epoch : 0,
                               .learning_rate = phase->optimizer.learning_rate,
                               .seconds = epoch == 0 ? 0
                                          : trained  ? t->seconds
                                                     : NAN,
                               .running_loss = trained ? t->running_loss : NAN,
                               .running_soft_accuracy = trained ? t->running_soft_accuracy : NAN,
                               .n_extra = t->n_extra,
                               .extra = t->extra,
                               .n_leaves = t->network->config.routes ? t->network->n_leaves : 0};
    ESP_TRY(esp_training_digest(digest, t));
    record.digest = digest;
    for (int s = 0; s < ESP_N_SPLITS; s++) {
        const esp_evaluation *evaluation = &t->evaluations[s];
        for (int m = 0; m < ESP_N_METRICS; m++) {
            record.metrics[s][m] = evaluation->done ? evaluation->metrics[m] : NAN;
        }
        record.leaf_counts[s] = evaluation->done ? evaluation->leaf_counts : NULL;
    }
    if (trained) { /* train's leaf counts are running ones, as its losses are */
        record.leaf_counts[ESP_TRAIN] = t->running_leaf_counts;
    } else if (epoch > 0) {
        record.leaf_counts[ESP_TRAIN] = NULL;
    }
    return esp_writer_epoch(w->context->writer, &record);
}

static int path_in(char **out, const worker *w, const char *name)
{
    *out = esp_text_format("%s/%s", w->folder, name);
    return *out ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a path");
}

static int write_state(worker *w)
{
    char *path = NULL;
    /* a checkpoint must never be ahead of the database */
    ESP_TRY(esp_writer_flush(w->context->writer));
    ESP_TRY(path_in(&path, w, "state.safetensors"));
    int status = esp_checkpoint_write_state(path, w->training);
    free(path);
    w->last_checkpoint = esp_clock_seconds();
    return status;
}

static int write_model(const worker *w, const char *name, char *digest, const esp_real *parameters)
{
    char *path = NULL;
    ESP_TRY(path_in(&path, w, name));
    int status = esp_checkpoint_write_model(path, digest, w->training, parameters);
    free(path);
    return status;
}

/* ---- epochs -----------------------------------------------------------------------------------
 */

static bool needs_train_evaluation(const esp_monitor *monitor)
{
    return monitor->split == ESP_TRAIN && strncmp(monitor->metric, "running_", 8) != 0;
}

static bool train_is_due(const worker *w)
{
    const esp_phase_config *phase = &w->cell->phases[w->training->phase];
    const int every = w->cell->evaluate_every;
    bool due = every > 0 && w->training->epoch % every == 0;
    for (int i = 0; i < w->cell->n_monitors; i++) {
        due = due || needs_train_evaluation(&w->cell->monitors[i]);
    }
    return due || (phase->early_stopping.enabled &&
                   needs_train_evaluation(&phase->early_stopping.monitor));
}

static bool selects_in_phase(const esp_cell *cell, int phase)
{
    for (int i = 0; i < cell->n_selection_phases; i++) {
        if (cell->selection_phases[i] == phase) {
            return true;
        }
    }
    return cell->n_selection_phases == 0;
}

static void update_best(worker *w)
{
    esp_training *t = w->training;
    for (int i = 0; i < t->n_best && selects_in_phase(w->cell, t->phase); i++) {
        const esp_monitor *monitor = &w->cell->monitors[i];
        esp_best *best = &t->best[i];
        const double value = esp_training_metric(t, monitor);
        if (isfinite(value) &&
            (best->epoch == 0 || (monitor->maximize ? value > best->value : value < best->value))) {
            best->epoch = t->epoch;
            best->value = value;
            best->phase = t->phase;
            best->phase_epoch = t->phase_epoch;

            memcpy(best->parameters, t->network->parameters,
                   sizeof(esp_real) * t->network->n_parameters);
        }
    }
}

/* Whether early stopping ends the phase now. */
static bool stops_early(worker *w)
{
    esp_training *t = w->training;
    const esp_early_stopping *stopping = &w->cell->phases[t->phase].early_stopping;
    if (!stopping->enabled) {
        return false;
    }
    const double value = esp_training_metric(t, &stopping->monitor);
    const double gain =
        stopping->monitor.maximize ? value - t->stopping_best : t->stopping_best - value;
    if (isnan(t->stopping_best) || gain > stopping->min_delta) {
        t->stopping_best = value;
        t->stopping_waited = 0;
        return false;
    }
    return ++t->stopping_waited >= stopping->patience;
}

/* Evaluates and stores what was trained. *phase_over is also the last chance for an exact train
 * evaluation, which the last epoch of a trial must have. */
static int finish_epoch(worker *w, bool *phase_over)
{
    esp_training *t = w->training;
    const esp_phase_config *phase = &w->cell->phases[t->phase];
    bool splits[ESP_N_SPLITS] = {
        [ESP_TRAIN] = train_is_due(w), [ESP_VALIDATION] = true, [ESP_TEST] = true};
    ESP_TRY(esp_training_evaluate(t, splits));
    update_best(w);
    *phase_over = stops_early(w) || t->phase_epoch >= phase->epochs;
    if (*phase_over && t->phase + 1 == w->cell->n_phases && !splits[ESP_TRAIN]) {
        const esp_evaluation held[ESP_N_SPLITS] = {t->evaluations[0], t->evaluations[1],
                                                   t->evaluations[2]};
        ESP_TRY(esp_training_evaluate(t, (bool[ESP_N_SPLITS]){[ESP_TRAIN] = true}));
        t->evaluations[ESP_VALIDATION] = held[ESP_VALIDATION];
        t->evaluations[ESP_TEST] = held[ESP_TEST];
    }
    ESP_TRY(store_epoch(w, t->epoch, false));
    esp_progress_epoch(w->context->progress, w->slot, t, w->epoch_work);
    return ESP_OK;
}

static int train(worker *w)
{
    esp_training *t = w->training;
    while (t->phase < w->cell->n_phases) {
        bool phase_over = t->phase_epoch >= w->cell->phases[t->phase].epochs;
        while (!phase_over) {
            if (atomic_load(w->context->stop) != 0) {
                ESP_TRY(write_state(w));
                return ESP_INTERRUPTED;
            }
            ESP_TRY(esp_training_epoch(t, w->context->abandon));
            ESP_TRY(finish_epoch(w, &phase_over));
            if (phase_over && t->phase + 1 < w->cell->n_phases) {
                /* entered before the checkpoint, so that a checkpoint never stands at an end */
                esp_training_enter_phase(t, t->phase + 1);
                phase_over = false;
            }
            if (!phase_over &&
                esp_clock_seconds() - w->last_checkpoint >= w->cell->checkpoint_seconds) {
                ESP_TRY(write_state(w));
            }
        }
        if (t->phase + 1 == w->cell->n_phases) {
            return ESP_OK;
        }
        esp_training_enter_phase(t, t->phase + 1);
    }
    return ESP_OK;
}

/* ---- beginning and end -------------------------------------------------------------------------
 */

/* Continues from a checkpoint where there is a sound one; else starts with the untrained network.
 */
static int prepare(worker *w, int *first_epoch)
{
    char *path = NULL;
    *first_epoch = 0;
    ESP_TRY(path_in(&path, w, "state.safetensors"));
    int status = ESP_OK;
    if (access(path, F_OK) == 0) {
        status = esp_checkpoint_read_state(w->training, path);
        if (status == ESP_OK) {
            *first_epoch = w->training->epoch;
        }
        /* a checkpoint whose earlier epochs the database lacks would leave a gap */
        const int stored = w->context->epochs_stored[w->trial - w->context->study->trials];
        if (status == ESP_OK && stored < *first_epoch) {
            status = esp_fail(ESP_DATA, "%s: is at epoch %d, the database at %d", path,
                              *first_epoch, stored);
        }
        if (status != ESP_OK) {
            char line[512];
            snprintf(line, sizeof line, "warning: %s; this trial starts anew", esp_message());
            esp_progress_note(w->context->progress, line);
            *first_epoch = 0;
            esp_training_destroy(w->training);
            w->training = NULL;
            status = esp_training_create(&w->training, w->cell, w->trial,
                                         w->context->data[w->trial->cell],
                                         w->context->partitions[w->trial->cell]);
        }
    }
    free(path);
    return status;
}

static int store_untrained(worker *w)
{
    const bool all[ESP_N_SPLITS] = {true, true, true};
    ESP_TRY(esp_training_evaluate(w->training, all));
    return store_epoch(w, 0, false);
}

/* The selected epochs get their exact evaluation on all splits, and their models are written. */
static int finish_selected(worker *w)
{
    esp_training *t = w->training;
    const size_t bytes = sizeof(esp_real) * t->network->n_parameters;
    const int last_epoch = t->epoch, last_phase = t->phase, last_phase_epoch = t->phase_epoch;

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
        esp_training_continue_phase(t, best->phase);
        t->epoch = best->epoch;
        t->phase_epoch = best->phase_epoch;

        t->n_extra = 0;
        ESP_TRY_OUT(esp_training_evaluate(t, (bool[ESP_N_SPLITS]){true, true, true}));

        ESP_TRY_OUT(store_epoch(w, best->epoch, true));
        snprintf(name, sizeof name, i == 0 ? "selected.safetensors" : "selected.%s.safetensors",
                 w->cell->monitors[i].name);
        ESP_TRY_OUT(write_model(w, name, NULL, best->parameters));
    }
out:
    memcpy(t->network->parameters, last, bytes);
    esp_training_continue_phase(t, last_phase);
    t->epoch = last_epoch;
    t->phase_epoch = last_phase_epoch;

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
    if (status == ESP_TRIAL_DONE) {
        for (int i = 0; i < t->n_best; i++) {
            const esp_monitor *monitor = &w->cell->monitors[i];
            snprintf(names[i], sizeof names[i], i == 0 ? "selected" : "selected:%s", monitor->name);
            if (t->best[i].epoch > 0) {
                selections[n++] = (esp_selection_record){names[i], t->best[i].epoch, monitor->name};
            }
        }
        if (t->n_best == 0) {
            selections[n++] = (esp_selection_record){"selected", t->epoch, ""};
        }
        selections[n++] = (esp_selection_record){"last", t->epoch, ""};
    }
    const esp_end_record record = {.trial_key = w->trial_key,
                                   .attempt_key = w->attempt_key,
                                   .status = status,
                                   .message = message,
                                   .seconds = esp_clock_seconds() - w->started,
                                   .epochs = t ? t->epoch : 0,
                                   .peak_memory = peak_memory(),
                                   .n_selections = n,
                                   .selections = selections,
                                   .checkpoint_digest = digest};
    return esp_writer_end(w->context->writer, &record);
}

static int finish(worker *w, char *digest)
{
    ESP_TRY(finish_selected(w));
    ESP_TRY(write_model(w, "last.safetensors", digest, w->training->network->parameters));
    return write_state(w);
}

int esp_trial_run(const esp_trial_context *context, int trial, int slot)
{
    worker w = {.context = context,
                .trial = &context->study->trials[trial],
                .trial_key = context->trial_keys[trial],
                .slot = slot,
                .started = esp_clock_seconds(),
                .last_checkpoint = esp_clock_seconds()};
    w.cell = &context->study->cells[w.trial->cell];
    char digest[65] = "", message[1024] = "";
    int first_epoch = 0, stored = ESP_OK;
    int status = ESP_OK;
    const int cell = w.trial->cell;
    w.folder = esp_text_format("%s/%s", context->checkpoints, w.trial->id);
    if (w.folder == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a path");
    }
    status = esp_file_make_directories(w.folder);
    if (status == ESP_OK) {
        status = esp_training_create(&w.training, w.cell, w.trial, context->data[cell],
                                     context->partitions[cell]);
    }
    if (status == ESP_OK) {
        w.epoch_work = epoch_work(w.training->network, w.training->splits[ESP_TRAIN].count);
        status = prepare(&w, &first_epoch);
    }
    snprintf(message, sizeof message, "%s", status == ESP_OK ? "" : esp_message());
    const esp_begin_record begin = {.trial_key = w.trial_key,
                                    .environment = context->environment,
                                    .host = context->host,
                                    .process = getpid(),
                                    .first_epoch = first_epoch};
    stored = esp_writer_begin(&w.attempt_key, context->writer, &begin);
    if (stored == ESP_OK) {
        esp_progress_begin(context->progress, slot, w.cell, w.trial, first_epoch);
        if (status == ESP_OK && first_epoch == 0) {
            status = store_untrained(&w);
        }
        if (status == ESP_OK) {
            status = train(&w);
        }
        if (status == ESP_OK) {
            status = finish(&w, digest);
        }
        if (status != ESP_OK && *message == '\0') {
            snprintf(message, sizeof message, "%s", esp_message());
        }
        const esp_trial_status ended = status == ESP_OK            ? ESP_TRIAL_DONE
                                       : status == ESP_INTERRUPTED ? ESP_TRIAL_INTERRUPTED
                                                                   : ESP_TRIAL_FAILED;
        const char *why = ended == ESP_TRIAL_FAILED ? message : "";
        if (status != ESP_STORE) {
            stored = store_end(&w, ended, why, digest);
        }
        int epochs = w.training ? w.training->epoch : 0;
        int all = 0;
        for (int i = 0; i < w.cell->n_phases; i++) {
            all += w.cell->phases[i].epochs;
        }
        const int unspent = ended == ESP_TRIAL_INTERRUPTED ? 0 : all - epochs;
        esp_progress_end(context->progress, slot, ended, why, w.epoch_work * unspent);
    }
    esp_training_destroy(w.training);
    free(w.folder);
    if (stored != ESP_OK) {
        return stored;
    }
    return status == ESP_OK ? ESP_OK : esp_fail(status, "%s", message);
}
