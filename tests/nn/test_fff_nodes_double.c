/* fff_nodes against values and gradients of the published layer (UltraFastBERT, arXiv 2311.10770;
 * tests/fixtures/oracle/nodes_*.json, float32), and against a direct evaluation of its definition.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "nn/network.h"

enum { MOST = 4096 };

static int flatten(double *out, const json_t *values)
{
    if (json_is_number(values)) {
        *out = json_number_value(values);
        return 1;
    }
    int n = 0;
    for (size_t i = 0; i < json_array_size(values); i++) {
        n += flatten(out + n, json_array_get(values, i));
        assert_true(n < MOST);
    }
    return n;
}

static int integer(const json_t *root, const char *key)
{
    const json_t *value = json_object_get(json_object_get(root, "case"), key);
    assert_true(json_is_integer(value));
    return (int)json_integer_value(value);
}

static esp_network *create(int trees, int depth, int features, int outputs, int batch)
{
    esp_network *network = NULL;
    const esp_network_config config = {.model = esp_model_fff_nodes(trees, depth),
                                       .n_features = features,
                                       .n_outputs = outputs,
                                       .batch_size = batch};
    assert_int_equal(esp_network_create(&network, &config), 0);
    return network;
}

static void import(esp_network *network, int which, const json_t *values)
{
    static double wide[MOST];
    static float narrow[MOST];
    const esp_tensor *tensor = esp_own_tensor(network, which);
    const int n = flatten(wide, values);
    assert_int_equal(n, tensor->count);
    for (int i = 0; i < n; i++) {
        narrow[i] = (float)wide[i];
    }
    esp_tensor_import(network->parameters, tensor, narrow);
}

/* ||a - b|| / ||b|| of a tensor's gradient. */
static void compare(const esp_network *network, int which, const json_t *values, const char *what)
{
    static double expected[MOST];
    static float found[MOST];
    const esp_tensor *tensor = esp_own_tensor(network, which);
    const int n = flatten(expected, values);
    assert_int_equal(n, tensor->count);
    esp_tensor_export(found, tensor, network->gradients);
    double difference = 0, norm = 0;
    for (int i = 0; i < n; i++) {
        difference += pow((double)found[i] - expected[i], 2);
        norm += expected[i] * expected[i];
    }
    if (!(sqrt(difference) <= 1e-5 * sqrt(norm)) || !(norm > 0)) {
        fail_msg("%s: relative error %g", what, sqrt(difference / norm));
    }
}

static void check_oracle(const char *name)
{
    char path[512];
    static double values[MOST];
    snprintf(path, sizeof path, "%s/tests/fixtures/oracle/%s", ESPALIER_SOURCE_DIR, name);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    const int width = integer(root, "width"), batch = integer(root, "batch");
    const int trees = integer(root, "trees"), depth = integer(root, "depth");
    esp_network *n = create(trees, depth, width, width, batch);
    import(n, ESP_W1, json_object_get(root, "in_weight"));
    import(n, ESP_B1, json_object_get(root, "in_bias"));
    import(n, ESP_W2, json_object_get(root, "out_weight"));
    const int count = flatten(values, json_object_get(root, "x"));
    for (int i = 0; i < count; i++) {
        n->features[i] = (float)values[i];
    }
    assert_int_equal(esp_network_forward(n, batch, ESP_TRAINING), 0);
    flatten(values, json_object_get(root, "y"));
    double difference = 0, norm = 0;
    for (int b = 0; b < batch; b++) {
        for (int o = 0; o < width; o++) {
            difference += pow(n->logits[o * n->stride + b] - values[b * width + o], 2);
            norm += pow(values[b * width + o], 2);
        }
    }
    assert_true(sqrt(difference) <= 1e-5 * sqrt(norm) && norm > 0);
    flatten(values, json_object_get(root, "path")); /* [batch][tree][depth + 1] */
    const int nodes = (2 << depth) - 1;
    for (int b = 0; b < batch; b++) {
        for (int t = 0; t < trees; t++) {
            const double *path_of = &values[(b * trees + t) * (depth + 1)];
            for (int level = 0; level <= depth; level++) {
                const int row = t * nodes + (int)path_of[level];
                assert_true(n->path[row * n->stride + b] == 1);
            }
            const int leaf = (int)path_of[depth] - ((1 << depth) - 1);
            assert_int_equal(n->choices[t * n->stride + b], (t << depth) + leaf);
        }
    }
    esp_network_zero_view_gradients(n);
    flatten(values, json_object_get(root, "g"));
    for (int b = 0; b < batch; b++) {
        for (int o = 0; o < width; o++) {
            n->d_logits[o * n->stride + b] = values[b * width + o];
        }
    }
    assert_int_equal(esp_network_backward(n), 0);
    compare(n, ESP_W1, json_object_get(root, "d_in_weight"), "d_in_weight");
    compare(n, ESP_B1, json_object_get(root, "d_in_bias"), "d_in_bias");
    compare(n, ESP_W2, json_object_get(root, "d_out_weight"), "d_out_weight");
    esp_network_destroy(n);
    json_decref(root);
}

static void test_fff_nodes__published_layer(void **state)
{
    (void)state;
    check_oracle("nodes_k6_d3_t2_b5.json");
    check_oracle("nodes_k8_d2_t1_b6.json");
}

/* y = sum over trees and the d + 1 nodes on the path of gelu(w . x + b) * out, by the words of the
 * definition, node by node. */
static void check_definition(int trees, int depth)
{
    enum { F = 5, O = 3, B = 8 };
    esp_network *n = create(trees, depth, F, O, B);
    esp_network_initialize(n, 9);
    esp_rng rng = esp_rng_make(1, "test", 0);
    for (int i = 0; i < B * F; i++) {
        n->features[i] = (float)(2 * esp_rng_uniform(&rng) - 1);
    }
    assert_int_equal(esp_network_forward(n, B, ESP_EVALUATION), 0);
    const double *in = n->parameters + esp_own_tensor(n, ESP_W1)->offset;
    const double *bias = n->parameters + esp_own_tensor(n, ESP_B1)->offset;
    const double *out = n->parameters + esp_own_tensor(n, ESP_W2)->offset; /* (neurons, O) */
    const int nodes = (2 << depth) - 1;
    for (int b = 0; b < B; b++) {
        double y[O] = {0};
        for (int t = 0; t < trees; t++) {
            for (int level = 0, node = 0; level <= depth; level++) {
                const int neuron = t * nodes + node;
                double z = bias[neuron];
                for (int f = 0; f < F; f++) {
                    z += in[neuron * F + f] * (double)n->features[b * F + f];
                }
                for (int o = 0; o < O; o++) {
                    y[o] += 0.5 * z * (1 + erf(z / sqrt(2))) * out[neuron * O + o];
                }
                node = 2 * node + 1 + (z > 0);
            }
        }
        for (int o = 0; o < O; o++) {
            assert_true(fabs(y[o] - n->logits[o * n->stride + b]) <= 1e-12);
        }
    }
    assert_int_equal(esp_network_forward_hard(n, ESP_EVALUATION), 0);
    for (int o = 0; o < O; o++) { /* it is hard both ways */
        for (int b = 0; b < B; b++) {
            assert_true(n->logits[o * n->stride + b] == n->hard_logits[o * n->stride + b]);
        }
    }
    esp_network_destroy(n);
}

static void test_fff_nodes__definition(void **state)
{
    (void)state;
    for (int trees = 1; trees <= 3; trees++) {
        for (int depth = 0; depth <= 4; depth += 2) {
            check_definition(trees, depth);
        }
    }
}

/* Right iff z > 0: at 0 an example goes left, down to the first leaf of each tree. */
static void test_fff_nodes__a_score_of_0_goes_left(void **state)
{
    (void)state;
    esp_network *n = create(2, 2, 3, 2, 1);
    assert_int_equal(esp_network_forward(n, 1, ESP_EVALUATION), 0);
    assert_int_equal(n->choices[0], 0);
    assert_int_equal(n->choices[n->stride], 4);
    esp_network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fff_nodes__published_layer),
        cmocka_unit_test(test_fff_nodes__definition),
        cmocka_unit_test(test_fff_nodes__a_score_of_0_goes_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
