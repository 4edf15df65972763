/* Keys as headings: as short as tells them apart. */
/* cmocka.h needs these before it. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "fixtures/asserts.h"
#include "report/key_words.h"

enum { MOST = 4 };

static void test_key_words__tell_keys_apart(void **state)
{
    (void)state;
    static const struct {
        int n;
        const char *keys[MOST], *words[MOST];
    } cases[] = {
        {3, {"model.leaf_width", "data.name", "variant"}, {"leaf_width", "data", "variant"}},
        {2,
         {"losses.balance.weight", "losses.hardening.weight"},
         {"balance.weight", "hardening.weight"}},
        /* only those that are alike are longer */
        {3,
         {"losses.balance.weight", "losses.hardening.weight", "model.depth"},
         {"balance.weight", "hardening.weight", "depth"}},
        /* the last two words are one another's */
        {2,
         {"phases.a.set.losses.balance.weight", "phases.b.set.losses.balance.weight"},
         {"a.set.losses.balance.weight", "b.set.losses.balance.weight"}},
        /* one is the end of the other, which is the end of a third */
        {3,
         {"losses.balance.weight", "phases.p.set.losses.balance.weight", "weight"},
         {"losses.balance.weight", "set.losses.balance.weight", "weight"}},
        {3, {"data", "data.name", "x.data.name"}, {"data", "data.name", "x.data"}},
        {2, {"optimizer.name", "model.optimizer.name"}, {"optimizer.name", "model.optimizer"}},
        /* the same key twice has one name */
        {2, {"variant", "variant"}, {"variant", "variant"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        esp_text_pool pool = {0};
        const char *keys[MOST];
        memcpy(keys, cases[i].keys, sizeof keys);
        const esp_words among = {.n = cases[i].n, .at = keys};
        for (int k = 0; k < cases[i].n; k++) {
            assert_string_equal(esp_key_words(&pool, keys[k], &among, NULL), cases[i].words[k]);
        }
        esp_pool_free(&pool);
    }
}

/* A label is not called like a column of numbers beside it. */
static void test_key_words__leave_what_is_taken(void **state)
{
    (void)state;
    esp_text_pool pool = {0};
    const char *headings[] = {"n", "mean", "sd", "losses.x.sd"};
    const esp_words taken = {.n = 4, .at = headings};
    assert_string_equal(esp_key_words(&pool, "losses.x.mean", NULL, &taken), "x.mean");
    assert_string_equal(esp_key_words(&pool, "losses.x.weight", NULL, &taken), "weight");
    assert_string_equal(esp_key_words(&pool, "n.name", NULL, &taken), "n.name");
    assert_string_equal(esp_key_words(&pool, "mean", NULL, &taken), "mean"); /* nothing is longer */
    assert_string_equal(esp_key_words(&pool, ".", NULL, NULL), "");
    assert_string_equal(esp_key_words(&pool, ".name", NULL, NULL), "name");
    assert_string_equal(esp_key_words(&pool, "", NULL, NULL), "");
    esp_pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_words__tell_keys_apart),
        cmocka_unit_test(test_key_words__leave_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
