/* What heads may declare, and that a model's tensors have names of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/status.h"
#include "plugin/head.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head__sound_declaration),
        cmocka_unit_test(test_head__unsound_declarations),
        cmocka_unit_test(test_head__names_stand_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
