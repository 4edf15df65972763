#include "run/bench_trials.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/status.h"
#include "core/text.h"
#include "core/thread.h"
#include "run/bench_run.h"
#include "run/epoch_record.h"
#include "statistics/sample.h"

static const char study_text[] = "study: trials\n"
                                 "seeds: 0..%d\n"
                                 "defaults:\n"
                                 "  data: {name: %s}\n"
                                 "  model: {kind: fff, training_width: %d, leaf_width: %d}\n"
                                 "  losses:\n"
                                 "    cross_entropy: {weight: 1}\n"
                                 "    hardening: {weight: 1, reduction: mean}\n"
                                 "    balance: {weight: 1}\n"
                                 "  optimizer: {kind: adam, learning_rate: 0.001}\n"
                                 "  batch_size: 256\n"
                                 "  phases:\n"
                                 "    train: {epochs: 2000}\n"
                                 "  selection: {monitor: train.running_loss}\n";

/* A trial and its thread. */
typedef struct lane {
    const esp_bench_run *run;
    esp_training *training;
    int64_t trial, attempt; /* keys */
    pthread_t thread;
    int (*work)(struct lane *lane);
    double seconds; /* that work took */
    float sum;      /* of the loop, so that it is not left out */
    int status;
    char message[256];
} lane;

/* ---- work -------------------------------------------------------------------------------------
 */

enum { EPOCHS = 4 }; /* of a round: one alone is short, and the slower of two more so */

static int train_epochs(lane *l)
{
    const bool test[ESP_N_SPLITS] = {[ESP_TEST] = true};
    for (int i = 0; i < EPOCHS; i++) {
        ESP_TRY(esp_training_epoch(l->training, NULL));
        ESP_TRY(esp_training_evaluate(l->training, test));
        ESP_TRY(esp_epoch_store(l->run->writer, l->training, l->trial, l->attempt,
                                l->training->epoch, false));
    }
    return ESP_OK;
}

#ifdef __AVX512F__
enum { VECTOR_BYTES = 64 };
#else
enum { VECTOR_BYTES = 32 };
#endif
typedef float vector __attribute__((vector_size(VECTOR_BYTES)));

/* Multiplications and additions in registers alone, in more chains than a unit's latency. */
static int loop_in_registers(lane *l)
{
    enum { N_CHAINS = 10, N_STEPS = 12 * 1000 * 1000 };
    vector chains[N_CHAINS] = {{0}};
    for (int step = 0; step < N_STEPS; step++) {
#pragma GCC unroll 10
        for (int i = 0; i < N_CHAINS; i++) {
            chains[i] = chains[i] * 0.999F + 0.001F;
        }
    }
    for (int i = 0; i < N_CHAINS; i++) {
        l->sum += chains[i][0];
    }
    return ESP_OK;
}

static void *run_lane(void *argument)
{
    lane *l = argument;
    const double started = esp_clock_seconds();
    l->status = l->work(l);
    l->seconds = esp_clock_seconds() - started;
    if (l->status != ESP_OK) {
        snprintf(l->message, sizeof l->message, "%s", esp_message());
    }
    return NULL;
}

/* The time until the last of n lanes at once is done. */
static int run_lanes(double *seconds, lane *lanes, int n, int (*work)(lane *lane))
{
    int n_started = 0, status = ESP_OK;
    *seconds = 0;
    for (; n_started < n; n_started++) {
        lanes[n_started].work = work;
        if (esp_thread_start(&lanes[n_started].thread, run_lane, &lanes[n_started]) != 0) {
            status = esp_fail(ESP_FAILED, "cannot start thread %d of %d", n_started + 1, n);
            break;
        }
    }
    for (int i = 0; i < n_started; i++) {
        pthread_join(lanes[i].thread, NULL);
        *seconds = lanes[i].seconds > *seconds ? lanes[i].seconds : *seconds;
        if (status == ESP_OK && lanes[i].status != ESP_OK) {
            status = esp_fail(lanes[i].status, "%s", lanes[i].message);
        }
    }
    return status;
}

/* ---- rounds -----------------------------------------------------------------------------------
 */

/* Every lane alone in its turn, so that all train as many epochs, give or take one. */
static int measure(esp_bench_side_by_side *out, lane *lanes, int n_trials, int n_rounds)
{
    double alone[ESP_BENCH_ROUNDS], at_once[ESP_BENCH_ROUNDS], ratio[ESP_BENCH_ROUNDS];
    double machine[ESP_BENCH_ROUNDS], loop_alone, loops;
    for (int r = -1; r < n_rounds; r++) { /* the first warms up */
        const int at = r < 0 ? 0 : r;
        lane *one = &lanes[at % n_trials];
        ESP_TRY(run_lanes(&alone[at], one, 1, train_epochs));
        ESP_TRY(run_lanes(&at_once[at], lanes, n_trials, train_epochs));
        ESP_TRY(run_lanes(&loop_alone, one, 1, loop_in_registers));
        ESP_TRY(run_lanes(&loops, lanes, n_trials, loop_in_registers));
        ratio[at] = at_once[at] / alone[at];
        machine[at] = loops / loop_alone;
    }
    *out = (esp_bench_side_by_side){.alone_seconds = esp_median(alone, n_rounds) / EPOCHS,
                                    .at_once_seconds = esp_median(at_once, n_rounds) / EPOCHS,
                                    .ratio = esp_median(ratio, n_rounds),
                                    .machine_ratio = esp_median(machine, n_rounds)};
    return ESP_OK;
}

static int begin(lane *l, const esp_bench_run *run, int trial)
{
    const esp_begin_record record = {.trial_key = run->record.trials[trial].key,
                                     .environment = run->environment,
                                     .host = "bench",
                                     .process = getpid()};
    l->run = run;
    l->trial = record.trial_key;
    ESP_TRY(esp_training_create(&l->training, &run->study->cells[0], &run->study->trials[trial],
                                run->data, &run->partition));
    esp_training_enter_phase(l->training, 0);
    return esp_writer_begin(&l->attempt, run->writer, &record);
}

int esp_bench_trials_measure(esp_bench_side_by_side *out, int training_width, int leaf_width,
                             const char *data, const char *folder, const esp_registry *registry,
                             int n_trials, int n_rounds)
{
    esp_bench_run run = {0};
    lane lanes[ESP_BENCH_TRIALS] = {{0}};
    int status = ESP_OK;
    if (n_trials < 1 || n_trials > ESP_BENCH_TRIALS || n_rounds < 1 ||
        n_rounds > ESP_BENCH_ROUNDS) {
        return esp_fail(ESP_USAGE, "trials: 1 to %d, rounds: 1 to %d", (int)ESP_BENCH_TRIALS,
                        (int)ESP_BENCH_ROUNDS);
    }
    char *text = esp_text_format(study_text, n_trials - 1, data, training_width, leaf_width);
    ESP_TRY_OUT(text != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a study"));
    ESP_TRY_OUT(esp_bench_run_open(&run, text, folder, registry));
    for (int i = 0; i < n_trials; i++) {
        ESP_TRY_OUT(begin(&lanes[i], &run, i));
    }
    ESP_TRY_OUT(measure(out, lanes, n_trials, n_rounds));
out:
    for (int i = 0; i < ESP_BENCH_TRIALS; i++) {
        esp_training_destroy(lanes[i].training);
    }
    free(text);
    return esp_bench_run_close(&run, status);
}
