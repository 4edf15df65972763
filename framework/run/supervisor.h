/* The process that waits. A run's work is done in a child that owns threads and database; the
 * parent only waits, forwards signals, and starts the work again where a trial brought the child
 * down. */
#ifndef ESP_RUN_SUPERVISOR_H
#define ESP_RUN_SUPERVISOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { ESP_MAX_JOBS = 256, ESP_MAX_CRASHES = 64 };

/* In memory that parent and child share: which trial each worker thread is in. */
typedef struct esp_shared_slot {
    char trial[17];               /* "" when idle */
    _Atomic(const char *) plugin; /* whose code it is in, NULL: ours; loaded before the fork */
    atomic_int epoch, batch;      /* what it is at; batch 0: evaluation, -1: before all */
    atomic_bool hung;             /* its epoch took longer than allowed: the signal is ours */
    atomic_int signal;            /* set in the thread that ends the process; 0: none did */
} esp_shared_slot;

typedef struct esp_crash {
    char trial[17];
    char plugin[64];
    bool hung;
    int epoch, batch;
    int signal; /* or ESP_CALLED_EXIT */
} esp_crash;

enum { ESP_CALLED_EXIT = -1 };

/* What became of a trial in this run, in this child and those before. */
typedef struct esp_shared_trial {
    atomic_int failures; /* how often it failed */
    atomic_bool begun;   /* is trained, or was when an earlier child was brought down */
} esp_shared_trial;

typedef struct esp_shared {
    esp_shared_slot slots[ESP_MAX_JOBS];
    int n_crashes;                      /* of earlier children, written by the parent */
    int n_recorded;                     /* of these, in the database; written by the child */
    esp_crash crashes[ESP_MAX_CRASHES]; /* the latest, a ring */
    int n_todo;                         /* trials to train, as the first child listed them */
    bool one_at_a_time;                 /* a crash could not be laid to one of several trials */
    atomic_bool concluded;              /* the child ends of its own will */
    atomic_int n_failed;                /* trials that failed for good */
    esp_shared_trial trials[];          /* by trial of the study */
} esp_shared;

/* From here on SIGINT, SIGTERM and SIGHUP (where it is not ignored, as nohup wants it) end the
 * process with 130, until esp_supervise hands them on to its child. Thread: one. */
void esp_supervisor_heed_stops(void);

/* Forks and runs work(context, shared) in the child, whose result (an esp_status) it returns. Must
 * be called while the process has one thread. Where a trial brings the child down, by a fault or by
 * exit, the child is started again with that crash in shared->crashes; a fault of which no trial's
 * thread knows is laid to the one trial that ran, or, where several did, they run one at a time
 * from then on. A child killed otherwise is started again, blaming no trial, the third time
 * reported as ESP_FAILED. Thread: one. */
int esp_supervise(int (*work)(void *context, esp_shared *shared), void *context, int n_trials);

/* What happened, in words: "crashed in plugin x at epoch 2, batch 3: signal 11
 * (Segmentation fault)". out [256]. */
void esp_crash_describe(char out[256], const esp_crash *crash);

/* In the child: this thread works in slots[slot]; a fault in it marks the slot. Thread: a worker.
 */
void esp_supervisor_enter(esp_shared *shared, int slot, const char *trial);
void esp_supervisor_leave(esp_shared *shared, int slot);

/* In the child: what this thread's trial is at, for words about a crash; batch 0: evaluation. Free
 * of cost. Thread: any; of a worker between enter and leave it has an effect. */
void esp_supervisor_at(int epoch, int batch);

/* In the child: how often the run was asked to stop (SIGINT, SIGTERM or SIGHUP at the parent). The
 * second time, or the first before esp_supervisor_defer_stops, ends the process at once with 130:
 * the database is a transaction behind at most.
 * Requests within a twentieth of a second are one: `timeout` and service managers signal parent and
 * child. Thread: any. */
extern atomic_int esp_supervisor_stop;

/* In the child: there are epochs to finish from here on. Thread: one. */
void esp_supervisor_defer_stops(void);

/* In the child: ends it with status, whatever its threads do. Thread: any. */
_Noreturn void esp_supervisor_end(esp_shared *shared, int status);

#endif
