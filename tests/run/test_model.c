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

static void expect_moe_refused(int experts, const char *top_k, const char *gate, int gate_rows,
                               const char *words)
{
    static float values[64];
    const esp_safetensor tensors[] = {
        {"w1s", "F32", 3, {experts, 2, 1}, values, sizeof *values * 2 * (size_t)experts},
        {"w2s", "F32", 3, {experts, 1, 2}, values, sizeof *values * 2 * (size_t)experts},
        {"gate_weights", "F32", 2, {gate_rows, 2}, values, sizeof *values * 2 * (size_t)gate_rows},
        {"gate_noise_weights", "F32", 2, {1 << 20, 0}, NULL, 0}};
    const esp_safetensors_meta metadata[] = {{"model", "moe"}, {"gate", gate}, {"top_k", top_k}};
    expect_refused(tensors, 4, metadata, top_k != NULL ? 3 : 2, words);
}

static void test_model__moe_that_does_not_fit_its_words(void **state)
{
    (void)state;
    expect_moe_refused(3, NULL, "switch", 3, "metadata 'top_k' is missing or not a number");
    expect_moe_refused(3, "two", "switch", 3, "metadata 'top_k' is missing or not a number");
    expect_moe_refused(3, "4", "switch", 3, "top_k is 4, not from 1 to 3");
    expect_moe_refused(3, "0", "switch", 3, "top_k is 0, not from 1 to 3");
    expect_moe_refused(3, "2", "swicth", 3, "metadata 'gate' has no value 'swicth'");
    expect_moe_refused(3, "2", "top_k", 2,
                       "tensor 'gate_weights', dimension 0: expected 3, found 2");
    /* noise of a million experts that no byte stands for */
    expect_moe_refused(3, "2", "top_k", 3,
                       "tensor 'gate_noise_weights', dimension 0: expected 3, found 1048576");
}

static void expect_nodes_refused(const char *trees, const char *depth, int neurons, int outputs,
                                 const char *words)
{
    static float values[64];
    const esp_safetensor tensors[] = {
        {"linear_in.weight", "F32", 2, {neurons, 2}, values, sizeof *values * 2 * (size_t)neurons},
        {"linear_out.weight", "F32", 2, {outputs, 0}, NULL, 0}};
    const esp_safetensors_meta metadata[] = {
        {"model", "fff_nodes"}, {"trees", trees}, {"depth", depth}};
    expect_refused(tensors, 2, metadata, 3, words);
}

static void test_model__fff_nodes_that_do_not_fit_their_words(void **state)
{
    (void)state;
    expect_nodes_refused("2", "21", 6, 2, "depth is 21, not from 0 to 20");
    expect_nodes_refused("1048576", "20", 6, 2, "the number of neurons is 2199022206976");
    expect_nodes_refused("2", "1", 7, 2,
                         "tensor 'linear_in.weight', dimension 0: expected 6, found 7");
    expect_nodes_refused("2", "1", 6, 1 << 20,
                         "tensor 'linear_out.weight', dimension 1: expected 6, found 0");
}

static void test_model__kinds_and_activations_by_name(void **state)
{
    (void)state;
    static float values[64];
    const esp_safetensor tensors[] = {{"w1s", "F32", 3, {2, 2, 1}, values, sizeof *values * 4},
                                      {"w2s", "F32", 3, {2, 1, 2}, values, sizeof *values * 4}};
    const esp_safetensors_meta kind = {"model", "fffs"}, activation = {"activation", "tanh"},
                               ff = {"model", "ff"};
    expect_refused(tensors, 2, &kind, 1, "metadata 'model' has no value 'fffs'");
    expect_refused(tensors, 2, &activation, 1, "metadata 'activation' has no value 'tanh'");
    expect_refused(tensors, 2, &ff, 1, "the number of leaves of an ff is 2, not from 1 to 1");
}

static void test_model__metadata_that_is_no_number(void **state)
{
    (void)state;
    static const float values[2] = {1, 2};
    enum { ONE = sizeof *values };
    const esp_safetensor tensors[] = {{"w1s", "F32", 3, {1, 2, 1}, values, 2 * ONE},
                                      {"b1s", "F32", 2, {1, 1}, values, ONE},
                                      {"w2s", "F32", 3, {1, 1, 2}, values, 2 * ONE},
                                      {"b2s", "F32", 2, {1, 2}, values, 2 * ONE}};
    static const struct {
        esp_safetensors_meta entry;
        const char *words;
    } cases[] = {
        {{"normalize_mean", "abc"}, "metadata 'normalize_mean': expected a number, found 'abc'"},
        {{"normalize_mean", "nan"}, "'normalize_mean': expected a number"},
        {{"normalize_std", ""}, "metadata 'normalize_std': expected a number, found ''"},
        {{"normalize_std", "0.5x"}, "'normalize_std': expected a number, found '0.5x'"},
        {{"normalize_std", "inf"}, "'normalize_std': expected a number"},
        {{"normalize_std", "0"}, "normalize_std is 0, not greater than 0"},
        {{"normalize_std", "-1"}, "normalize_std is -1"},
        {{"normalize", "per_feture"}, "metadata 'normalize' has no value 'per_feture'"},
        {{"validation", "a tenth"}, "metadata 'validation': expected a number"},
        {{"split_seed", "-1"}, "metadata 'split_seed': expected a whole number, found '-1'"},
        {{"split_seed", "1.5"}, "metadata 'split_seed': expected a whole number"},
        {{"classes", "cat, dog"}, "metadata 'classes': expected a list of 2 names"},
        {{"classes", "[\"cat\"]"}, "metadata 'classes': expected a list of 2 names"},
        {{"classes", "[\"cat\", 2]"}, "metadata 'classes': entry 1 is not a name"},
        {{"test", "a fifth"}, "metadata 'test': expected a number"},
        {{"heads", "[{\"name\":\"master_leaf\",\"parameters\":{\"width\":\"x\"}}]"},
         "head 'master_leaf': width must be a whole number, not 'x'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_refused(tensors, 4, &cases[i].entry, 1, cases[i].words);
    }
    esp_model *model = NULL;
    const esp_safetensors_meta sound = {"normalize_std", "0.25"};
    assert_int_equal(esp_safetensors_write(path, tensors, 4, &sound, 1), ESP_OK);
    assert_int_equal(esp_model_open(&model, path, 16, registry), ESP_OK);
    assert_true(model->std == 0.25 && model->mean == 0.5);
    esp_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model__outputs_that_no_tensor_holds),
        cmocka_unit_test(test_model__head_wider_than_the_file),
        cmocka_unit_test(test_model__moe_that_does_not_fit_its_words),
        cmocka_unit_test(test_model__fff_nodes_that_do_not_fit_their_words),
        cmocka_unit_test(test_model__kinds_and_activations_by_name),
        cmocka_unit_test(test_model__metadata_that_is_no_number),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
