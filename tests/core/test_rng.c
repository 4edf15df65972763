#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/rng.h"

/* Philox 4x32-10, written down from the paper (Salmon et al., SC 2011, figure 2 and section 3.3),
 * without Random123: the oracle. It is itself checked against Random123's known answers below. */
static void philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c[4], k[2] = {key[0], key[1]};
    memcpy(c, counter, sizeof c);
    for (int round = 0; round < 10; round++) {
        uint64_t first = (uint64_t)0xD2511F53u * c[0], second = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(second >> 32) ^ c[1] ^ k[0], (uint32_t)second,
                            (uint32_t)(first >> 32) ^ c[3] ^ k[1], (uint32_t)first};
        memcpy(c, next, sizeof c);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

/* The three lines "philox4x32 10" of Random123's tests/kat_vectors. */
static void test_rng__oracle_gives_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t words[4];
        philox(words, known[i].counter, known[i].key);
        assert_memory_equal(words, known[i].answer, sizeof words);
    }
}

static void test_rng__known_answer_of_counter_zero(void **state)
{
    (void)state;
    esp_rng rng = {0};
    static const uint32_t answer[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(esp_rng_next(&rng), answer[i]);
    }
}

static void test_rng__agrees_with_the_oracle_everywhere(void **state)
{
    (void)state;
    uint32_t words[4];
    for (uint64_t i = 0; i < 1000; i++) {
        esp_rng rng =
            esp_rng_make(i * 0x123456789abcdefull, i % 2 ? "init" : "order", (uint32_t)(i * 7919));
        rng.position = i * i * 0x10000001ull;
        uint64_t block = rng.position / 4;
        const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), rng.substream,
                                     rng.stream};
        const uint32_t key[2] = {(uint32_t)rng.seed, (uint32_t)(rng.seed >> 32)};
        philox(words, counter, key);
        uint64_t position = rng.position;
        assert_int_equal(esp_rng_next(&rng), words[position % 4]);
        assert_true(rng.position == position + 1);
    }
}

static void test_rng__position_alone_decides(void **state)
{
    (void)state;
    esp_rng sequential = esp_rng_make(3, "init", 1);
    for (uint64_t i = 0; i < 100; i++) {
        esp_rng jumped = esp_rng_make(3, "init", 1);
        jumped.position = i;
        assert_int_equal(esp_rng_next(&jumped), esp_rng_next(&sequential));
    }
}

static void test_rng__seed_stream_and_substream_differ(void **state)
{
    (void)state;
    esp_rng base = esp_rng_make(3, "init", 1);
    esp_rng others[] = {esp_rng_make(4, "init", 1), esp_rng_make(3, "order", 1),
                        esp_rng_make(3, "init", 2), esp_rng_make(3 + (1ull << 32), "init", 1)};
    uint32_t first = esp_rng_next(&base);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_not_equal(esp_rng_next(&others[i]), first);
    }
}

static void test_rng__uniform_is_two_words_in_range(void **state)
{
    (void)state;
    esp_rng rng = esp_rng_make(0, "noise", 0), words = rng;
    double sum = 0, sum_of_squares = 0;
    enum { N = 100000 };
    for (int i = 0; i < N; i++) {
        uint64_t high = esp_rng_next(&words), low = esp_rng_next(&words);
        double expected = ldexp((double)((high << 21) | (low >> 11)), -53);
        double value = esp_rng_uniform(&rng);
        assert_true(value == expected);
        assert_true(value >= 0 && value < 1);
        sum += value;
        sum_of_squares += value * value;
    }
    /* Mean 1/2, second moment 1/3; five standard errors. */
    assert_true(fabs(sum / N - 0.5) <= 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(sum_of_squares / N - 1.0 / 3) <= 5 * sqrt(4.0 / 45 / N));
}

static void test_rng__below_is_unbiased(void **state)
{
    (void)state;
    esp_rng rng = esp_rng_make(1, "split", 0);
    assert_int_equal(esp_rng_below(&rng, 1), 0);
    enum { N = 60000, BOUND = 6 };
    int counts[BOUND] = {0};
    for (int i = 0; i < N; i++) {
        uint32_t value = esp_rng_below(&rng, BOUND);
        assert_true(value < BOUND);
        counts[value]++;
    }
    double chi_square = 0;
    for (int i = 0; i < BOUND; i++) {
        double off = counts[i] - (double)N / BOUND;
        chi_square += off * off * BOUND / N;
    }
    assert_true(chi_square <= 20.5); /* 5 degrees of freedom: 99.9 % of fair dice */

    /* Just above half of 2^32, rejection is what keeps both halves alike: without it values that
     * two words map to would come twice as often. */
    const uint32_t wide = 0xc0000000u;
    int low = 0;
    for (int i = 0; i < N; i++) {
        low += esp_rng_below(&rng, wide) % 3 == 0;
    }
    assert_true(fabs(low / (double)N - 1.0 / 3) <= 5 * sqrt(2.0 / 9 / N));
}

static void test_rng__shuffle_is_a_permutation(void **state)
{
    (void)state;
    uint32_t values[1000];
    bool seen[1000] = {false};
    int moved = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        values[i] = i;
    }
    esp_rng rng = esp_rng_make(0, "order", 1);
    esp_rng_shuffle(values, 1000, &rng);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(values[i] < 1000 && !seen[values[i]]);
        seen[values[i]] = true;
        moved += values[i] != i;
    }
    assert_true(moved > 980); /* about one value stays where it was */
    uint32_t one = 7;
    esp_rng_shuffle(&one, 1, &rng);
    esp_rng_shuffle(&one, 0, &rng);
    assert_int_equal(one, 7);
}

static void test_rng__shuffle_reaches_all_orders_alike(void **state)
{
    (void)state;
    enum { N = 12000 };
    int counts[27] = {0};
    for (uint32_t i = 0; i < N; i++) {
        uint32_t values[3] = {0, 1, 2};
        esp_rng rng = esp_rng_make(5, "order", i);
        esp_rng_shuffle(values, 3, &rng);
        counts[values[0] * 9 + values[1] * 3 + values[2]]++;
    }
    double chi_square = 0;
    int orders = 0;
    for (int i = 0; i < 27; i++) {
        orders += counts[i] > 0;
        chi_square += counts[i] > 0 ? pow(counts[i] - N / 6.0, 2) * 6 / N : 0;
    }
    assert_int_equal(orders, 6);
    assert_true(chi_square <= 20.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng__oracle_gives_known_answers),
        cmocka_unit_test(test_rng__known_answer_of_counter_zero),
        cmocka_unit_test(test_rng__agrees_with_the_oracle_everywhere),
        cmocka_unit_test(test_rng__position_alone_decides),
        cmocka_unit_test(test_rng__seed_stream_and_substream_differ),
        cmocka_unit_test(test_rng__uniform_is_two_words_in_range),
        cmocka_unit_test(test_rng__below_is_unbiased),
        cmocka_unit_test(test_rng__shuffle_is_a_permutation),
        cmocka_unit_test(test_rng__shuffle_reaches_all_orders_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
