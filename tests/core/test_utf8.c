/* Characters as they may be shown. What steers a terminal: ECMA-48 (C0, DEL, C1); what reorders:
 * Unicode Standard Annex 9, explicit directional formatting characters. */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/utf8.h"

static void shows(const char *text, size_t bytes, const char *expected)
{
    char out[ESP_UTF8_VISIBLE];
    assert_int_equal(esp_utf8_show(out, text), bytes);
    assert_string_equal(out, expected);
}

static void test_utf8__shows_what_is_harmless_as_it_is(void **state)
{
    (void)state;
    shows("ab", 1, "a");
    shows("\n", 1, "\n");
    shows("\t", 1, "\t");
    shows("\xc3\xa9", 2, "\xc3\xa9");                 /* e acute */
    shows("\xc2\xa0", 2, "\xc2\xa0");                 /* the first behind C1 */
    shows("\xf0\x9f\x99\x82", 4, "\xf0\x9f\x99\x82"); /* an emoji */
    shows("\xe9t\xe9", 1, "\xe9");                    /* Latin-1: no terminal obeys it */
}

static void test_utf8__shows_what_steers_by_its_number(void **state)
{
    (void)state;
    shows("\033[2J", 1, "\\u001b");
    shows("\r", 1, "\\u000d");
    shows("\b", 1, "\\u0008");
    shows("\177", 1, "\\u007f");
    shows("\xc2\x80", 2, "\\u0080");
    shows("\xc2\x9b"
          "2J",
          2, "\\u009b"); /* CSI in one character */
    shows("\xc2\x9f", 2, "\\u009f");
    shows("\xe2\x80\xae", 3, "\\u202e"); /* right-to-left override */
    shows("\xe2\x81\xa9", 3, "\\u2069"); /* pop directional isolate */
    shows("\x9b"
          "2J",
          1, "\\x9b"); /* CSI where a character is a byte */
}

static void test_utf8__knows_a_character_that_is_not_whole(void **state)
{
    (void)state;
    assert_int_equal(esp_utf8_unfinished("ab", 2), 0);
    assert_int_equal(esp_utf8_unfinished("a\xc2", 2), 1);
    assert_int_equal(esp_utf8_unfinished("a\xe2\x80", 3), 2);
    assert_int_equal(esp_utf8_unfinished("a\xf0\x9f\x99", 4), 3);
    assert_int_equal(esp_utf8_unfinished("a\xc2\x9b", 3), 0);
    assert_int_equal(esp_utf8_unfinished("\xe2\x80\xae", 3), 0);
    assert_int_equal(esp_utf8_unfinished("\x80\x80\x80\x80", 4), 0); /* begins nowhere */
    assert_int_equal(esp_utf8_unfinished("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8__shows_what_is_harmless_as_it_is),
        cmocka_unit_test(test_utf8__shows_what_steers_by_its_number),
        cmocka_unit_test(test_utf8__knows_a_character_that_is_not_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
