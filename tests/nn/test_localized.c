/* Localized optimizers against a plain loop over published tensors, block by block in double, which
 * shares no code with them: usage from the scores and the mixture of each example, the equations of
 * local_adam.py and local_sgd.py written out. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "nn/localized.h"

enum { B = 24, F = 5, O = 3, MAX = 4096, MAX_BLOCKS = 32, LOCAL_BATCH = 30 };

/* One tensor as the file has it, with what the loop knows of it. */
typedef struct plain_tensor {
    int first_block, n_blocks; /* 0 blocks: updated at every step */
    double values[MAX], pending[MAX], first[MAX], second[MAX];
} plain_tensor;

typedef struct plain {
    plain_tensor tensors[8];
    double usage[MAX_BLOCKS];
    int steps[MAX_BLOCKS];
} plain;

static esp_network *network_of(const esp_model_config *model)
{
    const esp_network_config config = {
        .model = *model, .n_features = F, .n_outputs = O, .batch_size = B};
    esp_network *network = NULL;
    assert_int_equal(esp_network_create(&network, &config), 0);
    esp_network_initialize(network, 11);
    return network;
}

static void pass(esp_network *network, esp_rng *rng)
{
    for (int i = 0; i < B * F; i++) {
        network->features[i] = (float)(2 * esp_rng_uniform(rng) - 1);
    }
    assert_int_equal(esp_network_forward(network, B, ESP_TRAINING), 0);
    esp_network_zero_view_gradients(network);
    for (int i = 0; i < O * network->stride; i++) {
        network->d_logits[i] = (esp_real)((esp_rng_uniform(rng) - 0.5) / B);
    }
    assert_int_equal(esp_network_backward(network), 0);
}

static void lay_out(plain *p, const esp_network *network)
{
    memset(p, 0, sizeof *p);
    const int leaves = network->n_leaves;
    const int nodes = network->config.model.kind == ESP_MODEL_FFF ? leaves - 1 : 0;
    for (int t = 0; t < network->n_tensors; t++) {
        const esp_tensor *tensor = &network->tensors[t];
        float values[MAX];
        assert_true(tensor->count <= MAX);
        esp_tensor_export(values, tensor, network->parameters);
        for (size_t i = 0; i < tensor->count; i++) {
            p->tensors[t].values[i] = (double)values[i];
        }
        if (strncmp(tensor->name, "node_", 5) == 0) {
            p->tensors[t].n_blocks = nodes;
        } else if (tensor->name[0] == 'w' || tensor->name[0] == 'b') {
            p->tensors[t].first_block = nodes;
            p->tensors[t].n_blocks = leaves;
        }
    }
}

static void count_plainly(plain *p, const esp_network *network, bool soft)
{
    const int leaves = network->n_leaves, stride = network->stride;
    const bool tree = network->config.model.kind == ESP_MODEL_FFF;
    for (int b = 0; b < B; b++) {
        if (!tree && soft) {
            for (int e = 0; e < leaves; e++) {
                p->usage[e] += (double)network->mixture[e * stride + b];
            }
        } else if (!tree) {
            for (int k = 0; k < network->config.model.top_k; k++) {
                p->usage[network->choices[k * stride + b]]++;
            }
        } else if (!soft) {
            int i = 0;
            while (i < leaves - 1) {
                p->usage[i]++;
                i = 2 * i + 1 + (network->scores[i * stride + b] >= 0);
            }
            p->usage[i]++;
        } else {
            double share[MAX_BLOCKS] = {1};
            for (int i = 0; i < 2 * leaves - 1; i++) {
                p->usage[i] += share[i];
                if (i < leaves - 1) {
                    const double right = 1 / (1 + exp(-(double)network->scores[i * stride + b]));
                    share[2 * i + 1] = share[i] * (1 - right);
                    share[2 * i + 2] = share[i] * right;
                }
            }
        }
    }
}

static void move(plain_tensor *t, size_t i, double g, const esp_optimizer *o, int step)
{
    g += o->weight_decay * t->values[i];
    if (o->rule == ESP_RULE_SGD) {
        t->first[i] = o->momentum * t->first[i] + g;
        t->values[i] -=
            o->learning_rate * (o->nesterov ? g + o->momentum * t->first[i] : t->first[i]);
        return;
    }
    t->first[i] = o->beta1 * t->first[i] + (1 - o->beta1) * g;
    t->second[i] = o->beta2 * t->second[i] + (1 - o->beta2) * g * g;
    const double size = o->learning_rate / (1 - pow(o->beta1, step));
    const double denominator = sqrt(t->second[i]) / sqrt(1 - pow(o->beta2, step)) + o->epsilon;
    t->values[i] -= size * t->first[i] / denominator;
}

static void step_plainly(plain *p, const esp_network *network, const esp_optimizer *o)
{
    for (int t = 0; t < network->n_tensors; t++) {
        const esp_tensor *tensor = &network->tensors[t];
        plain_tensor *own = &p->tensors[t];
        float gradient[MAX];
        esp_tensor_export(gradient, tensor, network->gradients);
        for (size_t i = 0; i < tensor->count && tensor->trainable; i++) {
            if (own->n_blocks == 0) {
                move(own, i, (double)gradient[i], o, (int)o->step);
                continue;
            }
            const int block = own->first_block + (int)(i / (tensor->count / (size_t)own->n_blocks));
            own->pending[i] += (double)gradient[i];
            if (p->usage[block] >= LOCAL_BATCH) {
                move(own, i, own->pending[i] / (p->usage[block] / LOCAL_BATCH), o,
                     p->steps[block] + 1);
                own->pending[i] = 0;
            }
        }
    }
    for (int b = 0; b < MAX_BLOCKS; b++) {
        if (p->usage[b] >= LOCAL_BATCH) {
            p->usage[b] = 0;
            p->steps[b]++;
        }
    }
}

static void compare(const esp_model_config *model, esp_optimizer optimizer, bool soft)
{
    static plain p;
    esp_network *network = network_of(model);
    const size_t n = network->n_trainable;
    esp_real *memory = calloc(3 * n + 1, sizeof *memory);
    double usage[MAX_BLOCKS] = {0};
    int64_t steps[MAX_BLOCKS] = {0};
    esp_localized localized = {.pending = memory, .usage = usage, .steps = steps};
    esp_rng rng = esp_rng_make(5, "test", 0);
    assert_non_null(memory);
    lay_out(&p, network);
    int n_updates = 0, n_waits = 0;
    for (int step = 0; step < 40; step++) {
        pass(network, &rng);
        count_plainly(&p, network, soft);
        esp_localized_count(&localized, network, soft);
        esp_optimizer_begin(&optimizer);
        esp_localized_step(&localized, network, &optimizer, memory + n, memory + 2 * n,
                           LOCAL_BATCH);
        step_plainly(&p, network, &optimizer);
        for (int b = 0; b < esp_localized_blocks(model); b++) {
            assert_int_equal(steps[b], p.steps[b]);
            assert_true(fabs(usage[b] - p.usage[b]) <= 1e-3);
            n_updates += usage[b] == 0;
            n_waits += usage[b] > 0;
        }
        for (int t = 0; t < network->n_tensors; t++) {
            float values[MAX];
            esp_tensor_export(values, &network->tensors[t], network->parameters);
            for (size_t i = 0; i < network->tensors[t].count; i++) {
                const double expected = p.tensors[t].values[i];
                if (!(fabs((double)values[i] - expected) <= 2e-4 * (1 + fabs(expected)))) {
                    fail_msg("step %d, %s[%zu]: expected %g, found %g", step,
                             network->tensors[t].name, i, expected, (double)values[i]);
                }
            }
        }
    }
    assert_true(n_updates >= 20 && n_waits >= 20); /* both happened */
    memory[0] = memory[n - 1] = 1;
    esp_localized_reset(&localized, network);
    for (size_t i = 0; i < n; i++) {
        assert_true(localized.pending[i] == 0);
    }
    for (int b = 0; b < esp_localized_blocks(model); b++) {
        assert_true(usage[b] == 0 && steps[b] == 0);
    }
    free(memory);
    esp_network_destroy(network);
}

static const esp_optimizer adam = {.rule = ESP_RULE_ADAM,
                                   .learning_rate = 0.01,
                                   .beta1 = 0.9,
                                   .beta2 = 0.99,
                                   .epsilon = 1e-4,
                                   .weight_decay = 0.01};
static const esp_optimizer sgd = {
    .rule = ESP_RULE_SGD, .learning_rate = 0.05, .momentum = 0.5, .weight_decay = 0.01};

static void test_localized__fff(void **state)
{
    (void)state;
    for (int depth = 0; depth <= 3; depth++) {
        const esp_model_config model = esp_model_fff(depth, 2);
        compare(&model, adam, false);
        compare(&model, sgd, false);
        compare(&model, adam, true);
    }
    esp_optimizer nesterov = sgd;
    nesterov.nesterov = true;
    const esp_model_config model = esp_model_fff(2, 3);
    compare(&model, nesterov, true);
}

static void test_localized__frozen_nodes_stay(void **state)
{
    (void)state;
    esp_model_config model = esp_model_fff(2, 3);
    model.frozen = 1u << ESP_GROUP_NODES;
    compare(&model, sgd, false);
}

static void test_localized__moe_its_gate_at_every_step(void **state)
{
    (void)state;
    const esp_model_config top2 = esp_model_moe(5, 2, 2), top1 = esp_model_moe(4, 3, 1);
    compare(&top2, adam, false);
    compare(&top2, sgd, true);
    compare(&top1, adam, false);
}

static void test_localized__no_blocks_elsewhere(void **state)
{
    (void)state;
    const esp_model_config ff = esp_model_ff(8), nodes = esp_model_fff_nodes(2, 3);
    assert_int_equal(esp_localized_blocks(&ff), 0);
    assert_int_equal(esp_localized_blocks(&nodes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_localized__fff),
        cmocka_unit_test(test_localized__frozen_nodes_stay),
        cmocka_unit_test(test_localized__moe_its_gate_at_every_step),
        cmocka_unit_test(test_localized__no_blocks_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
