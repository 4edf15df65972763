/* One batch with every view that a loss term reads and every gradient it gives, in the element type
 * of the framework that is linked. */
#ifndef ESP_TESTS_LOSS_FIXTURE_H
#define ESP_TESTS_LOSS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "plugin/instance.h"
#include "plugin/registry.h"

enum { STRIDE = 64, MAX_ROWS = 64, MAX_FEATURES = 16, MAX_SPANS = 4 };

typedef struct fixture {
    esp_registry *registry;
    esp_dims dims;
    int n_examples;
    esp_real features[MAX_FEATURES * STRIDE];
    esp_real logits[MAX_ROWS * STRIDE], scores[MAX_ROWS * STRIDE], mixture[MAX_ROWS * STRIDE];
    esp_real d_logits[MAX_ROWS * STRIDE], d_scores[MAX_ROWS * STRIDE], d_mixture[MAX_ROWS * STRIDE];
    esp_real load[MAX_ROWS], d_load[MAX_ROWS];
    int32_t labels[STRIDE], choices[MAX_ROWS * STRIDE];
    int n_spans;
    esp_span spans[MAX_SPANS];
    esp_real values[MAX_SPANS][8], d_values[MAX_SPANS][8];
    esp_mode mode; /* of evaluate: training unless set */
} fixture;

static inline fixture *make(int depth, int n_examples, int n_outputs)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(esp_registry_create(&f->registry), ESP_OK);
    f->n_examples = n_examples;
    f->dims = (esp_dims){.struct_size = sizeof f->dims,
                         .routing = ESP_ROUTING_TREE,
                         .n_features = 1,
                         .n_outputs = n_outputs,
                         .n_nodes = (1 << depth) - 1,
                         .n_leaves = 1 << depth,
                         .n_choices = 1,
                         .depth = depth,
                         .leaf_width = 1,
                         .batch_size = n_examples};
    return f;
}

static inline void destroy(fixture *f)
{
    esp_registry_destroy(f->registry);
    free(f);
}

static inline double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

/* Mixture and hard leaves from the scores, by the definitions. */
static inline void route(fixture *f)
{
    for (int b = 0; b < f->n_examples; b++) {
        int node = 0;
        while (node < f->dims.n_nodes) {
            node = 2 * node + (f->scores[node * STRIDE + b] >= 0 ? 2 : 1);
        }
        f->choices[b] = node - f->dims.n_nodes;
        for (int leaf = 0; leaf < f->dims.n_leaves; leaf++) {
            double weight = 1;
            for (int at = leaf + f->dims.n_nodes; at > 0; at = (at - 1) / 2) {
                double p = sigmoid((double)f->scores[(at - 1) / 2 * STRIDE + b]);
                weight *= at % 2 == 0 ? p : 1 - p;
            }
            f->mixture[leaf * STRIDE + b] = (esp_real)weight;
        }
    }
}

/* A gate of experts in place of the tree, each example's choices all 0. */
static inline fixture *make_gate(int n_experts, int top_k, int n_examples)
{
    fixture *f = make(0, n_examples, 2);
    f->dims.routing = ESP_ROUTING_GATE;
    f->dims.n_nodes = 0;
    f->dims.n_leaves = n_experts;
    f->dims.n_choices = top_k;
    return f;
}

/* Adds a parameter tensor. */
static inline void add_span(fixture *f, esp_group group, int is_bias, int count,
                            const double *values)
{
    esp_real *held = f->values[f->n_spans];
    for (int i = 0; i < count; i++) {
        held[i] = (esp_real)values[i];
    }
    f->spans[f->n_spans++] = (esp_span){group, is_bias, count, held};
}

static inline void open_term(esp_instance *out, const fixture *f, const char *name,
                             const char *param, const char *value)
{
    const esp_plugin *plugin = esp_registry_find(f->registry, ESP_LOSS, name);
    assert_non_null(plugin);
    esp_params params;
    esp_params_default(&params, plugin);
    if (param) {
        int row = esp_params_find(plugin, param);
        assert_true(row >= 0);
        assert_int_equal(esp_params_parse(&params.values[row], &plugin->params[row], value),
                         ESP_OK);
    }
    assert_int_equal(esp_instance_create(out, plugin, &params, &f->dims, NULL), ESP_OK);
}

/* The value; gradients are overwritten. */
static inline double call_term(fixture *f, esp_instance *term)
{
    esp_real *d_spans[MAX_SPANS];
    memset(f->d_logits, 0, sizeof f->d_logits);
    memset(f->d_scores, 0, sizeof f->d_scores);
    memset(f->d_mixture, 0, sizeof f->d_mixture);
    memset(f->d_load, 0, sizeof f->d_load);
    memset(f->d_values, 0, sizeof f->d_values);
    for (int i = 0; i < MAX_SPANS; i++) {
        d_spans[i] = f->d_values[i];
    }
    const esp_batch batch = {.struct_size = sizeof batch,
                             .mode = f->mode == 0 ? ESP_TRAINING : f->mode,
                             .n_examples = f->n_examples,
                             .stride = STRIDE,
                             .epoch = 1,
                             .dims = &f->dims,
                             .labels = f->labels,
                             .logits = f->logits,
                             .scores = f->scores,
                             .mixture = f->mixture,
                             .choices = f->choices,
                             .load = f->load,
                             .n_spans = f->n_spans,
                             .spans = f->spans};
    const esp_gradients d = {.struct_size = sizeof d,
                             .logits = f->d_logits,
                             .scores = f->d_scores,
                             .mixture = f->d_mixture,
                             .load = f->d_load,
                             .spans = d_spans};
    double result = NAN;
    esp_instance_begin(term, batch.mode);
    assert_int_equal(term->plugin->loss->evaluate(term->state, &term->host, &batch, &d, &result),
                     0);
    return result;
}

static inline double evaluate(fixture *f, const char *name, const char *param, const char *value)
{
    esp_instance term;
    open_term(&term, f, name, param, value);
    double result = call_term(f, &term);
    esp_instance_destroy(&term);
    return result;
}

static inline void assert_near(double actual, double expected, double tolerance)
{
    if (!(fabs(actual - expected) <= tolerance * fmax(1, fabs(expected)))) {
        fail_msg("%.15g instead of %.15g", actual, expected);
    }
}

#endif
