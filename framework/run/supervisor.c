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

#include "core/log.h"
#include "core/status.h"
#include "plugin/instance.h"

/* Signal handlers reach their data through these; written once, before threads start. */
atomic_int esp_supervisor_stop;
static volatile pid_t child_process;
static volatile sig_atomic_t asked_to_stop; /* in the parent */
static _Thread_local esp_shared_slot *current_slot;
static _Thread_local char *fault_stack;

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { MAX_DEATHS = 3 };
enum { N_FAULTS = sizeof fault_signals / sizeof *fault_signals };

/* All requests to stop reach the child as SIGTERM: what a terminal sends goes to both, and must not
 * count twice. */
static void forward_stop(int number)
{
    (void)number;
    asked_to_stop = 1;
    if (child_process > 0) {
        kill(child_process, SIGTERM);
    }
}

static void count_stop(int number)
{
    (void)number;
    if (atomic_fetch_add(&esp_supervisor_stop, 1) > 0) {
        _exit(esp_exit_code(ESP_INTERRUPTED));
    }
}

/* Marks whose thread it was, then lets the signal take its course. */
static void mark_fault(int number)
{
    if (current_slot != NULL) {
        const char *plugin = esp_instance_running();
        for (size_t i = 0; plugin != NULL && i + 1 < sizeof current_slot->plugin && plugin[i];
             i++) {
            current_slot->plugin[i] = plugin[i];
        }
        atomic_store(&current_slot->signal, number);
    }
    signal(number, SIG_DFL);
    raise(number);
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
    handle(SIGTERM, count_stop, SA_RESTART);
    hold_stops(SIG_UNBLOCK);
    handle(SIGPIPE, SIG_IGN, 0); /* nobody reads the progress: the work goes on */
    handle(SIGXFSZ, SIG_IGN, 0); /* a full disk is an error of write, not a death */
    for (int i = 0; i < N_FAULTS; i++) {
        handle(fault_signals[i], mark_fault, SA_NODEFER | SA_ONSTACK);
    }
    int status = work(context, shared);
    if (status != ESP_OK && *esp_message()) {
        esp_log_error("%s", esp_message());
    }
    fflush(NULL);
#if defined(__SANITIZE_ADDRESS__)
    __lsan_do_leak_check(); /* _exit would pass it by */
#endif
    _exit(esp_exit_code(status));
}

/* Whether a trial's thread brought the child down; takes it into the list. */
static bool take_crash(esp_shared *shared)
{
    for (int i = 0; i < ESP_MAX_JOBS; i++) {
        esp_shared_slot *slot = &shared->slots[i];
        int number = atomic_load(&slot->signal);
        if (number != 0 && *slot->trial &&
            shared->n_crashes - shared->n_recorded < ESP_MAX_CRASHES) {
            esp_crash *crash = &shared->crashes[shared->n_crashes++ % ESP_MAX_CRASHES];
            memcpy(crash->trial, slot->trial, sizeof crash->trial);
            memcpy(crash->plugin, slot->plugin, sizeof crash->plugin);
            crash->hung = atomic_load(&slot->hung);
            crash->signal = number;
            crash->epoch = atomic_load(&slot->epoch);
            crash->batch = atomic_load(&slot->batch);
            return true;
        }
    }
    return false;
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

/* One child from fork to end; *again where another should follow. */
static int run_once(bool *again, int *deaths, int (*work)(void *, esp_shared *), void *context,
                    esp_shared *shared)
{
    const pid_t parent = getpid();
    int result = 0;
    fflush(NULL);
    memset(shared->slots, 0, sizeof shared->slots);
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
    if (WIFEXITED(result)) {
        return esp_fail(status_of_exit(WEXITSTATUS(result)), "%s", ""); /* the child has said it */
    }
    if (take_crash(shared)) {
        const esp_crash *crash = &shared->crashes[(shared->n_crashes - 1) % ESP_MAX_CRASHES];
        char words[256];
        esp_crash_describe(words, crash);
        esp_log_warning("trial %s %s; the other trials go on", crash->trial, words);
        *again = true;
        return ESP_OK;
    }
    /* A death that no thread of ours caused (kill -9, out of memory) blames no trial. */
    if (!asked_to_stop && ++*deaths < MAX_DEATHS) {
        esp_log_warning("the worker process was ended by %s; starting it again",
                        strsignal(WTERMSIG(result)));
        *again = true;
        return ESP_OK;
    }
    return esp_fail(asked_to_stop ? ESP_INTERRUPTED : ESP_FAILED,
                    "the worker process was ended by %s; finished epochs are kept, run the same "
                    "command to go on",
                    strsignal(WTERMSIG(result)));
}

int esp_supervise(int (*work)(void *, esp_shared *), void *context, int n_trials)
{
    const size_t size = sizeof(esp_shared) + sizeof(atomic_int) * (size_t)n_trials;
    esp_shared *shared =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return esp_fail(ESP_MEMORY, "no shared memory for a run: %s", strerror(errno));
    }
    handle(SIGINT, forward_stop, 0);
    handle(SIGTERM, forward_stop, 0);
    if (!is_ignored(SIGHUP)) { /* else nohup wants it so */
        handle(SIGHUP, forward_stop, 0);
    }
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

void esp_supervisor_enter(esp_shared *shared, int slot, const char *trial)
{
    esp_shared_slot *own = &shared->slots[slot];
    atomic_store(&own->signal, 0);
    atomic_store(&own->hung, false);
    snprintf(own->trial, sizeof own->trial, "%s", trial);
    own->plugin[0] = '\0';
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
    shared->slots[slot].trial[0] = '\0';
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    free(fault_stack);
    fault_stack = NULL;
}
