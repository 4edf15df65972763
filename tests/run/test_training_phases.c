/* How training goes by the clock: budgets in steps, schedules of weights and rates, plateaus, what
 * a phase begins with, the order of each epoch. */
#include "run/training_steps_fixture.h"

/* 540 examples are 9 batches of 64: 13 steps are an epoch and four steps of the next. */
static void test_budget__a_phase_of_steps_ends_after_exactly_so_many(void **state)
{
    (void)state;
    phases[0].steps = 13;
    phases[0].epochs = 2;
    phases[1].epochs = 1;
    esp_training *training = create();
    assert_true(advance(training));
    assert_int_equal(training->phase_steps, 9);
    assert_true(advance(training));
    assert_int_equal(training->phase_steps, 13);
    assert_int_equal(training->phase_epoch, 2);
    int64_t counted = 0;
    for (int leaf = 0; leaf < 4; leaf++) {
        counted += training->running_leaf_counts[leaf];
    }
    assert_int_equal(counted, 4 * 64);
    assert_true(training->running_soft_accuracy <= 1 && training->running_soft_accuracy > 0.3);
    assert_true(advance(training));
    assert_int_equal(training->phase, 1);
    assert_int_equal(training->step, 22);
    assert_int_equal(training->epoch, 3);
    assert_false(advance(training));
    esp_training_destroy(training);
}

static void test_schedule__weights_and_rates_by_step_and_by_epoch(void **state)
{
    (void)state;
    use_sgd(0.1);
    phases[0].terms[1].ramp =
        (esp_ramp){.kind = ESP_SCHEDULE_LINEAR, .by_step = true, .from = 0, .to = 2, .over = 10};
    phases[0].terms[1].weight = 2;
    phases[0].terms[2].ramp = (esp_ramp){.kind = ESP_SCHEDULE_STEP, .from = 1, .to = 5, .over = 1};
    phases[0].terms[2].weight = 5;
    phases[0].optimizer.schedule = (esp_rate_schedule){
        .kind = ESP_SCHEDULE_LINEAR, .by_step = true, .over = 10, .final = 0.05};
    esp_training *training = create();
    assert_true(training->losses.weights[1] == 0 && training->losses.weights[2] == 1);
    assert_true(advance(training));
    /* the epoch's ninth and last step: eight tenths of the way */
    assert_true(fabs(training->losses.weights[1] - 1.6) < 1e-12);
    assert_true(training->losses.weights[2] == 1);
    assert_true(fabs(training->optimizer.learning_rate - 0.06) < 1e-12);
    assert_true(isfinite(training->running_terms[1])); /* called while its weight was 0, too */
    assert_true(advance(training));
    assert_true(training->losses.weights[1] == 2 && training->losses.weights[2] == 5);
    assert_true(training->optimizer.learning_rate == 0.05);
    esp_training_stand_at(training, 0, 1, 1, 9); /* as the first epoch left them */
    assert_true(fabs(training->losses.weights[1] - 1.6) < 1e-12);
    assert_true(training->losses.weights[2] == 1);
    esp_training_destroy(training);
}

static void test_plateau__halves_and_restarts(void **state)
{
    (void)state;
    watch_plateau();
    phases[1].optimizer = phases[0].optimizer;
    esp_training *training = create();
    assert_true(advance(training));
    assert_true(training->plateau.rate == 0.01 && training->optimizer.step == 9);
    assert_true(advance(training));
    assert_true(training->plateau.rate == 0.005 && training->optimizer.step == 0);
    for (size_t i = 0; i < training->network->n_trainable; i++) {
        assert_true(training->first_moment[i] == 0 && training->second_moment[i] == 0);
    }
    assert_true(training->optimizer.learning_rate == 0.01); /* of the epoch that was */
    assert_true(advance(training));
    assert_true(training->optimizer.learning_rate == 0.005);
    assert_true(advance(training)); /* the next phase begins with its own */
    assert_int_equal(training->phase, 1);
    assert_true(training->optimizer.learning_rate == 0.01);
    esp_training_destroy(training);
}

/* A phase goes on with the moments of the one before it, unless it says otherwise or its rule is
 * another. */
static void test_phase__resets_its_optimizer_where_it_says_so(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        phases[1].reset_optimizer = i == 1;
        phases[1].optimizer.kind = i == 2 ? ESP_ADAMW : phases[0].optimizer.kind;
        esp_training *training = create();
        assert_true(advance(training));
        esp_training_enter_phase(training, 1);
        double moments = 0;
        for (size_t k = 0; k < training->network->n_trainable; k++) {
            moments += fabs((double)training->first_moment[k]) + (double)training->second_moment[k];
        }
        assert_int_equal(training->optimizer.step, i == 0 ? 9 : 0);
        assert_true(i == 0 ? moments > 0 : moments == 0);
        esp_training_destroy(training);
    }
}

/* The best network by the first monitor, or the last one. */
static void test_phase__starts_from_where_it_says(void **state)
{
    (void)state;
    for (int best = 0; best < 2; best++) {
        phases[1].start_from = best ? ESP_START_BEST : ESP_START_LAST;
        esp_training *training = create();
        assert_true(advance(training));
        assert_int_equal(training->best[0].epoch, 1);
        training->network->parameters[0] = 7;
        esp_training_enter_phase(training, 1);
        const esp_real expected = best ? training->best[0].parameters[0] : 7;
        assert_true(training->network->parameters[0] == expected);
        assert_true(training->best[0].parameters[0] != 7);
        esp_training_destroy(training);
    }
}

/* Every epoch sees every example once, in an order of its own. */
static void test_order__is_drawn_for_each_epoch(void **state)
{
    (void)state;
    enum { N = 540 };
    uint32_t before[N];
    esp_training *training = create();
    assert_int_equal(training->splits[ESP_TRAIN].count, N);
    for (int epoch = 0; epoch < 3; epoch++) {
        bool seen[2 * N] = {false};
        int moved = 0;
        memcpy(before, training->order, sizeof before);
        assert_int_equal(esp_training_epoch(training, NULL), 0);
        for (int i = 0; i < N; i++) {
            const uint32_t example = training->order[i];
            assert_true(example < 2 * N && !seen[example]);
            seen[example] = true;
            moved += example != before[i];
        }
        for (int i = 0; i < N; i++) {
            assert_true(seen[training->splits[ESP_TRAIN].indices[i]]);
        }
        assert_true(moved > N / 2);
    }
    esp_training_destroy(training);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_budget__a_phase_of_steps_ends_after_exactly_so_many),
        TEST(test_schedule__weights_and_rates_by_step_and_by_epoch),
        TEST(test_plateau__halves_and_restarts),
        TEST(test_phase__resets_its_optimizer_where_it_says_so),
        TEST(test_phase__starts_from_where_it_says),
        TEST(test_order__is_drawn_for_each_epoch),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
