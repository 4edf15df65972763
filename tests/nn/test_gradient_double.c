/* Whole networks in double precision: gradients of every loss term, through heads and tree, against
 * central differences to 1e-6. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "nn/network.h"
#include "plugin/instance.h"
#include "plugin/registry.h"

typedef struct model {
    esp_network *network;
    esp_instance term, head;
    bool has_head;
    esp_rng noise;
} model;

static esp_registry *registry;

static void create(model *m, const char *loss, const char *reduction, int depth, int leaf_width,
                   bool routes, bool head)
{
    memset(m, 0, sizeof *m);
    esp_network_config config = {.n_features = 7,
                                 .n_outputs = 4,
                                 .model = routes ? esp_model_fff(depth, leaf_width)
                                                 : esp_model_ff(leaf_width << depth),
                                 .batch_size = 9};
    const esp_dims dims = esp_network_dims(&config);
    esp_params params;
    m->has_head = head;
    if (head) {
        const esp_plugin *plugin = esp_registry_find(registry, ESP_HEAD, "master_leaf");
        assert_non_null(plugin);
        esp_params_default(&params, plugin);
        params.values[esp_params_find(plugin, "width")] = 3;
        assert_int_equal(esp_instance_create(&m->head, plugin, &params, &dims, &m->noise), 0);
        config.heads[0] = &m->head;
        config.n_heads = 1;
    }
    assert_int_equal(esp_network_create(&m->network, &config), 0);
    const esp_plugin *plugin = esp_registry_find(registry, ESP_LOSS, loss);
    assert_non_null(plugin);
    esp_params_default(&params, plugin);
    if (reduction != NULL) {
        int row = esp_params_find(plugin, "reduction");
        assert_int_equal(esp_params_parse(&params.values[row], &plugin->params[row], reduction), 0);
    }
    assert_int_equal(esp_instance_create(&m->term, plugin, &params, &m->network->dims, &m->noise),
                     0);
    esp_network_initialize(m->network, 3);
    esp_rng rng = esp_rng_make(5, "test", 0);
    for (size_t i = 0; i < m->network->n_parameters; i++) {
        m->network->parameters[i] *= 2; /* scores far enough from 0 that no choice flips */
    }
    for (int i = 0; i < 9 * 7; i++) {
        m->network->features[i] = (float)(2 * esp_rng_uniform(&rng) - 1);
    }
    for (int b = 0; b < 9; b++) {
        m->network->labels[b] = (int32_t)esp_rng_below(&rng, 4);
    }
}

static void destroy(model *m)
{
    esp_instance_destroy(&m->term);
    esp_network_destroy(m->network);
    if (m->has_head) {
        esp_instance_destroy(&m->head);
    }
}

static double loss_of(model *m, bool gradients)
{
    esp_network *n = m->network;
    assert_int_equal(esp_network_forward(n, 9, ESP_TRAINING), 0);
    const bool routes = n->routes;
    esp_batch batch = {.struct_size = sizeof batch,
                       .mode = ESP_TRAINING,
                       .n_examples = 9,
                       .stride = n->stride,
                       .epoch = 1,
                       .dims = &n->dims,
                       .labels = n->labels,
                       .logits = n->logits,
                       .scores = routes ? n->projections : NULL,
                       .probabilities = routes ? n->probabilities : NULL,
                       .mixture = routes ? n->mixture : NULL,
                       .choices = routes ? n->choices : NULL};
    esp_gradients d = {.struct_size = sizeof d,
                       .logits = n->d_logits,
                       .scores = n->d_scores,
                       .probabilities = n->d_probabilities,
                       .mixture = n->d_mixture};
    double value = NAN;
    esp_network_zero_view_gradients(n);
    esp_instance_begin(&m->term, ESP_TRAINING);
    assert_int_equal(m->term.plugin->loss->evaluate(m->term.state, &m->term.host, &batch,
                                                    gradients ? &d : NULL, &value),
                     0);
    if (gradients) {
        assert_int_equal(esp_network_backward(n), 0);
    }
    return value;
}

static void check(const char *loss, const char *reduction, int depth, int leaf_width, bool routes,
                  bool head)
{
    model m;
    create(&m, loss, reduction, depth, leaf_width, routes, head);
    static double analytic[4096];
    assert_true(m.network->n_parameters < 4096);
    loss_of(&m, true);
    memcpy(analytic, m.network->gradients, sizeof(double) * m.network->n_parameters);
    double difference = 0, norm = 0;
    const double h = 1e-6;
    for (size_t i = 0; i < m.network->n_trainable; i++) {
        double *parameter = &m.network->parameters[i], held = *parameter;
        *parameter = held + h;
        double above = loss_of(&m, false);
        *parameter = held - h;
        double below = loss_of(&m, false);
        *parameter = held;
        double numeric = (above - below) / (2 * h);
        difference += (numeric - analytic[i]) * (numeric - analytic[i]);
        norm += numeric * numeric;
    }
    destroy(&m);
    if (!(sqrt(difference) <= 1e-6 * (norm > 1e-12 ? sqrt(norm) : 1))) {
        fail_msg("%s %s depth %d leaf width %d head %d: off by %g of %g", loss,
                 reduction ? reduction : "", depth, leaf_width, head, sqrt(difference), sqrt(norm));
    }
}

static void test_gradient__fff(void **state)
{
    (void)state;
    static const char *const reductions[] = {"mean", "node_sum", "sum", "reach"};
    for (int depth = 0; depth <= 3; depth++) {
        for (int width = 1; width <= 3; width += 2) {
            for (int head = 0; head < 2; head++) {
                check("cross_entropy", NULL, depth, width, true, head);
                check("balance", NULL, depth, width, true, head);
                for (int r = 0; r < 4; r++) {
                    check("hardening", reductions[r], depth, width, true, head);
                }
            }
        }
    }
}

static void test_gradient__ff(void **state)
{
    (void)state;
    check("cross_entropy", NULL, 0, 5, false, false);
    check("cross_entropy", NULL, 0, 5, false, true);
}

int main(void)
{
    if (esp_registry_create(&registry) != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient__fff),
        cmocka_unit_test(test_gradient__ff),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    esp_registry_destroy(registry);
    return failed;
}
