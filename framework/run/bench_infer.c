#include "run/bench_infer.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/status.h"
#include "core/thread.h"
#include "nn/blas.h"
#include "statistics/sample.h"

enum {
    POOL = 2048,       /* examples that small batches are taken from in turn */
    SIDE = 1536,       /* of the matrices whose product is the peak */
    SWEPT = 256 << 20, /* bytes read for the bandwidth */
    N_SWEEPS = 5,
    FEWER_ROUNDS = 3,
    LEAST_CHECKED = 64 /* examples of a thread */
};
static const double shortest_turn = 2e-3, long_turn = 0.25; /* seconds */

/* ---- the machine -------------------------------------------------------------------------------
 */

static double sweep(const esp_real *values, size_t count)
{
    esp_real sums[64] = {0};
    for (size_t i = 0; i + 64 <= count; i += 64) {
        for (int k = 0; k < 64; k++) {
            sums[k] += values[i + (size_t)k];
        }
    }
    double sum = 0;
    for (int k = 0; k < 64; k++) {
        sum += (double)sums[k];
    }
    return sum;
}

int esp_bench_machine_measure(esp_bench_machine *out)
{
    double flops[N_SWEEPS], bytes[N_SWEEPS], sum = 0;
    const size_t count = SWEPT / sizeof(esp_real), square = (size_t)SIDE * SIDE;
    esp_real *values = malloc(SWEPT);
    if (values == NULL) {
        return esp_fail(ESP_MEMORY, "no memory to measure the machine");
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = (esp_real)(i % 64) / 64;
    }
    for (int r = 0; r < N_SWEEPS; r++) {
        double started = esp_clock_seconds();
        sum += sweep(values, count);
        bytes[r] = SWEPT / (esp_clock_seconds() - started);
        started = esp_clock_seconds();
        esp_matmul(values, SIDE, false, values + square, SIDE, false, values + 2 * square, SIDE, 0,
                   SIDE, SIDE, SIDE);
        flops[r] = 2.0 * SIDE * SIDE * SIDE / (esp_clock_seconds() - started);
    }
    free(values);
    *out = (esp_bench_machine){.flops = esp_median(flops, N_SWEEPS),
                               .bytes = esp_median(bytes, N_SWEEPS)};
    return isfinite(sum) ? ESP_OK : esp_fail(ESP_FAILED, "a sum of finite values is not finite");
}

/* ---- turns -------------------------------------------------------------------------------------
 */

typedef void turn(esp_bench_worker *worker, int first);

typedef struct runner {
    esp_bench_worker worker;
    atomic_int *go; /* 0: wait, 1: start, -1: a thread is missing */
    turn *call;
    int n_warming, n_calls; /* before and while time is taken */
    int first;              /* of the pool */
    double seconds;
} runner;

/* Takes batches out of the pool one after another. */
static void *run_turn(void *argument)
{
    runner *r = argument;
    const int pool = r->worker.block->n_examples, batch = r->worker.batch;
    int first = r->first;
    int go;
    while ((go = atomic_load_explicit(r->go, memory_order_acquire)) == 0) {
    }
    if (go < 0) {
        return NULL;
    }
    double started = esp_clock_seconds();
    for (int i = -r->n_warming; i < r->n_calls; i++) {
        started = i == 0 ? esp_clock_seconds() : started;
        r->call(&r->worker, first);
        first = first + 2 * batch <= pool ? first + batch : 0;
    }
    r->seconds = esp_clock_seconds() - started;
    r->first = first;
    return NULL;
}

/* Seconds that all runners take for n_calls batches each. */
static int take_turn(double *seconds, runner *runners, int n, turn *call, int n_warming,
                     int n_calls)
{
    pthread_t threads[ESP_BENCH_MOST_THREADS];
    atomic_int go = 0;
    int n_started = 1; /* the first is this thread */
    for (int t = 0; t < n; t++) {
        runners[t].go = &go;
        runners[t].call = call;
        runners[t].n_warming = n_warming;
        runners[t].n_calls = n_calls;
    }
    while (n_started < n &&
           esp_thread_start(&threads[n_started], run_turn, &runners[n_started]) == 0) {
        n_started++;
    }
    atomic_store_explicit(&go, n_started == n ? 1 : -1, memory_order_release);
    run_turn(&runners[0]);
    *seconds = 0;
    for (int t = 0; t < n_started; t++) {
        if (t > 0) {
            pthread_join(threads[t], NULL);
        }
        *seconds = runners[t].seconds > *seconds ? runners[t].seconds : *seconds;
    }
    return n_started == n ? ESP_OK : esp_fail(ESP_FAILED, "no thread for a benchmark");
}

/* How many batches a turn needs to be worth timing, after one to warm up. */
static int calibrate(int *n_calls, double *seconds, runner *runners, int n, turn *call)
{
    *n_calls = 1;
    ESP_TRY(take_turn(seconds, runners, n, call, 0, 1));
    if (*seconds < long_turn) {
        ESP_TRY(take_turn(seconds, runners, n, call, 0, 1));
        *n_calls = *seconds < shortest_turn ? (int)(shortest_turn / (*seconds + 1e-9)) + 1 : 1;
    }
    return ESP_OK;
}

/* Both layouts of the dense layer; keeps the faster. They differ little where the batch is large.
 */
static int calibrate_dense(int *n_calls, double *seconds, runner *runners, int n)
{
    double taken[2] = {0};
    ESP_TRY(calibrate(n_calls, &taken[0], runners, n, esp_bench_layer_multiply));
    *seconds = taken[0];
    for (int by_column = 1; by_column >= 0 && runners[0].worker.batch > 1 && *seconds < long_turn;
         by_column--) {
        for (int t = 0; t < n; t++) {
            runners[t].worker.by_column = by_column;
        }
        ESP_TRY(take_turn(&taken[by_column], runners, n, esp_bench_layer_multiply, 1, *n_calls));
    }
    for (int t = 0; t < n; t++) {
        runners[t].worker.by_column = taken[1] > 0 && taken[1] < taken[0];
    }
    return ESP_OK;
}

static int time_turns(esp_bench_inference *result, runner *runners, int n_rounds)
{
    const int n = result->n_threads;
    const double examples = (double)runners[0].worker.batch * n;
    double seconds[ESP_BENCH_MOST_TURNS], dense[ESP_BENCH_MOST_TURNS];
    double ratios[ESP_BENCH_MOST_TURNS], expected;
    int n_calls, n_dense;
    ESP_TRY(calibrate_dense(&n_dense, &expected, runners, n));
    const int n_warming = expected < long_turn;
    n_rounds = expected > long_turn && n_rounds > FEWER_ROUNDS ? FEWER_ROUNDS : n_rounds;
    ESP_TRY(calibrate(&n_calls, &expected, runners, n, esp_bench_layer_infer));
    for (int r = 0; r < n_rounds; r++) {
        ESP_TRY(take_turn(&dense[r], runners, n, esp_bench_layer_multiply, n_warming, n_dense));
        ESP_TRY(take_turn(&seconds[r], runners, n, esp_bench_layer_infer, 1, n_calls));
        dense[r] /= examples * n_dense;
        seconds[r] /= examples * n_calls;
        ratios[r] = dense[r] / seconds[r];
    }
    result->seconds = esp_median(seconds, n_rounds);
    result->dense_seconds = esp_median(dense, n_rounds);
    result->speed_up = esp_median(ratios, n_rounds);
    return ESP_OK;
}

static void add_shares(esp_bench_inference *result, const esp_bench_machine *machine)
{
    const esp_bench_layer *layer = result->layer;
    const esp_model_config *model = &layer->model;
    const double unit = (double)layer->n_features + layer->n_outputs;
    const double macs = esp_model_inference_macs(model, layer->n_features, layer->n_outputs);
    const double all =
        (double)esp_model_scores(model) * layer->n_features * (model->kind != ESP_MODEL_FFF_NODES) +
        esp_model_hidden(model) * unit;
    const double share = (double)result->batch / (result->batch > 1 ? result->n_threads : 1);
    const double weights = fmin(macs, all / share); /* no more than all of them, once a batch */
    result->by_count = layer->dense_width * unit / macs;
    result->peak_share = 2 * macs / result->seconds / (machine->flops * result->n_threads);
    result->bytes_share = sizeof(esp_real) * (weights + unit) / result->seconds /
                          (machine->bytes * result->n_threads);
}

/* Checks the first batches of every thread: of small ones several, as each is of few paths. */
static int check(esp_bench_inference *result, runner *runners)
{
    for (int t = 0; t < result->n_threads; t++) {
        esp_bench_worker *worker = &runners[t].worker;
        const int most = worker->block->n_examples - worker->batch;
        int checked = 0;
        for (int first = runners[t].first; first <= most && checked < LEAST_CHECKED;
             first += worker->batch) {
            double found = 0;
            esp_bench_layer_infer(worker, first);
            ESP_TRY(esp_bench_layer_check(&found, worker, first));
            result->error = fmax(result->error, found);
            checked += worker->batch;
        }
        result->checked += checked < ESP_BENCH_CHECKED ? checked : ESP_BENCH_CHECKED;
    }
    return ESP_OK;
}

/* Examples of a batch that one thread takes. */
static int share_of(const esp_bench_inference *result)
{
    return result->batch > result->n_threads ? result->batch / result->n_threads : 1;
}

double esp_bench_infer_bytes(const esp_bench_inference *result)
{
    const int pool = result->batch > POOL ? result->batch : POOL;
    return esp_bench_layer_bytes(result->layer, pool, share_of(result), result->n_threads);
}

static int measure(esp_bench_inference *result, const esp_bench_block *block,
                   const esp_bench_machine *machine, int n_rounds)
{
    const int n = result->n_threads;
    const int share = share_of(result);
    runner *runners = calloc((size_t)n, sizeof *runners);
    int status = runners != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for threads");
    ESP_TRY_OUT(status);
    for (int t = 0; t < n; t++) {
        ESP_TRY_OUT(esp_bench_worker_open(&runners[t].worker, block, share));
        runners[t].first = block->n_examples / n * t / share * share;
        runners[t].first = runners[t].first + share <= block->n_examples ? runners[t].first : 0;
    }
    ESP_TRY_OUT(check(result, runners));
    ESP_TRY_OUT(time_turns(result, runners, n_rounds));
    add_shares(result, machine);
out:
    for (int t = 0; runners != NULL && t < n; t++) {
        esp_bench_worker_close(&runners[t].worker);
    }
    free(runners);
    return status;
}

int esp_bench_infer(esp_bench_inference *results, int n, const esp_bench_machine *machine,
                    int n_rounds)
{
    esp_bench_block block = {0};
    int n_examples = POOL, status = ESP_OK;
    for (int i = 0; i < n; i++) {
        n_examples = results[i].batch > n_examples ? results[i].batch : n_examples;
    }
    ESP_TRY_OUT(esp_bench_block_open(&block, results[0].layer, n_examples));
    for (int i = 0; i < n; i++) {
        ESP_TRY_OUT(measure(&results[i], &block, machine, n_rounds));
    }
out:
    esp_bench_block_close(&block);
    return status;
}
