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
    char trial[17];          /* "" when idle */
    char plugin[64];         /* in whose code the fault was, "" for ours */
    atomic_int epoch, batch; /* what it is at; batch 0: evaluation, -1: before all */
    atomic_bool hung;        /* its epoch took longer than allowed: the signal is ours */
    atomic_int signal;       /* set by the fault handler of the thread that crashed */
} esp_shared_slot;

typedef struct esp_crash {
    char trial[17];
    char plugin[64];
    bool hung;
    int epoch, batch, signal;
} esp_crash;

typedef struct esp_shared {
    esp_shared_slot slots[ESP_MAX_JOBS];
    int n_crashes;                      /* of earlier children, written by the parent */
    int n_recorded;                     /* of these, in the database; written by the child */
    esp_crash crashes[ESP_MAX_CRASHES]; /* the latest, a ring */
    int n_todo;                         /* trials to train, as the first child listed them */
    atomic_int n_failed;                /* of these, for good */
    atomic_int failures[];              /* by trial: how often it failed in this run */
} esp_shared;

/* Forks and runs work(context, shared) in the child, whose result (an esp_status) it returns. Must
 * be called while the process has one thread. Where the child dies in a trial's thread, it is
 * started again with that crash in shared->crashes; where it dies otherwise, the signal is reported
 * and ESP_FAILED returned. Thread: one. */
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
 * second time ends the process at once with 130: the database is a transaction behind at most.
 * Thread: any. */
extern atomic_int esp_supervisor_stop;

#endif
