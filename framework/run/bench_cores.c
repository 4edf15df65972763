#include "run/bench_cores.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/status.h"

#ifdef __AVX512F__
enum { VECTOR_BYTES = 64 };
#else
enum { VECTOR_BYTES = 32 };
#endif
enum { N_CHAINS = 10, N_STEPS = 25 * 1000 * 1000 }; /* chains: more than a unit's latency */
typedef float vector __attribute__((vector_size(VECTOR_BYTES)));

typedef struct core_loop {
    pthread_t thread;
    float sum; /* so that the loop is not left out */
} core_loop;

static void *compute(void *argument)
{
    core_loop *loop = argument;
    vector chains[N_CHAINS] = {0};
    for (int step = 0; step < N_STEPS; step++) {
#pragma GCC unroll 10
        for (int i = 0; i < N_CHAINS; i++) {
            chains[i] = chains[i] * 0.999F + 0.001F;
        }
    }
    for (int i = 0; i < N_CHAINS; i++) {
        loop->sum += chains[i][0];
    }
    return NULL;
}

int esp_bench_cores(double *seconds, int n_threads)
{
    core_loop *loops = calloc((size_t)n_threads, sizeof *loops);
    if (loops == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for %d threads", n_threads);
    }
    int n_started = 0;
    const double started = esp_clock_seconds();
    while (n_started < n_threads &&
           pthread_create(&loops[n_started].thread, NULL, compute, &loops[n_started]) == 0) {
        n_started++;
    }
    for (int i = 0; i < n_started; i++) {
        pthread_join(loops[i].thread, NULL);
    }
    *seconds = esp_clock_seconds() - started;
    free(loops);
    return n_started == n_threads
               ? ESP_OK
               : esp_fail(ESP_FAILED, "cannot start thread %d of %d", n_started + 1, n_threads);
}
