/* Every head of the registry, alone and in pairs, on every kind of model: gradients of whole
 * networks in double precision against central differences, parameters at default, minimum and
 * maximum. What a pass makes of heads: order, cost of the input, parts left out, guards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/status.h"
#include "fixtures/model_cases.h"
#include "plugin/registry.h"

enum { EXAMPLES = 9, FEATURES = 7, OUTPUTS = 4, MOST = 1 << 17 };

static esp_registry *registry;

typedef struct probe {
    esp_network *network;
    esp_instance heads[2];
    int n_heads;
    esp_rng noise;
    double weights[OUTPUTS * EXAMPLES]; /* of the logits in the value */
} probe;

static void create(probe *p, const esp_model_config *model, const esp_plugin *const *plugins,
                   const esp_params *params, int n_heads)
{
    memset(p, 0, sizeof *p);
    esp_network_config config = {.model = *model,
                                 .n_features = FEATURES,
                                 .n_outputs = OUTPUTS,
                                 .batch_size = EXAMPLES,
                                 .noise_seed = 11,
                                 .n_heads = n_heads};
    const esp_dims dims = esp_network_dims(&config);
    p->n_heads = n_heads;
    p->noise = esp_rng_make(1, "noise", 0);
    for (int i = 0; i < n_heads; i++) {
        assert_int_equal(
            esp_instance_create(&p->heads[i], plugins[i], &params[i], &dims, &p->noise), 0);
        config.heads[i] = &p->heads[i];
    }
    assert_int_equal(esp_network_create(&p->network, &config), 0);
    fill_network(p->network, 3);
    esp_rng rng = esp_rng_make(5, "test", 0);
    for (int i = 0; i < OUTPUTS * EXAMPLES; i++) {
        p->weights[i] = 2 * esp_rng_uniform(&rng) - 1;
    }
}

static void destroy(probe *p)
{
    esp_network_destroy(p->network);
    for (int i = 0; i < p->n_heads; i++) {
        esp_instance_destroy(&p->heads[i]);
    }
}

static double logit(const esp_network *n, const double *logits, int o, int b)
{
    return logits[o * n->stride + b];
}

/* A random linear function of the logits in training; d_logits becomes its derivative. */
static double value_of(void *context)
{
    probe *p = context;
    esp_network *n = p->network;
    double value = 0;
    n->step = 17;
    assert_int_equal(esp_network_forward(n, EXAMPLES, ESP_TRAINING), 0);
    esp_network_zero_view_gradients(n);
    for (int o = 0; o < OUTPUTS; o++) {
        for (int b = 0; b < EXAMPLES; b++) {
            value += p->weights[o * EXAMPLES + b] * logit(n, n->logits, o, b);
            n->d_logits[o * n->stride + b] = p->weights[o * EXAMPLES + b];
        }
    }
    return value;
}

static void check(const model_case *on, const esp_plugin *const *plugins, const esp_params *params,
                  int n_heads, const char *what)
{
    static double claimed[MOST];
    probe p;
    create(&p, &on->model, plugins, params, n_heads);
    assert_true(p.network->n_parameters < MOST);
    value_of(&p);
    assert_int_equal(esp_network_backward(p.network), 0);
    memcpy(claimed, p.network->gradients, sizeof *claimed * p.network->n_parameters);
    const double error = gradient_error(claimed, p.network, value_of, &p);
    if (!(error <= 1e-6)) {
        fail_msg("%s, %s%s%s (%s): off by %g of the norm", on->what, plugins[0]->name,
                 n_heads > 1 ? " + " : "", n_heads > 1 ? plugins[1]->name : "", what, error);
    }
    destroy(&p);
}

static int list_heads(const esp_plugin **out, int most)
{
    int n = 0;
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin *plugin = esp_registry_entry(registry, i)->plugin;
        if (plugin != NULL && plugin->kind == ESP_HEAD && n < most) {
            out[n++] = plugin;
        }
    }
    return n;
}

static void test_heads__gradients_alone(void **state)
{
    (void)state;
    static plugin_setting settings[MOST_SETTINGS];
    const esp_plugin *heads[16];
    model_case cases[MODEL_CASES];
    list_model_cases(cases);
    const int n_heads = list_heads(heads, 16);
    assert_true(n_heads >= 2);
    for (int h = 0; h < n_heads; h++) {
        const int n_settings = list_plugin_settings(settings, heads[h]);
        for (int s = 0; s < n_settings; s++) {
            for (int m = 0; m < MODEL_CASES; m++) {
                check(&cases[m], &heads[h], &settings[s].params, 1, settings[s].text);
            }
        }
    }
}

static void test_heads__gradients_in_pairs(void **state)
{
    (void)state;
    const esp_plugin *heads[16];
    model_case cases[MODEL_CASES];
    list_model_cases(cases);
    const int n_heads = list_heads(heads, 16);
    for (int a = 0; a < n_heads; a++) {
        for (int b = 0; b < n_heads; b++) {
            const esp_plugin *pair[2] = {heads[a], heads[b]};
            esp_params params[2];
            esp_params_default(&params[0], pair[0]);
            esp_params_default(&params[1], pair[1]);
            for (int m = 0; a != b && m < MODEL_CASES; m++) {
                check(&cases[m], pair, params, 2, "defaults");
            }
        }
    }
}

/* ---- order, cost, parts left out ------------------------------------------------------------ */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void find_pair(const esp_plugin *pair[2], esp_params params[2], const char *first,
                      const char *second)
{
    const char *const names[] = {first, second};
    for (int i = 0; i < 2; i++) {
        pair[i] = esp_registry_find(registry, ESP_HEAD, names[i]);
        assert_non_null(pair[i]);
        esp_params_default(&params[i], pair[i]);
    }
}

/* k of a head's scalar tensor of that name. */
static double k_of(const esp_network *n, const char *name)
{
    for (int i = 0; i < n->n_tensors; i++) {
        if (strcmp(n->tensors[i].name, name) == 0) {
            return sigmoid(n->parameters[n->tensors[i].offset]);
        }
    }
    fail_msg("no tensor %s", name);
    return 0;
}

static void logits_without(double *out, esp_network *n, uint32_t ablated)
{
    n->ablated = ablated;
    assert_int_equal(esp_network_forward(n, EXAMPLES, ESP_EVALUATION), 0);
    assert_int_equal(esp_network_forward_hard(n, ESP_EVALUATION), 0);
    for (int o = 0; o < OUTPUTS; o++) {
        for (int b = 0; b < EXAMPLES; b++) {
            out[o * EXAMPLES + b] = logit(n, n->hard_logits, o, b);
        }
    }
    n->ablated = 0;
}

/* y = k tree + (1-k) ML: the parts that remain when the other is left out, put together by hand. */
static void test_heads__parts_left_out(void **state)
{
    (void)state;
    const esp_plugin *pair[2];
    esp_params params[2];
    probe p, bare;
    double all[OUTPUTS * EXAMPLES], tree[OUTPUTS * EXAMPLES], head[OUTPUTS * EXAMPLES];
    const esp_model_config model = esp_model_fff(3, 2);
    find_pair(pair, params, "master_leaf", "early_exit");
    create(&p, &model, pair, params, 1);
    logits_without(all, p.network, 0);
    logits_without(tree, p.network, 1u << 0);
    logits_without(head, p.network, ESP_ABLATED_MODEL);
    const double k = k_of(p.network, "k");
    for (int i = 0; i < OUTPUTS * EXAMPLES; i++) {
        assert_true(fabs(all[i] - (k * tree[i] + head[i])) <= 1e-14);
    }
    /* without its head the network is the one that has none, for the same weights */
    create(&bare, &model, NULL, NULL, 0);
    for (int t = 0; t < bare.network->n_tensors; t++) {
        const esp_tensor *to = &bare.network->tensors[t], *from = &p.network->tensors[t];
        memcpy(bare.network->parameters + to->offset, p.network->parameters + from->offset,
               sizeof(double) * to->count);
    }
    logits_without(all, bare.network, 0);
    for (int i = 0; i < OUTPUTS * EXAMPLES; i++) {
        assert_true(fabs(all[i] - tree[i]) <= 1e-14);
    }
    destroy(&bare);
    destroy(&p);
}

/* The second head is given what the first made, and told what both cost. */
static void test_heads__compose_in_written_order(void **state)
{
    (void)state;
    const esp_plugin *pair[2];
    esp_params params[2];
    const esp_model_config model = esp_model_fff(3, 2);
    find_pair(pair, params, "early_exit", "master_leaf");
    params[0].values[esp_params_find(pair[0], "threshold")] = 1; /* always mixed: linear */
    for (int swapped = 0; swapped < 2; swapped++) {
        probe p;
        double all[OUTPUTS * EXAMPLES], head[2][OUTPUTS * EXAMPLES], tree[OUTPUTS * EXAMPLES];
        if (swapped) {
            const esp_plugin *plugin = pair[0];
            const esp_params own = params[0];
            pair[0] = pair[1], params[0] = params[1];
            pair[1] = plugin, params[1] = own;
        }
        create(&p, &model, pair, params, 2);
        logits_without(all, p.network, 0);
        logits_without(tree, p.network, 3);
        logits_without(head[0], p.network, ESP_ABLATED_MODEL | 2);
        logits_without(head[1], p.network, ESP_ABLATED_MODEL | 1);
        const double k = k_of(p.network, swapped ? "exit_k" : "k"); /* of the second */
        const double first = k_of(p.network, swapped ? "k" : "exit_k");
        for (int i = 0; i < OUTPUTS * EXAMPLES; i++) {
            const double expected = k * (first * tree[i] + head[0][i]) + head[1][i];
            assert_true(fabs(all[i] - expected) <= 1e-14);
        }
        /* 3 nodes on the path, a leaf of 2, and of the first head 8 hidden units and the mix */
        const double macs = 3 * FEATURES + 2 * (FEATURES + OUTPUTS);
        assert_true(p.network->heads[0].input_macs == macs);
        assert_true(p.network->heads[1].input_macs ==
                    macs + 8 * (FEATURES + OUTPUTS) + 2 * OUTPUTS);
        destroy(&p);
    }
}

/* Worked out by hand for each kind: see nn/architecture.h. */
static void test_heads__inference_macs_of_models(void **state)
{
    (void)state;
    static const double macs[MODEL_CASES] = {3 * 11,
                                             3 * 7 + 2 * 11,
                                             5 * 11,
                                             5 * 7 + 2 * (2 * 11 + 4),
                                             5 * 7 + 2 * (2 * 11 + 4),
                                             4 * 7 + 3 * 11 + 4,
                                             2 * 3 * 11};
    model_case cases[MODEL_CASES];
    list_model_cases(cases);
    for (int m = 0; m < MODEL_CASES; m++) {
        assert_true(esp_model_inference_macs(&cases[m].model, 7, 4) == macs[m]);
    }
}

/* ---- what heads log -------------------------------------------------------------------------- */

static double logged(const esp_instance *head, const char *key)
{
    for (int i = 0; i < head->n_logged; i++) {
        if (strcmp(head->logged[i].key, key) == 0) {
            return head->logged[i].sum / head->logged[i].weight;
        }
    }
    return NAN;
}

static double accuracy(const double *logits, const int32_t *labels)
{
    double correct = 0;
    for (int b = 0; b < EXAMPLES; b++) {
        int best = 0;
        for (int o = 1; o < OUTPUTS; o++) {
            best = logits[o * EXAMPLES + b] > logits[best * EXAMPLES + b] ? o : best;
        }
        correct += best == labels[b];
    }
    return correct / EXAMPLES;
}

static void test_heads__master_leaf_logs_its_parts(void **state)
{
    (void)state;
    const esp_plugin *pair[2];
    esp_params params[2];
    double all[OUTPUTS * EXAMPLES], part[OUTPUTS * EXAMPLES];
    const esp_model_config model = esp_model_fff(3, 2);
    find_pair(pair, params, "master_leaf", "early_exit");
    for (int per_class = 0; per_class < 2; per_class++) {
        probe p;
        params[0].values[esp_params_find(pair[0], "k_per_class")] = per_class;
        create(&p, &model, pair, params, 1);
        double *raw = p.network->heads[0].tensors[2], mean = 0;
        for (int o = 0; per_class && o < OUTPUTS; o++) {
            raw[o] = o - 1.5;
            mean += sigmoid(raw[o]) / OUTPUTS;
        }
        const int32_t *labels = p.network->labels;
        logits_without(part, p.network, 1);
        const double tree = accuracy(part, labels);
        logits_without(part, p.network, ESP_ABLATED_MODEL);
        const double head = accuracy(part, labels);
        p.heads[0].n_logged = 0;
        logits_without(all, p.network, 0);
        assert_true(logged(&p.heads[0], "tree_accuracy") == tree);
        assert_true(logged(&p.heads[0], "head_accuracy") == head);
        double norms = 0; /* the head's part is what is left without the tree */
        for (int b = 0; b < EXAMPLES; b++) {
            double squares = 0;
            for (int o = 0; o < OUTPUTS; o++) {
                squares += part[o * EXAMPLES + b] * part[o * EXAMPLES + b];
            }
            norms += sqrt(squares) / EXAMPLES;
        }
        assert_true(fabs(logged(&p.heads[0], "head_norm") - norms) <= 1e-12);
        assert_true(fabs(logged(&p.heads[0], "k") - (per_class ? mean : sigmoid(raw[0]))) <= 1e-12);
        destroy(&p);
    }
}

/* Each example by hand: who answers, whether it is right (ML mostly), what it costs. */
static void test_heads__early_exit_by_hand(void **state)
{
    (void)state;
    static const double thresholds[] = {0, 0.5, 0.7, 0.9, 1};
    const esp_plugin *pair[2];
    esp_params params[2];
    const esp_model_config model = esp_model_fff(3, 2);
    find_pair(pair, params, "early_exit", "master_leaf");
    for (int t = 0; t < 5; t++) {
        probe p;
        double all[OUTPUTS * EXAMPLES], tree[OUTPUTS * EXAMPLES], expected[OUTPUTS * EXAMPLES];
        double alone[OUTPUTS * EXAMPLES], mixed[OUTPUTS * EXAMPLES];
        params[0].values[esp_params_find(pair[0], "threshold")] = thresholds[t];
        create(&p, &model, pair, params, 1);
        esp_network *n = p.network;
        logits_without(tree, n, 1);
        const double k = k_of(n, "exit_k"), *w2 = n->heads[0].tensors[0];
        const double *b2 = n->heads[0].tensors[1];
        int exited = 0;
        for (int b = 0; b < EXAMPLES; b++) {
            double ml[OUTPUTS], greatest = -INFINITY, sum = 0;
            for (int o = 0; o < OUTPUTS; o++) {
                ml[o] = b2[o];
                for (int j = 0; j < 8; j++) {
                    const double h = n->projections[(n->heads[0].first_row + j) * n->stride + b];
                    ml[o] += fmax(h, 0) * w2[j * OUTPUTS + o];
                }
                n->labels[b] = (b % 4 || t == 1) && ml[o] > greatest ? o : n->labels[b];
                greatest = fmax(greatest, ml[o]);
                sum += exp(ml[o]);
            }
            const bool exits = exp(greatest) / sum > thresholds[t];
            exited += exits;
            for (int o = 0; o < OUTPUTS; o++) {
                const int i = o * EXAMPLES + b;
                alone[i] = ml[o];
                mixed[i] = k * tree[i] + (1 - k) * ml[o];
                expected[i] = exits ? alone[i] : mixed[i];
            }
        }
        p.heads[0].n_logged = 0;
        logits_without(all, n, 0);
        for (int i = 0; i < OUTPUTS * EXAMPLES; i++) {
            assert_true(fabs(all[i] - expected[i]) <= 1e-13);
        }
        assert_true(exited == (t == 0 ? EXAMPLES : t == 4 ? 0 : exited));
        assert_true(t != 1 || (exited > 0 && exited < EXAMPLES)); /* a case that tells them apart */
        const double own = 8 * (FEATURES + OUTPUTS), rest = 3 * FEATURES + 2 * 11 + 2 * OUTPUTS;
        const double cost = own + rest * (EXAMPLES - exited) / EXAMPLES;
        assert_true(logged(&p.heads[0], "exited") == (double)exited / EXAMPLES);
        assert_true(fabs(logged(&p.heads[0], "cost") - cost) <= 1e-12 * cost);
        assert_true(logged(&p.heads[0], "tree_accuracy") == accuracy(tree, n->labels));
        assert_true(logged(&p.heads[0], "head_accuracy") == accuracy(alone, n->labels));
        assert_true(logged(&p.heads[0], "mixed_accuracy") == accuracy(mixed, n->labels));
        const double right =
            (exited > 0 ? exited * logged(&p.heads[0], "exited_accuracy") : 0) +
            (exited < EXAMPLES ? (EXAMPLES - exited) * logged(&p.heads[0], "kept_accuracy") : 0);
        assert_true(fabs(right - EXAMPLES * accuracy(expected, n->labels)) <= 1e-12);
        if (t >= 1 && t <= 3) {
            char key[3][32];
            const int percent = (int)(100 * thresholds[t] + 0.5);
            snprintf(key[0], 32, "exited_at_%d", percent);
            snprintf(key[1], 32, "accuracy_at_%d", percent);
            snprintf(key[2], 32, "cost_at_%d", percent);
            assert_true(logged(&p.heads[0], key[0]) == (double)exited / EXAMPLES);
            assert_true(logged(&p.heads[0], key[1]) == accuracy(expected, n->labels));
            assert_true(logged(&p.heads[0], key[2]) == logged(&p.heads[0], "cost"));
        }
        destroy(&p);
    }
}

/* ML as sure of class 0 as asked: the curve; a confidence of 1 is not above a threshold of 1. */
static void test_heads__early_exit_at_each_threshold(void **state)
{
    (void)state;
    static const int points[] = {50, 60, 70, 80, 90, 95, 99};
    const esp_plugin *pair[2];
    esp_params params[2];
    double all[OUTPUTS * EXAMPLES], tree[OUTPUTS * EXAMPLES];
    const esp_model_config model = esp_model_fff(2, 2);
    find_pair(pair, params, "early_exit", "master_leaf");
    params[0].values[esp_params_find(pair[0], "threshold")] = 1;
    for (int sure = 0; sure < 15; sure++) { /* just below each point, just above it, and 1 */
        probe p;
        create(&p, &model, pair, params, 1);
        const double c = sure < 14 ? points[sure / 2] / 100. + (sure % 2 ? 0.004 : -0.004) : 1;
        const double top = c < 1 ? log(c / (1 - c) * (OUTPUTS - 1)) : 1e6;
        memset(p.network->heads[0].tensors[0], 0, sizeof(double) * 8 * OUTPUTS);
        memset(p.network->heads[0].tensors[1], 0, sizeof(double) * OUTPUTS);
        p.network->heads[0].tensors[1][0] = top;
        logits_without(tree, p.network, 1);
        p.heads[0].n_logged = 0;
        logits_without(all, p.network, 0);
        assert_true(logged(&p.heads[0], "exited") == 0);
        for (int i = 0; i < 7; i++) {
            char key[32];
            snprintf(key, sizeof key, "exited_at_%d", points[i]);
            assert_true(logged(&p.heads[0], key) == (points[i] < 100 * c));
        }
        const double k = k_of(p.network, "exit_k"), mix = k * tree[0] + (1 - k) * top;
        assert_true(fabs(all[0] - mix) <= 1e-12 * fabs(mix));
        destroy(&p);
    }
}

/* In training ML answers its share of the batch alone, whatever the threshold. */
static void test_heads__early_exit_alone_in_training(void **state)
{
    (void)state;
    const esp_plugin *pair[2];
    esp_params params[2];
    probe p;
    const esp_model_config model = esp_model_fff(2, 2);
    find_pair(pair, params, "early_exit", "master_leaf");
    params[0].values[esp_params_find(pair[0], "alone")] = 1. / 3;
    params[0].values[esp_params_find(pair[0], "threshold")] = 1;
    create(&p, &model, pair, params, 1);
    value_of(&p);
    assert_int_equal(esp_network_backward(p.network), 0);
    for (int b = 0; b < EXAMPLES; b++) { /* what reaches the tree's logits */
        const double factor = b % 3 == 2 ? 0 : k_of(p.network, "exit_k");
        for (int o = 0; o < OUTPUTS; o++) {
            assert_true(fabs(logit(p.network, p.network->d_logits, o, b) -
                             factor * p.weights[o * EXAMPLES + b]) <= 1e-15);
        }
    }
    destroy(&p);
}

/* ---- guards ---------------------------------------------------------------------------------- */

typedef struct vandal {
    int64_t
        where; /* 1 output, 2 before it, 3 input gradient, 4 hidden gradient, 5 tensor gradient */
} vandal;

static int vandal_declare(void *state, const esp_host *host, const esp_dims *dims,
                          esp_head_decl *decl)
{
    (void)state;
    (void)host;
    (void)dims;
    decl->n_hidden = 2;
    decl->projection_weight_name = "v_w";
    decl->projection_bias_name = "v_b";
    decl->n_tensors = 1;
    decl->tensors[0] = (esp_tensor_decl){.name = "v", .rank = 1, .shape = {5}, .trainable = 1};
    return 0;
}

static int vandal_forward(void *state, const esp_host *host, const esp_head_batch *batch,
                          esp_real *output)
{
    (void)host;
    const int64_t where = ((vandal *)state)->where;
    memcpy(output, batch->input, sizeof *output * OUTPUTS * (size_t)batch->stride);
    if (where == 1) {
        output[OUTPUTS * batch->stride] = 1;
    }
    if (where == 2) {
        output[-1] = 1;
    }
    return 0;
}

static int vandal_backward(void *state, const esp_host *host, const esp_head_batch *batch,
                           const esp_head_gradients *d)
{
    (void)host;
    const int64_t where = ((vandal *)state)->where;
    memcpy(d->input, d->output, sizeof *d->input * OUTPUTS * (size_t)batch->stride);
    memset(d->hidden, 0, sizeof *d->hidden * 2 * (size_t)batch->stride);
    if (where == 3) {
        d->input[OUTPUTS * batch->stride] = 1;
    }
    if (where == 4) {
        d->hidden[-1] = 1;
    }
    if (where == 5) {
        d->tensors[0][5] += 1;
    }
    return 0;
}

static const esp_head_ops vandal_ops = {.struct_size = sizeof vandal_ops,
                                        .declare = vandal_declare,
                                        .forward = vandal_forward,
                                        .backward = vandal_backward};
static const esp_param vandal_params[] = {{.name = "where",
                                           .help = "which array it writes past",
                                           .type = ESP_PARAM_INTEGER,
                                           .offset = offsetof(vandal, where),
                                           .maximum = 5}};
static const esp_plugin vandal_plugin = {
    ESP_PLUGIN_HEADER,       .kind = ESP_HEAD, .role = ESP_TASK,
    .name = "vandal",        .version = "1",   .summary = "writes past its arrays",
    .source = "none",        .cost = "none",   .state_size = sizeof(vandal),
    .params = vandal_params, .n_params = 1,    .head = &vandal_ops};

static void test_heads__writes_outside_are_found(void **state)
{
    (void)state;
    static const char *const said[] = {"",
                                       "its output",
                                       "its output",
                                       "its gradient of the input",
                                       "its gradient of the hidden units",
                                       "its gradient of a tensor"};
    const esp_model_config model = esp_model_fff(2, 2);
    for (int where = 0; where <= 5; where++) {
        const esp_plugin *plugin = &vandal_plugin;
        const esp_params params = {.values = {where}};
        probe p;
        create(&p, &model, &plugin, &params, 1);
        int status = esp_network_forward(p.network, EXAMPLES, ESP_TRAINING);
        if (status == 0) {
            esp_network_zero_view_gradients(p.network);
            status = esp_network_backward(p.network);
        }
        assert_int_equal(status, where == 0 ? 0 : ESP_FAILED);
        if (where > 0) {
            assert_non_null(strstr(esp_message(), "plugin 'vandal' wrote outside "));
            assert_non_null(strstr(esp_message(), said[where]));
        }
        destroy(&p);
    }
}

int main(void)
{
    if (esp_registry_create(&registry) != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads__gradients_alone),
        cmocka_unit_test(test_heads__gradients_in_pairs),
        cmocka_unit_test(test_heads__parts_left_out),
        cmocka_unit_test(test_heads__compose_in_written_order),
        cmocka_unit_test(test_heads__inference_macs_of_models),
        cmocka_unit_test(test_heads__master_leaf_logs_its_parts),
        cmocka_unit_test(test_heads__early_exit_by_hand),
        cmocka_unit_test(test_heads__early_exit_at_each_threshold),
        cmocka_unit_test(test_heads__early_exit_alone_in_training),
        cmocka_unit_test(test_heads__writes_outside_are_found),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    esp_registry_destroy(registry);
    return failed;
}
