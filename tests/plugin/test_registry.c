#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/status.h"
#include "plugin/registry.h"

#define FIXTURES ESPALIER_BUILD_DIR "/tests/fixture-plugins"
#define SHIPPED  ESPALIER_BUILD_DIR "/plugins"

static esp_registry *create(const char *path)
{
    esp_registry *registry = NULL;
    if (path) {
        setenv("ESPALIER_PLUGIN_PATH", path, 1);
    } else {
        unsetenv("ESPALIER_PLUGIN_PATH");
    }
    assert_int_equal(esp_registry_create(&registry), ESP_OK);
    unsetenv("ESPALIER_PLUGIN_PATH");
    return registry;
}

static const esp_plugin_entry *entry_ending(const esp_registry *registry, const char *end)
{
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        size_t length = strlen(entry->path);
        if (length >= strlen(end) && strcmp(entry->path + length - strlen(end), end) == 0) {
            return entry;
        }
    }
    fail_msg("no entry %s", end);
    return NULL;
}

static void test_registry__shipped(void **state)
{
    (void)state;
    esp_registry *registry = create(NULL);
    const esp_plugin *balance = esp_registry_find(registry, ESP_LOSS, "balance");
    assert_non_null(balance);
    assert_int_equal(balance->role, ESP_ROUTING);
    assert_non_null(esp_registry_find(registry, ESP_LOSS, "cross_entropy"));
    assert_non_null(esp_registry_find(registry, ESP_LOSS, "hardening"));
    assert_non_null(esp_registry_find(registry, ESP_HEAD, "master_leaf"));
    assert_null(esp_registry_find(registry, ESP_HEAD, "balance")); /* kind and name */
    assert_null(esp_registry_find(registry, ESP_LOSS, "balanc"));

    const esp_plugin_entry *entry = esp_registry_entry_of(registry, balance);
    assert_non_null(entry);
    assert_non_null(strstr(entry->path, "/plugins/loss/balance.so"));
    char hex[ESP_SHA256_HEX];
    assert_int_equal(esp_sha256_file(hex, entry->path), ESP_OK);
    assert_string_equal(entry->sha256, hex);
    assert_null(esp_registry_entry_of(registry, NULL));
    assert_null(esp_registry_entry(registry, -1));
    assert_null(esp_registry_entry(registry, esp_registry_count(registry)));
    esp_registry_destroy(registry);
    esp_registry_destroy(NULL);
}

/* Refused files are kept with their reason and stop no other. */
static void test_registry__refusals_are_kept(void **state)
{
    (void)state;
    esp_registry *registry = create(FIXTURES);
    static const struct {
        const char *file, *reason;
    } refused[] = {
        {"/wrong_abi.so", "built for ABI version 2"},
        {"/no_symbol.so", "no symbol espalier_plugin"},
        {"/bad_params.so", "default 2 is outside 0..1"},
        {"/bad_offset.so", "outside the state"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const esp_plugin_entry *entry = entry_ending(registry, refused[i].file);
        assert_null(entry->plugin);
        assert_non_null(entry->refusal);
        assert_non_null(strstr(entry->refusal, refused[i].reason));
        assert_false(entry->is_hidden);
    }
    assert_non_null(entry_ending(registry, "/good_state.so")->plugin);
    assert_non_null(esp_registry_find(registry, ESP_LOSS, "balance"));
    esp_registry_destroy(registry);
}

static void test_registry__a_folder_named_twice(void **state)
{
    (void)state;
    esp_registry *once = create(NULL);
    esp_registry *twice = create(SHIPPED ":" SHIPPED "/../plugins:/nowhere::" SHIPPED "/");
    assert_int_equal(esp_registry_count(once), esp_registry_count(twice));
    esp_registry_destroy(once);
    esp_registry_destroy(twice);
}

static void copy_file(const char *to, const char *from)
{
    char command[1024];
    snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

/* A folder of ESPALIER_PLUGIN_PATH comes first: its balance hides the one that was shipped. */
static void test_registry__first_found_wins(void **state)
{
    (void)state;
    char folder[] = "/tmp/espalier-registry-XXXXXX", below[64], file[96];
    assert_non_null(mkdtemp(folder));
    snprintf(below, sizeof below, "%s/loss", folder);
    assert_int_equal(mkdir(below, 0700), 0);
    snprintf(file, sizeof file, "%s/own.so", below);
    copy_file(file, SHIPPED "/loss/balance.so");

    esp_registry *registry = create(folder);
    const esp_plugin *balance = esp_registry_find(registry, ESP_LOSS, "balance");
    assert_non_null(balance);
    assert_non_null(strstr(esp_registry_entry_of(registry, balance)->path, "/own.so"));
    const esp_plugin_entry *hidden = entry_ending(registry, "/plugins/loss/balance.so");
    assert_null(hidden->plugin);
    assert_true(hidden->is_hidden);
    assert_non_null(strstr(hidden->refusal, "/own.so"));
    esp_registry_destroy(registry);

    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(below), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void assert_not_opened(const char *path, const char *words)
{
    esp_plugin_entry entry;
    assert_int_equal(esp_plugin_open(&entry, path), ESP_PLUGIN);
    assert_null(entry.plugin);
    if (!strstr(entry.refusal, words)) {
        fail_msg("\"%s\" not in: %s", words, entry.refusal);
    }
    free(entry.path);
    free(entry.refusal);
}

static void test_registry__open_refuses(void **state)
{
    (void)state;
    assert_not_opened("/nowhere/at_all.so", "cannot be read");
    assert_not_opened(ESPALIER_SOURCE_DIR "/plugins/loss/balance.c", "cannot be loaded");
    /* 8-byte elements are for the contract test only */
    assert_not_opened(ESPALIER_BUILD_DIR "/plugins-double/loss/balance.so",
                      "version 1 with 8-byte elements; this program has version 1 with 4-byte");
}

static void test_registry__open_any_tells_the_element_size(void **state)
{
    (void)state;
    esp_plugin_entry entry;
    size_t size = 0;
    assert_int_equal(
        esp_plugin_open_any(&entry, &size, ESPALIER_BUILD_DIR "/plugins-double/loss/balance.so"),
        ESP_OK);
    assert_int_equal(size, 8);
    free(entry.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry__shipped),
        cmocka_unit_test(test_registry__refusals_are_kept),
        cmocka_unit_test(test_registry__a_folder_named_twice),
        cmocka_unit_test(test_registry__first_found_wins),
        cmocka_unit_test(test_registry__open_refuses),
        cmocka_unit_test(test_registry__open_any_tells_the_element_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
