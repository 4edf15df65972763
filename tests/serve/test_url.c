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

static const esp_host_names loopback = {.loopback = true, .machine = "machine"};
static const esp_host_names elsewhere = {.loopback = false, .machine = "machine"};

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
        assert_true(esp_host_is_ours(ours[i], &loopback));
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(esp_host_is_ours(others[i], &loopback));
    }
    assert_false(esp_host_is_ours(NULL, &loopback));
}

static void test_host__elsewhere(void **state)
{
    (void)state;
    assert_true(esp_host_is_ours("10.0.0.1:8017", &elsewhere));
    assert_true(esp_host_is_ours("[fe80::1]:8017", &elsewhere));
    assert_true(esp_host_is_ours("Machine:8017", &elsewhere));
    assert_false(esp_host_is_ours("machine.evil.example", &elsewhere));
    assert_false(esp_host_is_ours("evil.example", &elsewhere));
}

static void test_host__names_told(void **state)
{
    static const char *const told[] = {"lab.example", "Proxy.Example.:8443", "10.1.2.3",
                                       "2001:db8::1", "[2001:db8:0::2]:80"};
    static const char *const ours[] = {"lab.example",     "LAB.Example:443", "lab.example.",
                                       "lab.example.:80", "proxy.example",   "proxy.example:1",
                                       "10.1.2.3:80",     "[2001:db8::1]",   "[2001:DB8:0:0::1]:9",
                                       "[2001:db8::2]",   "localhost.",      "127.0.0.1"};
    static const char *const others[] = {"xlab.example",
                                         "lab.example.evil.example",
                                         "example",
                                         "lab.example..",
                                         "lab.example:x",
                                         "10.1.2.4",
                                         "[2001:db8::3]",
                                         "[lab.example]",
                                         "lab.example@evil.example"};
    const esp_host_names names = {
        .loopback = true, .machine = "machine", .n = sizeof told / sizeof *told, .told = told};
    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        assert_true(esp_host_is_ours(ours[i], &names));
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(esp_host_is_ours(others[i], &names));
    }
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        assert_true(esp_host_name_is_sound(told[i]));
    }
    static const char *const unsound[] = {"",
                                          "*",
                                          "*.example",
                                          "http://lab.example",
                                          "a b",
                                          ".",
                                          "lab:x",
                                          "[::1",
                                          "a/b",
                                          "[lab]",
                                          "l\xc3\xa4"
                                          "b.example"};
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++) {
        assert_false(esp_host_name_is_sound(unsound[i]));
    }
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
        cmocka_unit_test(test_host__names_told),
        cmocka_unit_test(test_json__reads_back),
        cmocka_unit_test(test_json__numbers),
        cmocka_unit_test(test_json__bytes_that_are_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
