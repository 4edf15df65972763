/* Every loss term of the registry through whole networks, in double precision: on every kind of
 * model that has its views, bare and with every head, with its parameters at their defaults and at
 * each bound, the gradient by every trained parameter against central differences. It goes the way
 * of training: loss_sum's derivatives, the network's backward, penalties on parameters. A term that
 * is tried on no model, or whose gradient is nowhere different from 0, fails. */
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
#include "run/loss_sum.h"

enum { EXAMPLES = 5, FEATURES = 3, OUTPUTS = 3, MOST = 1024, MOST_STATE = 4096 };

static esp_registry *registry;
static int n_checked, n_pairings; /* networks differentiated; with a gradient */

typedef struct named_model {
    const char *name;
    esp_model_config model;
} named_model;

enum { N_MODELS = 10 };

static void list_models(named_model out[N_MODELS])
{
    esp_model_config noisy = esp_model_moe(4, 1, 2), noisy_switch = esp_model_moe(3, 2, 1);
    esp_model_config changed = esp_model_fff(2, 1);
    noisy.noise = noisy_switch.noise = true;
    changed.region_leak = 0.3;
    changed.dropout = 0.3;
    changed.activation = ESP_GELU;
    const named_model models[N_MODELS] = {{"fff of depth 0", esp_model_fff(0, 2)},
                                          {"fff of depth 1", esp_model_fff(1, 2)},
                                          {"fff of depth 2", esp_model_fff(2, 3)},
                                          {"fff of depth 3", esp_model_fff(3, 1)},
                                          {"fff, region leak, dropout, gelu", changed},
                                          {"ff", esp_model_ff(3)},
                                          {"moe, 2 of 4, no noise", esp_model_moe(4, 2, 2)},
                                          {"moe, 2 of 4, noise", noisy},
                                          {"moe, switch of 3, noise", noisy_switch},
                                          {"fff_nodes, 2 trees", esp_model_fff_nodes(2, 1)}};
    memcpy(out, models, sizeof models);
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
                   const esp_model_config *model, const esp_plugin *head)
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
        esp_params of_head;
        esp_params_default(&of_head, head);
        if (esp_instance_create(&p->head, head, &of_head, &dims, &p->noise) != ESP_OK) {
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

/* Settings of one term: its defaults, and each parameter at each end (choices and booleans: each).
 * Infinite ends have stand-ins. Returns false past the last. */
static bool setting(esp_params *out, char text[96], const esp_plugin *plugin, int index)
{
    esp_params_default(out, plugin);
    snprintf(text, 96, "defaults");
    for (uint32_t i = 0; index > 0 && i < plugin->n_params; i++) {
        const esp_param *param = &plugin->params[i];
        int ends = 2;
        while (param->type == ESP_PARAM_CHOICE && param->choices[ends] != NULL) {
            ends++;
        }
        index -= ends;
        if (index <= 0) {
            const int end = index + ends - 1;
            const bool ranged = param->type == ESP_PARAM_REAL || param->type == ESP_PARAM_INTEGER;
            const double bound = end == 0 ? param->minimum : param->maximum;
            out->values[i] = ranged ? fmax(-1000, fmin(1000, bound)) : end;
            snprintf(text, 96, "%s = %g", param->name, out->values[i]);
            return true;
        }
    }
    return index <= 0;
}

/* All settings of a term on one model with one head (or none). Returns the greatest norm, -1 where
 * all were declined. */
static double check_settings(const esp_plugin *loss, const named_model *on, const esp_plugin *head)
{
    esp_params params;
    char text[96], what[256];
    double greatest = -1;
    for (int s = 0; setting(&params, text, loss, s); s++) {
        pairing p;
        if (create(&p, loss, &params, &on->model, head)) {
            snprintf(what, sizeof what, "%s (%s) on %s, head %s", loss->name, text, on->name,
                     head != NULL ? head->name : "none");
            greatest = fmax(greatest, check(&p, what));
        }
        destroy(&p);
    }
    return greatest;
}

static void check_term(const esp_plugin *loss)
{
    const uint32_t constants = ESP_CHOICES | loss->loss->held_fixed;
    named_model models[N_MODELS];
    list_models(models);
    double greatest = -1;
    for (int m = 0; m < N_MODELS; m++) {
        if (loss->loss->needs & ~esp_model_views(models[m].model.kind)) {
            continue;
        }
        greatest = fmax(greatest, check_settings(loss, &models[m], NULL));
        for (int i = 0; i < esp_registry_count(registry); i++) {
            const esp_plugin *head = esp_registry_entry(registry, i)->plugin;
            if (head != NULL && head->kind == ESP_HEAD) {
                check_settings(loss, &models[m], head);
            }
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
    assert_true(n_checked >= 400 && n_pairings >= n_checked / 2);
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
            if (!create(&p, plugin, &params, &models[m].model, NULL)) {
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
