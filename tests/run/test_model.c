/* Opening models of others: a small file must not make espalier take much memory. The shapes are
 * what a hostile or broken header may claim; oracle: the published tensor names and shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"
#include "run/checkpoint.h"
#include "store/safetensors.h"

static char folder[] = "/tmp/espalier-test-XXXXXX";
static char path[128];
static esp_registry *registry;

static int open_all(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL || esp_registry_create(&registry) != ESP_OK) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    esp_registry_destroy(registry);
    unlink(path);
    return rmdir(folder);
}

/* Must be refused with these words in the message. */
static void expect_refused(const esp_safetensor *tensors, int n_tensors,
                           const esp_safetensors_meta *metadata, int n_metadata, const char *words)
{
    assert_int_equal(esp_safetensors_write(path, tensors, n_tensors, metadata, n_metadata), ESP_OK);
    esp_model *model = NULL;
    int status = esp_model_open(&model, path, 16, registry);
    if (status != ESP_DATA || strstr(esp_message(), words) == NULL) {
        fail_msg("status %d: %s; expected: %s", status, esp_message(), words);
    }
    assert_null(model);
}

static void test_model__outputs_that_no_tensor_holds(void **state)
{
    (void)state;
    enum { LEAVES = 1 << 20, OUTPUTS = 1 << 20 }; /* 4 TB of w2s */
    float *values = calloc(LEAVES, sizeof *values);
    assert_non_null(values);
    const esp_safetensor tensors[] = {
        {"w1s", "F32", 3, {LEAVES, 1, 1}, values, sizeof *values * LEAVES},
        {"w2s", "F32", 3, {0, 1, OUTPUTS}, NULL, 0}};
    expect_refused(tensors, 2, NULL, 0, "tensor 'w2s', dimension 0: expected 1048576, found 0");
    free(values);
}

static void test_model__head_wider_than_the_file(void **state)
{
    (void)state;
    enum { FEATURES = 1 << 20 }; /* times the head's width of 4096: 16 GB */
    float *values = calloc(FEATURES, sizeof *values);
    assert_non_null(values);
    const esp_safetensor tensors[] = {
        {"w1s", "F32", 3, {1, FEATURES, 1}, values, sizeof *values * FEATURES},
        {"w2s", "F32", 3, {1, 1, 1}, values, sizeof *values},
        {"magic_w1", "F32", 3, {1, 1, 1}, values, sizeof *values}};
    const esp_safetensors_meta metadata = {
        "heads", "[{\"name\":\"master_leaf\",\"parameters\":{\"width\":\"4096\"}}]"};
    expect_refused(tensors, 3, &metadata, 1,
                   "tensor 'magic_w1', dimension 1: expected 1048576, found 1");
    expect_refused(tensors, 2, &metadata, 1, "tensor 'magic_w1' is missing");
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model__outputs_that_no_tensor_holds),
        cmocka_unit_test(test_model__head_wider_than_the_file),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
