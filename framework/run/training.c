#include "run/training.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/digest.h"
#include "core/floating_point.h"
#include "core/status.h"
#include "nn/clip.h"
#include "run/supervisor.h"

static int largest_batch(const esp_cell *cell)
{
    int largest = 1;
    for (int i = 0; i < cell->n_phases; i++) {
        largest = cell->phases[i].batch_size > largest ? cell->phases[i].batch_size : largest;
    }
    return largest;
}

static bool gathers(const esp_cell *cell)
{
    for (int i = 0; i < cell->n_phases; i++) {
        if (cell->phases[i].accumulate > 1) {
            return true;
        }
    }
    return false;
}

bool esp_training_is_localized(const esp_training *training)
{
    const esp_cell *cell = training->cell;
    for (int i = 0; i < cell->n_phases; i++) {
        if (cell->phases[i].optimizer.local_batch_size > 0) {
            return true;
        }
    }
    return false;
}

static int create_heads(esp_training *training, esp_network_config *config)
{
    const esp_cell *cell = training->cell;
    const esp_dims dims = esp_network_dims(config);
    for (int i = 0; i < cell->n_heads; i++) {
        esp_instance *head = &training->heads[i];
        ESP_TRY(esp_instance_create(head, cell->heads[i].plugin, &cell->heads[i].params, &dims,
                                    &training->noise));
        training->n_heads = i + 1;
        config->heads[i] = head;
    }
    config->n_heads = cell->n_heads;
    return ESP_OK;
}

static int take_arrays(esp_training *training)
{
    const esp_network *network = training->network;
    const bool local = esp_training_is_localized(training);
    const size_t gathered = gathers(training->cell) ? network->n_trainable : 0;
    const size_t pending = local ? network->n_trainable : 0;
    const size_t blocks = local ? (size_t)esp_localized_blocks(&network->config.model) : 0;
    const bool measures = training->cell->data.normalize != ESP_NORMALIZE_FIXED;
    const size_t measured = measures ? (size_t)network->config.n_features : 0;
    for (int real = 0; real < 2; real++) {
        esp_arena measure = {0};
        esp_arena *arena = real ? &training->arena : &measure;
        training->first_moment = ESP_TAKE(arena, esp_real, network->n_trainable);
        training->second_moment = ESP_TAKE(arena, esp_real, network->n_trainable);
        training->gathered = ESP_TAKE(arena, esp_real, gathered);
        training->localized.pending = ESP_TAKE(arena, esp_real, pending);
        training->localized.usage = ESP_TAKE(arena, double, blocks);
        training->localized.steps = ESP_TAKE(arena, int64_t, blocks);
        training->scales = ESP_TAKE(arena, float, measured);
        training->shifts = ESP_TAKE(arena, float, measured);
        training->order = ESP_TAKE(arena, uint32_t, training->splits[ESP_TRAIN].count);
        training->running_leaf_counts = ESP_TAKE(arena, int64_t, network->n_leaves);
        for (int s = 0; s < ESP_N_SPLITS; s++) {
            training->evaluations[s].leaf_counts = ESP_TAKE(arena, int64_t, network->n_leaves);
        }
        for (int m = 0; m < training->n_best; m++) {
            training->best[m].parameters = ESP_TAKE(arena, esp_real, network->n_parameters);
        }
        if (!real) {
            ESP_TRY(esp_arena_create(&training->arena, measure.used));
        }
    }
    return ESP_OK;
}

static void view_data(esp_training *training, const esp_dataset *data,
                      const esp_partition *partition)
{
    const esp_data_config *config = &training->cell->data;
    const esp_view_of_data common = {.normalization = esp_normalization_fixed(
                                         config->mean, config->std, data->train.values != NULL)};
    for (int s = 0; s < ESP_N_SPLITS; s++) {
        const esp_split_examples split = esp_partition_split(data, partition, (esp_split)s);
        training->splits[s] = common;
        training->splits[s].examples = split.examples;
        training->splits[s].indices = split.indices;
        training->splits[s].count = split.count;
    }
}

/* Mean and deviation of the examples trained on, for all splits. */
static int measure_data(esp_training *training, const esp_dataset *data,
                        const esp_partition *partition)
{
    const esp_normalize_kind kind = training->cell->data.normalize;
    if (kind == ESP_NORMALIZE_FIXED) {
        return ESP_OK;
    }
    double *sums = malloc(2 * sizeof *sums * data->n_features);
    if (sums == NULL) {
        return esp_fail(ESP_MEMORY, "no memory to normalize");
    }
    esp_normalization_measure(training->scales, training->shifts, sums, data, partition, kind);
    free(sums);
    for (int s = 0; s < ESP_N_SPLITS; s++) {
        training->splits[s].normalization =
            (esp_normalization){.scales = training->scales, .shifts = training->shifts};
    }
    return ESP_OK;
}

int esp_training_create(esp_training **out, const esp_cell *cell, const esp_trial *trial,
                        const esp_dataset *data, const esp_partition *partition)
{
    esp_training *training = calloc(1, sizeof *training);
    if (training == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a trial");
    }
    esp_set_floating_point();
    training->cell = cell;
    training->trial = trial;
    training->noise = esp_rng_make(trial->seed_noise, "noise", 0);
    training->n_best = cell->n_monitors;
    training->stopping_best = NAN;
    training->plateau = esp_plateau_begin(cell->phases[0].optimizer.learning_rate);
    view_data(training, data, partition);
    training->class_names = data->class_names;
    esp_network_config config = {.n_features = (int)data->n_features,
                                 .n_outputs = (int)data->n_classes,
                                 .model = cell->model,
                                 .noise_seed = trial->seed_noise,
                                 .batch_size = largest_batch(cell)};
    int status = ESP_OK;
    if (training->splits[ESP_TEST].count == 0) {
        ESP_TRY_OUT(esp_partition_check_test(data->name, 0, 0));
    }
    ESP_TRY_OUT(create_heads(training, &config));
    ESP_TRY_OUT(esp_network_create(&training->network, &config));
    ESP_TRY_OUT(esp_loss_sum_create(&training->losses, &cell->phases[0], training->network,
                                    &training->noise));
    ESP_TRY_OUT(take_arrays(training));
    ESP_TRY_OUT(measure_data(training, data, partition));
    esp_network_initialize(training->network, trial->seed_init);
    esp_training_continue_phase(training, 0);
    *out = training;
    training = NULL;
out:
    esp_training_destroy(training);
    return status;
}

void esp_training_destroy(esp_training *training)
{
    if (training == NULL) {
        return;
    }
    esp_loss_sum_destroy(&training->losses);
    esp_network_destroy(training->network);
    for (int i = 0; i < training->n_heads; i++) {
        esp_instance_destroy(&training->heads[i]);
    }
    esp_arena_destroy(&training->arena);
    free(training);
}

void esp_training_continue_phase(esp_training *training, int phase)
{
    static const esp_optimizer_rule rules[] = {[ESP_SGD] = ESP_RULE_SGD,
                                               [ESP_ADAM] = ESP_RULE_ADAM,
                                               [ESP_ADAMW] = ESP_RULE_ADAMW,
                                               [ESP_LOCAL_SGD] = ESP_RULE_SGD,
                                               [ESP_LOCAL_ADAM] = ESP_RULE_ADAM};
    const esp_phase_config *config = &training->cell->phases[phase];
    const esp_optimizer_config *optimizer = &config->optimizer;
    training->phase = phase;
    training->network->dims.batch_size = config->batch_size;
    esp_loss_sum_set_phase(&training->losses, config);
    training->optimizer = (esp_optimizer){.rule = rules[optimizer->kind],
                                          .learning_rate = optimizer->learning_rate,
                                          .beta1 = optimizer->beta1,
                                          .beta2 = optimizer->beta2,
                                          .epsilon = optimizer->epsilon,
                                          .weight_decay = optimizer->weight_decay,
                                          .momentum = optimizer->momentum,
                                          .nesterov = optimizer->nesterov,
                                          .step = training->optimizer.step};
}

void esp_training_stand_at(esp_training *training, int phase, int epoch, int phase_epoch,
                           int64_t phase_steps)
{
    esp_training_continue_phase(training, phase);
    training->epoch = epoch;
    training->phase_epoch = phase_epoch;
    training->phase_steps = phase_steps;
    if (phase_epoch > 0) {
        esp_loss_sum_set_time(&training->losses, &training->cell->phases[phase],
                              (esp_phase_time){phase_epoch - 1, phase_steps - 1});
    }
}

void esp_training_restart_optimizer(esp_training *training)
{
    const size_t bytes = sizeof(esp_real) * training->network->n_trainable;
    memset(training->first_moment, 0, bytes);
    memset(training->second_moment, 0, bytes);
    training->optimizer.step = 0;
    if (esp_training_is_localized(training)) {
        esp_localized_reset(&training->localized, training->network);
    }
}

void esp_training_enter_phase(esp_training *training, int phase)
{
    const esp_phase_config *config = &training->cell->phases[phase];
    const esp_network *network = training->network;
    const bool other_rule =
        phase > 0 && config->optimizer.kind != training->cell->phases[phase - 1].optimizer.kind;
    esp_training_continue_phase(training, phase);
    training->phase_epoch = 0;
    training->phase_steps = 0;
    training->plateau = esp_plateau_begin(config->optimizer.learning_rate);
    training->stopping_best = NAN;
    training->stopping_waited = 0;
    if (config->reset_optimizer || other_rule) {
        esp_training_restart_optimizer(training);
    }
    if (config->start_from == ESP_START_BEST && training->n_best > 0 &&
        training->best[0].epoch > 0) {
        memcpy(network->parameters, training->best[0].parameters,
               sizeof(esp_real) * network->n_parameters);
    }
}

/* Adds to a head's failure where in training it was. */
static int at(int status, esp_position position)
{
    return status == ESP_OK ? ESP_OK
                            : esp_fail(status, "%s (epoch %d, batch %d)", esp_message(),
                                       position.epoch, position.batch);
}

/* Forward and backward of one batch. */
static int train_batch(esp_training *training, uint32_t first, uint32_t count, int batch,
                       double *loss_sum, int64_t *correct)
{
    esp_network *network = training->network;
    const esp_phase_config *phase = &training->cell->phases[training->phase];
    const esp_position position = {
        .epoch = training->epoch + 1, .batch = batch, .step = training->step};
    double total = 0, terms[ESP_MAX_TERMS];
    esp_supervisor_at(position.epoch, batch);
    esp_view_of_data shuffled = training->splits[ESP_TRAIN];
    shuffled.indices = training->order;
    esp_load_batch(network, &shuffled, first, count);
    network->step = (uint32_t)training->batches++;
    ESP_TRY(at(esp_network_forward(network, (int)count, ESP_TRAINING), position));
    *correct += esp_count_correct(network, network->logits);
    esp_count_choices(training->running_leaf_counts, network);
    if (phase->optimizer.local_batch_size > 0) {
        esp_localized_count(&training->localized, network, phase->optimizer.soft_usage);
    }
    ESP_TRY(esp_loss_sum_differentiate(&training->losses, &total, terms, network, position));
    ESP_TRY(at(esp_network_backward(network), position));
    esp_loss_sum_add_parameter_gradients(&training->losses, network);
    *loss_sum += total * count;
    for (int i = 0; i < training->losses.n_terms; i++) {
        training->running_terms[i] += terms[i] * count;
    }
    return ESP_OK;
}

/* gathered += share * gradients, overwritten by the first; the last leaves the sum in gradients. */
static void gather(esp_training *training, double share, bool is_first, bool is_last)
{
    esp_real *restrict sum = training->gathered, *restrict g = training->network->gradients;
    const esp_real factor = (esp_real)share;
    for (size_t i = 0; i < training->network->n_trainable; i++) {
        const esp_real value = (is_first ? 0 : sum[i]) + factor * g[i];
        *(is_last ? &g[i] : &sum[i]) = value;
    }
}

/* The optimizer's step with network->gradients. */
static void update(esp_training *training, esp_phase_time time)
{
    esp_network *network = training->network;
    const esp_optimizer_config *config = &training->cell->phases[training->phase].optimizer;
    if (config->clip_value > 0) {
        esp_clip_value(network->gradients, network->ranges, network->n_ranges, config->clip_value);
    }
    if (config->clip_norm > 0) {
        esp_clip_norm(network->gradients, network->ranges, network->n_ranges, config->clip_norm);
    }
    training->optimizer.learning_rate =
        esp_rate_at(&config->schedule, config->learning_rate, &training->plateau, time);
    esp_optimizer_begin(&training->optimizer);
    if (config->local_batch_size > 0) {
        esp_localized_step(&training->localized, network, &training->optimizer,
                           training->first_moment, training->second_moment,
                           config->local_batch_size);
    }
    for (int i = 0; config->local_batch_size == 0 && i < network->n_ranges; i++) {
        const esp_range *range = &network->ranges[i];
        esp_optimizer_apply(&training->optimizer, network->parameters + range->first,
                            training->first_moment + range->first,
                            training->second_moment + range->first,
                            network->gradients + range->first, range->count);
    }
}

int esp_training_step(esp_training *training, uint32_t first, uint32_t count, int batch,
                      double *loss_sum, int64_t *correct)
{
    const esp_phase_config *phase = &training->cell->phases[training->phase];
    const esp_phase_time time = {training->phase_epoch, training->phase_steps};
    const uint32_t size = (uint32_t)phase->batch_size;
    esp_loss_sum_set_time(&training->losses, phase, time);
    for (uint32_t done = 0; done < count; batch++) {
        const uint32_t n = count - done < size ? count - done : size;
        ESP_TRY(train_batch(training, first + done, n, batch, loss_sum, correct));
        if (n < count) {
            gather(training, (double)n / count, done == 0, done + n == count);
        }
        done += n;
    }
    update(training, time);
    ESP_TRY(esp_loss_sum_after_step(
        &training->losses, training->network,
        (esp_position){.epoch = training->epoch + 1, .batch = batch - 1, .step = training->step}));
    training->step++;
    training->phase_steps++;
    return ESP_OK;
}

static void clear_logged(esp_training *training)
{
    for (int i = 0; i < training->losses.n_terms; i++) {
        training->losses.terms[i].n_logged = 0;
    }
    for (int i = 0; i < training->n_heads; i++) {
        training->heads[i].n_logged = 0;
    }
}

static void add_extra(esp_training *training, esp_split split, const char *prefix, const char *name,
                      double value)
{
    if (!isfinite(value)) {
        return;
    }
    assert(training->n_extra < ESP_MAX_EXTRA);
    char *full = training->extra_names[training->n_extra];
    snprintf(full, sizeof training->extra_names[0], "%s%s%s", prefix, *prefix ? "." : "", name);
    training->extra[training->n_extra++] =
        (esp_extra_metric){.split = split, .name = full, .value = value};
}

static void collect_logged(esp_training *training, esp_split split)
{
    const esp_instance *instances[ESP_MAX_TERMS + ESP_MAX_HEADS];
    int n = 0;
    for (int i = 0; i < training->losses.n_terms; i++) {
        if (training->losses.usable[i]) {
            instances[n++] = &training->losses.terms[i];
        }
    }
    for (int i = 0; i < training->n_heads; i++) {
        instances[n++] = &training->heads[i];
    }
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < instances[i]->n_logged; k++) {
            const esp_logged *logged = &instances[i]->logged[k];
            add_extra(training, split, instances[i]->plugin->name, logged->key,
                      logged->sum / logged->weight);
        }
    }
    clear_logged(training);
}

int esp_training_epoch(esp_training *training, const atomic_int *stop)
{
    const esp_phase_config *phase = &training->cell->phases[training->phase];
    const uint32_t examples = training->splits[ESP_TRAIN].count;
    const uint32_t size = (uint32_t)phase->batch_size;
    const uint32_t left_out = phase->drop_last && examples > size ? examples % size : 0;
    const uint64_t a_step = size * (uint64_t)(phase->accumulate > 1 ? phase->accumulate : 1);
    const double start = esp_clock_working();
    esp_set_floating_point();
    esp_rng rng = esp_rng_make(training->trial->seed_order, "order", (uint32_t)training->epoch + 1);
    memcpy(training->order, training->splits[ESP_TRAIN].indices, sizeof(uint32_t) * examples);
    esp_rng_shuffle(training->order, examples, &rng);

    memset(training->running_leaf_counts, 0, sizeof(int64_t) * (size_t)training->network->n_leaves);
    memset(training->running_terms, 0, sizeof training->running_terms);
    training->n_extra = 0;
    clear_logged(training);
    double loss = 0;
    int64_t correct = 0;
    uint32_t seen = 0;
    while (seen < examples - left_out &&
           (phase->steps == 0 || training->phase_steps < phase->steps)) {
        const uint32_t left = examples - left_out - seen;
        const uint32_t count = left < a_step ? left : (uint32_t)a_step;
        if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed) != 0) {
            return ESP_INTERRUPTED;
        }
        ESP_TRY(esp_training_step(training, seen, count, (int)(seen / size) + 1, &loss, &correct));
        seen += count;
    }
    training->epoch++;
    training->phase_epoch++;
    training->running_loss = loss / seen;
    training->running_soft_accuracy = (double)correct / seen;
    for (int i = 0; i < training->losses.n_terms; i++) {
        training->running_terms[i] /= seen;
        const esp_plugin *plugin = phase->terms[i].plugin;
        add_extra(training, ESP_TRAIN, "loss", plugin->name, training->running_terms[i]);
    }
    collect_logged(training, ESP_TRAIN);
    training->seconds = esp_clock_working() - start;
    return ESP_OK;
}

static void collect_evaluation(esp_training *training, esp_split split)
{
    const esp_evaluation *evaluation = &training->evaluations[split];
    const esp_phase_config *phase = &training->cell->phases[training->phase];
    for (int i = 0; i < training->losses.n_terms; i++) {
        /* on train, what was measured while training stands */
        const bool measured =
            split == ESP_TRAIN && training->epoch > 0 && esp_loss_sum_trains(&training->losses, i);
        if (!measured) {
            add_extra(training, split, "loss", phase->terms[i].plugin->name, evaluation->terms[i]);
        }
    }
    if (training->network->routes) {
        const bool tree = training->network->probabilities != NULL;
        const bool mixed = training->network->mixture != NULL;
        add_extra(training, split, "", "node_entropy", tree ? evaluation->node_entropy : NAN);
        add_extra(training, split, "", "mixture_entropy",
                  mixed ? evaluation->mixture_entropy : NAN);
        add_extra(training, split, "", "mixture_max", mixed ? evaluation->mixture_max : NAN);
    }
    collect_logged(training, split);
}

int esp_training_evaluate(esp_training *training, const bool splits[ESP_N_SPLITS])
{
    const esp_phase_config *phase = &training->cell->phases[training->phase];
    const esp_position position = {.epoch = training->epoch, .step = training->step};
    const double start = esp_clock_working();
    esp_supervisor_at(training->epoch, 0);
    if (training->epoch == 0) {
        training->n_extra = 0;
    }
    for (int s = 0; s < ESP_N_SPLITS; s++) {
        training->evaluations[s].done = false;
        if (!splits[s] || training->splits[s].count == 0) {
            continue;
        }
        clear_logged(training);
        ESP_TRY(esp_evaluate(&training->evaluations[s], training->network, &training->losses,
                             &training->splits[s], phase->batch_size, position));
        collect_evaluation(training, (esp_split)s);
    }
    training->seconds += esp_clock_working() - start;
    return ESP_OK;
}

int esp_training_digest(char hex[65], const esp_training *training)
{
    return esp_sha256(hex, training->network->parameters,
                      sizeof(esp_real) * training->network->n_parameters);
}
