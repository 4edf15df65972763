/* Trials that tests take step by step: what they change of phases, cell and seeds is put back. */
#ifndef TRAINING_STEPS_FIXTURE_H
#define TRAINING_STEPS_FIXTURE_H

#include "run/selection.h"
#include "run/training_fixture.h"

static esp_phase_config held_phases[2];
static esp_cell held_cell;
static esp_trial held_trial;

static inline int hold(void **state)
{
    (void)state;
    memcpy(held_phases, phases, sizeof phases);
    held_cell = cell;
    held_trial = trial;
    return 0;
}

static inline int put_back(void **state)
{
    (void)state;
    memcpy(phases, held_phases, sizeof phases);
    cell = held_cell;
    trial = held_trial;
    return 0;
}

static inline void use_sgd(double learning_rate)
{
    for (int i = 0; i < 2; i++) {
        phases[i].optimizer =
            (esp_optimizer_config){.kind = ESP_SGD, .learning_rate = learning_rate};
    }
}

/* One epoch with all that a trial does after it; false: the trial is over. */
static inline bool advance(esp_training *training)
{
    const bool all[ESP_N_SPLITS] = {true, true, true};
    if (!esp_phase_advance(training)) {
        return false;
    }
    assert_int_equal(esp_training_epoch(training, NULL), 0);
    assert_int_equal(esp_training_evaluate(training, all), 0);
    esp_selection_update(training);
    esp_stopping_update(training);
    esp_rate_update(training);
    return true;
}

/* Examples that the leaves have taken in this epoch. */
static inline int64_t examples_counted(const esp_training *training)
{
    int64_t counted = 0;
    for (int leaf = 0; leaf < 4; leaf++) {
        counted += training->running_leaf_counts[leaf];
    }
    return counted;
}

static inline void watch_plateau(void)
{
    phases[0].optimizer.schedule = (esp_rate_schedule){.kind = ESP_SCHEDULE_PLATEAU,
                                                       .factor = 0.5,
                                                       .patience = 1,
                                                       .min_delta = 10, /* nothing is that much */
                                                       .until = NAN};
    phases[0].optimizer.monitor =
        (esp_monitor){.name = "test.soft_loss", .split = ESP_TEST, .metric = "soft_loss"};
    phases[0].optimizer.restart = true;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hold, put_back)

#endif
