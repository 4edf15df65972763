/* Words of a figure that have little room: what differed still differs, within the room. */
/* cmocka.h needs these before it. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "fixtures/asserts.h"
#include "report/figure_plot.h"

enum { MOST = 4 };

static int length_of(const char *text)
{
    int n = 0;
    for (; *text; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

static void test_shorten__keeps_what_differs(void **state)
{
    (void)state;
    static const struct {
        int limit, n;
        const char *texts[MOST], *words[MOST];
    } cases[] = {
        {20, 2, {"a.weight=1", "a.weight=2"}, {"a.weight=1", "a.weight=2"}}, /* there is room */
        /* at the end, in the middle, at the beginning */
        {40,
         2,
         {"losses.balance.weight=0.1 losses.hardening.weight=0.1",
          "losses.balance.weight=0.1 losses.hardening.weight=0.3"},
         {"balance.weight=0.1 hardening.weight=0.1", "balance.weight=0.1 hardening.weight=0.3"}},
        {40,
         2,
         {"data.name=mnist losses.balance.weight=0.1 model.leaf_width=8",
          "data.name=mnist losses.balance.weight=0.3 model.leaf_width=8"},
         {"data=mnist weight=0.1 leaf_width=8", "data=mnist weight=0.3 leaf_width=8"}},
        {12,
         2,
         {"data.name=mnist losses.balance.weight=0.1 model.leaf_width=8",
          "data.name=mnist losses.balance.weight=0.3 model.leaf_width=8"},
         {"weight=0.1", "weight=0.3"}}, /* what all have goes */
        /* keys are cut before values */
        {20,
         2,
         {"losses.balance.weight=0.1 model.leaf_width=8",
          "losses.balance.weight=0.3 model.leaf_width=4"},
         {"weight=0.1 leaf_w…=8", "weight=0.3 leaf_w…=4"}},
        /* no keys: the window where they differ */
        {10, 2, {"a_long_name_of_one", "a_long_name_of_two"}, {"…e_of_one", "…e_of_two"}},
        {10, 2, {"one_of_a_long_name", "two_of_a_long_name"}, {"one_of_a…", "two_of_a…"}},
        {10, 2, {"a_long_name_1_of_two", "a_long_name_2_of_two"}, {"…me_1_of_…", "…me_2_of_…"}},
        /* here and there: numbered, the same text alike */
        {12,
         4,
         {"xaaaaaaaaaaaaaaaaaaaaay", "xaaaaaaaaaaaaaaaaaaaaaz", "waaaaaaaaaaaaaaaaaaaaay",
          "xaaaaaaaaaaaaaaaaaaaaay"},
         {"xaaaa… (1)", "xaaaa… (2)", "waaaaaaaaaa…", "xaaaa… (1)"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        esp_text_pool pool = {0};
        const char **words = NULL;
        ASSERT_OK(esp_plot_shorten(&words, &pool, cases[i].texts, cases[i].n, cases[i].limit));
        for (int k = 0; k < cases[i].n; k++) {
            assert_string_equal(words[k], cases[i].words[k]);
        }
        esp_pool_free(&pool);
    }
}

/* Of any texts: none is longer than the room and its ellipsis, those that differ do, the same do
 * not, and no character is cut in two. */
static void test_shorten__of_any_texts(void **state)
{
    (void)state;
    static const char *const parts[] = {"losses.balance.weight=",
                                        "model.leaf_width=",
                                        "0.1",
                                        "10",
                                        " ",
                                        "é",
                                        "漢字",
                                        "a",
                                        "=",
                                        "name",
                                        "data.name=mnist "};
    enum { N_PARTS = sizeof parts / sizeof *parts, N_TEXTS = 5, ROUNDS = 2000 };
    esp_rng rng = esp_rng_make(1, "words", 0);
    for (int round = 0; round < ROUNDS; round++) {
        char texts[N_TEXTS][256] = {""};
        const char *list[N_TEXTS];
        const int limit = 8 + (int)esp_rng_below(&rng, 40);
        for (int i = 0; i < N_TEXTS; i++) {
            for (int k = (int)esp_rng_below(&rng, 10); k > 0; k--) {
                strcat(texts[i], parts[esp_rng_below(&rng, N_PARTS)]);
            }
            list[i] = texts[i];
        }
        esp_text_pool pool = {0};
        const char **words = NULL;
        ASSERT_OK(esp_plot_shorten(&words, &pool, list, N_TEXTS, limit));
        for (int i = 0; i < N_TEXTS; i++) {
            if (length_of(words[i]) > limit + 1) {
                fail_msg("'%s' of '%s' is longer than %d", words[i], texts[i], limit);
            }
            for (const char *c = words[i]; *c; c++) { /* every lead byte has what follows it */
                const unsigned char lead = (unsigned char)*c;
                const int more = lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
                for (int m = 1; m <= more; m++) {
                    assert_true(((unsigned char)c[m] & 0xc0) == 0x80);
                }
                assert_true(c > words[i] || (lead & 0xc0) != 0x80);
            }
            for (int k = 0; k < i; k++) {
                if ((strcmp(words[i], words[k]) == 0) != (strcmp(texts[i], texts[k]) == 0)) {
                    fail_msg("'%s', '%s' of '%s', '%s' at %d", words[i], words[k], texts[i],
                             texts[k], limit);
                }
            }
        }
        esp_pool_free(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shorten__keeps_what_differs),
        cmocka_unit_test(test_shorten__of_any_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
