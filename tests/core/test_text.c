#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

static const char *const terms[] = {"balance", "cross_entropy", "hardening", "master_leaf"};
enum { N_TERMS = sizeof terms / sizeof *terms };

static void test_text__suggest_what_was_meant(void **state)
{
    (void)state;
    assert_string_equal(esp_text_suggest("hardning", terms, N_TERMS), "hardening"); /* left out */
    assert_string_equal(esp_text_suggest("balence", terms, N_TERMS), "balance");    /* replaced */
    assert_string_equal(esp_text_suggest("ballance", terms, N_TERMS), "balance");   /* added */
    assert_string_equal(esp_text_suggest("cross-entropy", terms, N_TERMS), "cross_entropy");
    assert_string_equal(esp_text_suggest("balance", terms, N_TERMS), "balance");
    assert_string_equal(esp_text_suggest("mas", terms, N_TERMS), "master_leaf"); /* begun */
    const char *const metrics[] = {"test.hard_loss", "test.hard_accuracy"};
    assert_string_equal(esp_text_suggest("test.hard_acc", metrics, 2), "test.hard_accuracy");
}

static void test_text__suggest_nothing_far_away(void **state)
{
    (void)state;
    assert_null(esp_text_suggest("optimizer", terms, N_TERMS));
    assert_null(esp_text_suggest("", terms, N_TERMS));
    assert_null(esp_text_suggest("balance", terms, 0));
    char word[200];
    memset(word, 'b', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    assert_null(esp_text_suggest(word, terms, N_TERMS));
    /* Two edits turn any two letters into any others: that is no likeness. */
    const char *const short_names[] = {"ff"};
    assert_null(esp_text_suggest("xy", short_names, 1));
}

static void test_text__suggest_little_for_short_words(void **state)
{
    (void)state;
    /* Two edits are half of a word of four letters; two neighbors exchanged are one slip. */
    const char *const names[] = {"none", "run", "adam"};
    assert_null(esp_text_suggest("tune", names, 3));
    assert_string_equal(esp_text_suggest("rnu", names, 3), "run");
    assert_string_equal(esp_text_suggest("adma", names, 3), "adam");
    assert_string_equal(esp_text_suggest("nonee", names, 3), "none");
}

static void test_text__suggest_the_nearest(void **state)
{
    (void)state;
    const char *const near[] = {"harden_all", "hardens", "harden"};
    assert_string_equal(esp_text_suggest("hardenx", near, 3), "hardens");
    assert_string_equal(esp_text_suggest("harden", near, 3), "harden");
}

static void test_text__format(void **state)
{
    (void)state;
    char *text = esp_text_format("%s=%d", "depth", 3);
    assert_string_equal(text, "depth=3");
    free(text);
    text = esp_text_format("%5000d", 1);
    assert_int_equal(strlen(text), 5000);
    free(text);
}

static void test_text__duration(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        {0, "0.0 s"},         {0.84, "0.8 s"},          {9.94, "9.9 s"},     {9.96, "10 s"},
        {59.4, "59 s"},       {59.6, "1 min 00 s"},     {250, "4 min 10 s"}, {3599.7, "1 h 00 min"},
        {7500, "2 h 05 min"}, {360000, "100 h 00 min"}, {-1, "?"},           {NAN, "?"},
        {INFINITY, "?"}};
    char out[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        esp_text_duration(out, cases[i].seconds);
        assert_string_equal(out, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__suggest_what_was_meant),
        cmocka_unit_test(test_text__suggest_nothing_far_away),
        cmocka_unit_test(test_text__suggest_little_for_short_words),
        cmocka_unit_test(test_text__suggest_the_nearest),
        cmocka_unit_test(test_text__format),
        cmocka_unit_test(test_text__duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
