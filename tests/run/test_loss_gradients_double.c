/* Every loss term of the registry through whole networks, in double precision: on every kind of
 * model that has its views, bare and with every head, with its parameters and the head's at their
 * defaults and at each bound, the gradient by every trained parameter against central differences.
 * It goes the way of training: loss_sum's derivatives, the network's backward, penalties on
 * parameters. A term that is tried on no model, or whose gradient is nowhere different from 0,
 * fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "core/status.h"
#include "fixtures/model_cases.h"
#include "run/loss_sum.h"

enum { EXAMPLES = 5, FEATURES = 3, OUTPUTS = 3, MOST = 1024, MOST_STATE = 4096 };

static esp_registry *registry;
static int n_checked, n_pairings; /* networks differentiated; with a gradient */

enum { N_MODELS = 17, HEAD_WIDTH = 4 };

/* Every kind, with every option that changes its passes, at common values and at the ends. */
static void list_models(model_case out[N_MODELS])
{
    esp_model_config changed = esp_model_fff(2, 1), swapped = changed;
    esp_model_config hardened = esp_model_fff(2, 2), smooth = esp_model_ff(3);
    esp_model_config noisy = esp_model_moe(4, 1, 2), all = esp_model_moe(3, 1, 3);
    esp_model_config noisy_switch = esp_model_moe(3, 2, 1), top_one = noisy_switch;
    esp_model_config rectified = esp_model_fff_nodes(3, 0);
    changed.region_leak = changed.dropout = smooth.dropout = 0.3;
    swapped.region_leak = 1;
    hardened.train_hardened = true;
    changed.activation = smooth.activation = ESP_GELU;
    rectified.activation = ESP_RELU;
    noisy.noise = all.noise = noisy_switch.noise = top_one.noise = true;
    top_one.gate = ESP_GATE_TOP_K;
    const model_case models[N_MODELS] = {{"fff of depth 0", esp_model_fff(0, 2)},
                                         {"fff of depth 1", esp_model_fff(1, 2)},
                                         {"fff of depth 2", esp_model_fff(2, 3)},
                                         {"fff of depth 3", esp_model_fff(3, 1)},
                                         {"fff, region leak, dropout, gelu", changed},
                                         {"fff, all children changed", swapped},
                                         {"fff, hardened", hardened},
                                         {"ff", esp_model_ff(3)},
                                         {"ff, gelu, dropout", smooth},
                                         {"moe, 2 of 4, no noise", esp_model_moe(4, 2, 2)},
                                         {"moe, 2 of 4, noise", noisy},
                                         {"moe, 3 of 3, noise", all},
                                         {"moe, switch of 3", esp_model_moe(3, 2, 1)},
                                         {"moe, switch of 3, noise", noisy_switch},
                                         {"moe, top 1 of 3, noise", top_one},
                                         {"fff_nodes, 2 trees", esp_model_fff_nodes(2, 1)},
                                         {"fff_nodes, depth 0, relu", rectified}};
    uint32_t kinds = 0;
    for (int i = 0; i < N_MODELS; i++) {
        out[i] = models[i];
        kinds |= 1u << models[i].model.kind;
    }
    assert_int_equal(kinds, (2u << ESP_MODEL_FFF_NODES) - 1); /* a new kind belongs here */
}

/* One pairing at work. */
typedef struct pairing {
    esp_network *network;
    esp_loss_sum sum;
    esp_phase_config phase;
    esp_instance head;
    bool has_head;
    esp_rng noise;
    unsigned char fresh[MOST_STATE]; /* the term's state before its first call */
} pairing;

static void draw_inputs(esp_network *n)
{
    esp_rng rng = esp_rng_make(5, "test", 0);
    for (size_t i = 0; i < n->n_trainable; i++) {
        n->parameters[i] *= 2; /* scores far enough from 0 that no choice flips */
    }
    for (int i = 0; i < EXAMPLES * FEATURES; i++) {
        n->features[i] = (float)(2 * esp_rng_uniform(&rng) - 1);
    }
    for (int b = 0; b < EXAMPLES; b++) {
        n->labels[b] = (int32_t)esp_rng_below(&rng, OUTPUTS);
    }
}

/* Returns false where the term or the head declines the model. */
static bool create(pairing *p, const esp_plugin *loss, const esp_params *params,
                   const esp_model_config *model, const esp_plugin *head, const esp_params *of_head)
{
    esp_network_config config = {.model = *model,
                                 .n_features = FEATURES,
                                 .n_outputs = OUTPUTS,
                                 .batch_size = EXAMPLES,
                                 .noise_seed = 11};
    memset(p, 0, sizeof *p);
    p->noise = esp_rng_make(1, "noise", 0);
    if (head != NULL) {
        const esp_dims dims = esp_network_dims(&config);
        if (esp_instance_create(&p->head, head, of_head, &dims, &p->noise) != ESP_OK) {
            return false;
        }
        p->has_head = true;
        config.heads[config.n_heads++] = &p->head;
    }
    assert_int_equal(esp_network_create(&p->network, &config), ESP_OK);
    assert_true(p->network->n_parameters < MOST && loss->state_size <= MOST_STATE);
    esp_network_initialize(p->network, 3);
    draw_inputs(p->network);
    p->phase = (esp_phase_config){.n_terms = 1};
    p->phase.terms[0] = (esp_term_config){.plugin = loss, .weight = 0, .params = *params};
    assert_int_equal(esp_loss_sum_create(&p->sum, &p->phase, p->network, &p->noise), ESP_OK);
    p->sum.weights[0] = 0.7;
    if (p->sum.usable[0]) {
        memcpy(p->fresh, p->sum.terms[0].state, loss->state_size);
    }
    return p->sum.usable[0];
}

static void destroy(pairing *p)
{
    esp_loss_sum_destroy(&p->sum);
    esp_network_destroy(p->network);
    if (p->has_head) {
        esp_instance_destroy(&p->head);
    }
}

static double value_of(pairing *p, bool gradients)
{
    esp_network *n = p->network;
    const esp_position position = {.epoch = 1, .batch = 1, .step = 17};
    double total = NAN, value = NAN;
    memcpy(p->sum.terms[0].state, p->fresh, p->sum.terms[0].plugin->state_size);
    p->noise = esp_rng_make(1, "noise", 0);
    n->step = 17;
    assert_int_equal(esp_network_forward(n, EXAMPLES, ESP_TRAINING), ESP_OK);
    if (esp_loss_sum_differentiate(&p->sum, &total, &value, n, position) != ESP_OK) {
        fail_msg("%s", esp_message());
    }
    if (gradients) {
        assert_int_equal(esp_network_backward(n), ESP_OK);
        esp_loss_sum_add_parameter_gradients(&p->sum, n);
    }
    return total;
}

/* Returns the norm of the gradient. */
static double check(pairing *p, const char *what)
{
    static double analytic[MOST];
    esp_network *n = p->network;
    const double base = value_of(p, true), h = 1e-5;
    memcpy(analytic, n->gradients, sizeof(double) * n->n_parameters);
    double difference = 0, norm = 0;
    for (int r = 0; r < n->n_ranges; r++) {
        for (size_t i = n->ranges[r].first; i < n->ranges[r].first + n->ranges[r].count; i++) {
            const double held = n->parameters[i];
            n->parameters[i] = held + h;
            const double above = value_of(p, false);
            n->parameters[i] = held - h;
            const double below = value_of(p, false);
            n->parameters[i] = held;
            const double numeric = (above - below) / (2 * h);
            difference += (numeric - analytic[i]) * (numeric - analytic[i]);
            norm += numeric * numeric;
        }
    }
    /* a gradient of 0 is measured to the rounding of the values */
    if (!(sqrt(difference) <= 1e-6 * sqrt(norm) + 1e-9 * (1 + fabs(base)))) {
        fail_msg("%s: off by %g of %g", what, sqrt(difference), sqrt(norm));
    }
    n_checked++;
    n_pairings += norm > 0;
    return sqrt(norm);
}

/* One term on one model with one head (or none). Returns the greatest norm so far; -1: declined by
 * all. */
static double check_one(double greatest, const esp_plugin *loss, const plugin_setting *setting,
                        const model_case *on, const esp_plugin *head, const plugin_setting *of_head)
{
    char what[320];
    pairing p;
    if (create(&p, loss, &setting->params, &on->model, head,
               head != NULL ? &of_head->params : NULL)) {
        snprintf(what, sizeof what, "%s (%s) on %s, head %s (%s)", loss->name, setting->text,
                 on->what, head != NULL ? head->name : "none", head != NULL ? of_head->text : "-");
        greatest = fmax(greatest, check(&p, what));
    }
    destroy(&p);
    return greatest;
}

/* A head's settings; a width is cut, for time: test_heads_double has wide ones. */
static int list_head_settings(plugin_setting *out, const esp_plugin *head)
{
    const int n = list_plugin_settings(out, head), width = esp_params_find(head, "width");
    for (int s = 0; s < n && width >= 0; s++) {
        out[s].params.values[width] = fmin(out[s].params.values[width], HEAD_WIDTH);
    }
    return n;
}

/* Every setting of a term bare and with the head as it is by default; the term as it is by default
 * with every setting of the head. Returns the greatest norm of a gradient without heads. */
static double check_settings(const esp_plugin *loss, const model_case *on)
{
    static plugin_setting settings[MOST_SETTINGS], of_head[MOST_SETTINGS];
    const int n_settings = list_plugin_settings(settings, loss);
    double greatest = -1;
    for (int s = 0; s < n_settings; s++) {
        greatest = check_one(greatest, loss, &settings[s], on, NULL, NULL);
    }
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin *head = esp_registry_entry(registry, i)->plugin;
        const bool is_head = head != NULL && head->kind == ESP_HEAD;
        const int n_of_head = is_head ? list_head_settings(of_head, head) : 0;
        for (int s = 0; is_head && s < n_settings; s++) {
            check_one(0, loss, &settings[s], on, head, &of_head[0]);
        }
        for (int s = 1; s < n_of_head; s++) {
            check_one(0, loss, &settings[0], on, head, &of_head[s]);
        }
    }
    return greatest;
}

static void check_term(const esp_plugin *loss)
{
    const uint32_t constants = ESP_CHOICES | loss->loss->held_fixed;
    model_case models[N_MODELS];
    list_models(models);
    double greatest = -1;
    for (int m = 0; m < N_MODELS; m++) {
        if (!(loss->loss->needs & ~esp_model_views(models[m].model.kind))) {
            greatest = fmax(greatest, check_settings(loss, &models[m]));
        }
    }
    if (greatest < 0) {
        fail_msg("%s declines every model", loss->name);
    }
    if (loss->loss->needs & ~constants && !(greatest > 1e-6)) {
        fail_msg("%s: no model learns from it", loss->name);
    }
}

static void test_loss_gradients__every_term_on_every_model(void **state)
{
    (void)state;
    int n_terms = 0;
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin *plugin = esp_registry_entry(registry, i)->plugin;
        if (plugin != NULL && plugin->kind == ESP_LOSS) {
            check_term(plugin);
            n_terms++;
        }
    }
    assert_true(n_terms >= 11);
    print_message("%d networks, %d of them with a gradient\n", n_checked, n_pairings);
    assert_true(n_checked >= 2000 && n_pairings >= n_checked / 2);
}

/* Which terms a model can have, so that no pairing is lost unseen. */
static void test_loss_gradients__pairings(void **state)
{
    (void)state;
    static const char *const on_all[] = {"cross_entropy", "focal", "l1", "l2"};
    static const char *const on_fff[] = {"hardening", "balance", "importance", "mixture_entropy"};
    static const char *const on_moe[] = {"balance",         "importance", "load",
                                         "mixture_entropy", "router_z",   "load_bias"};
    const struct {
        esp_model_config model;
        const char *const *names;
        size_t count;
    } models[] = {
        {esp_model_fff(2, 1), on_fff, sizeof on_fff / sizeof *on_fff},
        {esp_model_moe(3, 1, 2), on_moe, sizeof on_moe / sizeof *on_moe},
        {esp_model_ff(3), NULL, 0},
        {esp_model_fff_nodes(1, 1), NULL, 0},
    };
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        for (size_t i = 0; i < 4 + models[m].count; i++) {
            const char *name = i < 4 ? on_all[i] : models[m].names[i - 4];
            const esp_plugin *plugin = esp_registry_find(registry, ESP_LOSS, name);
            esp_params params;
            pairing p;
            assert_non_null(plugin);
            esp_params_default(&params, plugin);
            if (!create(&p, plugin, &params, &models[m].model, NULL, NULL)) {
                fail_msg("%s is not usable on %s", name, esp_model_kind_name(models[m].model.kind));
            }
            destroy(&p);
        }
    }
}

int main(void)
{
    unsetenv("ESPALIER_PLUGIN_PATH");
    if (esp_registry_create(&registry) != ESP_OK) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_gradients__every_term_on_every_model),
        cmocka_unit_test(test_loss_gradients__pairings),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    esp_registry_destroy(registry);
    return failed;
}
