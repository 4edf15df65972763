#include "run/time_left.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

/* A mean is over this many of the latest epochs or trials. */
enum { MEMORY = 64 };

/* A mean that forgets. */
typedef struct mean {
    double sum, n;
} mean;

typedef enum place { WAITS, RUNS, IS_OVER } place;

typedef struct slot {
    int trial;    /* or -1 */
    bool is_new;  /* no epoch since it began */
    double since; /* its last epoch ended, or the trial before it; of what is timed now */
} slot;

/* What was timed of a cell. A trial's first epoch has its preparation in it and the evaluation of
 * what is untrained; what follows its last one are evaluations and files. */
typedef struct cell_times {
    mean first, later, end;
} cell_times;

struct esp_time_left {
    int n_slots, n_cells, n_trials, n_over;
    double *work; /* [n_cells] */
    cell_times *times;
    esp_time_left_trial *trials;
    place *places;
    slot *slots;
    double *heap; /* [n_slots], for esp_time_left_seconds */
    double all, spent;
};

static void add(mean *m, double value)
{
    const double kept = m->n < MEMORY ? 1 : 1 - 1.0 / MEMORY;
    m->sum = m->sum * kept + value;
    m->n = m->n * kept + 1;
}

static double mean_or(const mean *m, double otherwise)
{
    return m->n > 0 ? m->sum / m->n : otherwise;
}

int esp_time_left_create(esp_time_left **out, int n_slots, const double *work, int n_cells,
                         const esp_time_left_trial *trials, int n_trials, double now)
{
    esp_time_left *left = calloc(1, sizeof *left);
    if (left == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the time left");
    }
    *left = (esp_time_left){.n_slots = n_slots,
                            .n_cells = n_cells,
                            .n_trials = n_trials,
                            .work = calloc((size_t)n_cells + 1, sizeof *left->work),
                            .times = calloc((size_t)n_cells + 1, sizeof *left->times),
                            .trials = calloc((size_t)n_trials + 1, sizeof *left->trials),
                            .places = calloc((size_t)n_trials + 1, sizeof *left->places),
                            .slots = calloc((size_t)n_slots + 1, sizeof *left->slots),
                            .heap = calloc((size_t)n_slots + 1, sizeof *left->heap)};
    if (!left->work || !left->times || !left->trials || !left->places || !left->slots ||
        !left->heap) {
        esp_time_left_destroy(left);
        return esp_fail(ESP_MEMORY, "no memory for the time left");
    }
    memcpy(left->work, work, sizeof *work * (size_t)n_cells);
    for (int i = 0; i < n_trials; i++) {
        left->trials[i] = trials[i];
        left->all += work[trials[i].cell] * trials[i].epochs;
        left->spent += work[trials[i].cell] * trials[i].done;
    }
    for (int i = 0; i < n_slots; i++) {
        left->slots[i] = (slot){.trial = -1, .since = now};
    }
    *out = left;
    return ESP_OK;
}

void esp_time_left_destroy(esp_time_left *left)
{
    if (left == NULL) {
        return;
    }
    free(left->work);
    free(left->times);
    free(left->trials);
    free(left->places);
    free(left->slots);
    free(left->heap);
    free(left);
}

/* ---- what happens ------------------------------------------------------------------------------
 */

static void set_done(esp_time_left *left, int trial, int done)
{
    esp_time_left_trial *t = &left->trials[trial];
    left->spent += left->work[t->cell] * (done - t->done);
    t->done = done;
}

static void set_over(esp_time_left *left, int trial)
{
    if (left->places[trial] != IS_OVER) {
        set_done(left, trial, left->trials[trial].epochs);
        left->places[trial] = IS_OVER;
        left->n_over++;
    }
}

void esp_time_left_begin(esp_time_left *left, int index, int trial, int done, double now)
{
    (void)now;
    left->n_over -= left->places[trial] == IS_OVER; /* it failed, and is tried again */
    left->places[trial] = RUNS;
    set_done(left, trial, done);
    left->slots[index].trial = trial;
    left->slots[index].is_new = true;
}

void esp_time_left_epoch(esp_time_left *left, int index, int done, double now)
{
    slot *s = &left->slots[index];
    cell_times *times = &left->times[left->trials[s->trial].cell];
    add(s->is_new ? &times->first : &times->later, now - s->since);
    set_done(left, s->trial, done);
    s->is_new = false;
    s->since = now;
}

void esp_time_left_end(esp_time_left *left, int index, bool is_over, double now)
{
    slot *s = &left->slots[index];
    if (s->trial < 0) {
        return;
    }
    if (is_over && !s->is_new) {
        add(&left->times[left->trials[s->trial].cell].end, now - s->since);
    }
    if (is_over) {
        set_over(left, s->trial);
    } else {
        left->places[s->trial] = WAITS;
    }
    s->trial = -1;
    s->since = now;
}

void esp_time_left_elsewhere(esp_time_left *left, int trial)
{
    set_over(left, trial);
}

/* ---- what is left ------------------------------------------------------------------------------
 */

/* What all epochs that were timed say of cells that were not. */
typedef struct pace {
    double seconds;     /* of a unit of work; NAN: none was timed */
    double before, end; /* what a first epoch takes longer, and what follows the last one */
} pace;

static pace pace_of(const esp_time_left *left)
{
    mean all = {0}, before = {0}, end = {0};
    for (int i = 0; i < left->n_cells; i++) {
        const cell_times *t = &left->times[i];
        const mean *m = t->later.n > 0 ? &t->later : &t->first;
        all.sum += m->sum;
        all.n += m->n * left->work[i];
        if (t->later.n > 0) {
            before.sum += t->first.sum - t->first.n * t->later.sum / t->later.n;
            before.n += t->first.n;
        }
        end.sum += t->end.sum;
        end.n += t->end.n;
    }
    return (pace){.seconds = mean_or(&all, NAN),
                  .before = fmax(0, mean_or(&before, 0)),
                  .end = mean_or(&end, 0)};
}

/* Seconds that a trial takes on a thread of its own from where it is. */
static double seconds_of(const esp_time_left *left, const esp_time_left_trial *trial, bool is_new,
                         const pace *run)
{
    const cell_times *t = &left->times[trial->cell];
    const double guess = run->seconds * left->work[trial->cell];
    const double first = t->first.n > 0 ? t->first.sum / t->first.n : guess + run->before;
    const double later = mean_or(&t->later, fmax(first - run->before, 0));
    const int epochs = trial->epochs - trial->done;
    return (epochs > 0 ? (is_new ? first : later) + (epochs - 1) * later : 0) +
           mean_or(&t->end, run->end);
}

static double seconds_of_slot(const esp_time_left *left, const slot *s, const pace *run, double now)
{
    if (s->trial < 0) {
        return 0;
    }
    const double seconds = seconds_of(left, &left->trials[s->trial], s->is_new, run);
    return fmax(0, seconds - (now - s->since));
}

/* The least of a heap is its first: puts a greater one in its place. */
static void replace_least(double *heap, int n, double value)
{
    int at = 0;
    for (int child = 1; child < n; child = 2 * at + 1) {
        child += child + 1 < n && heap[child + 1] < heap[child];
        if (heap[child] >= value) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* As the pool does it: whoever is free first takes the next. */
double esp_time_left_seconds(const esp_time_left *left, double now)
{
    const pace run = pace_of(left);
    double *heap = left->heap, longest = 0;
    if (isnan(run.seconds)) {
        return NAN;
    }
    for (int i = 0; i < left->n_slots; i++) {
        heap[i] = seconds_of_slot(left, &left->slots[i], &run, now);
        longest = fmax(longest, heap[i]);
    }
    qsort(heap, (size_t)left->n_slots, sizeof *heap, by_value); /* sorted, so a heap */
    for (int i = 0; i < left->n_trials; i++) {
        if (left->places[i] == WAITS) {
            const double end = heap[0] + seconds_of(left, &left->trials[i], true, &run);
            replace_least(heap, left->n_slots, end);
            longest = fmax(longest, end);
        }
    }
    return longest;
}

double esp_time_left_of_slot(const esp_time_left *left, int index, double now)
{
    const pace run = pace_of(left);
    return seconds_of_slot(left, &left->slots[index], &run, now);
}

double esp_time_left_share(const esp_time_left *left)
{
    if (left->n_over == left->n_trials) {
        return 1;
    }
    return left->all > 0 ? fmin(left->spent / left->all, 1 - 1e-6) : 0;
}
