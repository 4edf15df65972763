/* How training goes by the clock: budgets in steps, schedules of weights and rates, plateaus, what
 * a phase begins with, when it ends early, which epoch is selected, the order of each epoch. */
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
    assert_int_equal(examples_counted(training), 4 * 64);
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

/* What a study says of an optimizer reaches it under the same name. */
static void test_phase__its_optimizer_is_the_studys(void **state)
{
    (void)state;
    static const esp_optimizer_rule rules[] = {[ESP_SGD] = ESP_RULE_SGD,
                                               [ESP_ADAM] = ESP_RULE_ADAM,
                                               [ESP_ADAMW] = ESP_RULE_ADAMW,
                                               [ESP_LOCAL_SGD] = ESP_RULE_SGD,
                                               [ESP_LOCAL_ADAM] = ESP_RULE_ADAM};
    for (size_t kind = 0; kind < sizeof rules / sizeof *rules; kind++) {
        phases[0].optimizer = (esp_optimizer_config){.kind = (esp_optimizer_kind)kind,
                                                     .learning_rate = 0.1,
                                                     .beta1 = 0.2,
                                                     .beta2 = 0.3,
                                                     .epsilon = 0.4,
                                                     .weight_decay = 0.5,
                                                     .momentum = 0.6,
                                                     .nesterov = kind % 2 == 0};
        esp_training *training = create();
        const esp_optimizer *o = &training->optimizer;
        assert_int_equal(o->rule, rules[kind]);
        assert_true(o->learning_rate == 0.1 && o->beta1 == 0.2 && o->beta2 == 0.3);
        assert_true(o->epsilon == 0.4 && o->weight_decay == 0.5 && o->momentum == 0.6);
        assert_true(o->nesterov == (kind % 2 == 0) && o->step == 0);
        esp_training_destroy(training);
    }
}

/* Ended by the second epoch in a row that is not better by more than 0.1; the next begins anew. */
static void test_stopping__after_patience_without_enough_gain(void **state)
{
    (void)state;
    static const double losses[] = {1, 0.95, 0.85, 0.8, 0.76};
    for (int i = 0; i < 2; i++) {
        phases[i].early_stopping = (esp_early_stopping){
            .enabled = true,
            .monitor = {.name = "train.running_loss", .metric = "running_loss"},
            .patience = 2,
            .min_delta = 0.1};
    }
    esp_training *training = create();
    for (int i = 0; i < 5; i++) {
        training->running_loss = losses[i];
        esp_stopping_update(training);
        assert_int_equal(esp_phase_is_over(training), i == 4);
    }
    assert_true(esp_phase_advance(training));
    assert_int_equal(training->phase, 1);
    for (int i = 0; i < 3;
         i++) { /* worse than all of the phase before: its own first is the best */
        training->running_loss = 5;
        esp_stopping_update(training);
        assert_int_equal(esp_phase_is_over(training), i == 2);
    }
    assert_false(esp_phase_advance(training));
    esp_training_destroy(training);
}

static void test_selection__ties_take_the_earliest(void **state)
{
    (void)state;
    static const double accuracies[] = {0.5, 0.7, 0.7, 0.6};
    esp_training *training = create();
    training->evaluations[ESP_VALIDATION].done = true;
    for (int i = 0; i < 4; i++) {
        training->epoch = i + 1;
        training->evaluations[ESP_VALIDATION].metrics[ESP_HARD_ACCURACY] = accuracies[i];
        esp_selection_update(training);
        assert_int_equal(training->best[0].epoch, i == 0 ? 1 : 2);
    }
    esp_training_destroy(training);
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
        TEST(test_phase__its_optimizer_is_the_studys),
        TEST(test_stopping__after_patience_without_enough_gain),
        TEST(test_selection__ties_take_the_earliest),
        TEST(test_order__is_drawn_for_each_epoch),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
