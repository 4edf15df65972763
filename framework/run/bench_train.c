#include "run/bench_train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/rng.h"
#include "core/status.h"
#include "core/text.h"
#include "nn/blas.h"
#include "run/bench_run.h"
#include "run/epoch_record.h"
#include "statistics/sample.h"

enum { BATCH = 256, FLOOR_BATCHES = 24, LAYOUTS = 4, MOST_REPETITIONS = 101 };

static const char study_text[] = "study: training\n"
                                 "seeds: 0\n"
                                 "defaults:\n"
                                 "  data: {name: %s}\n"
                                 "  model: {kind: fff, training_width: %d, leaf_width: %d}\n"
                                 "  heads: {%s}\n"
                                 "  losses:\n"
                                 "    cross_entropy: {weight: 1}\n"
                                 "    hardening: {weight: 1, reduction: mean}\n"
                                 "    balance: {weight: 1}\n"
                                 "  optimizer: {kind: adam, learning_rate: 0.001}\n"
                                 "  batch_size: 256\n"
                                 "  phases:\n"
                                 "    train: {epochs: 1000}\n"
                                 "  selection: {monitor: train.running_loss}\n";

int esp_bench_paper_shapes(esp_bench_shape shapes[ESP_BENCH_SHAPES])
{
    static const int widths[] = {16, 128};
    int n = 0;
    memset(shapes, 0, sizeof *shapes * ESP_BENCH_SHAPES);
    for (int w = 0; w < 2; w++) {
        for (int leaf = widths[w] / 2; leaf >= 1; leaf /= 2) {
            for (int head = 0; head < 2; head++) {
                shapes[n].training_width = widths[w];
                shapes[n].leaf_width = leaf;
                shapes[n++].master_leaf = head ? leaf : 0;
            }
        }
    }
    return n;
}

/* ---- the floor --------------------------------------------------------------------------------
 */

typedef struct products {
    int rows, features; /* P, F */
    float *weights, *input, *activations, *gradients;
} products;

static int create_products(products *p, int rows, int features)
{
    const size_t input = (size_t)BATCH * (size_t)features;
    *p = (products){.rows = rows,
                    .features = features,
                    .weights = calloc((size_t)rows * (size_t)features, sizeof(float)),
                    .input = calloc(input, sizeof(float)),
                    .activations = calloc((size_t)rows * BATCH, sizeof(float)),
                    .gradients = calloc((size_t)rows * (size_t)features, sizeof(float))};
    if (!p->weights || !p->input || !p->activations || !p->gradients) {
        return esp_fail(ESP_MEMORY, "no memory for matrix products");
    }
    esp_rng rng = esp_rng_make(0, "init", 0);
    for (size_t i = 0; i < input; i++) {
        p->input[i] = (float)(2 * esp_rng_uniform(&rng) - 1);
    }
    for (size_t i = 0; i < (size_t)rows * (size_t)features; i++) {
        p->weights[i] = (float)(2 * esp_rng_uniform(&rng) - 1);
    }
    return ESP_OK;
}

static void destroy_products(products *p)
{
    free(p->weights);
    free(p->input);
    free(p->activations);
    free(p->gradients);
}

/* A batch forward and backward. Layout, bit 0: weights [F x P] in place of [P x F]; bit 1:
 * activations [B x P] in place of (P, B). */
static void multiply_batch(const products *p, int layout)
{
    const int P = p->rows, F = p->features, B = BATCH;
    const bool turned = layout & 1, by_example = layout & 2;
    if (by_example) {
        esp_matmul(p->activations, P, false, p->input, F, !turned, p->weights, turned ? P : F, 0, B,
                   P, F);
    } else {
        esp_matmul(p->activations, B, turned, p->weights, turned ? P : F, true, p->input, F, 0, P,
                   B, F);
    }
    if (turned) {
        esp_matmul(p->gradients, P, true, p->input, F, !by_example, p->activations,
                   by_example ? P : B, 0, F, P, B);
    } else {
        esp_matmul(p->gradients, F, by_example, p->activations, by_example ? P : B, false, p->input,
                   F, 0, P, F, B);
    }
}

/* Seconds that the batches of an epoch would take. */
static double time_products(const products *p, int layout, double batches)
{
    const double started = esp_clock_seconds();
    for (int i = 0; i < FLOOR_BATCHES; i++) {
        multiply_batch(p, layout);
    }
    return (esp_clock_seconds() - started) / FLOOR_BATCHES * batches;
}

/* ---- an epoch ---------------------------------------------------------------------------------
 */

static int time_epoch(double *whole, double *training_alone, esp_training *training,
                      const esp_bench_run *run, int64_t attempt)
{
    const bool test[ESP_N_SPLITS] = {[ESP_TEST] = true};
    const double started = esp_clock_seconds();
    ESP_TRY(esp_training_epoch(training, NULL));
    *training_alone = esp_clock_seconds() - started;
    ESP_TRY(esp_training_evaluate(training, test));
    ESP_TRY(esp_epoch_store(run->writer, training, run->record.trials[0].key, attempt,
                            training->epoch, false));
    *whole = esp_clock_seconds() - started;
    return ESP_OK;
}

static int measure(esp_bench_shape *shape, esp_training *training, const esp_bench_run *run,
                   const products *p, int n_repetitions)
{
    double floors[LAYOUTS][MOST_REPETITIONS], wholes[MOST_REPETITIONS], alone[MOST_REPETITIONS];
    const double batches = training->splits[ESP_TRAIN].count / (double)BATCH;
    int64_t attempt = 0;
    const esp_begin_record begin = {.trial_key = run->record.trials[0].key,
                                    .environment = run->environment,
                                    .host = "bench",
                                    .process = getpid()};
    ESP_TRY(esp_writer_begin(&attempt, run->writer, &begin));
    esp_training_enter_phase(training, 0);
    for (int r = -1; r < n_repetitions; r++) { /* the first warms up */
        const int at = r < 0 ? 0 : r;
        for (int layout = 0; layout < LAYOUTS; layout++) {
            floors[layout][at] = time_products(p, layout, batches);
        }
        ESP_TRY(time_epoch(&wholes[at], &alone[at], training, run, attempt));
    }
    shape->floor_seconds = esp_median(floors[0], n_repetitions);
    for (int layout = 1; layout < LAYOUTS; layout++) {
        const double seconds = esp_median(floors[layout], n_repetitions);
        shape->floor_seconds = seconds < shape->floor_seconds ? seconds : shape->floor_seconds;
    }
    shape->epoch_seconds = esp_median(wholes, n_repetitions);
    shape->training_seconds = esp_median(alone, n_repetitions);
    return ESP_OK;
}

static int measure_shape(esp_bench_shape *shape, const char *data, const char *folder,
                         const esp_registry *registry, int n_repetitions)
{
    esp_bench_run run = {0};
    esp_training *training = NULL;
    products p = {0};
    char heads[64] = "";
    if (shape->master_leaf > 0) {
        snprintf(heads, sizeof heads, "master_leaf: {width: %d}", shape->master_leaf);
    }
    char *text = esp_text_format(study_text, data, shape->training_width, shape->leaf_width, heads);
    int status = text != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a study");
    ESP_TRY_OUT(status);
    ESP_TRY_OUT(esp_bench_run_open(&run, text, folder, registry));
    ESP_TRY_OUT(esp_training_create(&training, &run.study->cells[0], &run.study->trials[0],
                                    run.data, &run.partition));
    shape->n_projections = training->network->n_projections;
    ESP_TRY_OUT(create_products(&p, shape->n_projections, (int)run.data->n_features));
    ESP_TRY_OUT(measure(shape, training, &run, &p, n_repetitions));
out:
    destroy_products(&p);
    esp_training_destroy(training);
    free(text);
    return esp_bench_run_close(&run, status);
}

int esp_bench_train(esp_bench_shape *shape, const char *data, const char *folder,
                    const esp_registry *registry, int n_repetitions)
{
    return n_repetitions < 1 || n_repetitions > MOST_REPETITIONS
               ? esp_fail(ESP_USAGE, "repetitions: 1 to %d, not %d", MOST_REPETITIONS,
                          n_repetitions)
               : measure_shape(shape, data, folder, registry, n_repetitions);
}
