#include "run/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include "core/clock.h"
#include "core/log.h"
#include "core/status.h"
#include "plugin/instance.h"

/* Signal handlers reach their data through these; written once, before threads start. */
atomic_int esp_supervisor_stop;
static volatile pid_t child_process;
static volatile sig_atomic_t asked_to_stop, supervising; /* in the parent */
static esp_shared *shared_page;                          /* in the child */
static atomic_bool stops_deferred;                       /* in the child */
static _Thread_local esp_shared_slot *current_slot;
static _Thread_local char *fault_stack;

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { MAX_DEATHS = 3 };
enum { N_FAULTS = sizeof fault_signals / sizeof *fault_signals };

_Noreturn void esp_supervisor_end(esp_shared *shared, int status)
{
    atomic_store(&shared->concluded, true);
    _exit(esp_exit_code(status));
}

static void say_interrupted(void)
{
    static const char words[] =
        "error: interrupted before a trial began; the same command goes on\n";
    const ssize_t written = write(STDERR_FILENO, words, sizeof words - 1);
    (void)written;
}

/* All requests to stop reach the child as SIGTERM: what a terminal sends goes to both, and must not
 * count twice. */
static void forward_stop(int number)
{
    (void)number;
    if (!supervising) {
        say_interrupted();
        _exit(esp_exit_code(ESP_INTERRUPTED));
    }
    asked_to_stop = 1;
    if (child_process > 0) {
        kill(child_process, SIGTERM);
    }
}

static void count_stop(int number)
{
    (void)number;
    static atomic_llong last = -1000; /* milliseconds; two threads may be here at once */
    long long before = atomic_load(&last);
    const long long now = (long long)(1000 * esp_clock_seconds());
    if (now - before < 50 || !atomic_compare_exchange_strong(&last, &before, now)) {
        return;
    }
    const bool deferred = atomic_load(&stops_deferred);
    if (!deferred) {
        say_interrupted();
    }
    if (atomic_fetch_add(&esp_supervisor_stop, 1) > 0 || !deferred) {
        esp_supervisor_end(shared_page, ESP_INTERRUPTED);
    }
}

/* Marks whose thread it was, then lets the signal take its course. */
static void mark_fault(int number)
{
    if (current_slot != NULL) {
        atomic_store(&current_slot->signal, number);
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* Somebody, a plugin, called exit: in this thread. */
static void mark_exit(void)
{
    if (current_slot != NULL) {
        atomic_store(&current_slot->signal, ESP_CALLED_EXIT);
    }
    _exit(esp_exit_code(ESP_FAILED));
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* Held while a child starts: what arrives then is neither lost nor counted twice. */
static void hold_stops(int how)
{
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGHUP);
    sigprocmask(how, &stops, NULL);
}

static void run_child(int (*work)(void *, esp_shared *), void *context, esp_shared *shared,
                      pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    handle(SIGINT, SIG_IGN, 0);
    handle(SIGHUP, SIG_IGN, 0);
    shared_page = shared;
    handle(SIGTERM, count_stop, SA_RESTART);
    esp_clock_keep_continue();
    hold_stops(SIG_UNBLOCK);
    handle(SIGPIPE, SIG_IGN, 0); /* nobody reads the progress: the work goes on */
    handle(SIGXFSZ, SIG_IGN, 0); /* a full disk is an error of write, not a death */
    for (int i = 0; i < N_FAULTS; i++) {
        handle(fault_signals[i], mark_fault, SA_NODEFER | SA_ONSTACK);
    }
    atexit(mark_exit);
    int status = work(context, shared);
    if (status != ESP_OK && *esp_message()) {
        esp_log_error("%s", esp_message());
    }
    fflush(NULL);
    atomic_store(&shared->concluded, true);
#if defined(__SANITIZE_ADDRESS__)
    __lsan_do_leak_check(); /* _exit would pass it by */
#endif
    esp_supervisor_end(shared, status);
}

/* The slot whose thread ended the process; where none says so, of the only trial there was; NULL:
 * it cannot be told. */
static esp_shared_slot *find_culprit(int *n_running, esp_shared *shared)
{
    esp_shared_slot *running = NULL;
    *n_running = 0;
    for (int i = 0; i < ESP_MAX_JOBS; i++) {
        esp_shared_slot *slot = &shared->slots[i];
        if (*slot->trial && atomic_load(&slot->signal) != 0) {
            return slot;
        }
        running = *slot->trial ? slot : running;
        *n_running += *slot->trial != '\0';
    }
    return *n_running == 1 ? running : NULL;
}

/* A trial brought the child down, by what its slot says or else by number. Whether there is room to
 * remember it. */
static bool take_crash(esp_shared *shared, const esp_shared_slot *slot, int number)
{
    if (shared->n_crashes - shared->n_recorded >= ESP_MAX_CRASHES) {
        return false;
    }
    esp_crash *crash = &shared->crashes[shared->n_crashes++ % ESP_MAX_CRASHES];
    const char *plugin = atomic_load(&slot->plugin);
    memcpy(crash->trial, slot->trial, sizeof crash->trial);
    snprintf(crash->plugin, sizeof crash->plugin, "%s", plugin != NULL ? plugin : "");
    crash->hung = atomic_load(&slot->hung);
    crash->signal = atomic_load(&slot->signal) != 0 ? atomic_load(&slot->signal) : number;
    crash->epoch = atomic_load(&slot->epoch);
    crash->batch = atomic_load(&slot->batch);
    shared->one_at_a_time = false;

    char words[256];
    esp_crash_describe(words, crash);
    esp_log_warning("trial %s %s; the other trials go on", crash->trial, words);
    return true;
}

static bool is_fault(int number)
{
    for (int i = 0; i < N_FAULTS; i++) {
        if (fault_signals[i] == number) {
            return true;
        }
    }
    return number == ESP_CALLED_EXIT;
}

/* The status whose exit code the child gave. */
static int status_of_exit(int code)
{
    static const int statuses[] = {ESP_OK,    ESP_FAILED,    ESP_USAGE,
                                   ESP_STORE, ESP_NOT_FOUND, ESP_INTERRUPTED};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (esp_exit_code(statuses[i]) == code) {
            return statuses[i];
        }
    }
    return ESP_FAILED;
}

void esp_crash_describe(char out[256], const esp_crash *crash)
{
    const char *in = *crash->plugin ? " in plugin " : "";
    char at[64] = "";
    if (crash->batch > 0) {
        snprintf(at, sizeof at, " at epoch %d, batch %d", crash->epoch, crash->batch);
    } else if (crash->batch == 0) {
        snprintf(at, sizeof at, " in the evaluation of epoch %d", crash->epoch);
    }
    if (crash->hung) {
        snprintf(out, 256, "hung%s%s%s: an epoch took longer than limits.epoch_seconds", in,
                 crash->plugin, at);
    } else if (crash->signal == ESP_CALLED_EXIT) {
        snprintf(out, 256, "ended the whole process%s%s%s, as exit() does", in, crash->plugin, at);
    } else {
        snprintf(out, 256, "crashed%s%s%s: signal %d (%s)", in, crash->plugin, at, crash->signal,
                 strsignal(crash->signal));
    }
}

static bool is_ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void esp_supervisor_heed_stops(void)
{
    handle(SIGINT, forward_stop, 0);
    handle(SIGTERM, forward_stop, 0);
    if (!is_ignored(SIGHUP)) {
        handle(SIGHUP, forward_stop, 0);
    }
}

/* What a child came to that did not end of its own will: another is to follow, or why not. */
static int judge_death(bool *again, int *deaths, esp_shared *shared, int result)
{
    const int number = WIFSIGNALED(result) ? WTERMSIG(result) : ESP_CALLED_EXIT;
    const char *by = WIFSIGNALED(result) ? strsignal(number) : "a call of exit";
    int n_running = 0;
    const esp_shared_slot *culprit = find_culprit(&n_running, shared);
    const bool blamed = culprit != NULL && (is_fault(number) || atomic_load(&culprit->signal) != 0);
    *again = true;
    if (blamed && take_crash(shared, culprit, number)) {
        return ESP_OK;
    }
    if (asked_to_stop) {
        *again = false;
        return esp_fail(ESP_INTERRUPTED,
                        "the worker process was ended by %s; finished epochs are kept, run the "
                        "same command to go on",
                        by);
    }
    if (is_fault(number) && n_running > 1) { /* in a thread that is no trial's, or unseen */
        shared->one_at_a_time = true;
        esp_log_warning("the worker process was ended by %s, it cannot be told by which of %d "
                        "trials; starting it again, one trial at a time to find out",
                        by, n_running);
        return ESP_OK;
    }
    /* A death that no trial caused (kill -9, out of memory) blames none. */
    if (++*deaths < MAX_DEATHS) {
        esp_log_warning("the worker process was ended by %s; starting it again", by);
        return ESP_OK;
    }
    *again = false;
    return esp_fail(ESP_FAILED,
                    "the worker process was ended by %s; finished epochs are kept, run the same "
                    "command to go on",
                    by);
}

/* One child from fork to end; *again where another should follow. */
static int run_once(bool *again, int *deaths, int (*work)(void *, esp_shared *), void *context,
                    esp_shared *shared)
{
    const pid_t parent = getpid();
    int result = 0;
    fflush(NULL);
    memset(shared->slots, 0, sizeof shared->slots);
    atomic_store(&shared->concluded, false);
    hold_stops(SIG_BLOCK);
    const pid_t child = fork();
    if (child == 0) {
        run_child(work, context, shared, parent);
    }
    if (child < 0) {
        hold_stops(SIG_UNBLOCK);
        return esp_fail(ESP_FAILED, "cannot start the worker process: %s", strerror(errno));
    }
    child_process = child;
    if (asked_to_stop) { /* between two children */
        kill(child, SIGTERM);
    }
    hold_stops(SIG_UNBLOCK);
    while (waitpid(child, &result, 0) < 0 && errno == EINTR) {
    }
    child_process = 0;
    if (WIFEXITED(result) && atomic_load(&shared->concluded)) {
        return esp_fail(status_of_exit(WEXITSTATUS(result)), "%s", ""); /* the child has said it */
    }
    return judge_death(again, deaths, shared, result);
}

int esp_supervise(int (*work)(void *, esp_shared *), void *context, int n_trials)
{
    const size_t size = sizeof(esp_shared) + sizeof(esp_shared_trial) * (size_t)n_trials;
    esp_shared *shared =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return esp_fail(ESP_MEMORY, "no shared memory for a run: %s", strerror(errno));
    }
    supervising = 1;
    esp_supervisor_heed_stops();
    int status = ESP_OK;
    bool again = true;
    int deaths = 0;
    while (again) {
        again = false;
        status = run_once(&again, &deaths, work, context, shared);
    }
    munmap(shared, size);
    return status;
}

void esp_supervisor_defer_stops(void)
{
    atomic_store(&stops_deferred, true);
}

void esp_supervisor_enter(esp_shared *shared, int slot, const char *trial)
{
    esp_shared_slot *own = &shared->slots[slot];
    atomic_store(&own->signal, 0);
    atomic_store(&own->hung, false);
    snprintf(own->trial, sizeof own->trial, "%s", trial);
    atomic_store(&own->plugin, NULL);
    esp_instance_tell_running(&own->plugin);
    atomic_store(&own->epoch, 0);
    atomic_store(&own->batch, -1);
    current_slot = own;
    const size_t size = 64 * 1024;
    fault_stack = malloc(size);
    if (fault_stack != NULL) {
        sigaltstack(&(stack_t){.ss_sp = fault_stack, .ss_size = size}, NULL);
    }
}

void esp_supervisor_at(int epoch, int batch)
{
    if (current_slot != NULL) {
        atomic_store_explicit(&current_slot->epoch, epoch, memory_order_relaxed);
        atomic_store_explicit(&current_slot->batch, batch, memory_order_relaxed);
    }
}

void esp_supervisor_leave(esp_shared *shared, int slot)
{
    current_slot = NULL;
    esp_instance_tell_running(NULL);
    shared->slots[slot].trial[0] = '\0';
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    free(fault_stack);
    fault_stack = NULL;
}
