#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "plugin/params.h"

typedef struct state {
    double rate;
    int64_t width;
    int32_t centered;
    int32_t reduction;
} state;

static const char *const reductions[] = {"mean", "node_sum", "sum", NULL};

static const esp_param rows[] = {
    {"rate", "a share", ESP_PARAM_REAL, offsetof(state, rate), 0.1, 0, 1, NULL},
    {"width", "units", ESP_PARAM_INTEGER, offsetof(state, width), 8, 1, 4096, NULL},
    {"centered", "or not", ESP_PARAM_BOOLEAN, offsetof(state, centered), 1, 0, 0, NULL},
    {"reduction", "how", ESP_PARAM_CHOICE, offsetof(state, reduction), 1, 0, 0, reductions},
};

static esp_plugin plugin_of(const esp_param *params, uint32_t count)
{
    return (esp_plugin){.state_size = sizeof(state), .params = params, .n_params = count};
}

static void assert_refused(const esp_param *param, const char *text, const char *words)
{
    double value = -7;
    assert_int_equal(esp_params_parse(&value, param, text), ESP_USAGE);
    if (!strstr(esp_message(), words)) {
        fail_msg("\"%s\" not in: %s", words, esp_message());
    }
    assert_true(value == -7); /* left alone */
}

static double parse(const esp_param *param, const char *text)
{
    double value = NAN;
    if (esp_params_parse(&value, param, text) != ESP_OK) {
        fail_msg("%s", esp_message());
    }
    return value;
}

static void test_params__parse(void **unused)
{
    (void)unused;
    assert_true(parse(&rows[0], "0.25") == 0.25);
    assert_true(parse(&rows[0], "1e-3") == 1e-3);
    assert_true(parse(&rows[0], "0") == 0 && parse(&rows[0], "1") == 1);
    assert_true(parse(&rows[1], "4096") == 4096);
    assert_true(parse(&rows[2], "true") == 1 && parse(&rows[2], "False") == 0);
    assert_true(parse(&rows[3], "sum") == 2);
}

static void test_params__parse_refuses(void **unused)
{
    (void)unused;
    assert_refused(&rows[0], "1.5", "rate is 1.5, outside 0..1");
    assert_refused(&rows[0], "nan", "rate must be a number, not 'nan'");
    assert_refused(&rows[0], "inf", "rate must be a number");
    assert_refused(&rows[0], "0.5x", "rate must be a number, not '0.5x'");
    assert_refused(&rows[0], "", "rate must be a number");
    assert_refused(&rows[1], "2.5", "width must be a whole number, not '2.5'");
    assert_refused(&rows[1], "0", "width is 0, outside 1..4096");
    assert_refused(&rows[1], "99999999999999999999", "width must be a whole number");
    assert_refused(&rows[2], "yes", "centered must be true or false, not 'yes'");
    assert_refused(&rows[3], "nodesum",
                   "one of mean, node_sum, sum, not 'nodesum'; did you mean "
                   "'node_sum'?");
}

static void test_params__print_reads_back(void **unused)
{
    (void)unused;
    const double reals[] = {0, 0.1, 1.0 / 3, 0.6224593312018546, 1e-6, 1 - 1e-6};
    char text[64];
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        esp_params_print(text, &rows[0], reals[i]);
        assert_true(parse(&rows[0], text) == reals[i]);
    }
    esp_params_print(text, &rows[0], 0.1);
    assert_string_equal(text, "0.1");
    esp_params_print(text, &rows[1], 4096);
    assert_string_equal(text, "4096");
    esp_params_print(text, &rows[2], 1);
    assert_string_equal(text, "true");
    esp_params_print(text, &rows[3], 1);
    assert_string_equal(text, "node_sum");
}

static void test_params__default_find_fill(void **unused)
{
    (void)unused;
    esp_plugin plugin = plugin_of(rows, 4);
    esp_params params;
    esp_params_default(&params, &plugin);
    assert_int_equal(esp_params_find(&plugin, "centered"), 2);
    assert_int_equal(esp_params_find(&plugin, "weight"), -1);
    params.values[1] = 12;
    state filled;
    memset(&filled, 0xff, sizeof filled);
    esp_params_fill(&filled, &plugin, &params);
    assert_true(filled.rate == 0.1);
    assert_int_equal(filled.width, 12);
    assert_int_equal(filled.centered, 1);
    assert_int_equal(filled.reduction, 1);
}

/* ---- inspection: the sound table with one thing wrong at a time ---------------------------------
 */

static void assert_table_refused(const esp_param *params, uint32_t count, const char *words)
{
    char reason[256] = "";
    esp_plugin plugin = plugin_of(params, count);
    assert_false(esp_params_inspect(reason, sizeof reason, &plugin));
    if (!strstr(reason, words)) {
        fail_msg("\"%s\" not in: %s", words, reason);
    }
}

static void test_params__inspect_sound(void **unused)
{
    (void)unused;
    char reason[256] = "";
    esp_plugin plugin = plugin_of(rows, 4), none = plugin_of(NULL, 0);
    assert_true(esp_params_inspect(reason, sizeof reason, &plugin));
    assert_true(esp_params_inspect(reason, sizeof reason, &none));
}

#define ASSERT_CHANGE_REFUSED(row, change, words)                                                  \
    do {                                                                                           \
        esp_param copy[4];                                                                         \
        memcpy(copy, rows, sizeof rows);                                                           \
        copy[row].change;                                                                          \
        assert_table_refused(copy, 4, words);                                                      \
    } while (0)

static void test_params__inspect_refuses(void **unused)
{
    (void)unused;
    static const char *const empty[] = {NULL};
    static const char *const twice[] = {"mean", "mean", NULL};
    ASSERT_CHANGE_REFUSED(0, name = NULL, "parameter 0: name");
    ASSERT_CHANGE_REFUSED(0, name = "Rate", "'Rate' is not a-z 0-9 _");
    ASSERT_CHANGE_REFUSED(0, name = "", "name ''");
    ASSERT_CHANGE_REFUSED(0, name = "weight", "'weight': the name belongs to the host");
    ASSERT_CHANGE_REFUSED(1, name = "rate", "'rate' appears twice");
    ASSERT_CHANGE_REFUSED(0, help = "two\nlines", "'rate': help must be one line");
    ASSERT_CHANGE_REFUSED(0, help = NULL, "'rate': help must be one line, and there is none");
    ASSERT_CHANGE_REFUSED(0, type = (esp_param_type)9, "'rate': unknown type 9");
    ASSERT_CHANGE_REFUSED(0, default_value = 2, "'rate': default 2 is outside 0..1");
    ASSERT_CHANGE_REFUSED(0, default_value = NAN, "'rate': the default is not finite");
    ASSERT_CHANGE_REFUSED(0, minimum = NAN, "'rate': default 0.1 is outside");
    ASSERT_CHANGE_REFUSED(1, default_value = 2.5, "'width': default and bounds of an integer");
    ASSERT_CHANGE_REFUSED(1, maximum = 1e300, "'width': default and bounds of an integer");
    ASSERT_CHANGE_REFUSED(2, default_value = 2, "'centered': default 2 is not 0 or 1");
    ASSERT_CHANGE_REFUSED(3, choices = NULL, "'reduction': a choice without choices");
    ASSERT_CHANGE_REFUSED(3, choices = empty, "'reduction': a choice without choices");
    ASSERT_CHANGE_REFUSED(3, choices = twice, "choice 'mean' appears twice");
    ASSERT_CHANGE_REFUSED(3, default_value = 3, "default 3 is not one of its 3 choices");
    ASSERT_CHANGE_REFUSED(3, default_value = 0.5, "default 0.5 is not one of its 3 choices");
    ASSERT_CHANGE_REFUSED(0, offset = 20, "outside the state of 24 bytes");
    ASSERT_CHANGE_REFUSED(0, offset = 0xfffffff8u, "outside the state of 24 bytes");
    ASSERT_CHANGE_REFUSED(0, offset = 4, "offset 4 is not aligned to 8");
    ASSERT_CHANGE_REFUSED(2, offset = 8, "'width' and 'centered' overlap");
    ASSERT_CHANGE_REFUSED(3, offset = 16, "'centered' and 'reduction' overlap");
}

static void test_params__inspect_counts(void **unused)
{
    (void)unused;
    assert_table_refused(rows, 33, "33 parameters; at most 32");
    assert_table_refused(NULL, 1, "params is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_params__parse),
        cmocka_unit_test(test_params__parse_refuses),
        cmocka_unit_test(test_params__print_reads_back),
        cmocka_unit_test(test_params__default_find_fill),
        cmocka_unit_test(test_params__inspect_sound),
        cmocka_unit_test(test_params__inspect_refuses),
        cmocka_unit_test(test_params__inspect_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
