#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka's; here the host's service */

#include <fenv.h>
#include <langinfo.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "plugin/instance.h"

/* A plugin made here: instances need no file. */
typedef struct state {
    double rate;
    int64_t made; /* by create, from the rate */
} state;

static const esp_param rows[] = {
    {"rate", "a share", ESP_PARAM_REAL, offsetof(state, rate), 0.5, 0, 1, NULL}};

static int create(void *memory, const esp_host *host, const esp_dims *dims)
{
    state *self = memory;
    if (self->rate == 0) {
        return host->fail(host, "rate 0 needs more than %d leaves", dims->n_leaves);
    }
    assert_int_equal(self->made, 0); /* the state arrives zeroed */
    self->made = (int64_t)(self->rate * 100);
    return 0;
}

static size_t save(const void *memory, void *bytes)
{
    if (bytes) {
        memcpy(bytes, memory, sizeof(state));
    }
    return sizeof(state);
}

static int load(void *memory, const esp_host *host, const void *bytes, size_t size)
{
    if (size != sizeof(state)) {
        return host->fail(host, "%zu bytes instead of %zu", size, sizeof(state));
    }
    memcpy(memory, bytes, size);
    return 0;
}

static const esp_plugin plugin = {.name = "made_here",
                                  .state_size = sizeof(state),
                                  .params = rows,
                                  .n_params = 1,
                                  .create = create,
                                  .save = save,
                                  .load = load};
static const esp_dims small = {.struct_size = sizeof small, .n_leaves = 4, .batch_size = 100};

static void start(esp_instance *instance, double rate, esp_rng *noise)
{
    esp_params params = {{rate}};
    assert_int_equal(esp_instance_create(instance, &plugin, &params, &small, noise), ESP_OK);
}

static void test_instance__create_and_set_params(void **unused)
{
    (void)unused;
    esp_instance instance;
    start(&instance, 0.25, NULL);
    const state *self = instance.state;
    assert_true(self->rate == 0.25);
    assert_int_equal(self->made, 25);
    esp_instance_set_params(&instance, &(esp_params){{0.75}});
    assert_true(self->rate == 0.75);
    assert_int_equal(self->made, 25); /* state otherwise kept */
    esp_instance_destroy(&instance);
    esp_instance_destroy(&instance); /* twice does no harm */
    esp_instance_destroy(NULL);
}

static void test_instance__create_refused(void **unused)
{
    (void)unused;
    esp_instance instance;
    esp_params params = {{0}};
    assert_int_equal(esp_instance_create(&instance, &plugin, &params, &small, NULL), ESP_PLUGIN);
    assert_string_equal(esp_message(), "plugin 'made_here': rate 0 needs more than 4 leaves");
}

static void test_instance__log_accumulates(void **unused)
{
    (void)unused;
    esp_instance instance;
    start(&instance, 0.5, NULL);
    const esp_host *host = &instance.host;
    host->log(host, "norm", 3, 2);
    host->log(host, "k", 1, 1);
    host->log(host, "norm", 4, 5);
    esp_instance_begin(&instance, ESP_TRAINING); /* a new call keeps the epoch's sums */
    assert_int_equal(instance.n_logged, 2);
    assert_string_equal(instance.logged[0].key, "norm");
    assert_true(instance.logged[0].sum == 7 && instance.logged[0].weight == 7);
    assert_true(instance.logged[1].sum == 1);
    esp_instance_destroy(&instance);
}

static void test_instance__log_refuses(void **unused)
{
    (void)unused;
    esp_instance instance;
    start(&instance, 0.5, NULL);
    const esp_host *host = &instance.host;
    host->log(host, "Not a key", 1, 1);
    assert_non_null(strstr(instance.failure, "'Not a key'"));
    assert_int_equal(instance.n_logged, 0);
    esp_instance_begin(&instance, ESP_TRAINING);
    for (int i = 0; i < ESP_MAX_LOGGED + 1; i++) {
        char key[16];
        snprintf(key, sizeof key, "key_%d", i);
        host->log(host, key, 1, 1);
    }
    assert_int_equal(instance.n_logged, ESP_MAX_LOGGED);
    assert_non_null(strstr(instance.failure, "key_48"));
    esp_instance_destroy(&instance);
}

static void test_instance__fail_keeps_the_first_message(void **unused)
{
    (void)unused;
    esp_instance instance;
    start(&instance, 0.5, NULL);
    assert_int_not_equal(instance.host.fail(&instance.host, "leaf %d is empty", 3), 0);
    instance.host.fail(&instance.host, "so nothing works");
    assert_string_equal(instance.failure, "leaf 3 is empty");
    esp_instance_begin(&instance, ESP_TRAINING);
    assert_string_equal(instance.failure, "");
    esp_instance_destroy(&instance);
}

/* ---- the thread's locale and arithmetic ------------------------------------------------------
 */

/* The C locale of glibc is ASCII; C.UTF-8, which every glibc has, is told from it by its set. */
static const char *character_set(void)
{
    return nl_langinfo(CODESET);
}

static void change_thread(void)
{
    static locale_t other; /* one for all calls */
    other = other ? other : newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    uselocale(other);
    fesetround(FE_UPWARD);
    assert_string_equal(character_set(), "UTF-8");
}

static void assert_put_back(void)
{
    assert_string_equal(character_set(), "ANSI_X3.4-1968");
    assert_int_equal(fegetround(), FE_DOWNWARD);
}

static int create_elsewhere(void *memory, const esp_host *host, const esp_dims *dims)
{
    (void)memory, (void)host, (void)dims;
    change_thread();
    return 0;
}

static void destroy_elsewhere(void *memory)
{
    (void)memory;
    change_thread();
}

static size_t save_elsewhere(const void *memory, void *bytes)
{
    (void)memory, (void)bytes;
    change_thread();
    return 8;
}

static int load_elsewhere(void *memory, const esp_host *host, const void *bytes, size_t size)
{
    (void)memory, (void)host, (void)bytes, (void)size;
    change_thread();
    return 0;
}

static void
test_instance__every_call_leaves_the_thread_in_the_c_locale_and_its_arithmetic(void **unused)
{
    (void)unused;
    const esp_plugin elsewhere = {.name = "elsewhere",
                                  .create = create_elsewhere,
                                  .destroy = destroy_elsewhere,
                                  .save = save_elsewhere,
                                  .load = load_elsewhere};
    const esp_dims dims = {.struct_size = sizeof dims, .batch_size = 4};
    esp_params none = {0};
    esp_instance instance;
    void *bytes = NULL;
    size_t count = 0;
    fesetround(FE_DOWNWARD); /* a caller's own, unlike the default and unlike the plugin's */
    assert_int_equal(esp_instance_create(&instance, &elsewhere, &none, &dims, NULL), ESP_OK);
    assert_put_back();
    assert_int_equal(esp_instance_save(&bytes, &count, &instance), ESP_OK);
    assert_put_back();
    assert_int_equal(esp_instance_load(&instance, bytes, count), ESP_OK);
    assert_put_back();
    esp_instance_begin(&instance, ESP_TRAINING); /* any operation: it is its caller's to make */
    change_thread();
    instance.host.fail(&instance.host, "half is %g", 0.5);
    assert_string_equal(character_set(), "UTF-8"); /* within the call it is the plugin's */
    assert_int_not_equal(esp_instance_end(&instance, 1), ESP_OK);
    assert_put_back();
    esp_instance_destroy(&instance);
    assert_put_back();
    free(bytes);
    fesetround(FE_TONEAREST);
}

/* Blocks of one call are aligned, apart from one another and usable to their ends; a call like the
 * one before takes all its memory from the one block there is. */
static void test_instance__scratch(void **unused)
{
    (void)unused;
    enum { BLOCKS = 30 };
    esp_instance instance;
    start(&instance, 0.5, NULL);
    unsigned char *blocks[BLOCKS];
    for (int call = 0; call < 3; call++) {
        esp_instance_begin(&instance, ESP_TRAINING);
        const unsigned char *base = instance.scratch;
        for (int i = 0; i < BLOCKS; i++) {
            size_t bytes = (size_t)(i * i * 997) % 300000 + (size_t)i;
            blocks[i] = instance.host.scratch(&instance.host, bytes);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % 64, 0);
            memset(blocks[i], i, bytes);
        }
        bool overlaps = false;
        for (int i = 0; i < BLOCKS; i++) {
            size_t bytes = (size_t)(i * i * 997) % 300000 + (size_t)i;
            for (size_t j = 0; j < bytes; j++) {
                overlaps = overlaps || blocks[i][j] != i;
            }
        }
        assert_false(overlaps);
        if (call > 0) {
            assert_int_equal(instance.n_spill, 0);
            assert_ptr_equal(instance.scratch, base);
        }
    }
    esp_instance_destroy(&instance);
}

static void test_instance__uniform_is_the_noise_stream(void **unused)
{
    (void)unused;
    esp_instance instance;
    esp_rng noise = esp_rng_make(3, "noise", 0), same = noise;
    start(&instance, 0.5, &noise);
    for (int i = 0; i < 10; i++) {
        assert_true(instance.host.uniform(&instance.host) == esp_rng_uniform(&same));
    }
    esp_instance_destroy(&instance);
    start(&instance, 0.5, NULL);
    assert_true(instance.host.uniform(&instance.host) == 0);
    assert_non_null(strstr(instance.failure, "random numbers"));
    esp_instance_destroy(&instance);
}

static void test_instance__save_and_load(void **unused)
{
    (void)unused;
    esp_instance instance, copy;
    void *bytes = NULL;
    size_t count = 0;
    start(&instance, 0.25, NULL);
    start(&copy, 0.5, NULL);
    assert_int_equal(esp_instance_save(&bytes, &count, &instance), ESP_OK);
    assert_int_equal(count, sizeof(state));
    assert_int_equal(esp_instance_load(&copy, bytes, count), ESP_OK);
    assert_memory_equal(copy.state, instance.state, sizeof(state));
    assert_int_equal(esp_instance_load(&copy, bytes, count - 1), ESP_PLUGIN);
    assert_string_equal(esp_message(), "plugin 'made_here': 15 bytes instead of 16");
    free(bytes);
    esp_instance_destroy(&instance);
    esp_instance_destroy(&copy);
}

static void test_instance__without_state(void **unused)
{
    (void)unused;
    static const esp_plugin bare = {.name = "bare"};
    esp_instance instance;
    esp_params params = {{0}};
    void *bytes = &params;
    size_t count = 1;
    assert_int_equal(esp_instance_create(&instance, &bare, &params, &small, NULL), ESP_OK);
    assert_int_equal(esp_instance_save(&bytes, &count, &instance), ESP_OK);
    assert_null(bytes);
    assert_int_equal(count, 0);
    assert_int_equal(esp_instance_load(&instance, NULL, 0), ESP_OK);
    assert_int_equal(esp_instance_load(&instance, "x", 1), ESP_PLUGIN);
    esp_instance_destroy(&instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instance__create_and_set_params),
        cmocka_unit_test(test_instance__create_refused),
        cmocka_unit_test(test_instance__log_accumulates),
        cmocka_unit_test(test_instance__log_refuses),
        cmocka_unit_test(test_instance__fail_keeps_the_first_message),
        cmocka_unit_test(
            test_instance__every_call_leaves_the_thread_in_the_c_locale_and_its_arithmetic),
        cmocka_unit_test(test_instance__scratch),
        cmocka_unit_test(test_instance__uniform_is_the_noise_stream),
        cmocka_unit_test(test_instance__save_and_load),
        cmocka_unit_test(test_instance__without_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
