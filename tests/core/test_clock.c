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
    double seconds, working; /* from its first moment on */
    double used;             /* seconds of a processor, of the thread that worked */
    double gap;              /* the longest between two readings */
    bool goes_back;
} reading;

static double thread_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static _Noreturn void be_child(int ready, int out, double enough, bool keeps_continue)
{
    reading found = {0};
    pthread_t ticker;
    if (keeps_continue) {
        esp_clock_keep_continue();
    }
    pthread_create(&ticker, NULL, tick, NULL);
    nap(0.2);
    const double from = esp_clock_seconds(), working_from = esp_clock_working();
    const double used_from = thread_seconds();
    double last = working_from, last_seconds = from;
    if (write(ready, "r", 1) != 1) {
        _exit(1);
    }
    for (double now = from; now - from < enough; last_seconds = now) {
        const double working = esp_clock_working();
        now = esp_clock_seconds();
        found.goes_back = found.goes_back || working < last;
        found.gap = fmax(found.gap, now - last_seconds);
        last = working;
    }
    found.working = esp_clock_working() - working_from;
    found.seconds = esp_clock_seconds() - from;
    found.used = thread_seconds() - used_from;
    atomic_store(&is_over, true);
    pthread_join(ticker, NULL);
    _exit(write(out, &found, sizeof found) == (ssize_t)sizeof found ? 0 : 1);
}

/* What a child that works all the time reads, stopped for at least *stop seconds meanwhile; *stop
 * is then how long it was. 0: it is not stopped. */
static reading read_in_child(double *stop, bool keeps_continue)
{
    int ends[2], ready[2], result = 0;
    char byte;
    reading found = {0};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        be_child(ready[1], ends[1], *stop + 1, keeps_continue);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    if (*stop > 0) {
        assert_int_equal(kill(child, SIGSTOP), 0);
        assert_int_equal(waitpid(child, &result, WUNTRACED), child);
        assert_true(WIFSTOPPED(result));
        const double from = esp_clock_seconds();
        nap(*stop);
        *stop = esp_clock_seconds() - from;
        assert_int_equal(kill(child, SIGCONT), 0);
    }
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

/* However busy the machine is, the stop is left out, and what used the processor is not. */
static void leaves_out(double stop, bool keeps_continue)
{
    const reading found = read_in_child(&stop, keeps_continue);
    assert_true(found.seconds - found.working >= stop);
    assert_true(found.working >= found.used - 0.05);
}

static void test_clock__leaves_out_a_stop(void **state)
{
    (void)state;
    leaves_out(0.6, true);
}

static void test_clock__leaves_out_a_freeze_that_no_signal_ends(void **state)
{
    (void)state;
    leaves_out(2.5, false);
}

/* Unless the machine itself held the child for a second, which looks like a freeze. */
static void test_clock__counts_all_that_is_work(void **state)
{
    (void)state;
    double none = 0;
    const reading found = read_in_child(&none, true);
    assert_true(found.gap > 1 || fabs(found.seconds - found.working) < 1e-3 + found.gap);
    assert_true(found.working >= found.used - 0.05);
}

/* Before the first tick and after the last, nothing is taken for a stop. */
static void test_clock__counts_everything_without_ticks(void **state)
{
    (void)state;
    const double from = esp_clock_seconds(), working_from = esp_clock_working();
    nap(1.7);
    const double working = esp_clock_working() - working_from;
    assert_true(working >= 1.7);
    assert_true(working <= esp_clock_seconds() - from);
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
