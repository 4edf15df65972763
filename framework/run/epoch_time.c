#include "run/epoch_time.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/rng.h"
#include "core/status.h"
#include "run/training.h"

/* Seconds of the processor that are measured, and seconds that all may take. */
static const double enough = 0.06;
enum { PATIENCE = 3, MOST_STEPS = 4096, LEAST_STEPS = 4 };
/* Bytes of data: more than a processor keeps near, as in an epoch. */
enum { MOST_BYTES = 8 << 20 };
/* Held-out examples for each that there are to train on: published test sets have a sixth. */
static const double held_out = 1.0 / 6;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* ---- in the child ------------------------------------------------------------------------------
 */

/* Bytes and labels of count examples. Nothing is freed: the process ends. */
static int make_data(esp_dataset *data, esp_partition *partition, const esp_cell *cell,
                     uint32_t count)
{
    const size_t n_bytes = (size_t)count * cell->data.n_features;
    uint8_t *bytes = malloc(n_bytes), *labels = malloc(count);
    uint32_t *indices = malloc(sizeof *indices * count);
    if (bytes == NULL || labels == NULL || indices == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for data");
    }
    esp_rng rng = esp_rng_make(0, "data", 0);
    for (size_t i = 0; i < n_bytes; i++) { /* images: most of them is background */
        bytes[i] = (uint8_t)(i % 4 == 0 ? 255 * esp_rng_uniform(&rng) : 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        labels[i] = (uint8_t)(i % cell->data.n_classes);
        indices[i] = i;
    }
    esp_rng_shuffle(indices, count, &rng);
    *data = (esp_dataset){.name = cell->data.name,
                          .n_features = cell->data.n_features,
                          .n_classes = cell->data.n_classes,
                          .channels = 1,
                          .image_rows = 1,
                          .image_columns = cell->data.n_features,
                          .train = {.count = count, .features = bytes, .labels = labels}};
    data->test = data->train;
    *partition = (esp_partition){.n_train = count, .train = indices};
    return ESP_OK;
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The median of steps of `size` examples, which are the first `count` of the training split. */
static int time_steps(double *seconds, esp_training *training, uint32_t size, uint32_t count)
{
    double times[MOST_STEPS];
    const double from = now();
    int n = 0;
    double loss = 0;
    int64_t correct = 0;
    memcpy(training->order, training->splits[ESP_TRAIN].indices, sizeof *training->order * count);
    for (uint32_t first = 0; n < MOST_STEPS && (n < LEAST_STEPS || now() - from < enough); n++) {
        const double before = now();
        ESP_TRY(esp_training_step(training, first, size, 1, &loss, &correct));
        times[n] = now() - before;
        first = first + 2 * size <= count ? first + size : 0;
    }
    qsort(times, (size_t)n, sizeof *times, by_value);
    *seconds = times[n / 2];
    return ESP_OK;
}

/* Of an example; the better of two passes. */
static int time_evaluation(double *seconds, esp_training *training)
{
    for (int i = 0; i < 2; i++) {
        const double before = now();
        ESP_TRY(esp_training_evaluate(training, (bool[ESP_N_SPLITS]){[ESP_TEST] = true}));
        const double one = (now() - before) / training->splits[ESP_TEST].count;
        *seconds = i == 0 || one < *seconds ? one : *seconds;
    }
    return ESP_OK;
}

static int measure(double *seconds, const esp_cell *cell)
{
    const esp_phase_config *phase = &cell->phases[0];
    const uint32_t a_step =
        (uint32_t)phase->batch_size * (uint32_t)(phase->accumulate > 1 ? phase->accumulate : 1);
    const uint32_t n_train = cell->data.n_train > 0 ? cell->data.n_train : 1;
    const uint32_t size = a_step < n_train ? a_step : n_train;
    const uint32_t wanted = MOST_BYTES / cell->data.n_features;
    const uint32_t most = wanted > 2 * size ? wanted : 2 * size;
    const uint32_t count = most < n_train ? most : n_train;
    const esp_trial trial = {0};
    esp_dataset data;
    esp_partition partition;
    esp_training *training = NULL;
    double step = 0, evaluation = 0;
    ESP_TRY(make_data(&data, &partition, cell, count));
    ESP_TRY(esp_training_create(&training, cell, &trial, &data, &partition));
    esp_training_enter_phase(training, 0);
    ESP_TRY(time_steps(&step, training, size, count));
    training->splits[ESP_TEST].count = count < 4 * size ? count : 4 * size;
    ESP_TRY(time_evaluation(&evaluation, training));
    const double validation = cell->data.partition.validation;
    const double trained = n_train * (1 - validation);
    const double again = cell->evaluate_every > 0 ? 1.0 / cell->evaluate_every : 0;
    *seconds =
        trained / size * step + (n_train * (held_out + validation) + trained * again) * evaluation;
    return ESP_OK;
}

/* ---- around it ---------------------------------------------------------------------------------
 */

static _Noreturn void be_child(int out, const esp_cell *cell)
{
    double seconds = 0;
    const bool is_written = measure(&seconds, cell) == ESP_OK &&
                            write(out, &seconds, sizeof seconds) == (ssize_t)sizeof seconds;
    _exit(is_written ? 0 : 1);
}

int esp_epoch_time(double *seconds, const esp_cell *cell)
{
    int ends[2];
    *seconds = 0;
    if (pipe(ends) != 0) {
        return esp_fail(ESP_FAILED, "no pipe: %s", strerror(errno));
    }
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        be_child(ends[1], cell);
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return esp_fail(ESP_FAILED, "no process: %s", strerror(errno));
    }
    struct pollfd readable = {.fd = ends[0], .events = POLLIN};
    if (poll(&readable, 1, PATIENCE * 1000) != 1 ||
        read(ends[0], seconds, sizeof *seconds) != (ssize_t)sizeof *seconds) {
        *seconds = 0;
    }
    close(ends[0]);
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
    return ESP_OK;
}
