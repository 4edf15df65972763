/* Tables as text, line by line: what is read, and where and how what is not is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "data/dataset.h"
#include "data/scratch.h"

/* A folder "it" without files. */
static int isolate(void **state)
{
    if (scratch_create(state) != 0) {
        return -1;
    }
    char path[2048];
    setenv("ESPALIER_DATA_PATH", *state, 1);
    setenv("XDG_CACHE_HOME", *state, 1);
    snprintf(path, sizeof path, "%s/it", (char *)*state);
    return mkdir(path, 0777);
}

static void write_text(void **state, const char *file, const char *text)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/it/%s", (char *)*state, file);
    scratch_write(path, text, strlen(text), 0);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* One table of two rows, however its lines end and whatever blank lines it has. */
static void test_csv__lines_without_a_row(void **state)
{
    static const char *const tables[] = {
        "a,b,label\n1,2,0\n3,4,1\n",
        "a,b,label\n1,2,0\n3,4,1",
        "a,b,label\n1,2,0\n3,4,1\n\n",
        "a,b,label\n1,2,0\n\n3,4,1\n",
        "\n\na,b,label\n\n1,2,0\n3,4,1\n",
        "\xef\xbb\xbf\n \na,b,label\n1,2,0\n3,4,1\n",
        "a,b,label\n1,2,0\n  \t \n3,4,1\n \t",
        "a,b,label\r\n1,2,0\r\n\r\n3,4,1\r\n\r\n",
        "\r\n \r\na,b,label\r\n1,2,0\r\n3,4,1\r\n",
        "a,b,label\r1,2,0\r3,4,1\r",
        "\ra,b,label\r\r1,2,0\r3,4,1",
        "a,b,label\r\n1,2,0\n3,4,1\r",
        "a,b,label\n1,2,0\r\r\n3,4,1\r\r\n",
        "a, b, \"label\"\n1, 2, 0\n 3 ,\t4 , 1 \n",
        "\"a\" , \"b\"\t,\"label\" \n\"1\",\"2\" ,\"0\"\n\"3\",\"4\",\"1\"\n",
    };
    static const float expected[] = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        write_text(state, "train.csv", tables[i]);
        write_text(state, "test.csv", tables[i]);
        esp_dataset *it = open_it();
        if (it->train.count != 2 || it->test.count != 2 || it->n_features != 2) {
            fail_msg("table %zu: %u rows of %u", i, it->train.count, it->n_features);
        }
        assert_memory_equal(it->train.values, expected, sizeof expected);
        assert_memory_equal(it->test.labels, "\0\1", 2);
        esp_dataset_close(it);
    }
}

/* A line end inside quotes is data, also one of an empty line; lines after it keep their numbers.
 */
static void test_csv__line_numbers(void **state)
{
    static const struct {
        const char *text, *said;
    } files[] = {
        {"\n\na,label\n1,0\n\nx,1\n", "test.csv:6:1: expected a number in column 'a', found 'x'"},
        {"\"a\n\nb\",label\n1,0\nx,1\n", ":5:1: expected a number"},
        {"\"a\r\rb\",label\r1,0\rx,1\r", ":5:1: expected a number"},
        {"\"a\r\n\r\nb\",label\r\n1,0\r\nx,1\r\n", ":5:1: expected a number"},
        {"a,label\r\n\r\n1,0\r\n1\r\n", ":4:1: expected 2 fields, as in the header, found 1"},
        {"a,label\n1,0\n\"\n\",1\n", ":3:1: expected a number in column 'a', found '?'"},
        {"\n \nb,clas\n1,2\n", ":3:1: expected a header with the label's column 'label'"},
        {"\nlabel\n1\n", ":2:1: expected features beside the label"},
        {"a,label\n1,0\n,\n", ":3:1: expected a number in column 'a', found nothing"},
        {"a,label\n1,0,\n", ":2:4: expected 2 fields, as in the header, found more"},
        {"\na,b,label\n1,2,0\n", ":2:1: expected the 2 columns of"},
        {" \n\t\n",
         ":3:1: expected a header with the label's column 'label', found columns of no name"},
        {"a,label\n\n \n", "truncated: expected examples below the header, found none"},
    };
    write_text(state, "train.csv", "a,label\n1,0\n2,1\n");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_text(state, "test.csv", files[i].text);
        expect_it_refused(PARTS("/it/test.csv", files[i].said));
    }
}

/* A table that is separated by something else is told what it is separated by, and what to do. */
static void test_csv__other_separators(void **state)
{
    static const struct {
        const char *text, *separator;
    } files[] = {
        {"a;b;label\n1;2;0\n", "';'"},
        {"a;b;label\n1,5;2,5;0\n", "';'"},
        {"\"a\";\"b\";\"label\"\n1;2;0\n", "';'"},
        {"\"size, cm\";label\n1;0\n", "';'"},
        {"size, cm;label\n1;0\n", "';'"},
        {"a;b;c\n1;2;0\n", "';'"},
        {"a\tb\tlabel\r\n1\t2\t0\r\n", "tabs"},
        {"\"a\"\t\"label\"\r1\t0\r", "tabs"},
        {"a|b|label\n1|2|0\n", "'|'"},
        {"a:label\n1:0\n", "':'"},
        {"a b  label\n1 2  0\n", "blanks"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char said[128];
        write_text(state, "train.csv", files[i].text);
        write_text(state, "test.csv", files[i].text);
        snprintf(said, sizeof said,
                 "/it/train.csv:1:1: expected columns separated by ',', found a file separated by "
                 "%s; write it with commas",
                 files[i].separator);
        expect_it_refused(PARTS(said, "pandas: to_csv", "R: write.csv"));
    }
    write_text(state, "train.csv", "id,class label\n1,0\n");
    expect_it_refused(PARTS("/it/train.csv:1:1: expected a header with the label's column 'label', "
                            "found columns id, class label"));
    write_text(state, "train.csv",
               "\xff\xfe"
               "a");
    expect_it_refused(PARTS("/it/train.csv:1:1: expected text in UTF-8, found UTF-16"));
    write_text(state, "train.csv", "size;cm,label\n1,0\n2,1\n"); /* a name may hold any */
    write_text(state, "test.csv", "size;cm,label\n1,0\n");
    esp_dataset_close(open_it());
    write_text(state, "test.csv", "size;cm,label\n\"1,5\",0\n");
    expect_it_refused(PARTS(":2:1: expected a number with a decimal point", "found '1,5'"));
}

static void test_csv__refusals(void **state)
{
    static const struct {
        const char *text, *said;
    } files[] = {
        {"", ":1:1: expected a header with the label's column 'class'"},
        {"a,b\n1,2\n", "found columns a, b; a file label-column"},
        {"a,clas\n1,2\n", "found columns a, clas; did you mean 'clas'?"},
        {"a,Class\n1,2\n", "did you mean 'Class'?"},
        {",a,class\n0,1,2\n",
         ":1:1: expected a column's name (pandas: index=False), found nothing"},
        {"a,class,\n1,2,\n", ":1:9: expected a column's name"},
        {"class\n1\n", ":1:1: expected features beside the label"},
        {"a,class,class\n1,2,3\n", ":1:9: expected one column of the label's name"},
        {"a,class\n", "truncated: expected examples below the header"},
        {"a,class\n1.5,0\nx,1\n", ":3:1: expected a number in column 'a', found 'x'"},
        {"a,class\n1.5,0\n,1\n", ":3:1: expected a number in column 'a', found nothing"},
        {"a,class\nnan,0\n", "found 'nan'"},
        {"a,class\n0x10,0\n", "found '0x10'"},
        {"a,class\n1e99,0\n", "found '1e99'"},
        {"a,class\n1,256\n",
         ":2:3: expected a label, a whole number from 0 to 255 or text, in column 'class', "
         "found '256'"},
        {"a,class\n1,0.5\n", "found '0.5'"},
        {"a,class\n1\n", ":2:1: expected 2 fields, as in the header, found 1"},
        {"a,class\n1,0,2\n", "expected 2 fields, as in the header, found more"},
        {"a,class\n\"1,0\n", ":2:1: expected a closing '\"', found the end of the file"},
        {"a,class\n\"1\"x,0\n", ":2:4: expected ',' or the end of the line after '\"', found 'x'"},
        {"a,class\n\"1\n\",0\n", ":2:1: expected a number"},
        {"a,class\n1,0\n", ":1:1: expected the 3 columns of"},
    };
    write_text(state, "label-column", "class\n");
    write_text(state, "train.csv", "a,b,class\n1,2,0\n");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_text(state, "test.csv", files[i].text);
        expect_it_refused(PARTS("/it/test.csv", files[i].said));
    }
    write_text(state, "train.csv", "a,b,class\n1,2,0\n1,2,1\n");
    write_text(state, "test.csv", "a,c,class\n1,2,0\n");
    expect_it_refused(PARTS("/it/test.csv:1:1", "column 2 being 'b', found 'c'"));
    write_text(state, "test.csv", "a,b,class\n1,2,2\n");
    expect_it_refused(PARTS("/it/test.csv: label out of range: expected 0 to 1"));
    write_text(state, "train.csv", "a,b,class\n1,2,0\n1,2,3\n");
    expect_it_refused(PARTS("/it/train.csv: labels out of range", "class 1 to 2"));
    write_text(state, "label-column", " \n");
    expect_it_refused(PARTS("/it/label-column: expected the name of one column, found nothing"));
    write_text(state, "label-column", "a\nb\n");
    expect_it_refused(PARTS("found several lines"));
}

/* What is not said of quotes, line ends and numbers above: read values, compared bit for bit with
 * strtod's. */
static void test_csv__accepts(void **state)
{
    static const char *const numbers[] = {"0.1",
                                          "-0",
                                          "+7",
                                          ".5",
                                          "5.",
                                          "1e-3",
                                          "123456789012345678",
                                          "0.000000000000000000000000001",
                                          "3.4028234e38",
                                          NULL};
    char text[1024] = "\xef\xbb\xbf\"a\nb\",label\n";
    enum { N = sizeof numbers / sizeof *numbers };
    for (int i = 0; i < N - 1; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s\t, %d%s", numbers[i], i % 2,
                 i % 3 ? "\n" : "\r\n");
    }
    text[strlen(text) - 1] = '\0'; /* no line end after the last line */
    write_text(state, "train.csv", text);
    write_text(state, "test.csv", "\"a\nb\",label\n\"2\",\"1\"");
    esp_dataset *it = open_it();
    assert_int_equal(it->train.count, N - 1);
    for (int i = 0; i < N - 1; i++) {
        const float expected = (float)strtod(numbers[i], NULL);
        assert_memory_equal(&it->train.values[i], &expected, sizeof expected);
        assert_int_equal(it->train.labels[i], i % 2);
    }
    assert_true(it->test.values[0] == 2 && it->test.labels[0] == 1);
    esp_dataset_close(it);
    write_text(state, "label-column", "\xef\xbb\xbflabel\r\n");
    esp_dataset_close(open_it());
}

/* ---- labels that are text -------------------------------------------------------------------- */

static void expect_classes(const esp_dataset *it, const char *const *names, uint32_t n)
{
    assert_int_equal(it->n_classes, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(it->class_names[i], names[i]);
    }
}

/* Classes in the order of their bytes, in any locale and whatever order they are met in; blanks
 * around a label count only inside quotes. */
static void test_csv__text_labels_become_sorted_classes(void **state)
{
    static const char *const names[] = {" q",
                                        "Ape",
                                        "New York",
                                        "a",
                                        "a,b",
                                        "ab",
                                        "say \"hi\"",
                                        "zebra",
                                        "\xc3\x9c"
                                        "ber"};
    static const uint8_t train[] = {7, 3, 8, 5, 1, 2, 2, 4, 6, 0, 7};
    static const uint8_t test[] = {8, 1, 1};
    setenv("LC_ALL", "C.UTF-8", 1);
    write_text(state, "train.csv",
               "label,x\nzebra,1\na,2\n\"\xc3\x9c"
               "ber\",3\nab,4\nApe,5\n  New York ,6\n"
               "\"New York\",7\n\"a,b\",8\n\"say \"\"hi\"\"\",9\n\" q\",10\nzebra,11\n");
    write_text(state, "test.csv",
               "label,x\n\xc3\x9c"
               "ber,1\nApe,2\n\"Ape\",3\n");
    esp_dataset *it = open_it();
    expect_classes(it, names, 9);
    assert_int_equal(it->train.count, sizeof train);
    assert_memory_equal(it->train.labels, train, sizeof train);
    assert_memory_equal(it->test.labels, test, sizeof test);
    assert_true(it->train.values[10] == 11);
    esp_dataset_close(it);
}

static void test_csv__number_labels_have_no_names(void **state)
{
    write_text(state, "train.csv", "label,x\n\"1\",1\n0,2\n");
    write_text(state, "test.csv", "label,x\n1.0,1\n");
    esp_dataset *it = open_it();
    assert_null(it->class_names);
    assert_memory_equal(it->train.labels, "\1\0", 2);
    assert_int_equal(it->test.labels[0], 1);
    esp_dataset_close(it);
}

static void test_csv__text_labels_refused(void **state)
{
    static const struct {
        const char *train, *test, *said;
    } files[] = {
        {"cat,1\ndog,2\nfox,3\n", "cat,1\nant,2\n",
         "/it/test.csv: label out of range: expected one of the 3 classes of "},
        {"cat,1\n", "cat,1\nant,2\n", "found 'ant' for example 1 (counted from 0)"},
        {"cat,1\n", "0,1\n", "/it/test.csv: expected labels that are text as in "},
        {"0,1\n", "cat,1\n", "/it/test.csv: expected labels that are numbers as in "},
        {"0,1\n\nx,2\n", "0,1\n",
         "train.csv:4:1: expected a label in column 'label', a number as in the rows before, found "
         "'x'"},
        {"x,1\n1,2\n", "x,1\n",
         "train.csv:3:1: expected a label in column 'label', text as in the rows before, found "
         "'1'"},
        {"x,1\n,2\n", "x,1\n", "train.csv:3:1: expected a label in column 'label', text as"},
        {",1\n", "x,1\n", "train.csv:2:1: expected a label in column 'label', found nothing"},
        {"L\xf6we,1\n", "x,1\n", "train.csv:2:1: expected a label, found text that is not UTF-8"},
        {"\"a\nb\",1\n", "x,1\n", "train.csv:2:1: expected a label, found a control character"},
        {"\x1b[31m,1\n", "x,1\n", "train.csv:2:1: expected a label, found a control character"},
    };
    char text[64];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(text, sizeof text, "label,x\n%s", files[i].train);
        write_text(state, "train.csv", text);
        snprintf(text, sizeof text, "label,x\n%s", files[i].test);
        write_text(state, "test.csv", text);
        expect_it_refused(PARTS(files[i].said));
    }
}

/* 256 classes are read, in order; a 257th and a name of 201 bytes are refused. */
static void test_csv__as_many_text_labels_as_fit(void **state)
{
    char text[8192] = "label,x\n", name[256];
    for (int i = 255; i >= 0; i--) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "class %03d,%d\n", i, i);
    }
    write_text(state, "train.csv", text);
    write_text(state, "test.csv", "label,x\nclass 200,1\n");
    esp_dataset *it = open_it();
    assert_int_equal(it->n_classes, 256);
    for (int i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "class %03d", i);
        assert_string_equal(it->class_names[i], name);
        assert_int_equal(it->train.labels[i], 255 - i);
    }
    assert_int_equal(it->test.labels[0], 200);
    esp_dataset_close(it);
    snprintf(text + strlen(text), sizeof text - strlen(text), "class 256,1\n");
    write_text(state, "train.csv", text);
    expect_it_refused(
        PARTS("train.csv:258:1: expected at most 256 classes, found 'class 256' as one "
              "more"));
    memset(name, 'x', sizeof name);
    snprintf(text, sizeof text, "label,x\n%.200s,1\n", name);
    write_text(state, "train.csv", text);
    write_text(state, "test.csv", text);
    esp_dataset_close(open_it());
    snprintf(text, sizeof text, "label,x\n%.201s,1\n", name);
    write_text(state, "train.csv", text);
    expect_it_refused(PARTS("train.csv:2:1: expected a label, found more than 200 bytes"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, isolate, scratch_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_csv__lines_without_a_row),
        TEST(test_csv__line_numbers),
        TEST(test_csv__other_separators),
        TEST(test_csv__refusals),
        TEST(test_csv__accepts),
        TEST(test_csv__text_labels_become_sorted_classes),
        TEST(test_csv__number_labels_have_no_names),
        TEST(test_csv__text_labels_refused),
        TEST(test_csv__as_many_text_labels_as_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
