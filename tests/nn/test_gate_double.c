/* The gate of a mixture of experts against numbers worked out here by the words of its sources
 * (Shazeer et al. 2017, eq. 3-10; Fedus et al. 2021, eq. 1-2). Its gradients are checked with whole
 * networks, in test_models_double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "nn/gate.h"

enum { E = 4, STRIDE = 16 };

/* One example in column 0. */
typedef struct bench {
    double logits[E * STRIDE], raw[E * STRIDE], normals[E * STRIDE], bias[E];
    double noisy[E * STRIDE], mixture[E * STRIDE], combine[E * STRIDE], load[E];
    int32_t choices[E * STRIDE];
    esp_gate gate;
} bench;

static void setup(bench *b, esp_gate_kind kind, int top_k, const double *logits)
{
    memset(b, 0, sizeof *b);
    for (int e = 0; e < E; e++) {
        b->logits[e * STRIDE] = logits[e];
    }
    b->gate = (esp_gate){.n_experts = E,
                         .top_k = top_k,
                         .kind = kind,
                         .n_examples = 1,
                         .stride = STRIDE,
                         .logits = b->logits,
                         .bias = b->bias,
                         .noisy = b->noisy,
                         .mixture = b->mixture,
                         .combine = b->combine,
                         .choices = b->choices,
                         .load = b->load};
}

static void near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-14)) {
        fail_msg("%.17g, expected %.17g", found, expected);
    }
}

/* logits ln 1, ln 6, ln 2, ln 3: top 2 are experts 1 and 3, softmax over them 6/9 and 3/9. */
static const double logs[E] = {0, 1.791759469228055, 0.6931471805599453, 1.0986122886681098};

static void test_gate__top_k(void **state)
{
    (void)state;
    bench b;
    setup(&b, ESP_GATE_TOP_K, 2, logs);
    esp_gate_forward(&b.gate);
    assert_int_equal(b.choices[0], 1);
    assert_int_equal(b.choices[STRIDE], 3);
    const double expected[E] = {0, 6.0 / 9, 0, 3.0 / 9}, load[E] = {0, 1, 0, 1};
    for (int e = 0; e < E; e++) {
        near(b.mixture[e * STRIDE], expected[e]);
        near(b.combine[e * STRIDE], expected[e]);
        near(b.load[e], load[e]);
    }
}

static void test_gate__switch(void **state)
{
    (void)state;
    bench b;
    setup(&b, ESP_GATE_SWITCH, 1, logs);
    esp_gate_forward(&b.gate);
    assert_int_equal(b.choices[0], 1);
    const double expected[E] = {1.0 / 12, 6.0 / 12, 2.0 / 12, 3.0 / 12};
    for (int e = 0; e < E; e++) {
        near(b.mixture[e * STRIDE], expected[e]);
        near(b.combine[e * STRIDE], e == 1 ? 0.5 : 0);
    }
}

/* A bias moves the choice; the weights are those of the logits. */
static void test_gate__bias_is_for_choosing_only(void **state)
{
    (void)state;
    bench b;
    setup(&b, ESP_GATE_TOP_K, 2, logs);
    b.bias[0] = 5;
    esp_gate_forward(&b.gate);
    assert_int_equal(b.choices[0], 0);
    assert_int_equal(b.choices[STRIDE], 1);
    near(b.mixture[0], 1.0 / 7);
    near(b.mixture[STRIDE], 6.0 / 7);
}

static double softplus(double x)
{
    return log(1 + exp(x));
}

static double phi(double x)
{
    return 0.5 * (1 + erf(x / sqrt(2)));
}

static void setup_noisy(bench *b, int top_k, const double *logits)
{
    setup(b, ESP_GATE_TOP_K, top_k, logits);
    b->gate.raw_noise = b->raw;
    b->gate.normals = b->normals;
}

/* H by hand: 0 + 1 s, 1 - 1 s', 2, 3 with s = softplus(0.5), s' = softplus(-0.5). */
static void test_gate__noise_and_load(void **state)
{
    (void)state;
    bench b;
    setup_noisy(&b, 2, (const double[E]){0, 1, 2, 3});
    b.raw[0] = 0.5;
    b.raw[STRIDE] = -0.5;
    b.raw[2 * STRIDE] = 1;
    b.raw[3 * STRIDE] = -2;
    b.normals[0] = 2.5;
    b.normals[STRIDE] = -1;
    esp_gate_forward(&b.gate);
    const double h0 = 2.5 * softplus(0.5), h1 = 1 - softplus(-0.5);
    near(b.noisy[0], h0);
    near(b.noisy[STRIDE], h1);
    assert_true(h0 > 2 && h0 < 3); /* so experts 3 and 0 are chosen */
    assert_int_equal(b.choices[0], 3);
    assert_int_equal(b.choices[STRIDE], 0);
    near(b.mixture[0], exp(h0) / (exp(h0) + exp(3)));
    /* a chosen expert must stay above the third, 2; another must pass the second, h0 */
    near(b.load[0], phi((0 - 2) / softplus(0.5)));
    near(b.load[1], phi((1 - h0) / softplus(-0.5)));
    near(b.load[2], phi((2 - h0) / softplus(1)));
    near(b.load[3], phi((3 - 2) / softplus(-2)));
}

/* With an epsilon of 0.01 every sigma is larger by it; r of -800 leaves nothing else. */
static void test_gate__noise_epsilon_is_the_least_sigma(void **state)
{
    (void)state;
    bench b;
    setup_noisy(&b, 1, (const double[E]){0, 1, 2, 3});
    b.gate.noise_epsilon = 0.01;
    b.raw[0] = 0.5;
    b.raw[2 * STRIDE] = b.raw[3 * STRIDE] = -800;
    b.normals[0] = 1.5;
    b.normals[3 * STRIDE] = -2;
    esp_gate_forward(&b.gate);
    const double h0 = 1.5 * (softplus(0.5) + 0.01);
    near(b.noisy[0], h0);
    near(b.noisy[3 * STRIDE], 3 - 2 * 0.01);
    assert_int_equal(b.choices[0], 3);
    near(b.load[0], phi((0 - 2.98) / (softplus(0.5) + 0.01)));
    near(b.load[2], phi((2 - 2.98) / 0.01));
    near(b.load[3], phi((3 - 2) / 0.01));
}

/* A bias moves both sides of what must be passed: z + bias against the greatest H + bias of the
 * others. By hand: H = z, as no noise comes of normals 0; with the biases 4, 1, 2, 3. */
static void test_gate__load_with_a_bias(void **state)
{
    (void)state;
    bench b;
    setup_noisy(&b, 2, (const double[E]){0, 1, 2, 3});
    b.raw[0] = 0.5;
    b.bias[0] = 4;
    esp_gate_forward(&b.gate);
    assert_int_equal(b.choices[0], 0);
    assert_int_equal(b.choices[STRIDE], 3);
    near(b.load[0], phi((4 - 2) / softplus(0.5)));
    near(b.load[1], phi((1 - 3) / softplus(0)));
    near(b.load[2], phi((2 - 3) / softplus(0)));
    near(b.load[3], phi((3 - 2) / softplus(0)));
    b.bias[3] = 2; /* H + bias: 4, 1, 2, 5 */
    esp_gate_forward(&b.gate);
    near(b.load[2], phi((2 - 4) / softplus(0)));
    near(b.load[3], phi((5 - 2) / softplus(0)));
}

/* All experts chosen: nothing could be otherwise. */
static void test_gate__all_chosen(void **state)
{
    (void)state;
    bench b;
    setup_noisy(&b, E, logs);
    esp_gate_forward(&b.gate);
    for (int e = 0; e < E; e++) {
        near(b.load[e], 1);
        near(b.mixture[e * STRIDE], exp(logs[e]) / 12);
    }
}

static void test_gate__ties_and_what_is_not_a_number(void **state)
{
    (void)state;
    bench b;
    setup(&b, ESP_GATE_TOP_K, 2, (const double[E]){1, 1, 1, 1});
    esp_gate_forward(&b.gate);
    assert_int_equal(b.choices[0], 0);
    assert_int_equal(b.choices[STRIDE], 1);
    setup(&b, ESP_GATE_TOP_K, 3, (const double[E]){NAN, NAN, 1, NAN});
    esp_gate_forward(&b.gate);
    for (int k = 0; k < 3; k++) {
        assert_in_range(b.choices[k * STRIDE], 0, E - 1);
    }
    assert_true(isnan(b.mixture[b.choices[0] * STRIDE])); /* it shows */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate__top_k),
        cmocka_unit_test(test_gate__switch),
        cmocka_unit_test(test_gate__bias_is_for_choosing_only),
        cmocka_unit_test(test_gate__noise_and_load),
        cmocka_unit_test(test_gate__noise_epsilon_is_the_least_sigma),
        cmocka_unit_test(test_gate__load_with_a_bias),
        cmocka_unit_test(test_gate__all_chosen),
        cmocka_unit_test(test_gate__ties_and_what_is_not_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
