#include "run/selection.h"

#include <math.h>
#include <string.h>

static bool is_exact_train(const esp_monitor *monitor)
{
    return monitor->split == ESP_TRAIN && strncmp(monitor->metric, "running_", 8) != 0;
}

static const esp_early_stopping *stopping_of(const esp_training *training)
{
    return &training->cell->phases[training->phase].early_stopping;
}

bool esp_selection_needs_train(const esp_training *training)
{
    const esp_cell *cell = training->cell;
    bool needed = cell->evaluate_every > 0 && training->epoch % cell->evaluate_every == 0;
    for (int i = 0; i < cell->n_monitors; i++) {
        needed = needed || is_exact_train(&cell->monitors[i]);
    }
    const esp_early_stopping *stopping = stopping_of(training);
    const esp_monitor *plateau = &cell->phases[training->phase].optimizer.monitor;
    needed = needed || (plateau->name != NULL && is_exact_train(plateau));
    return needed || (stopping->enabled && is_exact_train(&stopping->monitor));
}

double esp_selection_metric(const esp_training *training, const esp_monitor *monitor)
{
    if (strcmp(monitor->metric, "running_loss") == 0) {
        return training->running_loss;
    }
    if (strcmp(monitor->metric, "running_soft_accuracy") == 0) {
        return training->running_soft_accuracy;
    }
    const esp_evaluation *evaluation = &training->evaluations[monitor->split];
    for (int m = 0; m < ESP_N_METRICS; m++) {
        if (strcmp(monitor->metric, esp_metric_name((esp_metric)m)) == 0) {
            return evaluation->done ? evaluation->metrics[m] : NAN;
        }
    }
    for (int i = 0; i < training->n_extra; i++) {
        const esp_extra_metric *extra = &training->extra[i];
        if (extra->split == monitor->split && strcmp(extra->name, monitor->metric) == 0) {
            return extra->value;
        }
    }
    return NAN;
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

void esp_selection_update(esp_training *training)
{
    const esp_cell *cell = training->cell;
    for (int i = 0; i < training->n_best && selects_in_phase(cell, training->phase); i++) {
        const esp_monitor *monitor = &cell->monitors[i];
        esp_best *best = &training->best[i];
        const double value = esp_selection_metric(training, monitor);
        if (isfinite(value) &&
            (best->epoch == 0 || (monitor->maximize ? value > best->value : value < best->value))) {
            best->epoch = training->epoch;
            best->value = value;
            best->phase = training->phase;
            best->phase_epoch = training->phase_epoch;
            best->phase_steps = training->phase_steps;
            memcpy(best->parameters, training->network->parameters,
                   sizeof(esp_real) * training->network->n_parameters);
        }
    }
}

void esp_stopping_update(esp_training *training)
{
    const esp_early_stopping *stopping = stopping_of(training);
    if (!stopping->enabled) {
        return;
    }
    const double value = esp_selection_metric(training, &stopping->monitor);
    const double gain = stopping->monitor.maximize ? value - training->stopping_best
                                                   : training->stopping_best - value;
    if (isnan(training->stopping_best) || gain > stopping->min_delta) {
        training->stopping_best = value;
        training->stopping_waited = 0;
    } else {
        training->stopping_waited++;
    }
}

void esp_rate_update(esp_training *training)
{
    const esp_optimizer_config *optimizer = &training->cell->phases[training->phase].optimizer;
    if (optimizer->schedule.kind != ESP_SCHEDULE_PLATEAU) {
        return;
    }
    const double value = esp_selection_metric(training, &optimizer->monitor);
    const bool changed = esp_plateau_update(&training->plateau, &optimizer->schedule,
                                            optimizer->learning_rate, value);
    if (changed && optimizer->restart) {
        esp_training_restart_optimizer(training);
    }
}

static bool is_spent(const esp_training *training)
{
    const esp_phase_config *phase = &training->cell->phases[training->phase];
    return phase->steps > 0 ? training->phase_steps >= phase->steps
                            : training->phase_epoch >= phase->epochs;
}

bool esp_phase_is_over(const esp_training *training)
{
    const esp_early_stopping *stopping = stopping_of(training);
    return is_spent(training) ||
           (stopping->enabled && training->stopping_waited >= stopping->patience);
}

bool esp_phase_advance(esp_training *training)
{
    while (esp_phase_is_over(training)) {
        if (training->phase + 1 == training->cell->n_phases) {
            return false;
        }
        esp_training_enter_phase(training, training->phase + 1);
    }
    return true;
}
