#include "core/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

/* Gaps between ticks that may be stops, in seconds. A control group that limits processor time
 * holds its processes for a second at most. */
static const double least_gap = 0.15, least_frozen = 1.5, tick = 0.05;
/* Of a frozen gap, the share of one processor that the process may have used. */
static const double most_used = 0.1;

static struct {
    pthread_mutex_t lock;
    bool ticks;
    double last, last_used; /* seconds, and seconds of processors, at the last look */
    double stopped;
} pace = {.lock = PTHREAD_MUTEX_INITIALIZER};

static double seconds_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double esp_clock_seconds(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

static sigset_t continue_alone(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCONT);
    return set;
}

void esp_clock_keep_continue(void)
{
    const sigset_t set = continue_alone();
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool take_continue(void)
{
    const sigset_t set = continue_alone();
    return sigtimedwait(&set, NULL, &(struct timespec){0}) == SIGCONT;
}

/* What has passed since the last look is work, or a stop; the time now. The moment before a stop
 * may have been work: up to a tick of each processor. SIGCONT is pending as soon as a stop is over:
 * the time is read again after it, in case the stop came between the two. */
static double look(void)
{
    const double before = esp_clock_seconds();
    const bool continued = take_continue();
    const double now = continued ? esp_clock_seconds() : before;
    const double used = seconds_of(CLOCK_PROCESS_CPUTIME_ID), gap = now - pace.last;
    const double most = most_used * gap + tick * (double)sysconf(_SC_NPROCESSORS_ONLN);
    const bool froze = gap > least_frozen && used - pace.last_used < most;
    if ((continued && gap > least_gap) || froze) {
        pace.stopped += gap;
    }
    pace.last = now;
    pace.last_used = used;
    return now;
}

double esp_clock_working(void)
{
    pthread_mutex_lock(&pace.lock);
    const double working = (pace.ticks ? look() : esp_clock_seconds()) - pace.stopped;
    pthread_mutex_unlock(&pace.lock);
    return working;
}

void esp_clock_tick(void)
{
    pthread_mutex_lock(&pace.lock);
    if (pace.ticks) {
        look();
    } else {
        pace.ticks = true;
        take_continue();
        pace.last = esp_clock_seconds();
        pace.last_used = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    }
    pthread_mutex_unlock(&pace.lock);
}

void esp_clock_tick_no_more(void)
{
    pthread_mutex_lock(&pace.lock);
    pace.ticks = false;
    pthread_mutex_unlock(&pace.lock);
}
