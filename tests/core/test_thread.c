/* A thread that the program starts is in the C locale, whatever locale the process is in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <langinfo.h>
#include <locale.h>

#include "core/thread.h"

static void *ask(void *answer)
{
    *(const char **)answer = nl_langinfo(CODESET);
    return answer;
}

static const char *answer_of(int (*start)(pthread_t *, void *(*)(void *), void *))
{
    const char *answer = "";
    void *returned = NULL;
    pthread_t thread;
    assert_int_equal(start(&thread, ask, &answer), 0);
    assert_int_equal(pthread_join(thread, &returned), 0);
    assert_ptr_equal(returned, &answer);
    return answer;
}

static int start_plainly(pthread_t *out, void *(*work)(void *), void *argument)
{
    return pthread_create(out, NULL, work, argument);
}

static void test_thread__starts_in_the_c_locale(void **state)
{
    (void)state;
    assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
    assert_string_equal(answer_of(start_plainly), "UTF-8");
    assert_string_equal(answer_of(esp_thread_start), "ANSI_X3.4-1968");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_thread__starts_in_the_c_locale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
