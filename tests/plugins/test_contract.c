/* The contract test over every plugin that was built, with float and with double elements, and over
 * the fixture plugins: the sound ones pass, each of the others is refused for what it does wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "plugin/check.h"
#include "plugin/registry.h"

static char *run_check(int *status, const char *path, double seconds)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    *status = esp_plugin_check_within(NULL, path, out, seconds);
    fclose(out);
    return text;
}

static void assert_passes(const char *path)
{
    int status;
    char *text = run_check(&status, path, 120);
    if (status != ESP_OK) {
        print_error("%s\n%s\n", text, esp_message());
    }
    assert_int_equal(status, ESP_OK);
    /* a check that stopped early, or checked nothing, is no pass */
    assert_non_null(strstr(text, "ok gradients: worst error "));
    assert_non_null(strstr(text, "ok guards around every array"));
    free(text);
}

static void test_contract__every_plugin_of_the_registry(void **state)
{
    (void)state;
    esp_registry *registry = NULL;
    assert_int_equal(esp_registry_create(&registry), ESP_OK);
    assert_true(esp_registry_count(registry) >= 4);
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        if (!entry->plugin) {
            fail_msg("%s: %s", entry->path, entry->refusal);
        }
        assert_passes(entry->path);
    }
    esp_registry_destroy(registry);
}

static void test_contract__every_plugin_with_double_elements(void **state)
{
    (void)state;
    glob_t files;
    assert_int_equal(glob(ESPALIER_BUILD_DIR "/plugins-double/*/*.so", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 4);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        assert_passes(files.gl_pathv[i]);
    }
    globfree(&files);
}

static const char *fixture(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, ESPALIER_BUILD_DIR "/tests/fixture-plugins/%s.so", name);
    return path;
}

static void test_contract__sound_fixtures(void **state)
{
    (void)state;
    assert_passes(fixture("good_state"));
    assert_passes(fixture("good_gate"));
}

static void test_contract__refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name, *reason;
    } refused[] = {
        {"wrong_abi", "built for ABI version 2 with 4-byte elements; this program has version 1"},
        {"no_symbol", "no symbol espalier_plugin"},
        {"bad_params", "'margin': default 2 is outside 0..1"},
        {"bad_offset", "'margin': offset 8 and 8 bytes lie outside the state of 8 bytes"},
        {"wrong_gradient", "gradient of logits differs from finite differences by"},
        {"wrong_head", "backward does not add to the gradient of tensor scale"},
        {"nan_value", "its value is NaN, not finite"},
        {"head_writes_past", "backward wrote past the end of a gradient"},
        {"nan_bias", "after_step left a routing bias that is not finite"},
        {"writes_past", "evaluate wrote past the end of the gradient of logits"},
        {"writes_padding", "wrote past the last example of a row of the gradient of logits"},
        {"reads_padding", "reads past the last example of a row of logits"},
        {"reads_past", "reads before the start or past the end of logits"},
        {"changes_input", "evaluate changed its input logits"},
        {"shares_state", "its value is"},
        {"unsaved_state", "its state changes in training, but it has no save and load"},
        {"loses_state", "its state is lost by save and load"},
        {"changes_in_evaluation", "its state changes in evaluation"},
        {"draws_in_evaluation", "draws random numbers in evaluation"},
        {"crashes", "crashes ("},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        int status;
        free(run_check(&status, fixture(refused[i].name), 120));
        assert_int_equal(status, ESP_PLUGIN);
        if (!strstr(esp_message(), refused[i].reason) || !strstr(esp_message(), refused[i].name)) {
            fail_msg("%s: expected \"%s\" in: %s", refused[i].name, refused[i].reason,
                     esp_message());
        }
    }
}

static void test_contract__a_plugin_that_hangs(void **state)
{
    (void)state;
    int status;
    free(run_check(&status, fixture("hangs"), 1));
    assert_int_equal(status, ESP_PLUGIN);
    assert_non_null(strstr(esp_message(), "hangs: no end within 1 s in evaluate"));
}

static void test_contract__no_such_file(void **state)
{
    (void)state;
    int status;
    free(run_check(&status, fixture("nowhere"), 5));
    assert_int_equal(status, ESP_PLUGIN);
    assert_non_null(strstr(esp_message(), "nowhere.so"));
}

static void test_contract__a_text_file(void **state)
{
    (void)state;
    int status;
    free(run_check(&status, ESPALIER_SOURCE_DIR "/plugins/loss/balance.c", 5));
    assert_int_equal(status, ESP_PLUGIN);
    assert_non_null(strstr(esp_message(), "cannot be loaded"));
}

int main(void)
{
    unsetenv("ESPALIER_PLUGIN_PATH");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract__every_plugin_of_the_registry),
        cmocka_unit_test(test_contract__every_plugin_with_double_elements),
        cmocka_unit_test(test_contract__sound_fixtures),
        cmocka_unit_test(test_contract__refused_with_the_reason),
        cmocka_unit_test(test_contract__a_plugin_that_hangs),
        cmocka_unit_test(test_contract__no_such_file),
        cmocka_unit_test(test_contract__a_text_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
