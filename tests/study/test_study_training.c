/* Keys of optimizers, schedules, weights that change and budgets: what the trainer gets of them,
 * what is refused and where, and what makes another trial. */
#include <math.h>

#include "study/size.h"
#include "study/study_fixture.h"

#define TOP "study: s\nseeds: 0\ndefaults:\n  data: {name: mnist, validation: 0.1}\n"
#define MODEL                                                                                      \
    "  model: {kind: fff, training_width: 16, leaf_width: 4}\n"                                    \
    "  losses: {cross_entropy: {weight: 1}, balance: {weight: 0.5}}\n"
#define REST                                                                                       \
    "  optimizer: {kind: adam, learning_rate: 0.01}\n"                                             \
    "  phases: {a: {epochs: 3}}\n"                                                                 \
    "  selection: {monitor: []}\n"

static const esp_cell *with(fixture *f, const char *set)
{
    const char *sets[] = {set};
    const esp_study_options options = {.sets = sets, .n_sets = set != NULL};
    return &load_sound(f, TOP MODEL REST, &options)->cells[0];
}

static void refused(fixture *f, const char *set, const char *expected)
{
    const char *sets[] = {set};
    assert_refused(f, TOP MODEL REST, &(esp_study_options){.sets = sets, .n_sets = 1}, expected);
}

static void test_optimizer__local_and_nesterov(void **state)
{
    const esp_optimizer_config *o =
        &with(*state, "optimizer={kind: local_adam, learning_rate: 0.1, local_batch_size: 64}")
             ->phases[0]
             .optimizer;
    assert_int_equal(o->kind, ESP_LOCAL_ADAM);
    assert_int_equal(o->local_batch_size, 64);
    assert_true(!o->soft_usage && o->beta1 == 0.9 && o->weight_decay == 0);
    o = &with(*state, "optimizer={kind: local_sgd, learning_rate: 0.1, local_batch_size: 8, usage: "
                      "soft, momentum: 0.9, nesterov: true, clip_norm: 2, clip_value: 3}")
             ->phases[0]
             .optimizer;
    assert_int_equal(o->kind, ESP_LOCAL_SGD);
    assert_true(o->soft_usage && o->nesterov && o->clip_norm == 2 && o->clip_value == 3);
    refused(*state, "optimizer={kind: local_adam, learning_rate: 0.1}",
            "--set:1: error: optimizer.local_batch_size is required\n");
    refused(
        *state, "optimizer={kind: locl_adam, learning_rate: 0.1}",
        "--set:1: error: optimizer.kind has no choice 'locl_adam'; did you mean 'local_adam'?\n");
    refused(*state, "optimizer={kind: sgd, learning_rate: 0.1, nesterov: true}",
            "--set:1: error: optimizer.nesterov needs a momentum above 0\n");
    const char *ff[] = {"model={kind: ff, width: 8}", "losses.balance.weight=0",
                        "optimizer={kind: local_sgd, learning_rate: 0.1, local_batch_size: 8}"};
    assert_refused(*state, TOP MODEL REST, &(esp_study_options){.sets = ff, .n_sets = 3},
                   "--set:3: error: a localized optimizer waits for each leaf or expert, and model "
                   "kind 'ff' has none (fff and moe have); use sgd\n");
}

static void test_schedule__each_kind(void **state)
{
    const esp_rate_schedule *s = &with(*state, NULL)->phases[0].optimizer.schedule;
    assert_int_equal(s->kind, ESP_SCHEDULE_CONSTANT);
    assert_int_equal(s->warmup, 0);
    s = &with(*state, "optimizer.schedule={kind: cosine, by: step, warmup: 100, over: 900, final: "
                      "1e-5}")
             ->phases[0]
             .optimizer.schedule;
    assert_int_equal(s->kind, ESP_SCHEDULE_COSINE);
    assert_true(s->by_step && s->warmup == 100 && s->over == 900 && s->final == 1e-5);
    s = &with(*state, "optimizer.schedule={kind: step, every: 30, factor: 0.1}")
             ->phases[0]
             .optimizer.schedule;
    assert_true(s->kind == ESP_SCHEDULE_STEP && !s->by_step && s->every == 30 && s->factor == 0.1);
    const esp_optimizer_config *o =
        &with(*state, "optimizer.schedule={kind: plateau, monitor: validation.hard_accuracy, "
                      "factor: 3, patience: 5, maximum: 0.03, until: 0.9, revert: true, restart: "
                      "true, min_delta: 0.001}")
             ->phases[0]
             .optimizer;
    s = &o->schedule;
    assert_string_equal(o->monitor.name, "validation.hard_accuracy");
    assert_true(o->restart && s->kind == ESP_SCHEDULE_PLATEAU && s->factor == 3 &&
                s->patience == 5 && s->maximum == 0.03 && s->until == 0.9 && s->revert &&
                s->maximize && s->min_delta == 0.001 && s->minimum == 0);
    o = &with(*state, "optimizer.schedule={kind: plateau, monitor: train.running_loss, factor: "
                      "0.5, patience: 9}")
             ->phases[0]
             .optimizer;
    assert_true(isnan(o->schedule.until) && !o->schedule.maximize && o->schedule.maximum == 1e6);
}

static void test_schedule__mistakes_are_located(void **state)
{
    refused(*state, "optimizer.schedule={kind: cosine}",
            "--set:1: error: optimizer.schedule.over is required\n");
    refused(*state, "optimizer.schedule={kind: cosin, over: 3}",
            "--set:1: error: optimizer.schedule.kind has no choice 'cosin'; did you mean "
            "'cosine'?\n");
    refused(*state, "optimizer.schedule={kind: step, every: 3, factor: 0.1, over: 3}",
            "--set:1: error: optimizer.schedule.over is not a key of optimizer.schedule kind "
            "'step' (linear, cosine have it); to change the kind replace the whole map, "
            "optimizer.schedule: {kind: step, ..}\n");
    refused(*state,
            "optimizer.schedule={kind: plateau, monitor: test.hard_acc, factor: 0.1, "
            "patience: 1}",
            "--set:1: error: unknown metric 'test.hard_acc'; did you mean 'hard_accuracy'?\n");
    refused(*state,
            "optimizer.schedule={kind: plateau, monitor: test.balance, factor: 0.1, patience: 1}",
            "--set:1: error: unknown metric 'test.balance'; known: running_loss, "
            "running_soft_accuracy, soft_loss, hard_loss, soft_accuracy, hard_accuracy, "
            "node_entropy, mixture_entropy, mixture_max, epochs_to_soft_loss, "
            "epochs_to_hard_loss, epochs_to_soft_accuracy, epochs_to_hard_accuracy, and loss.NAME, "
            "the value of a term\n");
    refused(*state,
            "optimizer.schedule={kind: plateau, monitor: test.hard_loss, factor: 0.5, "
            "patience: 1, minimum: 0.01}",
            "--set:1: error: this plateau changes nothing: learning_rate 0.01, factor 0.5, minimum "
            "0.01, maximum 1e+06\n");
    refused(*state,
            "optimizer.schedule={kind: plateau, monitor: test.hard_loss, factor: 0.5, patience: 9, "
            "by: step}",
            "--set:1: error: optimizer.schedule.by: step is of a warm-up alone where the kind is "
            "plateau, and there is none; patience counts epochs\n");
    refused(*state, "optimizer.schedule={by: step}",
            "--set:1: error: optimizer.schedule.by: step is of a warm-up alone where the kind is "
            "constant, and there is none\n");
    refused(*state, "optimizer.schedule.threshold=3",
            "--set:1: error: unknown key 'threshold' in optimizer.schedule; did you mean "
            "'min_delta'?\n");
}

static void test_weight__changes_within_a_phase(void **state)
{
    const esp_cell *cell =
        with(*state, "losses.balance.weight={schedule: linear, from: 2, to: 0, over: 10}");
    const esp_term_config *term = term_of(cell, 0, "balance");
    assert_true(term->weight == 2 && term->ramp.kind == ESP_SCHEDULE_LINEAR);
    assert_true(term->ramp.from == 2 && term->ramp.to == 0 && term->ramp.over == 10);
    assert_true(!term->ramp.by_step);
    assert_string_equal(param_of(cell, "losses.balance.weight.from"), "2");
    assert_string_equal(param_of(cell, "losses.balance.weight"), "linear 2 to 0 over 10 epochs");
    cell = with(*state, "phases={a: {epochs: 2}, b: {epochs: 4, routing_scale: 3, set: "
                        "{losses.balance.weight: {schedule: step, from: 0, to: -2, over: 7, by: "
                        "step}}}}");
    term = term_of(cell, 1, "balance");
    assert_true(term->weight == -6 && term->ramp.to == -6 && term->ramp.by_step);
    assert_true(term_of(cell, 0, "balance")->weight == 0.5);
    assert_true(term_of(cell, 1, "cross_entropy")->weight == 1);
    refused(*state, "losses.balance.weight={schedule: linear, from: 2, too: 0, over: 10}",
            "--set:1: error: unknown key 'too' in losses.balance.weight; did you mean 'to'?\n");
    /* the term's own parameters are no keys of its weight */
    refused(*state, "losses.balance.weight={kind: linear, from: 2, to: 0, over: 10}",
            "--set:1: error: losses.balance.weight.schedule is required\n"
            "--set:1: error: unknown key 'kind' in losses.balance.weight; known: schedule, from, "
            "to, over, by\n");
    refused(*state, "losses.balance.weight={schedule: linear, from: 2, to: 0}",
            "--set:1: error: losses.balance.weight.over is required\n");
    refused(*state, "losses.balance.weight={schedule: constant, from: 2, to: 0, over: 1}",
            "--set:1: error: losses.balance.weight.schedule has no choice 'constant'; known: "
            "linear, cosine, step\n");
}

static void test_phase__scales_all_routing_terms(void **state)
{
    const char *sets[] = {"phases={a: {epochs: 2}, b: {epochs: 4, routing_scale: 0.5}}",
                          "losses.hardening.weight=3"};
    const esp_study_options options = {.sets = sets, .n_sets = 2};
    const esp_cell *cell = &load_sound(*state, TOP MODEL REST, &options)->cells[0];
    assert_true(term_of(cell, 0, "hardening")->weight == 3);
    assert_true(term_of(cell, 1, "hardening")->weight == 1.5);
    assert_true(term_of(cell, 1, "balance")->weight == 0.25);
    assert_true(term_of(cell, 1, "cross_entropy")->weight == 1);
}

/* mnist: 54000 examples are left to train on, 211 batches of 256. */
static void test_phase__ends_after_epochs_or_steps(void **state)
{
    const esp_cell *cell = with(*state, "phases={a: {steps: 1000}}");
    assert_int_equal(cell->phases[0].steps, 1000);
    assert_int_equal(cell->phases[0].epoch_steps, 211);
    assert_int_equal(cell->phases[0].epochs, 5);
    assert_int_equal(esp_cell_epochs(cell), 5);
    assert_true(fabs(esp_cell_passes(cell) - 1000.0 / 211) < 1e-12);
    assert_true(esp_cell_passes(with(*state, NULL)) == 3);
    const char *sets[] = {"phases={a: {steps: 100}}", "accumulate=4"};
    const esp_study_options options = {.sets = sets, .n_sets = 2};
    cell = &load_sound(*state, TOP MODEL REST, &options)->cells[0];
    assert_int_equal(cell->phases[0].accumulate, 4);
    assert_int_equal(cell->phases[0].epoch_steps, 53);
    refused(*state, "phases={a: {steps: 10, epochs: 1}}",
            "--set:1: error: phases.a.steps and phases.a.epochs are both given; a phase ends after "
            "its epochs or its steps\n");
    refused(*state, "phases={a: {start_from: last}}",
            "--set:1: error: phases.a.epochs is required (or steps)\n");
    refused(*state, "phases={a: {steps: 0}}",
            "--set:1: error: phases.a.steps must be at least 1 and at most 1000000000, not 0\n");
}

/* Built-ins that are written out leave the id; everything else is another trial. */
static void test_id__new_keys_count_where_they_differ(void **state)
{
    static const char *const same[] = {
        "optimizer.schedule={}",
        "optimizer.schedule={kind: constant, by: epoch, warmup: 0}",
        "optimizer.clip_norm=0",
        "optimizer.clip_value=0",
        "accumulate=1",
        "phases.a.routing_scale=1",
        "losses.balance.weight=0.5",
    };
    static const char *const different[] = {
        "optimizer.schedule={warmup: 3}",
        "optimizer.schedule={warmup: 3, by: step}",
        "optimizer.schedule={kind: cosine, over: 3}",
        "optimizer.schedule={kind: linear, over: 3}",
        "optimizer.clip_norm=1",
        "optimizer.clip_value=1",
        "accumulate=2",
        "phases.a.routing_scale=2",
        "phases={a: {steps: 3}}",
        "phases={a: {steps: 4}}",
        "losses.balance.weight={schedule: linear, from: 0.5, to: 1, over: 1}",
        "losses.balance.weight={schedule: linear, from: 0.5, to: 1, over: 2}",
        "losses.balance.weight={schedule: linear, from: 0.5, to: 1, over: 1, by: step}",
        "optimizer={kind: local_adam, learning_rate: 0.01, local_batch_size: 2}",
        "optimizer={kind: local_adam, learning_rate: 0.01, local_batch_size: 2, usage: soft}",
        "optimizer={kind: sgd, learning_rate: 0.01, momentum: 0.5}",
        "optimizer={kind: sgd, learning_rate: 0.01, momentum: 0.5, nesterov: true}",
    };
    enum { N = sizeof different / sizeof *different };
    char plain[17], ids[N][17];
    fixture *f = *state;
    with(f, NULL);
    memcpy(plain, f->study->trials[0].id, 17);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        with(f, same[i]);
        if (strcmp(plain, f->study->trials[0].id) != 0) {
            fail_msg("%s changes the id", same[i]);
        }
    }
    for (int i = 0; i < N; i++) {
        with(f, different[i]);
        memcpy(ids[i], f->study->trials[0].id, 17);
        assert_string_not_equal(ids[i], plain);
        for (int k = 0; k < i; k++) {
            if (strcmp(ids[i], ids[k]) == 0) {
                fail_msg("'%s' and '%s' have one id", different[i], different[k]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_optimizer__local_and_nesterov),
        TEST(test_schedule__each_kind),
        TEST(test_schedule__mistakes_are_located),
        TEST(test_weight__changes_within_a_phase),
        TEST(test_phase__scales_all_routing_terms),
        TEST(test_phase__ends_after_epochs_or_steps),
        TEST(test_id__new_keys_count_where_they_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
