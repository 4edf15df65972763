/* Inference by descent against the hard forward of the same network, which computes every node and
 * leaf by BLAS; and fff_nodes against the published layer's values (UltraFastBERT, arXiv
 * 2311.10770; tests/fixtures/oracle/nodes_*.json). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "core/status.h"
#include "fixtures/count_allocations.h"
#include "nn/infer.h"

/* More than one tile of examples, and than one to a node of the level that tiles end at. */
enum { MOST_EXAMPLES = 1100, FEATURES = 37, OUTPUTS = 35 };

typedef struct subject {
    esp_network *network;
    esp_inference *inference;
    int n_choices;
    esp_real *x, *y;  /* [B x F], [B x O] */
    int32_t *choices; /* [B x K] */
} subject;

static void *take(size_t count, size_t size)
{
    void *values = calloc(count, size);
    assert_non_null(values);
    return values;
}

static void open_subject(subject *s, const esp_model_config *model, int n_features, int n_outputs)
{
    const esp_network_config config = {.model = *model,
                                       .n_features = n_features,
                                       .n_outputs = n_outputs,
                                       .batch_size = MOST_EXAMPLES};
    assert_int_equal(esp_network_create(&s->network, &config), 0);
    const esp_inference_weights weights = esp_inference_weights_of(s->network);
    assert_int_equal(
        esp_inference_create(&s->inference, model, n_features, n_outputs, MOST_EXAMPLES, &weights),
        0);
    s->n_choices = esp_model_choices(model);
    s->x = take((size_t)MOST_EXAMPLES * (size_t)n_features, sizeof *s->x);
    s->y = take((size_t)MOST_EXAMPLES * (size_t)n_outputs, sizeof *s->y);
    s->choices = take((size_t)MOST_EXAMPLES * (size_t)(s->n_choices + 1), sizeof *s->choices);
}

static void close_subject(subject *s)
{
    esp_inference_destroy(s->inference);
    esp_network_destroy(s->network);
    free(s->x);
    free(s->y);
    free(s->choices);
}

/* y [B x O] against logits (O, B); choices [B x K] against (K, B). */
static void compare(const subject *s, const char *what, const esp_real *y, const int32_t *choices,
                    int n)
{
    const esp_network *network = s->network;
    const int outputs = network->config.n_outputs;
    double difference = 0, norm = 0;
    for (int b = 0; b < n; b++) {
        for (int k = 0; k < s->n_choices; k++) {
            if (choices[b * s->n_choices + k] != network->choices[k * network->stride + b]) {
                fail_msg("%s: example %d chooses %d, not %d", what, b,
                         choices[b * s->n_choices + k], network->choices[k * network->stride + b]);
            }
        }
        for (int o = 0; o < outputs; o++) {
            const double expected = (double)network->hard_logits[o * network->stride + b];
            difference += pow((double)y[b * outputs + o] - expected, 2);
            norm += expected * expected;
        }
    }
    if (!(sqrt(difference) <= 1e-5 * sqrt(norm)) || !(norm > 0)) {
        fail_msg("%s: outputs differ by %g of %g", what, sqrt(difference), sqrt(norm));
    }
}

static void infer_in_batches(subject *s, esp_real *y, int32_t *choices, int n, int batch)
{
    const esp_network_config *config = &s->network->config;
    for (int b = 0; b < n; b += batch) {
        esp_infer(y + (ptrdiff_t)b * config->n_outputs, choices + (ptrdiff_t)b * s->n_choices,
                  s->inference, s->x + (ptrdiff_t)b * config->n_features,
                  n - b < batch ? n - b : batch);
    }
}

static void check_model(const char *what, const esp_model_config *model)
{
    static const int batches[] = {1, 3, 16, 256};
    subject s = {0};
    open_subject(&s, model, FEATURES, OUTPUTS);
    esp_rng rng = esp_rng_make(3, "test", 0);
    esp_network_initialize(s.network, 5);
    for (int i = 0; i < MOST_EXAMPLES * FEATURES; i++) {
        s.network->features[i] = (float)(2 * esp_rng_uniform(&rng) - 1);
        s.x[i] = (esp_real)s.network->features[i];
    }
    esp_real *bias = esp_network_routing_bias(s.network);
    for (int i = 0; bias != NULL && i < model->n_leaves; i++) {
        bias[i] = (esp_real)(0.2 * (2 * esp_rng_uniform(&rng) - 1));
    }
    assert_int_equal(esp_network_forward(s.network, MOST_EXAMPLES, ESP_EVALUATION), 0);
    assert_int_equal(esp_network_forward_hard(s.network, ESP_EVALUATION), 0);
#ifndef SANITIZED
    const long before = n_allocations;
#endif
    infer_in_batches(&s, s.y, s.choices, MOST_EXAMPLES, MOST_EXAMPLES);
#ifndef SANITIZED
    assert_int_equal(n_allocations, before);
#endif
    compare(&s, what, s.y, s.choices, MOST_EXAMPLES);

    /* An example's numbers do not hang on its batch: to the bit, but where BLAS multiplies. */
    const bool by_blas = model->kind == ESP_MODEL_FF || model->kind == ESP_MODEL_MOE;
    esp_real *y = take((size_t)MOST_EXAMPLES * OUTPUTS, sizeof *y);
    int32_t *choices = take((size_t)MOST_EXAMPLES * (size_t)(s.n_choices + 1), sizeof *choices);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        infer_in_batches(&s, y, choices, MOST_EXAMPLES, batches[i]);
        compare(&s, what, y, choices, MOST_EXAMPLES);
        if (!by_blas && memcmp(y, s.y, sizeof *y * MOST_EXAMPLES * OUTPUTS) != 0) {
            fail_msg("%s: batches of %d give other bits", what, batches[i]);
        }
    }
    free(y);
    free(choices);
    close_subject(&s);
}

static void test_infer__is_the_hard_forward(void **state)
{
    (void)state;
    esp_model_config model = esp_model_fff(0, 3);
    check_model("fff of depth 0", &model);
    for (int depth = 1; depth <= 7; depth++) {
        model = esp_model_fff(depth, 8 >> (depth & 3));
        check_model("fff", &model);
    }
    model = esp_model_fff(3, 17);
    model.activation = ESP_GELU;
    check_model("fff with gelu", &model);
    model = esp_model_ff(29);
    check_model("ff", &model);
    for (int depth = 0; depth <= 6; depth += 2) {
        model = esp_model_fff_nodes(1 + depth / 2, depth);
        check_model("fff_nodes", &model);
        model = esp_model_fff_nodes(2, depth + 1);
        check_model("fff_nodes of odd depth", &model);
    }
    model = esp_model_fff_nodes(2, 3);
    model.activation = ESP_RELU;
    check_model("fff_nodes with relu", &model);
    model = esp_model_moe(7, 5, 1);
    check_model("moe, switch", &model);
    model.noise = true; /* none is drawn in evaluation */
    check_model("moe, switch, noise", &model);
    model = esp_model_moe(16, 2, 1);
    model.gate = ESP_GATE_TOP_K;
    check_model("moe, top 1", &model);
}

static void test_infer__refuses_more_than_one_expert(void **state)
{
    (void)state;
    esp_inference *inference = NULL;
    const esp_model_config model = esp_model_moe(5, 2, 2);
    const esp_inference_weights weights = {0};
    assert_int_equal(esp_inference_create(&inference, &model, 4, 3, 8, &weights), ESP_USAGE);
    assert_null(inference);
}

/* ---- the published layer -----------------------------------------------------------------------
 */

static int flatten(float *out, const json_t *values)
{
    if (!json_is_array(values)) {
        assert_true(json_is_number(values));
        *out = (float)json_number_value(values);
        return 1;
    }
    int n = 0;
    for (size_t i = 0; i < json_array_size(values); i++) {
        n += flatten(out + n, json_array_get(values, i));
    }
    return n;
}

static int integer(const json_t *root, const char *key)
{
    return (int)json_integer_value(json_object_get(json_object_get(root, "case"), key));
}

static void check_oracle(const char *name)
{
    static const char *const keys[] = {"in_weight", "in_bias", "out_weight"};
    static const int tensors[] = {ESP_W1, ESP_B1, ESP_W2};
    static float values[4096];
    char path[512];
    subject s = {0};
    snprintf(path, sizeof path, "%s/tests/fixtures/oracle/%s", ESPALIER_SOURCE_DIR, name);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    const int width = integer(root, "width"), batch = integer(root, "batch");
    const int trees = integer(root, "trees"), depth = integer(root, "depth");
    const esp_model_config model = esp_model_fff_nodes(trees, depth);
    open_subject(&s, &model, width, width);
    for (int i = 0; i < 3; i++) {
        const esp_tensor *tensor = esp_own_tensor(s.network, tensors[i]);
        assert_int_equal(flatten(values, json_object_get(root, keys[i])), tensor->count);
        esp_tensor_import(s.network->parameters, tensor, values);
    }
    assert_int_equal(flatten(values, json_object_get(root, "x")), batch * width);
    for (int i = 0; i < batch * width; i++) {
        s.x[i] = (esp_real)values[i];
    }
    esp_infer(s.y, s.choices, s.inference, s.x, batch);
    double difference = 0, norm = 0;
    assert_int_equal(flatten(values, json_object_get(root, "y")), batch * width);
    for (int i = 0; i < batch * width; i++) {
        difference += pow((double)s.y[i] - (double)values[i], 2);
        norm += pow((double)values[i], 2);
    }
    assert_true(sqrt(difference) <= 1e-5 * sqrt(norm) && norm > 0);
    flatten(values, json_object_get(root, "path")); /* [batch][tree][depth + 1] */
    for (int i = 0; i < batch * trees; i++) {
        const int leaf = (int)values[i * (depth + 1) + depth] - ((1 << depth) - 1);
        assert_int_equal(s.choices[i], ((i % trees) << depth) + leaf);
    }
    json_decref(root);
    close_subject(&s);
}

static void test_infer__published_layer(void **state)
{
    (void)state;
    check_oracle("nodes_k6_d3_t2_b5.json");
    check_oracle("nodes_k8_d2_t1_b6.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_infer__is_the_hard_forward),
        cmocka_unit_test(test_infer__refuses_more_than_one_expert),
        cmocka_unit_test(test_infer__published_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
