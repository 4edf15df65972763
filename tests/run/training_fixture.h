/* A small trial for tests of training without files or database: two phases on generated data, an
 * fff of four leaves with a master leaf. Tests change `phases`, `cell` and `trial` and put them
 * back. */
#ifndef TRAINING_FIXTURE_H
#define TRAINING_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"
#include "fixtures/generated_data.h"
#include "run/checkpoint.h"
#include "run/training.h"

static char folder[] = "/tmp/espalier-test-XXXXXX";
static esp_registry *registry;
static esp_dataset *data;
static esp_partition partition;
static esp_phase_config phases[2];
static esp_cell cell;
static esp_trial trial = {
    .seed_init = 1, .seed_order = 1, .seed_noise = 1, .seed = "1", .id = "0123456789abcdef"};

static inline void add_term(esp_phase_config *phase, const char *name, double weight)
{
    esp_term_config *term = &phase->terms[phase->n_terms++];
    term->plugin = esp_registry_find(registry, ESP_LOSS, name);
    assert_non_null(term->plugin);
    term->weight = weight;
    term->monitor = true;
    esp_params_default(&term->params, term->plugin);
}

static inline int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    generated_data_write(folder, "toy", 600, 200, 8, 4, 7);
    setenv("ESPALIER_DATA_PATH", folder, 1);
    assert_int_equal(esp_registry_create(&registry), 0);
    assert_int_equal(esp_dataset_open(&data, "toy"), 0);
    assert_int_equal(esp_partition_make(&partition, data, &(esp_partition_rule){.validation = 0.1}),
                     0);
    for (int i = 0; i < 2; i++) {
        phases[i] = (esp_phase_config){.name = i ? "harden" : "balance",
                                       .epochs = 3,
                                       .batch_size = 64,
                                       .optimizer = {.kind = ESP_ADAM,
                                                     .learning_rate = 0.01,
                                                     .beta1 = 0.9,
                                                     .beta2 = 0.999,
                                                     .epsilon = 1e-8}};
        add_term(&phases[i], "cross_entropy", 1);
        add_term(&phases[i], "hardening", i ? 3 : 1);
        add_term(&phases[i], "balance", i ? 0 : 1);
    }
    cell = (esp_cell){
        .variant = "test",
        .label = "test model.leaf_width=2",
        .data = {.name = "toy", .partition = {.validation = 0.1}, .mean = 0.5, .std = 0.5},
        .model = esp_model_fff(2, 3),
        .training_width = 12,
        .inference_width = 5,
        .n_heads = 1,
        .n_phases = 2,
        .phases = phases,
        .n_monitors = 1,
        .monitors = {{.name = "validation.hard_accuracy",
                      .split = ESP_VALIDATION,
                      .metric = "hard_accuracy",
                      .maximize = true}}};
    cell.heads[0].plugin = esp_registry_find(registry, ESP_HEAD, "master_leaf");
    assert_non_null(cell.heads[0].plugin);
    esp_params_default(&cell.heads[0].params, cell.heads[0].plugin);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    char command[128];
    esp_partition_free(&partition);
    esp_dataset_close(data);
    esp_registry_destroy(registry);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

static inline esp_training *create(void)
{
    esp_training *training = NULL;
    assert_int_equal(esp_training_create(&training, &cell, &trial, data, &partition), 0);
    return training;
}

#endif
