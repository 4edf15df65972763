/* Values and slopes of loss terms against closed forms worked out here, in double, to 1e-12. */
#include "plugins/loss_fixture.h"

#include "core/rng.h"

static void draw(double *rows, int n_rows, int n_examples, double scale)
{
    esp_rng rng = esp_rng_make(3, "test", 0);
    for (int r = 0; r < n_rows; r++) {
        for (int b = 0; b < n_examples; b++) {
            rows[r * STRIDE + b] = scale * (2 * esp_rng_uniform(&rng) - 1);
        }
    }
}

/* softmax of one column, by its definition. */
static double share(const double *rows, int n_rows, int row, int b)
{
    double sum = 0;
    for (int r = 0; r < n_rows; r++) {
        sum += exp(rows[r * STRIDE + b]);
    }
    return exp(rows[row * STRIDE + b]) / sum;
}

static fixture *make_logits(int n_outputs, int n_examples)
{
    fixture *f = make(0, n_examples, n_outputs);
    draw(f->logits, n_outputs, n_examples, 2);
    for (int b = 0; b < n_examples; b++) {
        f->labels[b] = b % n_outputs;
    }
    return f;
}

/* ---- task terms ------------------------------------------------------------------------------ */

static void test_cross_entropy__smoothing_is_a_spread_target(void **state)
{
    (void)state;
    fixture *f = make_logits(4, 6);
    const double s = 0.3;
    double expected = 0;
    for (int b = 0; b < 6; b++) {
        for (int o = 0; o < 4; o++) {
            const double target = s / 4 + (o == f->labels[b] ? 1 - s : 0);
            expected -= target * log(share(f->logits, 4, o, b)) / 6;
        }
    }
    assert_near(evaluate(f, "cross_entropy", "label_smoothing", "0.3"), expected, 1e-12);
    assert_near(f->d_logits[0], (share(f->logits, 4, 0, 0) - (1 - s) - s / 4) / 6, 1e-12);
    assert_near(f->d_logits[STRIDE], (share(f->logits, 4, 1, 0) - s / 4) / 6, 1e-12);
    destroy(f);
}

static void test_focal__by_its_definition(void **state)
{
    (void)state;
    fixture *f = make_logits(5, 7);
    double expected = 0;
    for (int b = 0; b < 7; b++) {
        const double p = share(f->logits, 5, f->labels[b], b);
        expected -= pow(1 - p, 2) * log(p) / 7;
    }
    assert_near(evaluate(f, "focal", NULL, NULL), expected, 1e-12);
    /* both classes alike: (1/2)^2 log 2 */
    fixture *even = make(0, 3, 2);
    assert_near(evaluate(even, "focal", NULL, NULL), log(2) / 4, 1e-12);
    destroy(even);
    destroy(f);
}

static void test_focal__gamma_0_is_cross_entropy(void **state)
{
    (void)state;
    fixture *f = make_logits(4, 9);
    const double value = evaluate(f, "cross_entropy", NULL, NULL);
    double slopes[4 * STRIDE];
    memcpy(slopes, f->d_logits, sizeof slopes);
    assert_near(evaluate(f, "focal", "gamma", "0"), value, 1e-12);
    for (int o = 0; o < 4; o++) {
        for (int b = 0; b < 9; b++) {
            assert_near(f->d_logits[o * STRIDE + b], slopes[o * STRIDE + b], 1e-12);
        }
    }
    destroy(f);
}

/* p of the label is 1 - e^-40 and rounds to 1: q^gamma (-log p) = q^(gamma+1) to first order. */
static void test_focal__sure_of_the_label(void **state)
{
    (void)state;
    fixture *f = make(0, 1, 2);
    f->logits[0] = 40;
    assert_near(evaluate(f, "focal", "gamma", "0.5") / exp(-60), 1, 1e-12);
    assert_near(f->d_logits[0] / (-1.5 * exp(-60)), 1, 1e-12);
    destroy(f);
}

/* ---- use of leaves --------------------------------------------------------------------------- */

static void set_mixture(fixture *f, int b, const double *weights)
{
    for (int leaf = 0; leaf < f->dims.n_leaves; leaf++) {
        f->mixture[leaf * STRIDE + b] = weights[leaf];
    }
}

static void test_importance__coefficient_of_variation(void **state)
{
    (void)state;
    fixture *f = make_gate(4, 2, 2);
    set_mixture(f, 0, (double[]){0.5, 0.5, 0, 0});
    set_mixture(f, 1, (double[]){0.25, 0, 0.75, 0});
    /* sums .75 .5 .75 0: mean .5, variance (.0625 + 0 + .0625 + .25)/4 */
    assert_near(evaluate(f, "importance", NULL, NULL), 0.09375 / 0.25, 1e-12);
    /* one example moves from leaf 3 to leaf 0 by t: the sums change by t, so does the derivative
     * of variance / mean^2: 2/4 ((.75 - .5) - (0 - .5)) / .25 */
    assert_near(f->d_mixture[0] - f->d_mixture[3 * STRIDE], 1.5, 1e-12);
    set_mixture(f, 0, (double[]){0, 1, 0, 0});
    set_mixture(f, 1, (double[]){0, 1, 0, 0});
    assert_near(evaluate(f, "importance", NULL, NULL), 3, 1e-12); /* all in one: L - 1 */
    set_mixture(f, 1, (double[]){0.5, -0.5, 0.5, 0.5});
    assert_near(evaluate(f, "importance", NULL, NULL), 0, 1e-12); /* sums all 1/2 */
    destroy(f);
}

static void test_mixture_entropy__of_the_mean(void **state)
{
    (void)state;
    fixture *f = make_gate(2, 1, 2);
    set_mixture(f, 0, (double[]){1, 0});
    set_mixture(f, 1, (double[]){0.5, 0.5});
    assert_near(evaluate(f, "mixture_entropy", NULL, NULL), 0.75 * log(0.75) + 0.25 * log(0.25),
                1e-12);
    assert_near(f->d_mixture[0], (1 + log(0.75)) / 2, 1e-12);
    assert_near(f->d_mixture[STRIDE + 1], (1 + log(0.25)) / 2, 1e-12);
    set_mixture(f, 1, (double[]){0, 1}); /* each decided, together even */
    assert_near(evaluate(f, "mixture_entropy", NULL, NULL), -log(2), 1e-12);
    set_mixture(f, 1, (double[]){1, 0});
    assert_near(evaluate(f, "mixture_entropy", NULL, NULL), 0, 1e-12);
    assert_true(isfinite(f->d_mixture[STRIDE]) && f->d_mixture[STRIDE] < 0);
    destroy(f);
}

static void test_load__coefficient_of_variation(void **state)
{
    (void)state;
    fixture *f = make_gate(2, 1, 4);
    f->load[0] = 1;
    f->load[1] = 3;
    /* mean 2, variance 1; with load 0 raised by t: mean 2 + t/2, deviations +-(1 - t/2), so the
     * value (1 - t/2)^2 / (2 + t/2)^2 has the derivative -1/4 - 1/8 at 0; raising load 1: 1/4 - 1/8
     */
    assert_near(evaluate(f, "load", NULL, NULL), 0.25, 1e-12);
    assert_near(f->d_load[0], -0.375, 1e-12);
    assert_near(f->d_load[1], 0.125, 1e-12);
    f->load[0] = 3;
    assert_near(evaluate(f, "load", NULL, NULL), 0, 1e-12);
    destroy(f);
}

static void test_router_z__square_of_log_sum_exp(void **state)
{
    (void)state;
    fixture *f = make_gate(4, 1, 3); /* all logits 0: (log 4)^2 */
    assert_near(evaluate(f, "router_z", NULL, NULL), log(4) * log(4), 1e-12);
    assert_near(f->d_scores[0], 2 * log(4) / 4 / 3, 1e-12);
    for (int i = 0; i < 4; i++) {
        f->scores[i * STRIDE] = 1000; /* exp would overflow */
    }
    const double shifted = 1000 + log(4);
    assert_near(evaluate(f, "router_z", NULL, NULL), (shifted * shifted + 2 * log(4) * log(4)) / 3,
                1e-12);
    destroy(f);
}

/* Switch Transformers: N sum f_i P_i with f by the argmax of p, P the mean of p, p the softmax of
 * the gate's logits (2101.03961 eq. 4-6): what `balance` is on such a gate. */
static void test_balance__is_the_switch_loss_on_a_switch_gate(void **state)
{
    (void)state;
    enum { EXPERTS = 5, TOKENS = 11 };
    fixture *f = make_gate(EXPERTS, 1, TOKENS);
    double f_share[EXPERTS] = {0}, mean[EXPERTS] = {0}, expected = 0;
    draw(f->scores, EXPERTS, TOKENS, 2);
    for (int b = 0; b < TOKENS; b++) {
        int best = 0;
        for (int i = 0; i < EXPERTS; i++) {
            f->mixture[i * STRIDE + b] = share(f->scores, EXPERTS, i, b);
            mean[i] += f->mixture[i * STRIDE + b] / TOKENS;
            best = f->scores[i * STRIDE + b] > f->scores[best * STRIDE + b] ? i : best;
        }
        f->choices[b] = best;
        f_share[best] += 1.0 / TOKENS;
    }
    for (int i = 0; i < EXPERTS; i++) {
        expected += EXPERTS * f_share[i] * mean[i];
    }
    assert_near(evaluate(f, "balance", NULL, NULL), expected, 1e-12);
    destroy(f);
}

/* Two of three experts an example: shares are of the B K = 4 choices. Experts 0, 1 and 0, 2 are
 * chosen, so f = 1/2, 1/4, 1/4; P = 0.65, 0.15, 0.2. */
static void test_balance__shares_are_of_all_choices(void **state)
{
    (void)state;
    fixture *f = make_gate(3, 2, 2);
    static const double mixture[3][2] = {{0.7, 0.6}, {0.3, 0}, {0, 0.4}};
    for (int i = 0; i < 3; i++) {
        memcpy(f->mixture + i * STRIDE, mixture[i], sizeof mixture[i]);
    }
    f->choices[STRIDE] = 1;
    f->choices[STRIDE + 1] = 2;
    assert_near(evaluate(f, "balance", NULL, NULL), 3 * (0.65 / 2 + 0.15 / 4 + 0.2 / 4), 1e-12);
    assert_near(f->d_mixture[0], 3 * 0.5 / 2, 1e-12);
    assert_near(f->d_mixture[STRIDE + 1], 3 * 0.25 / 2, 1e-12);
    destroy(f);
}

/* Counts 3, 1, 0, 0 of 4 examples: the mean is 1. */
static void test_load_bias__moves_against_the_load(void **state)
{
    (void)state;
    fixture *f = make_gate(4, 1, 4);
    f->choices[3] = 1;
    esp_instance term;
    open_term(&term, f, "load_bias", "rate", "0.5");
    assert_true(call_term(f, &term) == 0); /* it minimizes nothing */
    assert_int_equal(term.n_logged, 1);
    assert_string_equal(term.logged[0].key, "max_violation");
    assert_near(term.logged[0].sum / term.logged[0].weight, 2, 1e-12); /* 3/1 - 1 */
    const int64_t counts[4] = {3, 1, 0, 0};
    double bias[4] = {0, 0, 0.25, 0};
    esp_instance_begin(&term, ESP_TRAINING);
    assert_int_equal(term.plugin->loss->after_step(term.state, &term.host, counts, bias), 0);
    const double moved[4] = {-0.5, 0, 0.75, 0.5};
    for (int i = 0; i < 4; i++) {
        assert_near(bias[i], moved[i], 1e-12);
    }
    esp_instance_destroy(&term);
    destroy(f);
}

/* ---- hardening with a target ----------------------------------------------------------------- */

/* h becomes h (H/t)^rate, H the mean entropy whatever the reduction. */
static void test_hardening__h_follows_the_entropy(void **state)
{
    (void)state;
    static const char *const reductions[] = {"mean", "node_sum", "sum", "reach"};
    for (int r = 0; r < 4; r++) {
        fixture *f = make(2, 5, 2);
        f->scores[STRIDE] = 0.5; /* one node of one example learns */
        const double plain = evaluate(f, "hardening", "reduction", reductions[r]);
        const double slope = f->d_scores[STRIDE];
        esp_instance term;
        open_term(&term, f, "hardening", "target_entropy", "0.1");
        esp_params params;
        esp_params_default(&params, term.plugin);
        params.values[esp_params_find(term.plugin, "target_entropy")] = 0.1;
        params.values[esp_params_find(term.plugin, "reduction")] = r;
        esp_instance_set_params(&term, &params);
        const double grown = pow(evaluate(f, "hardening", NULL, NULL) / 0.1, 0.01);
        assert_near(call_term(f, &term), plain, 1e-12); /* h starts at 1 */
        f->mode = ESP_EVALUATION;
        assert_near(call_term(f, &term), plain, 1e-12); /* without h */
        f->mode = ESP_TRAINING;

        void *bytes = NULL;
        size_t count = 0;
        assert_int_equal(esp_instance_save(&bytes, &count, &term), ESP_OK);
        esp_instance copy;
        open_term(&copy, f, "hardening", NULL, NULL);
        assert_int_equal(esp_instance_load(&copy, bytes, count), ESP_OK);
        esp_instance_set_params(&copy, &params);
        assert_near(call_term(f, &term), grown * plain, 1e-12);
        assert_near(f->d_scores[STRIDE], grown * slope, 1e-12);
        assert_near(call_term(f, &copy), grown * plain, 1e-12);
        assert_true(call_term(f, &copy) == call_term(f, &term)); /* as often called */
        free(bytes);
        esp_instance_destroy(&copy);
        esp_instance_destroy(&term);
        destroy(f);
    }
}

/* With a rate of 1 and t = 0.001, h is multiplied by H/t: 693 where nothing is decided, and where
 * all is, without a clamp, H counts as 1e-6. It stays within e^-6.9 and e^6.9. */
static void test_hardening__h_is_bounded(void **state)
{
    (void)state;
    fixture *f = make(2, 5, 2);
    esp_instance term;
    esp_params params;
    open_term(&term, f, "hardening", "target_entropy", "0.001");
    esp_params_default(&params, term.plugin);
    params.values[esp_params_find(term.plugin, "target_entropy")] = 0.001;
    params.values[esp_params_find(term.plugin, "adaptation_rate")] = 1;
    params.values[esp_params_find(term.plugin, "clamp")] = 0;
    esp_instance_set_params(&term, &params);
    const double most = exp(6.9), rising[] = {1, 1000 * log(2), most, most};
    for (int call = 0; call < 4; call++) {
        assert_near(call_term(f, &term), rising[call] * log(2), 1e-12);
    }
    for (int i = 0; i < 3; i++) {
        for (int b = 0; b < 5; b++) {
            f->scores[i * STRIDE + b] = 800;
        }
    }
    const double falling[] = {most, most * 1e-3, 1 / most, 1 / most};
    for (int call = 0; call < 4; call++) {
        term.n_logged = 0;
        assert_true(call_term(f, &term) == 0);
        assert_string_equal(term.logged[0].key, "h");
        assert_near(term.logged[0].sum / term.logged[0].weight / falling[call], 1, 1e-12);
    }
    esp_instance_destroy(&term);
    destroy(f);
}

/* A state that never adapted is saved as before there was a target: as nothing. */
static void test_hardening__without_a_target_nothing_is_saved(void **state)
{
    (void)state;
    fixture *f = make(2, 5, 2);
    esp_instance term;
    void *bytes = NULL;
    size_t count = 1;
    open_term(&term, f, "hardening", NULL, NULL);
    call_term(f, &term);
    assert_int_equal(term.n_logged, 0);
    assert_int_equal(esp_instance_save(&bytes, &count, &term), ESP_OK);
    assert_int_equal(count, 0);
    esp_instance_destroy(&term);
    destroy(f);
}

/* ---- penalties ------------------------------------------------------------------------------- */

static void test_penalties__groups_and_biases(void **state)
{
    (void)state;
    static const struct {
        const char *param, *value;
        double l1, l2;
    } cases[] = {
        {NULL, NULL, 5 + 6 + 10, (9 + 4 + 36 + 100) / 2.0},
        {"groups", "nodes", 5, 13 / 2.0},
        {"groups", "leaves", 6, 18},
        {"groups", "heads", 10, 50},
        {"biases", "true", 5 + 6 + 7 + 10, (13 + 36 + 49 + 100) / 2.0},
    };
    fixture *f = make(1, 3, 2);
    add_span(f, ESP_GROUP_NODES, 0, 3, (double[]){3, -2, 0});
    add_span(f, ESP_GROUP_LEAVES, 0, 1, (double[]){6});
    add_span(f, ESP_GROUP_LEAVES, 1, 1, (double[]){-7});
    add_span(f, ESP_GROUP_HEADS, 0, 1, (double[]){-10});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_near(evaluate(f, "l1", cases[i].param, cases[i].value), cases[i].l1, 1e-12);
        assert_near(evaluate(f, "l2", cases[i].param, cases[i].value), cases[i].l2, 1e-12);
    }
    evaluate(f, "l1", "biases", "true");
    assert_true(f->d_values[0][0] == 1 && f->d_values[0][1] == -1 && f->d_values[0][2] == 0);
    assert_true(f->d_values[2][0] == -1);
    evaluate(f, "l2", NULL, NULL);
    assert_true(f->d_values[0][1] == -2 && f->d_values[1][0] == 6 && f->d_values[2][0] == 0);
    destroy(f);
}

int main(void)
{
    unsetenv("ESPALIER_PLUGIN_PATH");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cross_entropy__smoothing_is_a_spread_target),
        cmocka_unit_test(test_focal__by_its_definition),
        cmocka_unit_test(test_focal__gamma_0_is_cross_entropy),
        cmocka_unit_test(test_focal__sure_of_the_label),
        cmocka_unit_test(test_importance__coefficient_of_variation),
        cmocka_unit_test(test_mixture_entropy__of_the_mean),
        cmocka_unit_test(test_load__coefficient_of_variation),
        cmocka_unit_test(test_router_z__square_of_log_sum_exp),
        cmocka_unit_test(test_balance__is_the_switch_loss_on_a_switch_gate),
        cmocka_unit_test(test_balance__shares_are_of_all_choices),
        cmocka_unit_test(test_load_bias__moves_against_the_load),
        cmocka_unit_test(test_hardening__h_follows_the_entropy),
        cmocka_unit_test(test_hardening__h_is_bounded),
        cmocka_unit_test(test_hardening__without_a_target_nothing_is_saved),
        cmocka_unit_test(test_penalties__groups_and_biases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
