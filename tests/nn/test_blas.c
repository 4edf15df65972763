/* BLAS multiplies on the caller's core alone, by what networks and inferences do themselves and
 * whatever the environment asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <string.h>

#include "nn/blas.h"
#include "nn/infer.h"

enum { FEATURES = 5, OUTPUTS = 3, MOST_EXAMPLES = 4 };

static int count_threads(void)
{
    esp_blas_library library;
    esp_blas_describe(&library);
    return library.threads;
}

/* As a library's user may leave BLAS, or a processor of many cores starts it. */
static void ask_for_threads(void)
{
    void (*set_threads)(int);
    void *found = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");
    if (found == NULL) {
        print_message("skipped: this BLAS is not OpenBLAS\n");
        skip();
    }
    memcpy(&set_threads, &found, sizeof found);
    set_threads(3);
    if (count_threads() != 3) {
        print_message("skipped: this OpenBLAS has one thread\n");
        skip();
    }
}

static esp_network *create_network(void)
{
    esp_network *network;
    const esp_network_config config = {.model = esp_model_fff(2, 2),
                                       .n_features = FEATURES,
                                       .n_outputs = OUTPUTS,
                                       .batch_size = MOST_EXAMPLES};
    assert_int_equal(esp_network_create(&network, &config), 0);
    return network;
}

static void test_blas__a_network_has_one_thread(void **state)
{
    (void)state;
    ask_for_threads();
    esp_network *network = create_network();
    assert_int_equal(count_threads(), 1);
    esp_network_destroy(network);
}

static void test_blas__an_inference_has_one_thread(void **state)
{
    (void)state;
    esp_network *network = create_network();
    const esp_inference_weights weights = esp_inference_weights_of(network);
    ask_for_threads();
    esp_inference *inference;
    assert_int_equal(esp_inference_create(&inference, &network->config.model, FEATURES, OUTPUTS,
                                          MOST_EXAMPLES, &weights),
                     0);
    assert_int_equal(count_threads(), 1);
    esp_inference_destroy(inference);
    esp_network_destroy(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blas__a_network_has_one_thread),
        cmocka_unit_test(test_blas__an_inference_has_one_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
