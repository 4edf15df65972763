/* The tree's mixture and descent against the definition: products along each leaf's path. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/rng.h"
#include "nn/tree.h"

enum { EXAMPLES = 21, STRIDE = 32, MAX_DEPTH = 6, MAX_LEAVES = 64 };

static esp_real scores[MAX_LEAVES * STRIDE], probabilities[MAX_LEAVES * STRIDE];
static esp_real reach[MAX_LEAVES * STRIDE], mixture[MAX_LEAVES * STRIDE];

static void draw(int depth)
{
    esp_rng rng = esp_rng_make(11, "tree", (uint32_t)depth);
    for (int i = 0; i < MAX_LEAVES * STRIDE; i++) {
        scores[i] = (esp_real)(8 * esp_rng_uniform(&rng) - 4);
        probabilities[i] = (esp_real)(1 / (1 + exp(-(double)scores[i])));
    }
    esp_tree_mix(mixture, reach, probabilities, depth, EXAMPLES, STRIDE);
}

/* The path to a leaf, read off its bits from the root: 1 is right. */
static double path_product(int depth, int leaf, int example)
{
    double product = 1;
    int node = 0;
    for (int level = depth - 1; level >= 0; level--) {
        const int right = leaf >> level & 1;
        const double p = (double)probabilities[node * STRIDE + example];
        product *= right ? p : 1 - p;
        node = 2 * node + 1 + right;
    }
    return product;
}

static void test_tree__mixture_is_the_product_along_the_path(void **state)
{
    (void)state;
    for (int depth = 0; depth <= MAX_DEPTH; depth++) {
        draw(depth);
        for (int b = 0; b < EXAMPLES; b++) {
            double sum = 0;
            for (int leaf = 0; leaf < 1 << depth; leaf++) {
                double c = (double)mixture[leaf * STRIDE + b];
                assert_true(fabs(c - path_product(depth, leaf, b)) <= 1e-6);
                sum += c;
            }
            assert_true(fabs(sum - 1) <= 1e-5);
        }
    }
}

static void test_tree__descent_goes_right_at_zero_and_above(void **state)
{
    (void)state;
    int32_t leaves[EXAMPLES];
    for (int depth = 0; depth <= MAX_DEPTH; depth++) {
        draw(depth);
        scores[0] = 0; /* the tie at the root of example 0 */
        esp_tree_descend(leaves, scores, depth, EXAMPLES, STRIDE);
        for (int b = 0; b < EXAMPLES; b++) {
            int node = 0;
            for (int level = depth - 1; level >= 0; level--) {
                const int right = leaves[b] >> level & 1;
                assert_int_equal(right, scores[node * STRIDE + b] >= 0);
                node = 2 * node + 1 + right;
            }
        }
        if (depth > 0) {
            assert_true(leaves[0] >= 1 << (depth - 1));
        }
    }
}

/* From depth 2 on the two can differ: p = .6 at the root, .51 on the right, .99 on the left. */
static void test_tree__descent_is_not_the_greatest_weight(void **state)
{
    (void)state;
    const double p[3] = {0.6, 0.99, 0.51};
    for (int node = 0; node < 3; node++) {
        for (int b = 0; b < EXAMPLES; b++) {
            probabilities[node * STRIDE + b] = (esp_real)p[node];
            scores[node * STRIDE + b] = (esp_real)log(p[node] / (1 - p[node]));
        }
    }
    int32_t leaves[EXAMPLES];
    esp_tree_mix(mixture, reach, probabilities, 2, EXAMPLES, STRIDE);
    esp_tree_descend(leaves, scores, 2, EXAMPLES, STRIDE);
    assert_int_equal(leaves[0], 3);
    assert_true(mixture[1 * STRIDE] > mixture[3 * STRIDE]);
}

static void test_tree__saturated_nodes_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i < MAX_LEAVES * STRIDE; i++) {
        probabilities[i] = i / STRIDE % 2;
    }
    esp_tree_mix(mixture, reach, probabilities, 3, EXAMPLES, STRIDE);
    static esp_real d_mixture[MAX_LEAVES * STRIDE], d_p[MAX_LEAVES * STRIDE],
        value[MAX_LEAVES * STRIDE];
    for (int leaf = 0; leaf < 8; leaf++) {
        for (int b = 0; b < EXAMPLES; b++) {
            d_mixture[leaf * STRIDE + b] = (esp_real)leaf;
        }
    }
    esp_tree_mix_backward(d_p, value, d_mixture, reach, probabilities, 3, EXAMPLES, STRIDE);
    /* root p = 0: left, node 1 p = 1: right, node 4 p = 0: left: leaf 2 */
    assert_true(mixture[2 * STRIDE] == 1);
    assert_true(value[0] == 2);
    assert_true(d_p[4 * STRIDE] == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree__mixture_is_the_product_along_the_path),
        cmocka_unit_test(test_tree__descent_goes_right_at_zero_and_above),
        cmocka_unit_test(test_tree__descent_is_not_the_greatest_weight),
        cmocka_unit_test(test_tree__saturated_nodes_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
