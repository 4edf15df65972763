/* The loss terms' operations alone, in double: against values and gradients of the published
 * PyTorch code (tests/fixtures/oracle, float32 there, so to 1e-5), and against what their formulas
 * say of special inputs (to 1e-12). */
#include "plugins/loss_fixture.h"

#include <glob.h>
#include <jansson.h>

/* ---- the published code's values --------------------------------------------------------------
 */

static double number(json_t *rows, int row, int column)
{
    return json_number_value(json_array_get(json_array_get(rows, (size_t)row), (size_t)column));
}

static fixture *load(json_t *root)
{
    json_t *size = json_object_get(root, "case"), *params = json_object_get(root, "params");
    json_t *weights = json_object_get(params, "node_weights");
    json_t *biases = json_object_get(params, "node_biases");
    int n_features = (int)json_integer_value(json_object_get(size, "input_width"));
    fixture *f = make((int)json_integer_value(json_object_get(size, "depth")),
                      (int)json_integer_value(json_object_get(size, "batch")),
                      (int)json_integer_value(json_object_get(size, "output_width")));
    f->dims.n_features = n_features;
    for (int b = 0; b < f->n_examples; b++) {
        f->labels[b] =
            (int32_t)json_integer_value(json_array_get(json_object_get(root, "y"), (size_t)b));
        for (int o = 0; o < f->dims.n_outputs; o++) {
            f->logits[o * STRIDE + b] = number(json_object_get(root, "train_logits"), b, o);
        }
        for (int j = 0; j < n_features; j++) {
            f->features[j * STRIDE + b] = number(json_object_get(root, "x"), b, j);
        }
        for (int i = 0; i < f->dims.n_nodes; i++) {
            double z = number(biases, i, 0);
            for (int j = 0; j < n_features; j++) {
                z += f->features[j * STRIDE + b] * number(weights, i, j);
            }
            f->scores[i * STRIDE + b] = z;
        }
    }
    route(f);
    return f;
}

/* d_scores carried back to the node weights, against the published gradient, as a whole. */
static void assert_node_gradient(const fixture *f, json_t *root, const char *term)
{
    json_t *expected =
        json_object_get(json_object_get(json_object_get(root, "grads"), term), "node_weights");
    double off = 0, size = 0;
    for (int i = 0; i < f->dims.n_nodes; i++) {
        for (int j = 0; j < f->dims.n_features; j++) {
            double sum = 0, wanted = number(expected, i, j);
            for (int b = 0; b < f->n_examples; b++) {
                sum += f->d_scores[i * STRIDE + b] * f->features[j * STRIDE + b];
            }
            off += (sum - wanted) * (sum - wanted);
            size += wanted * wanted;
        }
    }
    if (!(sqrt(off) <= 1e-5 * sqrt(size))) {
        fail_msg("gradient of %s: off by %g of %g", term, sqrt(off), sqrt(size));
    }
}

/* dc through the products of the tree, one factor at a time. */
static void carry_mixture(fixture *f)
{
    for (int b = 0; b < f->n_examples; b++) {
        for (int leaf = 0; leaf < f->dims.n_leaves; leaf++) {
            double c = f->mixture[leaf * STRIDE + b], dc = f->d_mixture[leaf * STRIDE + b];
            for (int at = leaf + f->dims.n_nodes; at > 0; at = (at - 1) / 2) {
                double p = sigmoid(f->scores[(at - 1) / 2 * STRIDE + b]);
                f->d_scores[(at - 1) / 2 * STRIDE + b] += dc * c * (at % 2 == 0 ? 1 - p : -p);
            }
        }
    }
}

static void test_losses__published_values_and_gradients(void **state)
{
    (void)state;
    glob_t files;
    assert_int_equal(
        glob(ESPALIER_SOURCE_DIR "/tests/fixtures/oracle/[fm]*_i*.json", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 5);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        json_t *root = json_load_file(files.gl_pathv[i], 0, NULL);
        assert_non_null(root);
        json_t *loss = json_object_get(root, "loss");
        fixture *f = load(root);
        for (int b = 0; b < f->n_examples; b++) {
            assert_int_equal(f->choices[b], json_integer_value(json_array_get(
                                                json_object_get(root, "hard_leaves"), (size_t)b)));
        }
        assert_near(evaluate(f, "cross_entropy", NULL, NULL),
                    json_real_value(json_object_get(loss, "cross_entropy")), 1e-5);
        assert_near(evaluate(f, "hardening", "reduction", "mean"),
                    json_real_value(json_object_get(loss, "hardening")), 1e-5);
        assert_node_gradient(f, root, "hardening");
        assert_near(evaluate(f, "balance", NULL, NULL),
                    json_real_value(json_object_get(loss, "balance")), 1e-5);
        carry_mixture(f);
        assert_node_gradient(f, root, "balance");
        destroy(f);
        json_decref(root);
    }
    globfree(&files);
}

/* ---- cross entropy ----------------------------------------------------------------------------
 */

static void test_cross_entropy__equal_logits(void **state)
{
    (void)state;
    fixture *f = make(0, 3, 10);
    assert_near(evaluate(f, "cross_entropy", NULL, NULL), log(10), 1e-12);
    assert_near(f->d_logits[0], (0.1 - 1) / 3, 1e-12); /* the label is 0 */
    assert_near(f->d_logits[STRIDE], 0.1 / 3, 1e-12);
    destroy(f);
}

static void test_cross_entropy__huge_logits(void **state)
{
    (void)state;
    fixture *f = make(0, 2, 3);
    f->logits[STRIDE] = 1e5;         /* class 1 of example 0, whose label is 0 */
    f->logits[STRIDE + 1] = 1e5 + 1; /* class 1 of example 1, whose label is 1 */
    f->labels[1] = 1;
    assert_near(evaluate(f, "cross_entropy", NULL, NULL), 1e5 / 2, 1e-12);
    destroy(f);
}

/* ---- hardening --------------------------------------------------------------------------------
 */

static fixture *make_random_tree(int depth, int n_examples)
{
    fixture *f = make(depth, n_examples, 2);
    esp_rng rng = esp_rng_make(7, "test", 0);
    for (int i = 0; i < f->dims.n_nodes; i++) {
        for (int b = 0; b < n_examples; b++) {
            f->scores[i * STRIDE + b] = 6 * esp_rng_uniform(&rng) - 3;
        }
    }
    route(f);
    return f;
}

static void test_hardening__undecided_nodes(void **state)
{
    (void)state;
    fixture *f = make(2, 5, 2); /* all scores 0: every node's entropy is log 2 */
    assert_near(evaluate(f, "hardening", "reduction", "mean"), log(2), 1e-12);
    assert_near(evaluate(f, "hardening", "reduction", "node_sum"), 3 * log(2), 1e-12);
    assert_near(evaluate(f, "hardening", "reduction", "sum"), 15 * log(2), 1e-12);
    assert_near(evaluate(f, "hardening", "reduction", "reach"), 2 * log(2), 1e-12);
    destroy(f);
}

static void test_hardening__reductions_differ_by_factors(void **state)
{
    (void)state;
    fixture *f = make_random_tree(3, 6);
    double mean = evaluate(f, "hardening", "reduction", "mean");
    double slope = f->d_scores[2 * STRIDE + 1];
    assert_near(evaluate(f, "hardening", "reduction", "node_sum"), 7 * mean, 1e-12);
    assert_near(f->d_scores[2 * STRIDE + 1], 7 * slope, 1e-12);
    assert_near(evaluate(f, "hardening", "reduction", "sum"), 42 * mean, 1e-12);
    assert_near(f->d_scores[2 * STRIDE + 1], 42 * slope, 1e-12);
    destroy(f);
}

static void test_hardening__reach_is_the_entropy_of_the_mixture(void **state)
{
    (void)state;
    for (int depth = 1; depth <= 5; depth++) {
        fixture *f = make_random_tree(depth, 9);
        double entropy = 0;
        for (int b = 0; b < f->n_examples; b++) {
            for (int leaf = 0; leaf < f->dims.n_leaves; leaf++) {
                double c = f->mixture[leaf * STRIDE + b];
                entropy -= c * log(c) / f->n_examples;
            }
        }
        assert_near(evaluate(f, "hardening", "reduction", "reach"), entropy, 1e-12);
        destroy(f);
    }
}

static void test_hardening__decided_nodes_as_printed(void **state)
{
    (void)state;
    fixture *f = make(1, 4, 2);
    const double scores[4] = {800, -800, 40, -40};
    memcpy(f->scores, scores, sizeof scores);
    /* clamp 0: H(40) = e^-40 (1 + 40) to first order; 800 is decided to the last bit */
    assert_near(evaluate(f, "hardening", "clamp", "0") / (2 * 41 * exp(-40) / 4), 1, 1e-12);
    assert_true(f->d_scores[0] == 0);
    assert_near(f->d_scores[2] / (-40 * exp(-40) / 4), 1, 1e-12);
    assert_near(f->d_scores[3] / (40 * exp(-40) / 4), 1, 1e-12);
    destroy(f);
}

static void test_hardening__depth_zero(void **state)
{
    (void)state;
    fixture *f = make(0, 4, 2);
    assert_true(evaluate(f, "hardening", NULL, NULL) == 0);
    destroy(f);
}

/* ---- balance ----------------------------------------------------------------------------------
 */

static void test_balance__uniform_and_collapsed(void **state)
{
    (void)state;
    fixture *f = make(2, 8, 2); /* c = 1/4 everywhere: 1 whatever the choices */
    route(f);
    assert_near(evaluate(f, "balance", NULL, NULL), 1, 1e-12);
    for (int b = 0; b < 8; b++) {
        f->choices[b] = 3;
        for (int leaf = 0; leaf < 4; leaf++) {
            f->mixture[leaf * STRIDE + b] = leaf == 3;
        }
    }
    assert_near(evaluate(f, "balance", NULL, NULL), 4, 1e-12); /* all in one leaf: L */
    assert_near(f->d_mixture[3 * STRIDE], 4.0 / 8, 1e-12);
    assert_true(f->d_mixture[0] == 0);
    destroy(f);
}

static void test_balance__can_be_below_one(void **state)
{
    (void)state;
    /* Both examples go to leaf 1 by the tree, and mostly weigh elsewhere: f and P disagree. */
    fixture *f = make(1, 2, 2);
    f->choices[0] = f->choices[1] = 1;
    f->mixture[0] = f->mixture[1] = 0.75;
    f->mixture[STRIDE] = f->mixture[STRIDE + 1] = 0.25;
    assert_near(evaluate(f, "balance", NULL, NULL), 0.5, 1e-12);
    destroy(f);
}

static void test_balance__configured_batch(void **state)
{
    (void)state;
    fixture *f = make_random_tree(2, 6);
    double own = evaluate(f, "balance", NULL, NULL);
    assert_near(evaluate(f, "balance", "configured_batch", "true"), own, 1e-12);
    f->dims.batch_size = 12; /* a short last batch: both shares halve */
    assert_near(evaluate(f, "balance", "configured_batch", "true"), own / 4, 1e-12);
    assert_near(evaluate(f, "balance", "configured_batch", "false"), own, 1e-12);
    destroy(f);
}

int main(void)
{
    unsetenv("ESPALIER_PLUGIN_PATH");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses__published_values_and_gradients),
        cmocka_unit_test(test_cross_entropy__equal_logits),
        cmocka_unit_test(test_cross_entropy__huge_logits),
        cmocka_unit_test(test_hardening__undecided_nodes),
        cmocka_unit_test(test_hardening__reductions_differ_by_factors),
        cmocka_unit_test(test_hardening__reach_is_the_entropy_of_the_mixture),
        cmocka_unit_test(test_hardening__decided_nodes_as_printed),
        cmocka_unit_test(test_hardening__depth_zero),
        cmocka_unit_test(test_balance__uniform_and_collapsed),
        cmocka_unit_test(test_balance__can_be_below_one),
        cmocka_unit_test(test_balance__configured_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
