/* Addresses and hosts by RFC 3986 and RFC 9110; JSON by RFC 8259, read back by jansson. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/json_out.h"
#include "serve/url.h"

static void test_decode__undoes_what_text_writes(void **state)
{
    static const char *const texts[] = {"",
                                        "plain-name_1.~",
                                        "a b/c?d&e=f%20+#",
                                        "\"<'>\\",
                                        "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\xb3",
                                        "\x01\x7f\xff"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *written = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&written, &size);
        assert_non_null(out);
        esp_url_text(out, texts[i]);
        fclose(out);
        assert_null(strpbrk(written, " \"<>'&=+?#/"));
        assert_true(esp_url_decode(written));
        assert_string_equal(written, texts[i]);
        free(written);
    }
}

static void test_decode__refuses(void **state)
{
    static const char *const texts[] = {"%", "a%4", "%zz", "%00", "x%g1", "%4%41"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char copy[16];
        strcpy(copy, texts[i]);
        assert_false(esp_url_decode(copy));
    }
}

static void test_host__loopback(void **state)
{
    static const char *const ours[] = {"localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8017",
                                       "127.9.9.9", "[::1]",        "[::1]:9"};
    static const char *const others[] = {"evil.example",
                                         "localhost.evil.example",
                                         "127.0.0.1.evil.example",
                                         "10.0.0.1",
                                         "machine",
                                         "",
                                         "localhost:x",
                                         "127.0.0.1:80@evil",
                                         "[::1",
                                         "[::2]",
                                         "0x7f.1",
                                         "2130706433",
                                         "evil.example:80"};
    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        assert_true(esp_host_is_ours(ours[i], true, "machine"));
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(esp_host_is_ours(others[i], true, "machine"));
    }
    assert_false(esp_host_is_ours(NULL, true, "machine"));
}

static void test_host__elsewhere(void **state)
{
    (void)state;
    assert_true(esp_host_is_ours("10.0.0.1:8017", false, "machine"));
    assert_true(esp_host_is_ours("[fe80::1]:8017", false, "machine"));
    assert_true(esp_host_is_ours("Machine:8017", false, "machine"));
    assert_false(esp_host_is_ours("machine.evil.example", false, "machine"));
    assert_false(esp_host_is_ours("evil.example", false, "machine"));
}

static void test_json__reads_back(void **state)
{
    static const char *const texts[] = {"", "a\"b\\c/d", "</script><b>", "\x01\n\t\x7f",
                                        "\xc3\xa9\xf0\x9f\x8c\xb3"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *written = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&written, &size);
        assert_non_null(out);
        esp_json_put_text(out, texts[i]);
        fclose(out);
        assert_null(strchr(written, '<'));
        json_t *read = json_loads(written, JSON_DECODE_ANY, NULL);
        assert_string_equal(json_string_value(read), texts[i]);
        json_decref(read);
        free(written);
    }
}

static void test_json__numbers(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1.0 / 3, "0.3333333333333333"},
                 {1e300, "1e+300"},
                 {NAN, "null"},
                 {INFINITY, "null"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64] = "";
        FILE *out = fmemopen(text, sizeof text, "w");
        assert_non_null(out);
        esp_json_put_real(out, cases[i].value);
        fclose(out);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_json__bytes_that_are_not_utf8(void **state)
{
    char text[64] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    (void)state;
    assert_non_null(out);
    esp_json_put_text(out, "a\xff\xc3(\xed\xa0\x80");
    fclose(out);
    assert_string_equal(text, "\"a\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode__undoes_what_text_writes),
        cmocka_unit_test(test_decode__refuses),
        cmocka_unit_test(test_host__loopback),
        cmocka_unit_test(test_host__elsewhere),
        cmocka_unit_test(test_json__reads_back),
        cmocka_unit_test(test_json__numbers),
        cmocka_unit_test(test_json__bytes_that_are_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
