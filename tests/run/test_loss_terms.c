/* Loss terms at work in training: balancing without gradients, hardening with a target, penalties.
 * Trials here have no files but a state to resume from. */
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

enum { BATCH = 64, EXPERTS = 8 };

static char folder[] = "/tmp/espalier-test-XXXXXX";
static esp_registry *registry;
static esp_dataset *data;
static esp_partition partition;
static esp_phase_config phase;
static esp_cell cell;
static const esp_trial trial = {
    .seed_init = 1, .seed_order = 1, .seed_noise = 1, .id = "0123456789abcdef"};

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    generated_data_write(folder, "toy", 640, 200, 8, 4, 7);
    setenv("ESPALIER_DATA_PATH", folder, 1);
    assert_int_equal(esp_registry_create(&registry), 0);
    assert_int_equal(esp_dataset_open(&data, "toy"), 0);
    assert_int_equal(esp_partition_make(&partition, data, &(esp_partition_rule){0}), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    esp_partition_free(&partition);
    esp_dataset_close(data);
    esp_registry_destroy(registry);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

/* A model with cross entropy alone. */
static void begin(const esp_model_config *model)
{
    phase = (esp_phase_config){.name = "train",
                               .epochs = 20,
                               .batch_size = BATCH,
                               .optimizer = {.kind = ESP_ADAM,
                                             .learning_rate = 0.01,
                                             .beta1 = 0.9,
                                             .beta2 = 0.999,
                                             .epsilon = 1e-8}};
    cell = (esp_cell){.variant = "test",
                      .label = "test",
                      .data = {.name = "toy", .mean = 0.5, .std = 0.5},
                      .model = *model,
                      .n_phases = 1,
                      .phases = &phase};
}

static void add_term(const char *name, double weight, const char *param, double value)
{
    esp_term_config *term = &phase.terms[phase.n_terms++];
    term->plugin = esp_registry_find(registry, ESP_LOSS, name);
    assert_non_null(term->plugin);
    term->weight = weight;
    term->monitor = true;
    esp_params_default(&term->params, term->plugin);
    if (param != NULL) {
        term->params.values[esp_params_find(term->plugin, param)] = value;
    }
}

static void add_head(const char *name)
{
    esp_head_config *head = &cell.heads[cell.n_heads++];
    head->plugin = esp_registry_find(registry, ESP_HEAD, name);
    assert_non_null(head->plugin);
    esp_params_default(&head->params, head->plugin);
}

static esp_training *create(void)
{
    esp_training *training = NULL;
    assert_int_equal(esp_training_create(&training, &cell, &trial, data, &partition), 0);
    return training;
}

static void run_epochs(esp_training *training, int count)
{
    for (int i = 0; i < count; i++) {
        if (esp_training_epoch(training, NULL) != ESP_OK) {
            fail_msg("%s", esp_message());
        }
        assert_int_equal(esp_training_evaluate(training, (bool[ESP_N_SPLITS]){[ESP_TEST] = true}),
                         0);
    }
}

/* What was logged of a split; NaN: nothing. */
static double extra(const esp_training *training, esp_split split, const char *name)
{
    for (int i = 0; i < training->n_extra; i++) {
        if (training->extra[i].split == split && strcmp(training->extra[i].name, name) == 0) {
            return training->extra[i].value;
        }
    }
    return NAN;
}

static void set_order(esp_training *training)
{
    memcpy(training->order, training->splits[ESP_TRAIN].indices,
           sizeof(uint32_t) * training->splits[ESP_TRAIN].count);
}

/* ---- load_bias ------------------------------------------------------------------------------- */

static void begin_gate(double weight, double rate)
{
    const esp_model_config model = esp_model_moe(EXPERTS, 2, 2);
    begin(&model);
    add_term("cross_entropy", 1, NULL, 0);
    add_term("load_bias", weight, "rate", rate);
}

/* One step of 64 and 64 examples (two batches): the bias moves once, by the choices of both. */
static void test_load_bias__moves_once_a_step(void **state)
{
    (void)state;
    begin_gate(1, 0.125);
    esp_training *training = create();
    const esp_real *bias = esp_network_routing_bias(training->network);
    double loss = 0;
    int64_t correct = 0;
    set_order(training);
    memset(training->running_leaf_counts, 0, sizeof(int64_t) * EXPERTS);
    assert_int_equal(esp_training_step(training, 0, BATCH, 1, &loss, &correct), 0);
    int different = 0;
    for (int i = 0; i < EXPERTS; i++) {
        const int64_t count = training->running_leaf_counts[i];
        const double expected = count * EXPERTS > 2 * BATCH   ? -0.125
                                : count * EXPERTS < 2 * BATCH ? 0.125
                                                              : 0;
        assert_true((double)bias[i] == expected);
        different += expected != (double)bias[0];
    }
    assert_true(different > 0);
    esp_training_destroy(training);
}

static double violation_after(double weight, double rate, int epochs, double *bias)
{
    begin_gate(weight, rate);
    esp_training *training = create();
    run_epochs(training, epochs);
    *bias = 0;
    for (int i = 0; i < EXPERTS; i++) {
        *bias += fabs((double)esp_network_routing_bias(training->network)[i]);
    }
    const double violation = extra(training, ESP_TRAIN, "load_bias.max_violation");
    esp_training_destroy(training);
    return violation;
}

/* Without it this gate sends its examples to few experts; with it the load comes near even. */
static void test_load_bias__balances_without_gradients(void **state)
{
    (void)state;
    double bias;
    const double still = violation_after(1, 0, 20, &bias);
    assert_true(bias == 0);
    const double balanced = violation_after(1, 0.01, 20, &bias);
    assert_true(bias > 0);
    if (!(balanced < 0.6 * still)) {
        fail_msg("max_violation %g, without %g", balanced, still);
    }
}

/* The weight scales nothing; 0 leaves the bias alone, and the value is measured all the same. */
static void test_load_bias__weight_is_a_switch(void **state)
{
    (void)state;
    char digests[3][65];
    const double weights[3] = {1, 7, 0};
    for (int i = 0; i < 3; i++) {
        begin_gate(weights[i], 0.01);
        esp_training *training = create();
        run_epochs(training, 2);
        assert_int_equal(esp_training_digest(digests[i], training), 0);
        assert_true(isfinite(extra(training, ESP_TEST, "load_bias.max_violation")));
        if (weights[i] == 0) {
            for (int e = 0; e < EXPERTS; e++) {
                assert_true(esp_network_routing_bias(training->network)[e] == 0);
            }
        }
        esp_training_destroy(training);
    }
    assert_string_equal(digests[0], digests[1]);
    assert_string_not_equal(digests[0], digests[2]);
}

/* A frozen gate keeps its weights; the bias is not one of them: a random gate can be balanced. */
static void test_load_bias__moves_beside_a_frozen_gate(void **state)
{
    (void)state;
    begin_gate(1, 0.01);
    cell.model.frozen = 1u << ESP_GROUP_NODES;
    esp_training *training = create();
    const esp_tensor *gate = esp_own_tensor(training->network, ESP_NODE_WEIGHTS);
    const esp_real *weights = training->network->parameters + gate->offset;
    esp_real first[EXPERTS * 64];
    double bias = 0;
    assert_int_equal(gate->count, EXPERTS * 64);
    memcpy(first, weights, sizeof first);
    run_epochs(training, 2);
    assert_memory_equal(first, weights, sizeof first);
    for (int i = 0; i < EXPERTS; i++) {
        bias += fabs((double)esp_network_routing_bias(training->network)[i]);
    }
    assert_true(bias > 0);
    esp_training_destroy(training);
}

/* The bias is not taken over where a term leaves no numbers in it. */
static void test_after_step__names_who_left_a_bias_not_finite(void **state)
{
    (void)state;
    esp_plugin_entry entry;
    assert_int_equal(
        esp_plugin_open(&entry, ESPALIER_BUILD_DIR "/tests/fixture-plugins/nan_bias.so"), ESP_OK);
    begin_gate(0, 0);
    phase.terms[1] = (esp_term_config){.plugin = entry.plugin, .weight = 1};
    esp_training *training = create();
    assert_int_equal(esp_training_epoch(training, NULL), ESP_FAILED);
    assert_non_null(strstr(esp_message(), "loss term 'nan_bias' left a routing bias"));
    assert_non_null(strstr(esp_message(), "epoch 1, batch 1"));
    for (int i = 0; i < EXPERTS; i++) {
        assert_true(esp_network_routing_bias(training->network)[i] == 0);
    }
    esp_training_destroy(training);
    free(entry.path);
}

/* ---- hardening with a target ------------------------------------------------------------------
 */

static void begin_tree(double target)
{
    const esp_model_config model = esp_model_fff(3, 2);
    begin(&model);
    add_term("cross_entropy", 1, NULL, 0);
    add_term("hardening", 1, "target_entropy", target);
}

/* Decided as far as asked for, and not much further: there h vanishes. */
static void test_hardening__reaches_its_target(void **state)
{
    (void)state;
    static const double targets[] = {0.1, 0.02};
    for (int i = 0; i < 2; i++) {
        begin_tree(targets[i]);
        esp_training *training = create();
        run_epochs(training, 100);
        const double entropy = extra(training, ESP_TRAIN, "hardening.entropy");
        const double h = extra(training, ESP_TRAIN, "hardening.h");
        if (!(entropy <= targets[i] && entropy >= targets[i] / 5 && h < 1)) {
            fail_msg("entropy %g instead of %g, h %g", entropy, targets[i], h);
        }
        esp_training_destroy(training);
    }
}

/* Ten steps an epoch; a term that has no weight yet leaves h as it is, else it would grow to 1000.
 */
static void test_hardening__waits_for_its_weight(void **state)
{
    (void)state;
    begin_tree(0.1);
    esp_term_config *term = &phase.terms[1];
    term->ramp = (esp_ramp){.kind = ESP_SCHEDULE_STEP, .from = 0, .to = term->weight, .over = 5};
    esp_training *training = create();
    run_epochs(training, 5);
    assert_true(isnan(extra(training, ESP_TRAIN, "hardening.h"))); /* nothing adapts */
    const double entropy = extra(training, ESP_TRAIN, "loss.hardening");
    assert_true(entropy > 0.4 && entropy < 0.7); /* measured all the same, without h */
    run_epochs(training, 1);
    const double h = extra(training, ESP_TRAIN, "hardening.h");
    if (!(h > 1 && h < pow(log(2) / 0.1, 0.01 * 10))) { /* the most of ten steps from 1 */
        fail_msg("h is %g after its first epoch", h);
    }
    run_epochs(training, 14);
    assert_true(extra(training, ESP_TRAIN, "hardening.entropy") > 0.01);
    esp_training_destroy(training);
}

/* ---- resuming ---------------------------------------------------------------------------------
 */

/* What a term has adapted, and the routing bias, are in the state. */
static void assert_resumes(void)
{
    char whole[65], resumed[65], path[128];
    snprintf(path, sizeof path, "%s/state.safetensors", folder);
    esp_training *training = create();
    run_epochs(training, 2);
    assert_int_equal(esp_checkpoint_write_state(path, training), 0);
    run_epochs(training, 2);
    assert_int_equal(esp_training_digest(whole, training), 0);
    esp_training_destroy(training);
    training = create();
    assert_int_equal(esp_checkpoint_read_state(training, path), 0);
    run_epochs(training, 2);
    assert_int_equal(esp_training_digest(resumed, training), 0);
    esp_training_destroy(training);
    assert_string_equal(whole, resumed);
}

static void test_loss_terms__continue_to_the_same_bits(void **state)
{
    (void)state;
    begin_tree(0.1);
    assert_resumes();
    begin_gate(1, 0.01);
    cell.model.noise = true;
    add_term("importance", 0.1, NULL, 0);
    add_term("load", 0.1, NULL, 0);
    add_term("router_z", 0.01, NULL, 0);
    assert_resumes();
}

/* ---- penalties --------------------------------------------------------------------------------
 */

static double norm_after(double weight)
{
    const esp_model_config model = esp_model_ff(6);
    begin(&model);
    add_term("cross_entropy", 1, NULL, 0);
    add_term("l2", weight, NULL, 0);
    esp_training *training = create();
    run_epochs(training, 10);
    double norm = 0;
    const esp_network *network = training->network;
    for (int t = 0; t < network->n_tensors; t++) {
        const esp_tensor *tensor = &network->tensors[t];
        for (size_t i = 0; i < tensor->count && !tensor->is_bias; i++) {
            const double w = (double)network->parameters[tensor->offset + i];
            norm += 0.5 * w * w;
        }
    }
    assert_true(fabs(extra(training, ESP_TEST, "loss.l2") - norm) <= 1e-5 * norm);
    const esp_evaluation *test = &training->evaluations[ESP_TEST];
    const double task = extra(training, ESP_TEST, "loss.cross_entropy");
    /* soft_loss holds task terms only */
    assert_true(fabs(test->metrics[ESP_SOFT_LOSS] - task) <= 1e-9 * task);
    esp_training_destroy(training);
    return norm;
}

static void test_penalties__shrink_and_stay_out_of_the_task(void **state)
{
    (void)state;
    assert_true(norm_after(0.01) < 0.8 * norm_after(0));
}

/* What l2 without biases is of: all tensors but those that are biases by name, heads' too. */
static void test_penalties__leave_out_biases_of_heads(void **state)
{
    (void)state;
    static const char *const biases[] = {"node_biases", "b1s",     "b2s",    "magic_b1",
                                         "magic_b2",    "exit_b1", "exit_b2"};
    const esp_model_config model = esp_model_fff(2, 2);
    begin(&model);
    add_term("cross_entropy", 1, NULL, 0);
    add_term("l2", 0.001, NULL, 0);
    add_head("master_leaf");
    add_head("early_exit");
    esp_training *training = create();
    run_epochs(training, 1);
    const esp_network *network = training->network;
    double expected = 0;
    int n_biases = 0;
    for (int t = 0; t < network->n_tensors; t++) {
        const esp_tensor *tensor = &network->tensors[t];
        bool is_bias = false;
        for (size_t i = 0; i < sizeof biases / sizeof *biases; i++) {
            is_bias |= strcmp(tensor->name, biases[i]) == 0;
        }
        n_biases += is_bias;
        for (size_t i = 0; i < tensor->count && !is_bias; i++) {
            const double w = (double)network->parameters[tensor->offset + i];
            expected += 0.5 * w * w;
        }
    }
    assert_int_equal(n_biases, 7);
    const double value = extra(training, ESP_TEST, "loss.l2");
    if (!(fabs(value - expected) <= 1e-6 * expected)) {
        fail_msg("l2 is %g instead of %g", value, expected);
    }
    esp_training_destroy(training);
}

int main(void)
{
    unsetenv("ESPALIER_PLUGIN_PATH");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_bias__moves_once_a_step),
        cmocka_unit_test(test_load_bias__balances_without_gradients),
        cmocka_unit_test(test_load_bias__weight_is_a_switch),
        cmocka_unit_test(test_load_bias__moves_beside_a_frozen_gate),
        cmocka_unit_test(test_after_step__names_who_left_a_bias_not_finite),
        cmocka_unit_test(test_hardening__reaches_its_target),
        cmocka_unit_test(test_hardening__waits_for_its_weight),
        cmocka_unit_test(test_loss_terms__continue_to_the_same_bits),
        cmocka_unit_test(test_penalties__shrink_and_stay_out_of_the_task),
        cmocka_unit_test(test_penalties__leave_out_biases_of_heads),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
