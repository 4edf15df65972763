/* Training without files or database: steps allocate nothing, the same trial gives the same bits,
 * a continued one too, and what a trial learns is worth the name. */

#include "fixtures/count_allocations.h"
#include "run/training_fixture.h"

static void test_training__a_step_allocates_nothing(void **state)
{
    (void)state;
#ifdef SANITIZED
    skip(); /* sanitizers bring their own malloc */
#else
    esp_training *training = create();
    double loss = 0;
    int64_t correct = 0;
    for (uint32_t i = 0; i < training->splits[ESP_TRAIN].count; i++) {
        training->order[i] = training->splits[ESP_TRAIN].indices[i];
    }
    for (int step = 0; step < 10; step++) { /* plugins' scratch finds its size */
        assert_int_equal(esp_training_step(training, 0, 64, 1, &loss, &correct), 0);
    }
    const long before = atomic_load(&n_allocations);
    for (int step = 0; step < 100; step++) {
        uint32_t first = (uint32_t)(step % 8) * 64, count = step % 3 ? 64 : 37;
        assert_int_equal(esp_training_step(training, first, count, 1, &loss, &correct), 0);
    }
    assert_int_equal(atomic_load(&n_allocations) - before, 0);
    free(malloc(1));
    assert_true(atomic_load(&n_allocations) > before); /* the count counts */
    esp_training_destroy(training);
#endif
}

static void run_epochs(esp_training *training, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(esp_training_epoch(training, NULL), 0);
        const bool all[ESP_N_SPLITS] = {true, true, true};
        assert_int_equal(esp_training_evaluate(training, all), 0);
    }
}

static void test_training__learns(void **state)
{
    (void)state;
    esp_training *training = create();
    run_epochs(training, 12);
    const esp_evaluation *test = &training->evaluations[ESP_TEST];
    assert_true(test->metrics[ESP_HARD_ACCURACY] > 0.9);
    assert_true(test->metrics[ESP_SOFT_ACCURACY] > 0.9);
    assert_true(training->running_soft_accuracy > 0.9);
    int64_t counted = 0;
    for (int leaf = 0; leaf < 4; leaf++) {
        counted += test->leaf_counts[leaf];
    }
    assert_int_equal(counted, 200);
    esp_training_destroy(training);
}

static void test_training__continues_to_the_same_bits(void **state)
{
    (void)state;
    char whole[65], resumed[65], path[128];
    snprintf(path, sizeof path, "%s/state.safetensors", folder);
    esp_training *training = create();
    run_epochs(training, 2);
    assert_int_equal(esp_checkpoint_write_state(path, training), 0);
    run_epochs(training, 1);
    esp_training_enter_phase(training, 1);
    run_epochs(training, 2);
    assert_int_equal(esp_training_digest(whole, training), 0);
    esp_training_destroy(training);

    training = create();
    assert_int_equal(esp_checkpoint_read_state(training, path), 0);
    assert_int_equal(training->epoch, 2);
    run_epochs(training, 1);
    esp_training_enter_phase(training, 1);
    run_epochs(training, 2);
    assert_int_equal(esp_training_digest(resumed, training), 0);
    esp_training_destroy(training);
    assert_string_equal(whole, resumed);
}

static void test_training__seeds_vary_one_stream_each(void **state)
{
    (void)state;
    char base[65], order[65], init[65];
    const esp_trial held = trial;
    esp_training *training = create();
    run_epochs(training, 1);
    esp_training_digest(base, training);
    esp_training_destroy(training);
    trial.seed_order = 2;
    training = create();
    esp_training *twin = training;
    assert_int_equal(esp_training_digest(init, twin), 0);
    run_epochs(training, 1);
    esp_training_digest(order, training);
    esp_training_destroy(training);
    assert_string_not_equal(base, order);
    trial.seed_init = 2;
    training = create();
    esp_training_digest(order, training);
    esp_training_destroy(training);
    assert_string_not_equal(init, order);
    trial = held;
}

static void test_training__model_opens_again(void **state)
{
    (void)state;
    char path[128], digest[65], again[65];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    esp_training *training = create();
    run_epochs(training, 1);
    const esp_network *network = training->network;
    assert_int_equal(
        esp_checkpoint_write_model(path, digest, training, "ours", network->parameters), 0);
    assert_int_equal(esp_checkpoint_write_model(path, again, training, "ours", network->parameters),
                     0);
    assert_string_equal(digest, again);
    esp_model *model = NULL;
    assert_int_equal(esp_model_open(&model, path, 64, registry), 0);
    assert_int_equal(model->network->n_parameters, network->n_parameters);
    assert_memory_equal(model->network->parameters, network->parameters,
                        sizeof(esp_real) * network->n_parameters);
    assert_string_equal(model->trained_on, "toy");
    assert_string_equal(model->from[ESP_FROM_TRIAL], "0123456789abcdef");
    assert_string_equal(model->from[ESP_FROM_STUDY], "ours");
    assert_string_equal(model->from[ESP_FROM_VARIANT], "test");
    assert_string_equal(model->from[ESP_FROM_CELL], "test model.leaf_width=2");
    assert_string_equal(model->from[ESP_FROM_SEED], "1");
    esp_model_close(model);
    esp_training_destroy(training);
}

static void test_training__divergence_names_term_epoch_and_batch(void **state)
{
    (void)state;
    esp_training *training = create();
    training->network->parameters[3] = (esp_real)NAN;
    assert_int_equal(esp_training_epoch(training, NULL), ESP_FAILED);
    assert_non_null(strstr(esp_message(), "epoch 1, batch 1"));
    assert_non_null(strstr(esp_message(), "cross_entropy"));
    esp_training_destroy(training);
}

static void test_training__refuses_another_trials_state(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/other.safetensors", folder);
    esp_training *training = create();
    assert_int_equal(esp_checkpoint_write_state(path, training), 0);
    esp_training_destroy(training);
    const esp_trial held = trial;
    snprintf(trial.id, sizeof trial.id, "fedcba9876543210");
    training = create();
    assert_int_equal(esp_checkpoint_read_state(training, path), ESP_DATA);
    assert_non_null(strstr(esp_message(), "0123456789abcdef"));
    esp_training_destroy(training);
    trial = held;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training__a_step_allocates_nothing),
        cmocka_unit_test(test_training__learns),
        cmocka_unit_test(test_training__continues_to_the_same_bits),
        cmocka_unit_test(test_training__seeds_vary_one_stream_each),
        cmocka_unit_test(test_training__model_opens_again),
        cmocka_unit_test(test_training__divergence_names_term_epoch_and_batch),
        cmocka_unit_test(test_training__refuses_another_trials_state),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
