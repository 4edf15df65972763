#include "run/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"
#include "core/status.h"

/* Signal handlers reach their data through these; written once, before threads start. */
atomic_int esp_supervisor_stop;
static volatile pid_t child_process;
static _Thread_local esp_shared_slot *current_slot;

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { N_FAULTS = sizeof fault_signals / sizeof *fault_signals };

static void forward_signal(int number)
{
    if (child_process > 0) {
        kill(child_process, number);
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

static void run_child(int (*work)(void *, esp_shared *), void *context, esp_shared *shared,
                      pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    setpgid(0, 0); /* a terminal's interrupt reaches the parent alone, which forwards it once */
    handle(SIGTTOU, SIG_IGN, 0);
    handle(SIGPIPE, SIG_IGN, 0); /* nobody reads the progress: the work goes on */
    handle(SIGINT, count_stop, SA_RESTART);
    handle(SIGTERM, count_stop, SA_RESTART);
    handle(SIGXFSZ, SIG_IGN, 0); /* a full disk is an error of write, not a death */
    for (int i = 0; i < N_FAULTS; i++) {
        handle(fault_signals[i], mark_fault, SA_NODEFER);
    }
    int status = work(context, shared);
    if (status != ESP_OK && *esp_message()) {
        esp_log_error("%s", esp_message());
    }
    atomic_store(&shared->finished, 1);
    fflush(NULL);
    _exit(esp_exit_code(status));
}

/* Whether a trial's thread brought the child down; takes it into the list. */
static bool take_crash(esp_shared *shared)
{
    for (int i = 0; i < ESP_MAX_JOBS; i++) {
        esp_shared_slot *slot = &shared->slots[i];
        int number = atomic_load(&slot->signal);
        if (number != 0 && *slot->trial && shared->n_crashes < ESP_MAX_CRASHES) {
            esp_crash *crash = &shared->crashes[shared->n_crashes++];
            memcpy(crash->trial, slot->trial, sizeof crash->trial);
            memcpy(crash->plugin, slot->plugin, sizeof crash->plugin);
            crash->epoch = slot->epoch;
            crash->signal = number;
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

int esp_supervise(int (*work)(void *, esp_shared *), void *context)
{
    esp_shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return esp_fail(ESP_MEMORY, "no shared memory for a run: %s", strerror(errno));
    }
    int status = ESP_OK;
    for (bool again = true; again;) {
        again = false;
        fflush(NULL);
        memset(shared->slots, 0, sizeof shared->slots);
        const pid_t parent = getpid();
        const pid_t child = fork();
        if (child == 0) {
            run_child(work, context, shared, parent);
        }
        if (child < 0) {
            status = esp_fail(ESP_FAILED, "cannot start the worker process: %s", strerror(errno));
            break;
        }
        child_process = child;
        handle(SIGINT, forward_signal, SA_RESTART);
        handle(SIGTERM, forward_signal, SA_RESTART);
        int result = 0;
        while (waitpid(child, &result, 0) < 0 && errno == EINTR) {
        }
        child_process = 0;
        if (WIFEXITED(result)) {
            status = status_of_exit(WEXITSTATUS(result));
            esp_fail(status, "%s", ""); /* the child has said it */
        } else if (take_crash(shared)) {
            const esp_crash *crash = &shared->crashes[shared->n_crashes - 1];
            esp_log_warning("trial %s crashed (%s); the other trials go on", crash->trial,
                            strsignal(crash->signal));
            again = true;
        } else {
            status = esp_fail(ESP_FAILED,
                              "the worker process was ended by %s; finished epochs are kept, run "
                              "the same command to go on",
                              strsignal(WTERMSIG(result)));
        }
    }
    munmap(shared, sizeof *shared);
    return status;
}

void esp_supervisor_enter(esp_shared *shared, int slot, const char *trial)
{
    esp_shared_slot *own = &shared->slots[slot];
    atomic_store(&own->signal, 0);
    snprintf(own->trial, sizeof own->trial, "%s", trial);
    own->plugin[0] = '\0';
    own->epoch = 0;
    current_slot = own;
}

void esp_supervisor_leave(esp_shared *shared, int slot)
{
    current_slot = NULL;
    shared->slots[slot].trial[0] = '\0';
}
