#include "run/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/status.h"

typedef struct pool {
    const esp_trial_context *context;
    esp_shared *shared;
    const int *todo;
    int n_todo, jobs;
    atomic_int next, n_failed, halted, finished;
    const esp_halt *halt;
    atomic_int stop;                  /* finish the epoch, then stop */
    atomic_int abandon;               /* stop within the epoch */
    atomic_int current[ESP_MAX_JOBS]; /* trial of each worker, or -1 */
    atomic_llong beat[ESP_MAX_JOBS];  /* when it last finished an epoch, in milliseconds */
    struct worker_thread *threads;
} pool;

typedef struct worker_thread {
    pool *pool;
    int slot, status;
    char message[1024];
    pthread_t thread;
} worker_thread;

static long long now_milliseconds(void)
{
    return (long long)(1000 * esp_clock_seconds());
}

/* One failed trial more; whether that is enough is --halt's to say. */
static void count_failure(pool *p)
{
    const int n = atomic_fetch_add(&p->n_failed, 1) + 1;
    const int most = p->halt->percent ? (p->n_todo * p->halt->count + 99) / 100 : p->halt->count;
    if (p->halt->when != ESP_HALT_NEVER && n >= most) {
        if (atomic_exchange(&p->halted, 1) == 0) {
            esp_progress_note(p->context->progress,
                              "--halt: so many trials failed, no other is begun");
        }
        if (p->halt->when == ESP_HALT_NOW) {
            atomic_store(&p->stop, 1);
            atomic_store(&p->abandon, 1);
        }
    }
}

static void *work_loop(void *argument)
{
    worker_thread *thread = argument;
    pool *p = thread->pool;
    while (atomic_load(&p->stop) == 0 && atomic_load(&p->halted) == 0) {
        const int index = atomic_fetch_add(&p->next, 1);
        if (index >= p->n_todo) {
            break;
        }
        const int trial = p->todo[index];
        atomic_store(&p->shared->begun[trial], true);
        atomic_store(&p->beat[thread->slot], now_milliseconds());
        atomic_store(&p->current[thread->slot], trial);
        esp_supervisor_enter(p->shared, thread->slot, p->context->study->trials[trial].id);
        const esp_trial_control control = {
            .stop = &p->stop, .abandon = &p->abandon, .beat = &p->beat[thread->slot]};
        int status = esp_trial_run(p->context, trial, thread->slot, &control);
        esp_supervisor_leave(p->shared, thread->slot);
        atomic_store(&p->current[thread->slot], -1);
        if (status == ESP_STORE) {
            thread->status = status;
            snprintf(thread->message, sizeof thread->message, "%s", esp_message());
            atomic_store(&p->halted, 1);
        } else if (status != ESP_OK && status != ESP_INTERRUPTED) {
            count_failure(p);
        }
    }
    return NULL;
}

/* A worker that does not even end at a batch's end is stuck in a plugin: its trial is recorded as
 * interrupted, and the process ends. */
static void leave_stuck(pool *p)
{
    for (int slot = 0; slot < p->jobs; slot++) {
        const int trial = atomic_load(&p->current[slot]);
        if (trial >= 0) {
            const esp_end_record end = {.trial_key = p->context->trial_keys[trial],
                                        .status = ESP_TRIAL_INTERRUPTED,
                                        .message = "",
                                        .checkpoint_digest = ""};
            esp_writer_end(p->context->writer, &end);
        }
    }
    esp_writer_flush(p->context->writer);
    esp_log_error("interrupted; a plugin did not return, finished epochs are kept");
    _exit(esp_exit_code(ESP_INTERRUPTED));
}

/* A worker whose epoch takes longer than the study allows hangs: the fault is raised in its own
 * thread, so that the handler sees in which plugin that is, and the process ends (supervisor.h). */
static void end_hanging(pool *p)
{
    for (int slot = 0; slot < p->jobs; slot++) {
        const int trial = atomic_load(&p->current[slot]);
        if (trial < 0) {
            continue;
        }
        const esp_study *study = p->context->study;
        const double limit = study->cells[study->trials[trial].cell].epoch_seconds;
        const double spent = 1e-3 * (double)(now_milliseconds() - atomic_load(&p->beat[slot]));
        if (limit > 0 && spent > limit) {
            atomic_store(&p->shared->slots[slot].hung, true);
            pthread_kill(p->threads[slot].thread, SIGABRT);
            sleep(1);
        }
    }
}

/* Watches for epochs without end; gives an interrupted epoch two seconds to finish, then a batch
 * three. */
static void *watch(void *argument)
{
    pool *p = argument;
    const struct timespec nap = {.tv_nsec = 50000000};
    for (int ticks = 0; atomic_load(&p->finished) == 0;) {
        nanosleep(&nap, NULL);
        if (atomic_load(&esp_supervisor_stop) == 0) {
            end_hanging(p);
            continue;
        }
        atomic_store(&p->stop, 1);
        ticks++;
        if (ticks == 1) {
            esp_progress_note(p->context->progress, "stopping: epochs that end within two seconds "
                                                    "are kept; again to stop at once");
        } else if (ticks == 40) {
            atomic_store(&p->abandon, 1);
        } else if (ticks == 100) {
            leave_stuck(p);
        }
    }
    return NULL;
}

int esp_pool_run(int *n_failed, const esp_trial_context *context, esp_shared *shared,
                 const int *todo, int n_todo, int jobs, const esp_halt *halt)
{
    pool p = {.context = context,
              .shared = shared,
              .halt = halt,
              .todo = todo,
              .n_todo = n_todo,
              .jobs = jobs};
    worker_thread *threads = calloc((size_t)jobs, sizeof *threads);
    pthread_t watcher;
    int status = ESP_OK, started = 0;
    *n_failed = 0;
    for (int i = 0; i < jobs; i++) {
        atomic_store(&p.current[i], -1);
    }
    p.threads = threads;
    if (threads == NULL || pthread_create(&watcher, NULL, watch, &p) != 0) {
        free(threads);
        return esp_fail(ESP_MEMORY, "no memory for worker threads");
    }
    for (; started < jobs; started++) {
        threads[started] = (worker_thread){.pool = &p, .slot = started};
        if (pthread_create(&threads[started].thread, NULL, work_loop, &threads[started]) != 0) {
            atomic_store(&p.halted, 1);
            status = esp_fail(ESP_FAILED, "cannot start worker thread %d", started + 1);
            break;
        }
    }
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i].thread, NULL);
    }
    atomic_store(&p.finished, 1);
    pthread_join(watcher, NULL);
    for (int i = 0; status == ESP_OK && i < started; i++) {
        if (threads[i].status != ESP_OK) {
            status = esp_fail(threads[i].status, "%s", threads[i].message);
        }
    }
    *n_failed = atomic_load(&p.n_failed);
    free(threads);
    return status;
}
