/* Time without stops. A child works and ticks as a run does; its parent stops it. */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

static void nap(double seconds)
{
    const struct timespec time = {.tv_sec = (time_t)seconds,
                                  .tv_nsec = (long)(1e9 * fmod(seconds, 1))};
    nanosleep(&time, NULL);
}

static atomic_bool is_over;

static void *tick(void *unused)
{
    (void)unused;
    while (!atomic_load(&is_over)) {
        esp_clock_tick();
        nap(0.05);
    }
    esp_clock_tick_no_more();
    return NULL;
}

typedef struct reading {
    double seconds, working;
    bool goes_back;
} reading;

/* What a child that works on one processor all the time reads: from its first moment until it has
 * gone on for a second after `stop` seconds in which it was stopped; 0: it is not. */
static reading read_in_child(double stop, bool keeps_continue)
{
    int ends[2], ready[2];
    reading found = {0};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        pthread_t ticker;
        if (keeps_continue) {
            esp_clock_keep_continue();
        }
        pthread_create(&ticker, NULL, tick, NULL);
        nap(0.2);
        const double from = esp_clock_seconds(), working_from = esp_clock_working();
        double last = working_from;
        if (write(ready[1], "r", 1) != 1) {
            _exit(1);
        }
        while (esp_clock_seconds() - from < stop + 1) {
            const double now = esp_clock_working();
            found.goes_back = found.goes_back || now < last;
            last = now;
        }
        found.seconds = esp_clock_seconds() - from;
        found.working = esp_clock_working() - working_from;
        atomic_store(&is_over, true);
        pthread_join(ticker, NULL);
        _exit(write(ends[1], &found, sizeof found) == (ssize_t)sizeof found ? 0 : 1);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    nap(0.3);
    if (stop > 0) {
        kill(child, SIGSTOP);
        nap(stop);
        kill(child, SIGCONT);
    }
    int result = 0;
    assert_int_equal(read(ends[0], &found, sizeof found), sizeof found);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(ready[i]);
    }
    assert_false(found.goes_back);
    return found;
}

/* A busy machine may stop the child for a little longer, never for less. */
static void test_clock__leaves_out_a_stop(void **state)
{
    (void)state;
    const reading found = read_in_child(0.6, true);
    assert_true(found.seconds - found.working > 0.55);
    assert_true(found.working > 0.5);
}

static void test_clock__leaves_out_a_freeze_that_no_signal_ends(void **state)
{
    (void)state;
    const reading found = read_in_child(2.5, false);
    assert_true(found.seconds - found.working > 2.4);
    assert_true(found.working > 0.5);
}

static void test_clock__counts_all_that_is_work(void **state)
{
    (void)state;
    const reading found = read_in_child(0, true);
    assert_true(fabs(found.seconds - found.working) < 1e-3);
}

/* Before the first tick and after the last, nothing is taken for a stop. */
static void test_clock__counts_everything_without_ticks(void **state)
{
    (void)state;
    const double from = esp_clock_seconds(), working = esp_clock_working();
    nap(1.7);
    assert_true(fabs(esp_clock_seconds() - from - (esp_clock_working() - working)) < 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock__leaves_out_a_stop),
        cmocka_unit_test(test_clock__leaves_out_a_freeze_that_no_signal_ends),
        cmocka_unit_test(test_clock__counts_all_that_is_work),
        cmocka_unit_test(test_clock__counts_everything_without_ticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
