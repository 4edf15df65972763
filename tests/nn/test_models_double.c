/* Every kind of model with every option that changes its passes, in double precision: the gradient
 * of a random linear function of all that plugins see (logits, scores, probabilities, mixture,
 * load) by every trainable parameter, against central differences. What is drawn in training is
 * keyed by the step, so it is the same in every evaluation. */
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

enum { EXAMPLES = 9, FEATURES = 7, OUTPUTS = 4, MOST = 4096 };

typedef struct probe {
    esp_network *network;
    double logits[OUTPUTS * EXAMPLES], views[3][64 * EXAMPLES], load[64];
    uint32_t without; /* views whose derivative is left out */
} probe;

static void draw(double *values, int count, esp_rng *rng)
{
    for (int i = 0; i < count; i++) {
        values[i] = 2 * esp_rng_uniform(rng) - 1;
    }
}

static void setup(probe *p, const esp_model_config *model, uint32_t without)
{
    const esp_network_config config = {.model = *model,
                                       .n_features = FEATURES,
                                       .n_outputs = OUTPUTS,
                                       .batch_size = EXAMPLES,
                                       .noise_seed = 11};
    memset(p, 0, sizeof *p);
    p->without = without;
    assert_int_equal(esp_network_create(&p->network, &config), 0);
    esp_network *n = p->network;
    assert_true(n->n_parameters < MOST && n->n_nodes <= 64);
    esp_network_initialize(n, 3);
    esp_rng rng = esp_rng_make(5, "test", 0);
    for (size_t i = 0; i < n->n_parameters; i++) {
        n->parameters[i] *= 2; /* scores far enough from 0 that no choice flips */
    }
    for (int i = 0; i < EXAMPLES * FEATURES; i++) {
        n->features[i] = (float)(2 * esp_rng_uniform(&rng) - 1);
    }
    draw(p->logits, OUTPUTS * EXAMPLES, &rng);
    for (int v = 0; v < 3; v++) {
        draw(p->views[v], 64 * EXAMPLES, &rng);
    }
    draw(p->load, 64, &rng);
}

/* sum += weights . view; d += weights. */
static double dot(double *d, const double *view, const double *weights, int rows, int stride)
{
    double sum = 0;
    for (int r = 0; view != NULL && r < rows; r++) {
        for (int b = 0; b < EXAMPLES; b++) {
            sum += weights[r * EXAMPLES + b] * view[r * stride + b];
            d[r * stride + b] += weights[r * EXAMPLES + b];
        }
    }
    return sum;
}

static double value_of(probe *p, bool gradients)
{
    esp_network *n = p->network;
    n->step = 17;
    assert_int_equal(esp_network_forward(n, EXAMPLES, ESP_TRAINING), 0);
    esp_network_zero_view_gradients(n);
    double value = dot(n->d_logits, n->logits, p->logits, OUTPUTS, n->stride);
    if (!(p->without & ESP_SCORES)) {
        value += dot(n->d_scores, n->scores, p->views[0], n->n_nodes, n->stride);
    }
    value += dot(n->d_probabilities, n->probabilities, p->views[1], n->n_nodes, n->stride);
    if (!(p->without & ESP_MIXTURE)) {
        value += dot(n->d_mixture, n->mixture, p->views[2], n->n_leaves, n->stride);
    }
    for (int e = 0; n->load != NULL && n->config.model.noise && e < n->n_leaves; e++) {
        value += p->load[e] * n->load[e];
        n->d_load[e] += p->load[e];
    }
    if (gradients) {
        assert_int_equal(esp_network_backward(n), 0);
    }
    return value;
}

static void check(const char *what, const esp_model_config *model, uint32_t without)
{
    probe p;
    static double analytic[MOST];
    setup(&p, model, without);
    esp_network *n = p.network;
    value_of(&p, true);
    memcpy(analytic, n->gradients, sizeof(double) * n->n_parameters);
    double difference = 0, norm = 0;
    const double h = 1e-6;
    size_t checked = 0;
    for (int r = 0; r < n->n_ranges; r++) {
        for (size_t i = n->ranges[r].first; i < n->ranges[r].first + n->ranges[r].count; i++) {
            const double held = n->parameters[i];
            n->parameters[i] = held + h;
            const double above = value_of(&p, false);
            n->parameters[i] = held - h;
            const double below = value_of(&p, false);
            n->parameters[i] = held;
            const double numeric = (above - below) / (2 * h);
            difference += (numeric - analytic[i]) * (numeric - analytic[i]);
            norm += numeric * numeric;
            checked++;
        }
    }
    if (!(sqrt(difference) <= 1e-6 * sqrt(norm)) || !(norm > 0) || checked == 0) {
        fail_msg("%s: relative error %g of %zu derivatives", what, sqrt(difference / norm),
                 checked);
    }
    esp_network_destroy(n);
}

static void test_models__fff(void **state)
{
    (void)state;
    for (int depth = 0; depth <= 3; depth++) {
        esp_model_config model = esp_model_fff(depth, 3);
        check("fff", &model, 0);
        model.activation = ESP_GELU;
        check("fff, gelu", &model, 0);
        model.dropout = 0.4;
        check("fff, gelu, dropout", &model, 0);
        model.activation = ESP_RELU;
        check("fff, dropout", &model, 0);
    }
}

static void test_models__fff_region_leak(void **state)
{
    (void)state;
    esp_model_config model = esp_model_fff(3, 2);
    model.region_leak = 0.3;
    check("fff, region leak", &model, 0);
    model.dropout = 0.2;
    check("fff, region leak, dropout", &model, 0);
    model.region_leak = 1;
    check("fff, all children changed", &model, 0);
}

/* The rounded decisions are constants: nodes learn from scores and probabilities alone, and the
 * difference quotient, which moves no decision, says the same. */
static void test_models__fff_hardened(void **state)
{
    (void)state;
    esp_model_config model = esp_model_fff(3, 2);
    model.train_hardened = true;
    check("fff, hardened", &model, 0);
    model.region_leak = 0.3;
    check("fff, hardened, region leak", &model, 0);
}

/* Each example's logits in hardened training are those of its hard choice, also where a score is so
 * near 0 that its probability is 0.5; with all children changed, of the leaf across. */
static void test_models__fff_hardened_is_the_hard_forward(void **state)
{
    (void)state;
    static const double biases[] = {1, -1, 0, 1e-17, -1e-17};
    for (size_t i = 0; i < sizeof biases / sizeof *biases; i++) {
        for (int leak = 0; leak < 2; leak++) {
            esp_model_config model = esp_model_fff(1, 3);
            model.train_hardened = true;
            model.region_leak = leak;
            probe p;
            setup(&p, &model, 0);
            esp_network *n = p.network;
            memset(n->parameters + esp_own_tensor(n, ESP_NODE_WEIGHTS)->offset, 0,
                   sizeof(double) * FEATURES);
            n->parameters[esp_own_tensor(n, ESP_NODE_BIASES)->offset] = biases[i];
            assert_int_equal(esp_network_forward(n, EXAMPLES, ESP_TRAINING), 0);
            const int chosen = biases[i] >= 0;
            for (int b = 0; b < EXAMPLES; b++) {
                assert_int_equal(n->choices[b], chosen);
                assert_true(n->mixture[(chosen != leak) * n->stride + b] == 1);
                assert_true(n->mixture[(chosen == leak) * n->stride + b] == 0);
            }
            esp_network_destroy(n);
        }
    }
}

static void test_models__ff(void **state)
{
    (void)state;
    esp_model_config model = esp_model_ff(5);
    check("ff", &model, 0);
    model.activation = ESP_GELU;
    model.dropout = 0.5;
    check("ff, gelu, dropout", &model, 0);
}

static void test_models__moe(void **state)
{
    (void)state;
    static const int sizes[][2] = {{5, 2}, {5, 1}, {4, 4}, {3, 3}, {1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int gate = 0; gate < 2; gate++) {
            for (int noise = 0; noise < 2; noise++) {
                char what[96];
                esp_model_config model = esp_model_moe(sizes[i][0], 3, sizes[i][1]);
                model.gate = gate == 0 ? ESP_GATE_TOP_K : ESP_GATE_SWITCH;
                model.noise = noise;
                snprintf(what, sizeof what, "moe of %d experts, %d chosen, gate %d, noise %d",
                         sizes[i][0], sizes[i][1], gate, noise);
                check(what, &model, 0);
                model.noise_epsilon = noise ? 0.3 : 0;
                check(what, &model, 0);
                model.activation = ESP_GELU;
                model.dropout = 0.3;
                check(what, &model, 0);
            }
        }
    }
}

static void test_models__fff_nodes(void **state)
{
    (void)state;
    for (int trees = 1; trees <= 3; trees++) {
        for (int depth = 0; depth <= 2; depth++) {
            esp_model_config model = esp_model_fff_nodes(trees, depth);
            check("fff_nodes", &model, 0);
            model.activation = ESP_RELU;
            check("fff_nodes, relu", &model, 0);
            model.dropout = 0.3;
            check("fff_nodes, relu, dropout", &model, 0);
        }
    }
}

/* What is frozen is in no range; the rest has the gradient it has when nothing is. */
static void test_models__frozen_parts(void **state)
{
    (void)state;
    esp_model_config model = esp_model_fff(2, 3);
    probe whole, part;
    setup(&whole, &model, 0);
    value_of(&whole, true);
    model.frozen = 1u << ESP_GROUP_NODES;
    setup(&part, &model, 0);
    value_of(&part, true);
    const esp_network *n = part.network;
    size_t counted = 0;
    for (int r = 0; r < n->n_ranges; r++) {
        counted += n->ranges[r].count;
        for (size_t i = 0; i < n->ranges[r].count; i++) {
            const size_t at = n->ranges[r].first + i;
            assert_true(n->gradients[at] == whole.network->gradients[at]);
        }
        for (int t = 0; t < n->n_tensors; t++) {
            const esp_tensor *tensor = &n->tensors[t];
            if (tensor->group == ESP_GROUP_NODES && tensor->count > 0) {
                assert_true(tensor->offset + tensor->count <= n->ranges[r].first ||
                            tensor->offset >= n->ranges[r].first + n->ranges[r].count);
            }
        }
    }
    assert_int_equal(counted, n->n_trainable - 3 * (FEATURES + 1));
    esp_network_destroy(whole.network);
    esp_network_destroy(part.network);
    check("fff, frozen nodes", &model, ESP_SCORES);
    model.frozen = 1u << ESP_GROUP_LEAVES;
    check("fff, frozen leaves", &model, 0);
}

/* Outside training nothing is drawn: leak, dropout and noise change no evaluation. */
static void test_models__evaluation_draws_nothing(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        esp_model_config plain = kind == 0 ? esp_model_fff(3, 2) : esp_model_moe(5, 2, 2);
        esp_model_config drawing = plain;
        plain.noise = drawing.noise = kind == 1; /* the same tensors */
        drawing.dropout = 0.5;
        drawing.region_leak = kind == 0 ? 0.4 : 0;
        drawing.train_hardened = kind == 0;
        probe a, b;
        setup(&a, &plain, 0);
        setup(&b, &drawing, 0);
        for (int step = 0; step < 2; step++) {
            b.network->step = (uint32_t)step;
            assert_int_equal(esp_network_forward(a.network, EXAMPLES, ESP_EVALUATION), 0);
            assert_int_equal(esp_network_forward(b.network, EXAMPLES, ESP_EVALUATION), 0);
            for (int hard = 0; hard < 2; hard++) {
                const double *x = hard ? a.network->hard_logits : a.network->logits;
                const double *y = hard ? b.network->hard_logits : b.network->logits;
                for (int o = 0; o < OUTPUTS; o++) {
                    for (int e = 0; e < EXAMPLES; e++) {
                        assert_true(x[o * a.network->stride + e] == y[o * b.network->stride + e]);
                    }
                }
                assert_int_equal(esp_network_forward_hard(a.network, ESP_EVALUATION), 0);
                assert_int_equal(esp_network_forward_hard(b.network, ESP_EVALUATION), 0);
            }
        }
        esp_network_destroy(a.network);
        esp_network_destroy(b.network);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models__fff),
        cmocka_unit_test(test_models__fff_region_leak),
        cmocka_unit_test(test_models__fff_hardened),
        cmocka_unit_test(test_models__fff_hardened_is_the_hard_forward),
        cmocka_unit_test(test_models__ff),
        cmocka_unit_test(test_models__moe),
        cmocka_unit_test(test_models__fff_nodes),
        cmocka_unit_test(test_models__frozen_parts),
        cmocka_unit_test(test_models__evaluation_draws_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
