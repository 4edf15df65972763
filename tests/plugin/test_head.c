/* What heads may declare, and that a model's tensors have names of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "plugin/head.h"
#include "plugin/registry.h"

static esp_head_decl declared;

static int declare(void *state, const esp_host *host, const esp_dims *dims, esp_head_decl *decl)
{
    (void)state;
    (void)host;
    (void)dims;
    *decl = declared;
    return 0;
}

static const esp_head_ops ops = {.struct_size = sizeof ops, .declare = declare};
static const esp_plugin plugin = {ESP_PLUGIN_HEADER, .kind = ESP_HEAD, .name = "fake",
                                  .head = &ops};

static esp_head_decl sound(void)
{
    return (esp_head_decl){.struct_size = sizeof(esp_head_decl),
                           .n_hidden = 3,
                           .projection_weight_name = "own_w1",
                           .projection_bias_name = "own_b1",
                           .n_tensors = 1,
                           .tensors = {{.name = "own_w2", .rank = 2, .shape = {3, 4}}}};
}

static int declare_it(void)
{
    esp_instance head;
    esp_rng noise = {0};
    esp_head_decl out;
    const esp_dims dims = {.struct_size = sizeof dims, .batch_size = 1};
    assert_int_equal(esp_instance_create(&head, &plugin, &(esp_params){0}, &dims, &noise), ESP_OK);
    int status = esp_head_declare(&out, &head, &dims);
    esp_instance_destroy(&head);
    return status;
}

static void assert_refused(const char *words)
{
    assert_int_equal(declare_it(), ESP_PLUGIN);
    assert_non_null(strstr(esp_message(), words));
}

static void test_head__sound_declaration(void **state)
{
    (void)state;
    declared = sound();
    assert_int_equal(declare_it(), ESP_OK);
}

static void test_head__unsound_declarations(void **state)
{
    (void)state;
    declared = sound();
    declared.tensors[0].rank = 5;
    assert_refused("rank 5");
    declared = sound();
    declared.tensors[0].shape[1] = 0;
    assert_refused("dimension 1 of 0");
    declared = sound();
    declared.tensors[0].name = NULL;
    assert_refused("name");
    declared = sound();
    declared.n_tensors = ESP_MAX_TENSORS + 1;
    assert_refused("tensors");
    declared = sound();
    declared.projection_bias_name = NULL;
    assert_refused("projections");
    declared = sound();
    declared.n_hidden = -1;
    assert_refused("-1 hidden units");
    declared = sound();
    declared.biases = 1u << 1; /* there is only tensor 0 */
    assert_refused("biases (bits 0x2) beyond its 1 tensors");
}

static void test_head__names_stand_once(void **state)
{
    (void)state;
    const char *const taken[] = {"node_weights", "w1s"};
    esp_head_decl heads[2] = {sound(), sound()};
    assert_int_equal(esp_head_names_differ(heads, 1, taken, 2), ESP_OK);
    assert_int_equal(esp_head_names_differ(heads, 2, taken, 2), ESP_PLUGIN);
    assert_non_null(strstr(esp_message(), "own_w1"));
    heads[0].tensors[0].name = "w1s";
    assert_int_equal(esp_head_names_differ(heads, 1, taken, 2), ESP_PLUGIN);
    assert_non_null(strstr(esp_message(), "w1s"));
}

/* W2 and b2 start within 1/sqrt(leaf width) in the published master leaf, within 1/sqrt(width) in
 * early_exit; k at sigmoid(0.5) and at a half. */
static void test_head__where_shipped_heads_start(void **state)
{
    (void)state;
    static const char *const names[] = {"master_leaf", "early_exit"};
    static const double bounds[] = {0.5, 0.25}, raws[] = {0.5, 0};
    const esp_dims dims = {.struct_size = sizeof dims, .n_outputs = 3, .leaf_width = 4};
    esp_registry *registry = NULL;
    assert_int_equal(esp_registry_create(&registry), ESP_OK);
    for (int i = 0; i < 2; i++) {
        const esp_plugin *shipped = esp_registry_find(registry, ESP_HEAD, names[i]);
        assert_non_null(shipped);
        esp_params params;
        esp_instance head;
        esp_head_decl out;
        esp_params_default(&params, shipped);
        params.values[esp_params_find(shipped, "width")] = 16;
        assert_int_equal(esp_instance_create(&head, shipped, &params, &dims, NULL), ESP_OK);
        assert_int_equal(esp_head_declare(&out, &head, &dims), ESP_OK);
        assert_true(fabs(out.tensors[0].bound - bounds[i]) <= 1e-15);
        assert_true(fabs(out.tensors[1].bound - bounds[i]) <= 1e-15);
        assert_true(fabs(out.tensors[2].center - raws[i]) <= 1e-15 && out.tensors[2].bound == 0);
        esp_instance_destroy(&head);
    }
    esp_registry_destroy(registry);
}

int main(void)
{
    unsetenv("ESPALIER_PLUGIN_PATH");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head__sound_declaration),
        cmocka_unit_test(test_head__unsound_declarations),
        cmocka_unit_test(test_head__names_stand_once),
        cmocka_unit_test(test_head__where_shipped_heads_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
