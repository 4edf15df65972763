/* The clamp of hardening: against PyTorch's autograd in float64 and torch.clamp of float32
 * (tests/fixtures/oracle/hardening_clamp.json, whose maker stands beside it), against finite
 * differences off the kink, and in its limits. Decided nodes (|z| > 14) are in all of them. */
#include "plugins/loss_fixture.h"

#include <jansson.h>

#include "core/rng.h"

static const bool is_double = sizeof(esp_real) == sizeof(double);
static const char *const reductions[] = {"mean", "node_sum", "sum", "reach"};
enum { N_REDUCTIONS = 4 };

static void open_hardening(esp_instance *out, const fixture *f, int reduction, double clamp)
{
    const esp_plugin *plugin = esp_registry_find(f->registry, ESP_LOSS, "hardening");
    assert_non_null(plugin);
    esp_params params;
    esp_params_default(&params, plugin);
    params.values[esp_params_find(plugin, "reduction")] = reduction;
    const int row = esp_params_find(plugin, "clamp");
    assert_true(row >= 0);
    params.values[row] = clamp;
    assert_int_equal(esp_instance_create(out, plugin, &params, &f->dims, NULL), ESP_OK);
}

/* The value; the gradient is in f->d_scores. */
static double harden(fixture *f, int reduction, double clamp)
{
    esp_instance term;
    open_hardening(&term, f, reduction, clamp);
    const double value = call_term(f, &term);
    esp_instance_destroy(&term);
    return value;
}

static json_t *read_oracle(void)
{
    json_t *root =
        json_load_file(ESPALIER_SOURCE_DIR "/tests/fixtures/oracle/hardening_clamp.json", 0, NULL);
    assert_non_null(root);
    return root;
}

static double number(json_t *rows, size_t row, size_t column)
{
    return json_number_value(json_array_get(json_array_get(rows, row), column));
}

/* ---- against PyTorch ------------------------------------------------------------------------- */

/* float: the scores of the oracle are rounded on the way in, so a slope of e^-z is off by 2^-20
 * z. */
static double tolerance(void)
{
    return is_double ? 1e-9 : 2e-5;
}

static void assert_gradient(const fixture *f, json_t *expected, const char *what)
{
    double largest = 0;
    for (int b = 0; b < f->n_examples; b++) {
        for (int i = 0; i < f->dims.n_nodes; i++) {
            largest = fmax(largest, fabs(number(expected, (size_t)b, (size_t)i)));
        }
    }
    for (int b = 0; b < f->n_examples; b++) {
        for (int i = 0; i < f->dims.n_nodes; i++) {
            const double wanted = number(expected, (size_t)b, (size_t)i);
            const double found = (double)f->d_scores[i * STRIDE + b];
            /* of the slope itself; reach subtracts entropies, and is held to its largest too */
            const double off = tolerance() * (fabs(wanted) + 1e-3 * largest);
            if (wanted == 0 ? found != 0 : !(fabs(found - wanted) <= off)) {
                fail_msg("%s, example %d, node %d at %g: %.15g instead of %.15g", what, b, i,
                         (double)f->scores[i * STRIDE + b], found, wanted);
            }
        }
    }
}

static void assert_case(json_t *c)
{
    json_t *scores = json_object_get(c, "scores");
    const int depth = (int)json_integer_value(json_object_get(c, "depth"));
    const double clamp = json_number_value(json_object_get(c, "clamp"));
    fixture *f = make(depth, (int)json_array_size(scores), 2);
    for (int b = 0; b < f->n_examples; b++) {
        for (int i = 0; i < f->dims.n_nodes; i++) {
            f->scores[i * STRIDE + b] = (esp_real)number(scores, (size_t)b, (size_t)i);
        }
    }
    for (int r = 0; r < N_REDUCTIONS; r++) {
        char what[64];
        snprintf(what, sizeof what, "%s, depth %d, clamp %g", reductions[r], depth, clamp);
        const double value = harden(f, r, clamp);
        json_t *values = json_object_get(c, "value");
        const double wanted = json_number_value(json_object_get(values, reductions[r]));
        if (!(fabs(value - wanted) <= tolerance() * fabs(wanted))) {
            fail_msg("%s: %.15g instead of %.15g", what, value, wanted);
        }
        assert_gradient(f, json_object_get(json_object_get(c, "gradient"), reductions[r]), what);
    }
    destroy(f);
}

static void test_hardening_clamp__values_and_gradients_of_pytorch(void **state)
{
    (void)state;
    json_t *root = read_oracle(), *cases = json_object_get(root, "cases"), *c = NULL;
    assert_int_equal(json_array_size(cases), 12);
    size_t i = 0;
    json_array_foreach(cases, i, c)
    {
        assert_case(c);
    }
    json_decref(root);
}

/* At each of some 800 scores around the clamp the gradient is 0 exactly where torch.clamp of the
 * float32 p passes none. */
static void test_hardening_clamp__is_torch_clamp_of_a_float_p(void **state)
{
    (void)state;
    if (is_double) {
        skip();
    }
    json_t *root = read_oracle(), *groups = json_object_get(root, "float32"), *group = NULL;
    size_t g = 0;
    int n_free = 0, n_clamped = 0;
    json_array_foreach(groups, g, group)
    {
        json_t *scores = json_object_get(group, "scores"), *z = NULL;
        fixture *f = make(1, 1, 2);
        size_t i = 0;
        json_array_foreach(scores, i, z)
        {
            f->scores[0] = (esp_real)json_number_value(z);
            for (int r = 0; r < N_REDUCTIONS; r++) {
                harden(f, r, json_number_value(json_object_get(group, "clamp")));
                const bool passes =
                    json_is_true(json_array_get(json_object_get(group, "passes"), i));
                if ((f->d_scores[0] != 0) != passes) {
                    fail_msg("%s at %g: the gradient is %g, and torch.clamp passes %s",
                             reductions[r], (double)f->scores[0], (double)f->d_scores[0],
                             passes ? "it" : "none");
                }
                n_free += passes;
                n_clamped += !passes;
            }
        }
        destroy(f);
    }
    assert_true(n_free > 1000 && n_clamped > 1000);
    json_decref(root);
}

/* In double p = 1e-6 at z = -log(999999), to the last digits. */
static void test_hardening_clamp__bound_in_double(void **state)
{
    (void)state;
    if (!is_double) {
        skip();
    }
    const double bound = log(999999.0), q = 1e-6 * (1 - 1e-6) * bound / 4;
    fixture *f = make(1, 4, 2);
    const double scores[] = {bound - 1e-9, bound + 1e-9, -bound + 1e-9, -bound - 1e-9};
    for (int b = 0; b < 4; b++) {
        f->scores[b] = (esp_real)scores[b];
    }
    harden(f, 0, 1e-6);
    assert_near((double)f->d_scores[0] / -q, 1, 1e-8);
    assert_true(f->d_scores[1] == 0);
    assert_near((double)f->d_scores[2] / q, 1, 1e-8);
    assert_true(f->d_scores[3] == 0);
    destroy(f);
}

/* ---- against differences --------------------------------------------------------------------- */

/* p of a score that is free by a margin, or clamped by one. */
static double draw_score(esp_rng *rng, double clamp)
{
    for (;;) {
        const double z = 40 * esp_rng_uniform(rng) - 20, q = 1 / (1 + exp(fabs(z)));
        if (fabs(q - clamp) > 0.01 * clamp) {
            return z;
        }
    }
}

static void test_hardening_clamp__gradient_by_differences(void **state)
{
    (void)state;
    if (!is_double) {
        skip();
    }
    static const double clamps[] = {0, 1e-6, 0.01, 0.2};
    esp_rng rng = esp_rng_make(11, "test", 0);
    int n_clamped = 0;
    for (int c = 0; c < 4; c++) {
        for (int r = 0; r < N_REDUCTIONS; r++) {
            fixture *f = make(3, 7, 2);
            for (int at = 0; at < 7 * STRIDE; at++) {
                f->scores[at] = (esp_real)draw_score(&rng, clamps[c]);
            }
            harden(f, r, clamps[c]);
            esp_real slopes[7 * STRIDE];
            memcpy(slopes, f->d_scores, sizeof slopes);
            for (int i = 0; i < 7; i++) {
                for (int b = 0; b < 7; b++) {
                    esp_real *z = &f->scores[i * STRIDE + b];
                    const esp_real center = *z, slope = slopes[i * STRIDE + b];
                    *z = center + (esp_real)1e-4;
                    const double above = harden(f, r, clamps[c]);
                    *z = center - (esp_real)1e-4;
                    const double below = harden(f, r, clamps[c]);
                    *z = center;
                    assert_near((double)slope, (above - below) / 2e-4, 1e-8);
                    const double q = 1 / (1 + exp(fabs((double)center)));
                    if (q < clamps[c]) {
                        assert_true(slope == 0 && above == below);
                        n_clamped++;
                    }
                }
            }
            destroy(f);
        }
    }
    assert_true(n_clamped > 100);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void test_hardening_clamp__default_is_the_published_one(void **state)
{
    (void)state;
    fixture *f = make(1, 2, 2);
    f->scores[0] = 16;
    f->scores[1] = -16;
    const double entropy = -1e-6 * log(1e-6) - (1 - 1e-6) * log1p(-1e-6);
    assert_near(evaluate(f, "hardening", NULL, NULL) / entropy, 1, is_double ? 1e-12 : 1e-6);
    assert_true(f->d_scores[0] == 0 && f->d_scores[1] == 0);
    assert_true(evaluate(f, "hardening", "clamp", "0") < 0.2 * entropy);
    assert_true(f->d_scores[0] < 0 && f->d_scores[1] > 0);
    destroy(f);
}

/* The weights of what lies below a clamped node are clamped too. */
static void test_hardening_clamp__reach_of_decided_nodes_is_still(void **state)
{
    (void)state;
    fixture *f = make(2, 1, 2);
    f->scores[0] = 17;           /* decided for the right child, 2 */
    f->scores[1 * STRIDE] = 0.5; /* as good as never reached: r = 1e-6 */
    f->scores[2 * STRIDE] = -0.25;
    const double c = 1e-6, constant = -c * log(c) - (1 - c) * log1p(-c);
    double own[2], slope[2];
    for (int i = 0; i < 2; i++) {
        const double z = i ? -0.25 : 0.5, p = sigmoid(z);
        own[i] = -p * log(p) - (1 - p) * log(1 - p);
        slope[i] = -z * p * (1 - p);
    }
    const double tiny = is_double ? 1e-12 : 1e-6;
    assert_near(harden(f, 3, c), constant + c * own[0] + (1 - c) * own[1], tiny);
    assert_true(f->d_scores[0] == 0);
    assert_near((double)f->d_scores[STRIDE] / (c * slope[0]), 1, is_double ? 1e-9 : 1e-5);
    assert_near((double)f->d_scores[2 * STRIDE] / ((1 - c) * slope[1]), 1, is_double ? 1e-9 : 1e-5);
    destroy(f);
}

static void test_hardening_clamp__what_is_not_finite(void **state)
{
    (void)state;
    for (int r = 0; r < N_REDUCTIONS; r++) {
        fixture *f = make(1, 2, 2);
        f->scores[0] = (esp_real)INFINITY;
        f->scores[1] = (esp_real)-INFINITY;
        assert_true(harden(f, r, 1e-6) > 0);
        assert_true(f->d_scores[0] == 0 && f->d_scores[1] == 0);
        f->scores[0] = (esp_real)NAN; /* is not hidden */
        assert_true(isnan(harden(f, r, 1e-6)));
        assert_true(isnan(f->d_scores[0]) && f->d_scores[1] == 0);
        destroy(f);
    }
}

/* A phase may change the clamp of a living instance. */
static void test_hardening_clamp__follows_its_phase(void **state)
{
    (void)state;
    fixture *f = make(1, 1, 2);
    f->scores[0] = 15;
    esp_instance term;
    open_hardening(&term, f, 0, 1e-6);
    call_term(f, &term);
    assert_true(f->d_scores[0] == 0);
    esp_params params;
    esp_params_default(&params, term.plugin);
    params.values[esp_params_find(term.plugin, "clamp")] = 0;
    esp_instance_set_params(&term, &params);
    call_term(f, &term);
    assert_near((double)f->d_scores[0] / (-15 * exp(-15)), 1, 1e-5);
    esp_instance_destroy(&term);
    destroy(f);
}

static void test_hardening_clamp__range(void **state)
{
    (void)state;
    fixture *f = make(1, 1, 2);
    const esp_plugin *plugin = esp_registry_find(f->registry, ESP_LOSS, "hardening");
    const esp_param *clamp = &plugin->params[esp_params_find(plugin, "clamp")];
    double value = 0;
    assert_int_equal(esp_params_parse(&value, clamp, "0.5"), ESP_USAGE);
    assert_int_equal(esp_params_parse(&value, clamp, "-1e-9"), ESP_USAGE);
    assert_int_equal(esp_params_parse(&value, clamp, "0"), ESP_OK);
    assert_int_equal(esp_params_parse(&value, clamp, "0.49"), ESP_OK);
    f->scores[0] = 0.1; /* p = 0.525 */
    harden(f, 0, value);
    assert_true(f->d_scores[0] == 0);
    f->scores[0] = 0.01; /* p = 0.5025 */
    harden(f, 0, value);
    assert_true(f->d_scores[0] < 0);
    destroy(f);
}

/* H(0.1) is 0.325: nodes cannot be driven to less. */
static void test_hardening_clamp__target_beyond_it_is_refused(void **state)
{
    (void)state;
    fixture *f = make(1, 1, 2);
    const esp_plugin *plugin = esp_registry_find(f->registry, ESP_LOSS, "hardening");
    esp_params params;
    esp_params_default(&params, plugin);
    params.values[esp_params_find(plugin, "clamp")] = 0.1;
    params.values[esp_params_find(plugin, "target_entropy")] = 0.32;
    esp_instance term;
    assert_true(esp_instance_create(&term, plugin, &params, &f->dims, NULL) != ESP_OK);
    assert_non_null(strstr(esp_message(), "target_entropy is below 0.325 nats"));
    params.values[esp_params_find(plugin, "target_entropy")] = 0.33;
    assert_int_equal(esp_instance_create(&term, plugin, &params, &f->dims, NULL), ESP_OK);
    esp_instance_destroy(&term);
    destroy(f);
}

int main(void)
{
    unsetenv("ESPALIER_PLUGIN_PATH");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardening_clamp__values_and_gradients_of_pytorch),
        cmocka_unit_test(test_hardening_clamp__is_torch_clamp_of_a_float_p),
        cmocka_unit_test(test_hardening_clamp__bound_in_double),
        cmocka_unit_test(test_hardening_clamp__gradient_by_differences),
        cmocka_unit_test(test_hardening_clamp__default_is_the_published_one),
        cmocka_unit_test(test_hardening_clamp__reach_of_decided_nodes_is_still),
        cmocka_unit_test(test_hardening_clamp__what_is_not_finite),
        cmocka_unit_test(test_hardening_clamp__follows_its_phase),
        cmocka_unit_test(test_hardening_clamp__range),
        cmocka_unit_test(test_hardening_clamp__target_beyond_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
