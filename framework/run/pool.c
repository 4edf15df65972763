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
#include "core/thread.h"

/* Where a trial of the list stands. */
typedef enum place { WAITING, TAKEN, ELSEWHERE, OVER } place;

typedef struct pool {
    const esp_trial_context *context;
    esp_claims *claims;
    esp_shared *shared;
    const int *todo;
    int n_todo, jobs;
    pthread_mutex_t mutex; /* guards places */
    place *places;         /* by index of todo */
    atomic_int halted;     /* by --halt: begin no other */
    atomic_int broken;     /* the run must end: take none at all */
    atomic_int finished, told;
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
    return (long long)(1000 * esp_clock_working());
}

/* Whether so many failed trials are enough is --halt's to say. */
static void halt_after(pool *p, int n_failed)
{
    const int n_todo = p->shared->n_todo;
    const int most = p->halt->percent ? (n_todo * p->halt->count + 99) / 100 : p->halt->count;
    if (p->halt->when != ESP_HALT_NEVER && n_failed > 0 && n_failed >= most) {
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

static void count_failure(pool *p)
{
    halt_after(p, atomic_fetch_add(&p->shared->n_failed, 1) + 1);
}

/* ---- the list of trials ------------------------------------------------------------------------
 */

static bool is_ending(const pool *p)
{
    return atomic_load(&p->stop) != 0 || atomic_load(&p->broken) != 0;
}

static esp_shared_trial *shared_trial(const pool *p, int index)
{
    return &p->shared->trials[p->todo[index]];
}

static void put(pool *p, int index, place where)
{
    pthread_mutex_lock(&p->mutex);
    p->places[index] = where;
    pthread_mutex_unlock(&p->mutex);
}

/* The first trial that waits, now taken, or -1; *n_elsewhere: how many other runs hold. Once
 * halted, only what a crash cut off: to --halt it is running still. */
static int take_waiting(pool *p, int *n_elsewhere)
{
    int found = -1;
    const bool halted = atomic_load(&p->halted) != 0;
    *n_elsewhere = 0;
    pthread_mutex_lock(&p->mutex);
    for (int i = 0; i < p->n_todo && found < 0; i++) {
        const bool is_ours = !halted || atomic_load(&shared_trial(p, i)->begun);
        *n_elsewhere += p->places[i] == ELSEWHERE && !halted;
        found = p->places[i] == WAITING && is_ours ? i : -1;
    }
    if (found >= 0) {
        p->places[found] = TAKEN;
    }
    pthread_mutex_unlock(&p->mutex);
    return found;
}

/* Nothing is left but what other runs hold: after a moment, it is asked for again. */
static void wait_for_others(pool *p, int n_elsewhere)
{
    if (atomic_exchange(&p->told, 1) == 0) {
        char line[96];
        snprintf(line, sizeof line, "waiting for %d trial%s that another run trains", n_elsewhere,
                 n_elsewhere == 1 ? "" : "s");
        esp_progress_note(p->context->progress, line);
    }
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    pthread_mutex_lock(&p->mutex);
    for (int i = 0; i < p->n_todo; i++) {
        p->places[i] = p->places[i] == ELSEWHERE ? WAITING : p->places[i];
    }
    pthread_mutex_unlock(&p->mutex);
}

/* What another run did with a trial of ours. */
static void note_elsewhere(pool *p, int trial, esp_claim claim)
{
    esp_progress_elsewhere(p->context->progress, trial,
                           claim == ESP_CLAIM_DONE ? ESP_TRIAL_DONE : ESP_TRIAL_FAILED);
    if (claim == ESP_CLAIM_FAILED) {
        count_failure(p);
    }
}

/* *index: the next of the list, claimed, or -1 where nothing is left or the run ends. */
static int next_trial(int *index, pool *p)
{
    int n_elsewhere = 0;
    while (!is_ending(p)) {
        *index = take_waiting(p, &n_elsewhere);
        if (*index < 0 && n_elsewhere == 0) {
            return ESP_OK;
        }
        if (*index < 0) {
            wait_for_others(p, n_elsewhere);
            continue;
        }
        esp_claim claim;
        ESP_TRY(esp_claim_trial(&claim, p->claims, p->todo[*index]));
        if (claim == ESP_CLAIM_OURS) {
            return ESP_OK;
        }
        put(p, *index, claim == ESP_CLAIM_HELD ? ELSEWHERE : OVER);
        if (claim != ESP_CLAIM_HELD) {
            note_elsewhere(p, p->todo[*index], claim);
        }
    }
    *index = -1;
    return ESP_OK;
}

/* ---- the threads ------------------------------------------------------------------------------
 */

/* Whether a trial that failed is tried again. */
static bool is_retried(pool *p, int trial)
{
    const esp_study *study = p->context->study;
    const int retries = study->cells[study->trials[trial].cell].retries;
    const int failures = atomic_load(&p->shared->trials[trial].failures);
    if (failures > retries || is_ending(p) || atomic_load(&p->halted) != 0) {
        return false;
    }
    char line[96];
    snprintf(line, sizeof line, "trial %s: retry %d of %d", study->trials[trial].id, failures,
             retries);
    esp_progress_note(p->context->progress, line);
    return true;
}

static int run_once(worker_thread *thread, int trial)
{
    pool *p = thread->pool;
    atomic_store(&p->beat[thread->slot], now_milliseconds());
    atomic_store(&p->current[thread->slot], trial);
    esp_supervisor_enter(p->shared, thread->slot, p->context->study->trials[trial].id);
    const esp_trial_control control = {.stop = &p->stop,
                                       .abandon = &p->abandon,
                                       .beat = &p->beat[thread->slot],
                                       .failures = &p->shared->trials[trial].failures};
    int status = esp_trial_run(p->context, trial, thread->slot, &control);
    esp_supervisor_leave(p->shared, thread->slot);
    atomic_store(&p->current[thread->slot], -1);
    return status;
}

/* Trains a trial that is claimed, and gives it up. Errors: ESP_STORE only. */
static int run_trial(worker_thread *thread, int trial)
{
    pool *p = thread->pool;
    atomic_store(&p->shared->trials[trial].begun, true);
    int status = run_once(thread, trial);
    while (status != ESP_OK && status != ESP_INTERRUPTED && status != ESP_STORE) {
        if (!is_retried(p, trial)) {
            count_failure(p);
            break;
        }
        ESP_TRY(esp_writer_flush(p->context->writer));
        ESP_TRY(esp_claim_look(p->claims, trial));
        status = run_once(thread, trial);
    }
    if (status == ESP_STORE) {
        return status;
    }
    ESP_TRY(esp_writer_flush(p->context->writer));
    atomic_store(&p->shared->trials[trial].begun, false);
    esp_claim_drop(p->claims, trial);
    return ESP_OK;
}

static void *work_loop(void *argument)
{
    worker_thread *thread = argument;
    pool *p = thread->pool;
    int index = -1;
    int status = next_trial(&index, p);
    while (status == ESP_OK && index >= 0) {
        status = run_trial(thread, p->todo[index]);
        put(p, index, OVER);
        if (status == ESP_OK) {
            status = next_trial(&index, p);
        }
    }
    if (status != ESP_OK) {
        thread->status = status;
        snprintf(thread->message, sizeof thread->message, "%s", esp_message());
        atomic_store(&p->broken, 1);
    }
    return NULL;
}

/* A plugin that ends its thread (pthread_exit) ends its trial, by what a crash does. */
static void end_lost_worker(void *unused)
{
    (void)unused;
    abort();
}

static void *work(void *argument)
{
    void *result = NULL;
    pthread_cleanup_push(end_lost_worker, NULL);
    result = work_loop(argument);
    pthread_cleanup_pop(0);
    return result;
}

/* A worker that does not even end at a batch's end is stuck in a plugin: its trial is recorded as
 * interrupted, and the process ends. */
static void leave_stuck(pool *p)
{
    for (int slot = 0; slot < p->jobs; slot++) {
        const int trial = atomic_load(&p->current[slot]);
        if (trial >= 0) {
            const esp_end_record end = {.trial_key = p->context->stored[trial].key,
                                        .status = ESP_TRIAL_INTERRUPTED,
                                        .message = "",
                                        .checkpoint_digest = ""};
            esp_writer_end(p->context->writer, &end);
        }
    }
    esp_writer_flush(p->context->writer);
    esp_log_error("interrupted; a plugin did not return, finished epochs are kept");
    esp_supervisor_end(p->shared, ESP_INTERRUPTED);
}

/* A worker whose epoch takes longer than the study allows hangs: the fault is raised in its own
 * thread and the process ends (supervisor.h), a second later also where the plugin blocks signals.
 */
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
            atomic_store(&p->shared->slots[slot].signal, SIGABRT);
            kill(getpid(), SIGKILL);
        }
    }
}

/* What this run trains is another's now: nothing more may be said of these trials. */
static void leave_to_another(pool *p)
{
    char message[1024];
    snprintf(message, sizeof message, "%s", esp_message());
    esp_writer_flush(p->context->writer); /* epochs are the same whoever trains them */
    esp_log_error("%s", message);
    esp_supervisor_end(p->shared, ESP_STORE);
}

/* Watches for epochs without end, and once a second over the lock file; gives an interrupted epoch
 * two seconds to finish, then a batch three. */
static void *watch(void *argument)
{
    pool *p = argument;
    const struct timespec nap = {.tv_nsec = 50000000};
    for (int ticks = 0, naps = 0; atomic_load(&p->finished) == 0;) {
        esp_clock_tick();
        if (naps++ % 20 == 0 && esp_claims_keep(p->claims) != ESP_OK) {
            leave_to_another(p);
        }
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
    esp_clock_tick_no_more();
    return NULL;
}

int esp_pool_run(const esp_trial_context *context, esp_claims *claims, esp_shared *shared,
                 const int *todo, int n_todo, int jobs, const esp_halt *halt)
{
    pool p = {.context = context,
              .claims = claims,
              .shared = shared,
              .halt = halt,
              .todo = todo,
              .n_todo = n_todo,
              .jobs = jobs,
              .places = calloc((size_t)n_todo, sizeof *p.places)};
    worker_thread *threads = calloc((size_t)jobs, sizeof *threads);
    pthread_t watcher;
    int status = ESP_OK, started = 0;
    for (int i = 0; i < jobs; i++) {
        atomic_store(&p.current[i], -1);
    }
    p.threads = threads;
    pthread_mutex_init(&p.mutex, NULL);
    if (p.places == NULL || threads == NULL || esp_thread_start(&watcher, watch, &p) != 0) {
        status = esp_fail(ESP_MEMORY, "no memory for worker threads");
        goto out;
    }
    esp_supervisor_defer_stops();
    halt_after(&p, atomic_load(&shared->n_failed)); /* those that brought earlier children down */
    for (; started < jobs; started++) {
        threads[started] = (worker_thread){.pool = &p, .slot = started};
        if (esp_thread_start(&threads[started].thread, work, &threads[started]) != 0) {
            atomic_store(&p.broken, 1);
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
out:
    pthread_mutex_destroy(&p.mutex);
    free(threads);
    free(p.places);
    return status;
}
