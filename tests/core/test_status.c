#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "core/status.h"

static int fails(void)
{
    return esp_fail(ESP_DATA, "%s: expected %d", "a.idx", 3);
}

static int forwards(int *reached)
{
    ESP_TRY(ESP_OK);
    ESP_TRY(fails());
    *reached = 1;
    return ESP_OK;
}

static int releases(int *released)
{
    int status = ESP_OK;
    ESP_TRY_OUT(ESP_OK);
    ESP_TRY_OUT(fails());
    status = ESP_OK;
out:
    *released = 1;
    return status;
}

static void test_status__zero_or_negative(void **state)
{
    (void)state;
    assert_int_equal(ESP_OK, 0);
#define X(name, exit_code, text) assert_true(ESP_##name <= 0);
    ESP_STATUS_LIST(X)
#undef X
}

/* CONTRACT, command line: 0 done; 1 some trials failed; 2 usage or study error; 3 results database;
 * 4 not found; 130 interrupted. */
static void test_status__exit_codes(void **state)
{
    (void)state;
    assert_int_equal(esp_exit_code(ESP_OK), 0);
    assert_int_equal(esp_exit_code(ESP_FAILED), 1);
    assert_int_equal(esp_exit_code(ESP_USAGE), 2);
    assert_int_equal(esp_exit_code(ESP_STUDY), 2);
    assert_int_equal(esp_exit_code(ESP_STORE), 3);
    assert_int_equal(esp_exit_code(ESP_NOT_FOUND), 4);
    assert_int_equal(esp_exit_code(ESP_DATA), 2); /* malformed: what was named is there */
    assert_int_equal(esp_exit_code(ESP_INTERRUPTED), 130);
    assert_int_equal(esp_exit_code(-999), 1);
    assert_string_equal(esp_status_text(ESP_STUDY), "study error");
    assert_string_equal(esp_status_text(-999), "unknown status");
}

static void test_status__try_forwards_the_first_message(void **state)
{
    (void)state;
    int reached = 0, released = 0;
    assert_int_equal(forwards(&reached), ESP_DATA);
    assert_int_equal(reached, 0);
    assert_string_equal(esp_message(), "a.idx: expected 3");
    assert_int_equal(releases(&released), ESP_DATA);
    assert_int_equal(released, 1);
}

static void test_status__prefix_and_own_message_as_argument(void **state)
{
    (void)state;
    esp_fail(ESP_IO, "disk full");
    assert_int_equal(esp_fail_prefix(ESP_IO, "trial %d", 7), ESP_IO);
    assert_string_equal(esp_message(), "trial 7: disk full");
    esp_fail(ESP_IO, "again, %s", esp_message());
    assert_string_equal(esp_message(), "again, trial 7: disk full");
}

static void test_status__long_message_is_cut(void **state)
{
    (void)state;
    char word[8000];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    esp_fail(ESP_IO, "%s", word);
    size_t length = strlen(esp_message());
    assert_true(length > 1000 && length < sizeof word - 1);
    esp_fail_prefix(ESP_IO, "%s", word);
    assert_true(strlen(esp_message()) <= length);
}

static void *other_thread(void *unused)
{
    (void)unused;
    esp_fail(ESP_IO, "of the other thread");
    return NULL;
}

static void test_status__message_is_of_this_thread(void **state)
{
    (void)state;
    esp_fail(ESP_IO, "of this thread");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(esp_message(), "of this thread");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status__zero_or_negative),
        cmocka_unit_test(test_status__exit_codes),
        cmocka_unit_test(test_status__try_forwards_the_first_message),
        cmocka_unit_test(test_status__prefix_and_own_message_as_argument),
        cmocka_unit_test(test_status__long_message_is_cut),
        cmocka_unit_test(test_status__message_is_of_this_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
