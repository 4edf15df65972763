/* How well a run says how long the rest takes: trials of cells whose epochs take other times than
 * their work says, played on a number of threads; every prediction is compared with the truth. */
#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "core/status.h"
#include "run/time_left.h"

enum { CELLS = 4, SEEDS = 10, TRIALS = CELLS * SEEDS, MOST_SLOTS = 16, MOST_POINTS = 4096 };

/* By cell, longest first: epochs, seconds of one, of what is before the first and after the last.
 */
static const int epochs[CELLS] = {12, 6, 8, 4};
static const double seconds[CELLS] = {2.0, 1.5, 0.9, 0.6}, before = 0.4, after = 0.3;
static const double noise = 0.1;

typedef struct point {
    double at, left, share;
} point;

typedef struct history {
    int n;
    point points[MOST_POINTS];
    double end;
} history;

typedef struct player {
    int trial, done; /* trial -1: none */
    double next;     /* when its epoch, or its trial, ends */
} player;

/* Plays all trials in their order, whoever is free first takes the next; asks after each event. */
static void play(history *h, int n_slots, const double work[CELLS], int stops_after)
{
    esp_time_left_trial trials[TRIALS];
    player players[MOST_SLOTS];
    esp_time_left *left = NULL;
    esp_rng rng = esp_rng_make(1, "noise", 0);
    int begun = 0;
    memset(h, 0, sizeof *h);
    for (int i = 0; i < TRIALS; i++) {
        trials[i] = (esp_time_left_trial){.cell = i / SEEDS, .epochs = epochs[i / SEEDS]};
    }
    assert_int_equal(esp_time_left_create(&left, n_slots, work, CELLS, trials, TRIALS, 0), ESP_OK);
    assert_true(isnan(esp_time_left_seconds(left, 0)));
    assert_true(esp_time_left_share(left) == 0);
    for (int i = 0; i < n_slots; i++) {
        players[i] = (player){.trial = -1};
    }
    for (double now = 0;;) {
        int first = -1;
        for (int i = 0; i < n_slots; i++) {
            player *p = &players[i];
            if (p->trial < 0 && begun < TRIALS) {
                p->trial = begun++;
                p->done = 0;
                p->next = now + before + seconds[p->trial / SEEDS];
                esp_time_left_begin(left, i, p->trial, 0, now + 0.5 * before);
            }
            first = p->trial >= 0 && (first < 0 || p->next < players[first].next) ? i : first;
        }
        if (first < 0) {
            h->end = now;
            break;
        }
        player *p = &players[first];
        const int cell = p->trial / SEEDS;
        const int most = stops_after > 0 && stops_after < epochs[cell] ? stops_after : epochs[cell];
        now = p->next;
        if (p->done < most) {
            esp_time_left_epoch(left, first, ++p->done, now);
            const double one = seconds[cell] * (1 + noise * (2 * esp_rng_uniform(&rng) - 1));
            p->next = now + (p->done == most ? after : one);
        } else {
            esp_time_left_end(left, first, true, now);
            p->trial = -1;
        }
        assert_true(h->n < MOST_POINTS);
        h->points[h->n++] =
            (point){now, esp_time_left_seconds(left, now), esp_time_left_share(left)};
    }
    assert_true(esp_time_left_seconds(left, h->end) == 0);
    assert_true(esp_time_left_share(left) == 1);
    esp_time_left_destroy(left);
}

/* The greatest error of the predicted end in the part of a run, as a share of it. */
static double worst(const history *h, double from, double to)
{
    double found = 0;
    for (int i = 0; i < h->n; i++) {
        const point *p = &h->points[i];
        if (p->at >= from * h->end && p->at < to * h->end) {
            const double error = fabs(p->at + p->left - h->end) / h->end;
            found = error > found || isnan(error) ? error : found;
        }
    }
    printf("# %d to %d %%: within %.1f %%\n", (int)(100 * from), (int)(100 * to), 100 * found);
    return found;
}

static const int slots[] = {1, 2, 3, 16};

static void test_time_left__is_close_where_work_tells_the_cost(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        history h;
        play(&h, slots[i], seconds, 0);
        assert_true(worst(&h, 0.1, 1) <= 0.08);
        assert_true(worst(&h, 0.5, 1) <= 0.03);
    }
}

/* Epochs of small networks take longer than their multiply-adds say: once each cell was timed, that
 * is forgotten. */
static void test_time_left__learns_what_a_cell_takes(void **state)
{
    (void)state;
    const double wrong[CELLS] = {2.0, 0.7, 0.3, 0.1};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        history h;
        play(&h, slots[i], wrong, 0);
        assert_true(worst(&h, 0.8, 1) <= 0.06);
    }
}

/* It tells the time without early stopping, which nobody can know beforehand. */
static void test_time_left__is_an_upper_bound_where_trials_stop_early(void **state)
{
    (void)state;
    history h;
    play(&h, 2, seconds, 3);
    for (int i = 0; i < h.n; i++) {
        assert_true(isnan(h.points[i].left) || h.points[i].at + h.points[i].left > 0.99 * h.end);
    }
}

static void test_time_left__share_is_whole_only_at_the_end(void **state)
{
    (void)state;
    history h;
    play(&h, 3, seconds, 0);
    for (int i = 1; i < h.n; i++) {
        assert_true(h.points[i].share >= h.points[i - 1].share);
        assert_true(h.points[i].share < 1 || i == h.n - 1);
        assert_true(i == h.n - 1 || floor(100 * h.points[i].share) < 100);
    }
}

/* A trial that is continued, one that another run did, one cut off, one that is tried again. */
static void test_time_left__counts_what_others_did(void **state)
{
    (void)state;
    const esp_time_left_trial trials[] = {{0, 10, 5}, {0, 10, 0}, {0, 10, 0}, {0, 10, 0}};
    const double work[] = {1};
    esp_time_left *left = NULL;
    assert_int_equal(esp_time_left_create(&left, 1, work, 1, trials, 4, 0), ESP_OK);
    assert_true(fabs(esp_time_left_share(left) - 5.0 / 40) < 1e-12);
    esp_time_left_begin(left, 0, 0, 4, 0); /* its checkpoint is older than its last epoch */
    assert_true(fabs(esp_time_left_share(left) - 4.0 / 40) < 1e-12);
    esp_time_left_epoch(left, 0, 5, 1);
    esp_time_left_epoch(left, 0, 6, 2);
    /* four of this one, and three times ten; a quarter of a second later, so much less */
    assert_true(fabs(esp_time_left_seconds(left, 2) - 34) < 1e-9);
    assert_true(fabs(esp_time_left_seconds(left, 2.25) - 33.75) < 1e-9);
    assert_true(fabs(esp_time_left_of_slot(left, 0, 2.25) - 3.75) < 1e-9);
    esp_time_left_elsewhere(left, 1);
    assert_true(fabs(esp_time_left_seconds(left, 2) - 24) < 1e-9);
    esp_time_left_end(left, 0, false, 2); /* interrupted: it waits with what it has */
    assert_true(fabs(esp_time_left_seconds(left, 2) - 24) < 1e-9);
    esp_time_left_begin(left, 0, 2, 0, 2);
    esp_time_left_end(left, 0, true, 2); /* it failed at once */
    assert_true(fabs(esp_time_left_share(left) - 26.0 / 40) < 1e-12);
    esp_time_left_begin(left, 0, 2, 0, 2); /* and is tried again */
    assert_true(fabs(esp_time_left_share(left) - 16.0 / 40) < 1e-12);
    esp_time_left_destroy(left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_left__is_close_where_work_tells_the_cost),
        cmocka_unit_test(test_time_left__learns_what_a_cell_takes),
        cmocka_unit_test(test_time_left__is_an_upper_bound_where_trials_stop_early),
        cmocka_unit_test(test_time_left__share_is_whole_only_at_the_end),
        cmocka_unit_test(test_time_left__counts_what_others_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
