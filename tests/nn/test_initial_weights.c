/* Initial weights of every kind of model against what the sources draw: uniform within a bound.
 *   fff, as its published code: nodes, w1, b1 within 1/sqrt(F), w2, b2 within 1/sqrt(l); ff and the
 *     experts of a moe as leaves, its gate as nodes;
 *   fff_nodes, as UltraFastBERT's layer: in within 1/sqrt(F), out within 1/sqrt(trees (d + 1)).
 * node_scale and leaf_scale are factors. Tolerances are five standard deviations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "nn/network.h"

enum { FEATURES = 50, OUTPUTS = 40 };

typedef struct expected {
    const char *name;
    double bound; /* 0: starts at 0 */
} expected;

static void check_tensor(const esp_network *n, const esp_tensor *tensor, double bound)
{
    const esp_real *values = n->parameters + tensor->offset;
    double sum = 0, squares = 0, greatest = 0;
    for (size_t i = 0; i < tensor->count; i++) {
        const double v = (double)values[i];
        sum += v;
        squares += v * v;
        greatest = fmax(greatest, fabs(v));
    }
    const double count = (double)tensor->count, variance = bound * bound / 3;
    const double of_square = pow(bound, 4) * (1.0 / 5 - 1.0 / 9);
    if (!(greatest <= bound * (1 + 1e-6)) || !(greatest >= bound * (1 - 20 / (count + 20))) ||
        !(fabs(sum / count) <= 5 * sqrt(variance / count)) ||
        !(fabs(squares / count - variance) <= 5 * sqrt(of_square / count))) {
        fail_msg("%s: greatest %g, mean %g, mean square %g of %zu; bound %g", tensor->name,
                 greatest, sum / count, squares / count, tensor->count, bound);
    }
}

static void check(const esp_model_config *model, const expected *tensors)
{
    esp_network *n = NULL;
    const esp_network_config config = {
        .model = *model, .n_features = FEATURES, .n_outputs = OUTPUTS, .batch_size = 1};
    assert_int_equal(esp_network_create(&n, &config), 0);
    esp_network_initialize(n, 4);
    int n_checked = 0;
    for (int i = 0; i < n->n_tensors; i++) {
        const expected *e = tensors;
        while (e->name != NULL && strcmp(e->name, n->tensors[i].name) != 0) {
            e++;
        }
        if (n->tensors[i].count == 0) {
            continue;
        }
        assert_non_null(e->name);
        check_tensor(n, &n->tensors[i], e->bound);
        n_checked++;
    }
    for (; tensors->name != NULL; tensors++) {
        n_checked--;
    }
    assert_int_equal(n_checked, 0); /* all that are expected are there */
    esp_network_destroy(n);
}

static void test_initial_weights__fff(void **state)
{
    (void)state;
    esp_model_config model = esp_model_fff(5, 9);
    check(&model, (const expected[]){{"node_weights", 1 / sqrt(50)},
                                     {"node_biases", 1 / sqrt(50)},
                                     {"w1s", 1 / sqrt(50)},
                                     {"b1s", 1 / sqrt(50)},
                                     {"w2s", 1.0 / 3},
                                     {"b2s", 1.0 / 3},
                                     {NULL, 0}});
    model.node_scale = 7;
    model.leaf_scale = 0.5;
    check(&model, (const expected[]){{"node_weights", 7 / sqrt(50)},
                                     {"node_biases", 7 / sqrt(50)},
                                     {"w1s", 0.5 / sqrt(50)},
                                     {"b1s", 0.5 / sqrt(50)},
                                     {"w2s", 0.5 / 3},
                                     {"b2s", 0.5 / 3},
                                     {NULL, 0}});
}

static void test_initial_weights__ff(void **state)
{
    (void)state;
    const esp_model_config model = esp_model_ff(64);
    check(&model, (const expected[]){{"w1s", 1 / sqrt(50)},
                                     {"b1s", 1 / sqrt(50)},
                                     {"w2s", 1.0 / 8},
                                     {"b2s", 1.0 / 8},
                                     {NULL, 0}});
}

static void test_initial_weights__moe(void **state)
{
    (void)state;
    esp_model_config model = esp_model_moe(12, 16, 2);
    model.noise = true;
    model.node_scale = 3;
    check(&model, (const expected[]){{"gate_weights", 3 / sqrt(50)},
                                     {"gate_noise_weights", 3 / sqrt(50)},
                                     {"w1s", 1 / sqrt(50)},
                                     {"b1s", 1 / sqrt(50)},
                                     {"w2s", 1.0 / 4},
                                     {"b2s", 1.0 / 4},
                                     {"routing_bias", 0},
                                     {NULL, 0}});
}

static void test_initial_weights__fff_nodes(void **state)
{
    (void)state;
    esp_model_config model = esp_model_fff_nodes(3, 4);
    model.leaf_scale = 2;
    check(&model, (const expected[]){{"linear_in.weight", 2 / sqrt(50)},
                                     {"linear_in.bias", 2 / sqrt(50)},
                                     {"linear_out.weight", 2 / sqrt(15)},
                                     {NULL, 0}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial_weights__fff),
        cmocka_unit_test(test_initial_weights__ff),
        cmocka_unit_test(test_initial_weights__moe),
        cmocka_unit_test(test_initial_weights__fff_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
