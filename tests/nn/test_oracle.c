/* Networks, losses, heads and optimizers against values and gradients that the published PyTorch
 * implementations computed (tests/fixtures/oracle). Agreement: ||a - b|| <= 1e-5 ||b|| per tensor.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/infer.h"
#include "nn/network.h"
#include "nn/optimizer.h"
#include "run/loss_sum.h"

enum { MAX_VALUES = 65536 };
static const double tolerance = 1e-5;

typedef struct oracle {
    json_t *root;
    esp_registry *registry;
    esp_phase_config phase;
    esp_instance head;
    esp_network *network;
    esp_loss_sum losses;
    esp_rng noise;
} oracle;

static int flatten(double *out, json_t *value)
{
    if (!json_is_array(value)) {
        *out = json_number_value(value);
        return 1;
    }
    int n = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        n += flatten(out + n, json_array_get(value, i));
    }
    return n;
}

static json_t *at(json_t *root, const char *path)
{
    char part[128];
    while (root != NULL && *path) {
        size_t length = strcspn(path, "/");
        snprintf(part, sizeof part, "%.*s", (int)length, path);
        root = json_object_get(root, part);
        path += length + (path[length] == '/');
    }
    assert_non_null(root);
    return root;
}

static void assert_close(const char *file, const char *what, const double *a, const double *b,
                         int n)
{
    double difference = 0, norm = 0;
    for (int i = 0; i < n; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    if (!(sqrt(difference) <= tolerance * sqrt(norm))) {
        fail_msg("%s: %s differs by %g of %g", file, what, sqrt(difference), sqrt(norm));
    }
}

static int integer(json_t *root, const char *path)
{
    return (int)json_integer_value(at(root, path));
}

static void add_term(oracle *o, const char *name)
{
    esp_term_config *term = &o->phase.terms[o->phase.n_terms++];
    term->plugin = esp_registry_find(o->registry, ESP_LOSS, name);
    assert_non_null(term->plugin);
    term->weight = 1;
    term->monitor = true;
    esp_params_default(&term->params, term->plugin);
}

static void load_parameters(oracle *o, json_t *values)
{
    static double wide[MAX_VALUES];
    static float narrow[MAX_VALUES];
    for (int t = 0; t < o->network->n_tensors; t++) {
        const esp_tensor *tensor = &o->network->tensors[t];
        int n = flatten(wide, at(values, tensor->name));
        assert_int_equal(n, tensor->count);
        for (int i = 0; i < n; i++) {
            narrow[i] = (float)wide[i];
        }
        esp_tensor_import(o->network->parameters, tensor, narrow);
    }
}

static void setup(oracle *o, const char *path)
{
    memset(o, 0, sizeof *o);
    json_error_t error;
    o->root = json_load_file(path, 0, &error);
    assert_non_null(o->root);
    assert_int_equal(esp_registry_create(&o->registry), 0);
    add_term(o, "cross_entropy");
    add_term(o, "hardening");
    add_term(o, "balance");
    const int batch = integer(o->root, "case/batch");
    const int master = integer(o->root, "case/master_leaf_width");
    esp_network_config config = {
        .n_features = integer(o->root, "case/input_width"),
        .n_outputs = integer(o->root, "case/output_width"),
        .model = esp_model_fff(integer(o->root, "case/depth"), integer(o->root, "case/leaf_width")),
        .batch_size = batch};
    if (master > 0) {
        const esp_plugin *plugin = esp_registry_find(o->registry, ESP_HEAD, "master_leaf");
        assert_non_null(plugin);
        esp_params params;
        esp_params_default(&params, plugin);
        params.values[esp_params_find(plugin, "width")] = master;
        const esp_dims dims = esp_network_dims(&config);
        assert_int_equal(esp_instance_create(&o->head, plugin, &params, &dims, &o->noise), 0);
        config.heads[0] = &o->head;
        config.n_heads = 1;
    }
    assert_int_equal(esp_network_create(&o->network, &config), 0);
    assert_int_equal(esp_loss_sum_create(&o->losses, &o->phase, o->network, &o->noise), 0);
    load_parameters(o, at(o->root, "params"));
    static double values[MAX_VALUES];
    int n = flatten(values, at(o->root, "x"));
    for (int i = 0; i < n; i++) {
        o->network->features[i] = (float)values[i];
    }
    flatten(values, at(o->root, "y"));
    for (int b = 0; b < batch; b++) {
        o->network->labels[b] = (int32_t)values[b];
    }
}

static void teardown(oracle *o)
{
    esp_loss_sum_destroy(&o->losses);
    esp_network_destroy(o->network);
    if (o->head.plugin != NULL) {
        esp_instance_destroy(&o->head);
    }
    esp_registry_destroy(o->registry);
    json_decref(o->root);
}

static void forward(oracle *o)
{
    assert_int_equal(esp_network_forward(o->network, integer(o->root, "case/batch"), ESP_TRAINING),
                     0);
}

static void assert_logits(const oracle *o, const char *path, const char *key,
                          const esp_real *logits)
{
    static double expected[MAX_VALUES], found[MAX_VALUES];
    int n = flatten(expected, at(o->root, key));
    for (int b = 0, i = 0; b < o->network->n_examples; b++) {
        for (int out = 0; out < o->network->config.n_outputs; out++, i++) {
            found[i] = (double)logits[out * o->network->stride + b];
        }
    }
    assert_close(path, key, found, expected, n);
}

static void assert_tensors(const oracle *o, const char *path, const char *key, const esp_real *base)
{
    static double expected[MAX_VALUES], found[MAX_VALUES];
    static float narrow[MAX_VALUES];
    for (int t = 0; t < o->network->n_tensors; t++) {
        const esp_tensor *tensor = &o->network->tensors[t];
        int n = flatten(expected, at(at(o->root, key), tensor->name));
        esp_tensor_export(narrow, tensor, base);
        for (int i = 0; i < n; i++) {
            found[i] = (double)narrow[i];
        }
        char what[256];
        snprintf(what, sizeof what, "%s/%s", key, tensor->name);
        assert_close(path, what, found, expected, n);
    }
}

static double differentiate(oracle *o)
{
    double total = 0, values[ESP_MAX_TERMS];
    esp_position position = {.epoch = 1, .batch = 1};
    assert_int_equal(esp_loss_sum_differentiate(&o->losses, &total, values, o->network, position),
                     0);
    assert_int_equal(esp_network_backward(o->network), 0);
    return total;
}

static void check_values(oracle *o, const char *path)
{
    forward(o);
    assert_logits(o, path, "train_logits", o->network->logits);
    for (int i = 0; i < o->phase.n_terms; i++) {
        char key[128];
        const char *name = o->phase.terms[i].plugin->name;
        for (int j = 0; j < o->phase.n_terms; j++) {
            o->losses.weights[j] = j == i;
        }
        forward(o);
        double value = differentiate(o);
        snprintf(key, sizeof key, "loss/%s", name);
        double expected = json_real_value(at(o->root, key));
        assert_close(path, key, &value, &expected, 1);
        snprintf(key, sizeof key, "grads/%s", name);
        assert_tensors(o, path, key, o->network->gradients);
    }
    forward(o);
    assert_int_equal(esp_network_forward_hard(o->network, ESP_EVALUATION), 0);
    assert_logits(o, path, "hard_logits", o->network->hard_logits);
    for (int b = 0; b < o->network->n_examples; b++) {
        json_t *leaf = json_array_get(at(o->root, "hard_leaves"), (size_t)b);
        assert_int_equal(o->network->choices[b], json_integer_value(leaf));
    }
}

/* One example at a time gives what the batch gave: by the network, heads included, and by the
 * served path, which has none. */
static void check_inference(oracle *o, const char *path)
{
    static double expected[MAX_VALUES];
    static float inputs[MAX_VALUES];
    esp_network *network = o->network;
    const int outputs = network->config.n_outputs, features = network->config.n_features;
    const int batch = integer(o->root, "case/batch");
    const esp_inference_weights weights = esp_inference_weights_of(network);
    esp_inference *inference = NULL;
    memcpy(inputs, network->features, sizeof(float) * (size_t)(batch * features));
    flatten(expected, at(o->root, "hard_logits"));
    assert_int_equal(
        esp_inference_create(&inference, &network->config.model, features, outputs, 1, &weights),
        0);
    for (int b = 0; b < batch; b++) {
        const int leaf =
            (int)json_integer_value(json_array_get(at(o->root, "hard_leaves"), (size_t)b));
        double found[64];
        memcpy(network->features, inputs + b * features, sizeof(float) * (size_t)features);
        assert_int_equal(esp_network_forward(network, 1, ESP_EVALUATION), 0);
        assert_int_equal(esp_network_forward_hard(network, ESP_EVALUATION), 0);
        assert_int_equal(network->choices[0], leaf);
        for (int i = 0; i < outputs; i++) {
            found[i] = (double)network->hard_logits[i * network->stride];
        }
        assert_close(path, "one example", found, expected + b * outputs, outputs);

        esp_real served[64];
        int32_t choice = -1;
        esp_infer(served, &choice, inference, inputs + b * features, 1);
        assert_int_equal(choice, leaf);
        for (int i = 0; i < outputs; i++) {
            found[i] = (double)served[i];
        }
        if (network->config.n_heads == 0) {
            assert_close(path, "infer", found, expected + b * outputs, outputs);
        }
    }
    esp_inference_destroy(inference);
    memcpy(network->features, inputs, sizeof(float) * (size_t)(batch * features));
}

static void check_steps(oracle *o, const char *path, const char *key, esp_optimizer_rule rule,
                        double weight_decay)
{
    static esp_real first[MAX_VALUES], second[MAX_VALUES];
    memset(first, 0, sizeof first);
    memset(second, 0, sizeof second);
    load_parameters(o, at(o->root, "params"));
    for (int i = 0; i < o->phase.n_terms; i++) {
        o->losses.weights[i] = 1;
    }
    esp_optimizer optimizer = {.rule = rule,
                               .learning_rate = 1e-3,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8,
                               .weight_decay = weight_decay};
    char name[128];
    snprintf(name, sizeof name, "%s/losses", key);
    for (int step = 0; step < 5; step++) {
        forward(o);
        double total = differentiate(o);
        double expected = json_real_value(json_array_get(at(o->root, name), (size_t)step));
        assert_close(path, name, &total, &expected, 1);
        esp_optimizer_begin(&optimizer);
        esp_optimizer_apply(&optimizer, o->network->parameters, first, second,
                            o->network->gradients, o->network->n_trainable);
    }
    snprintf(name, sizeof name, "%s/params", key);
    assert_tensors(o, path, name, o->network->parameters);
}

typedef void check(oracle *o, const char *path);

static void for_each_case(check *run)
{
    glob_t cases;
    int n = 0;
    assert_int_equal(glob(ESPALIER_SOURCE_DIR "/tests/fixtures/oracle/*.json", 0, NULL, &cases), 0);
    for (size_t i = 0; i < cases.gl_pathc; i++) {
        const char *name = strrchr(cases.gl_pathv[i], '/') + 1;
        if (strncmp(name, "fff_", 4) == 0 || strncmp(name, "ml_", 3) == 0) {
            oracle o;
            setup(&o, cases.gl_pathv[i]);
            run(&o, name);
            teardown(&o);
            n++;
        }
    }
    globfree(&cases);
    assert_int_equal(n, 5);
}

static void check_adam(oracle *o, const char *path)
{
    check_steps(o, path, "after_5_steps_h1_a1_lr1e-3_adam", ESP_RULE_ADAM, 0);
}

static void check_adamw(oracle *o, const char *path)
{
    check_steps(o, path, "after_5_steps_h1_a1_lr1e-3_adamw_default_wd0.01", ESP_RULE_ADAMW, 0.01);
}

static void test_oracle__values_and_gradients(void **state)
{
    (void)state;
    for_each_case(check_values);
}

static void test_oracle__inference_by_descent(void **state)
{
    (void)state;
    for_each_case(check_inference);
}

static void test_oracle__five_steps_of_adam(void **state)
{
    (void)state;
    for_each_case(check_adam);
}

static void test_oracle__five_steps_of_adamw(void **state)
{
    (void)state;
    for_each_case(check_adamw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle__values_and_gradients),
        cmocka_unit_test(test_oracle__inference_by_descent),
        cmocka_unit_test(test_oracle__five_steps_of_adam),
        cmocka_unit_test(test_oracle__five_steps_of_adamw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
