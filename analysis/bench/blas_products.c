/* Times one BLAS library on the products that espalier asks for; blas.py builds and runs it.
 *     blas_products LIBRARY         prints lines: kind key value
 * version, kernel: in the library's words. epoch P: seconds of the first layer's products of an
 * epoch of MNIST (235 batches of 256), forward and gradient, for P columns, in the storage layout
 * where they take least. two_threads P: how much longer they take when two threads multiply at
 * once. allocations P: calls of malloc and its like in a batch's two products. dense
 * ROWSxINPUTSxOUTPUTS: GFLOP/s of one layer. Dimensions: B examples, F features, P columns. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { B = 256, F = 784, BATCHES = 235, REPETITIONS = 8, LAYOUTS = 4 };
enum { ROW_MAJOR = 101, PLAIN = 111, TURNED = 112 }; /* as cblas.h numbers them */

typedef void gemm(int order, int turn_a, int turn_b, int m, int n, int k, float alpha,
                  const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

/* ---- counting what the library allocates -------------------------------------------------------
 */

static atomic_long n_allocations;
extern void *__libc_malloc(size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_malloc(size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    *out = __libc_memalign(alignment, size);
    return *out != NULL ? 0 : 12;
}

/* ---- products ----------------------------------------------------------------------------------
 */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *make_floats(size_t count)
{
    float *floats = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    uint32_t seed = 1;
    if (floats == NULL) {
        exit(1);
    }
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        floats[i] = (float)(seed >> 8) / (1 << 23) - 1;
    }
    return floats;
}

static void multiply(gemm *g, float *c, int ldc, bool turn_a, const float *a, int lda, bool turn_b,
                     const float *b, int ldb, int m, int n, int k)
{
    g(ROW_MAJOR, turn_a ? TURNED : PLAIN, turn_b ? TURNED : PLAIN, m, n, k, 1, a, lda, b, ldb, 0, c,
      ldc);
}

typedef struct products {
    gemm *g;
    int columns;
    float *weights, *input, *activations, *gradients;
} products;

static products create_products(gemm *g, int columns)
{
    const size_t P = (size_t)columns;
    return (products){g,
                      columns,
                      make_floats(P * F),
                      make_floats((size_t)B * F),
                      make_floats(P * B),
                      make_floats(P * F)};
}

static void destroy_products(products *p)
{
    free(p->weights);
    free(p->input);
    free(p->activations);
    free(p->gradients);
}

/* Layout, bit 0: weights [F x P] in place of [P x F]; bit 1: activations [B x P], not (P, B). */
static void multiply_batch(const products *p, int layout)
{
    const int P = p->columns;
    const bool turned = layout & 1, by_example = layout & 2;
    const int stride = turned ? P : F, width = by_example ? P : B;
    if (by_example) {
        multiply(p->g, p->activations, P, false, p->input, F, !turned, p->weights, stride, B, P, F);
    } else {
        multiply(p->g, p->activations, B, turned, p->weights, stride, true, p->input, F, P, B, F);
    }
    if (turned) {
        multiply(p->g, p->gradients, P, true, p->input, F, !by_example, p->activations, width, F, P,
                 B);
    } else {
        multiply(p->g, p->gradients, F, by_example, p->activations, width, false, p->input, F, P, F,
                 B);
    }
}

static double time_epoch(const products *p, int layout, int repetitions)
{
    multiply_batch(p, layout);
    const double started = now();
    for (int i = 0; i < repetitions; i++) {
        multiply_batch(p, layout);
    }
    return (now() - started) / repetitions * BATCHES;
}

/* ---- two threads -------------------------------------------------------------------------------
 */

typedef struct worker {
    gemm *g;
    int columns, layout;
    pthread_barrier_t *ready;
    double seconds;
} worker;

static void *work(void *argument)
{
    worker *w = argument;
    products p = create_products(w->g, w->columns);
    pthread_barrier_wait(w->ready);
    w->seconds = time_epoch(&p, w->layout, BATCHES);
    destroy_products(&p);
    return NULL;
}

static double time_two(gemm *g, int columns, int layout)
{
    pthread_t threads[2];
    pthread_barrier_t ready;
    worker workers[2];
    pthread_barrier_init(&ready, NULL, 2);
    for (int i = 0; i < 2; i++) {
        workers[i] = (worker){g, columns, layout, &ready, 0};
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) {
            exit(1);
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&ready);
    return (workers[0].seconds + workers[1].seconds) / 2;
}

/* ---- what is printed ---------------------------------------------------------------------------
 */

static void measure_first_layer(gemm *g, int columns)
{
    products p = create_products(g, columns);
    double least = 0;
    int best = 0;
    for (int layout = 0; layout < LAYOUTS; layout++) {
        const double seconds = time_epoch(&p, layout, REPETITIONS);
        if (layout == 0 || seconds < least) {
            least = seconds;
            best = layout;
        }
    }
    printf("epoch %d %.6f\n", columns, least);
    if (columns == 31 || columns == 255) {
        const long before = atomic_load(&n_allocations);
        multiply_batch(&p, best);
        printf("allocations %d %ld\n", columns, atomic_load(&n_allocations) - before);
        const double one = time_epoch(&p, best, BATCHES);
        printf("two_threads %d %.4f\n", columns, time_two(g, columns, best) / one);
    }
    destroy_products(&p);
}

static void measure_dense(gemm *g, int rows, int inputs, int outputs)
{
    float *x = make_floats((size_t)rows * (size_t)inputs);
    float *weights = make_floats((size_t)inputs * (size_t)outputs);
    float *y = make_floats((size_t)rows * (size_t)outputs);
    const double operations = 2.0 * rows * inputs * outputs;
    const int repetitions = operations > 2e8 ? 1 : (int)(2e8 / operations) + 1;
    double least = 0;
    for (int r = 0; r < (operations > 1e10 ? 2 : 7); r++) {
        const double started = now();
        for (int i = 0; i < repetitions; i++) {
            multiply(g, y, outputs, false, x, inputs, true, weights, inputs, rows, outputs, inputs);
        }
        const double seconds = (now() - started) / repetitions;
        least = r == 0 || seconds < least ? seconds : least;
    }
    printf("dense %dx%dx%d %.2f\n", rows, inputs, outputs, operations / least / 1e9);
    free(x);
    free(weights);
    free(y);
}

static void find(void *function, void *library, const char *symbol)
{
    void *found = dlsym(library, symbol);
    memcpy(function, &found, sizeof found);
}

static void describe(void *library)
{
    const char *(*version)(void), *(*kernel)(void), *(*blis_kernel)(int);
    void (*start)(void);
    int (*query)(void);
    find(&start, library, "bli_init");
    find(&version, library, "bli_info_get_version_str");
    find(&query, library, "bli_arch_query_id");
    find(&blis_kernel, library, "bli_arch_string");
    if (start != NULL && version != NULL && query != NULL && blis_kernel != NULL) {
        start(); /* it cannot be asked for its kernel before */
        printf("version - BLIS %s\nkernel - %s\n", version(), blis_kernel(query()));
        return;
    }
    find(&version, library, "openblas_get_config");
    find(&kernel, library, "openblas_get_corename");
    printf("version - %s\nkernel - %s\n", version ? version() : "unknown",
           kernel ? kernel() : "unknown");
}

int main(int argc, char **argv)
{
    /* nodes, leaves' units and the master leaf's, of the paper's 22 shapes */
    static const int columns[] = {17,  19,  23,  25,  31,  32,  129, 131, 135,
                                  143, 151, 159, 163, 191, 193, 255, 256};
    static const int layers[][2] = {{784, 128}, {768, 3072}, {768, 4095}};
    gemm *g;
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
    if (library == NULL) {
        fprintf(stderr, "error: %s\n", argc == 2 ? dlerror() : "usage: blas_products LIBRARY");
        return 2;
    }
    find(&g, library, "cblas_sgemm");
    if (g == NULL) {
        fprintf(stderr, "error: %s has no cblas_sgemm\n", argv[1]);
        return 2;
    }
    describe(library);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        measure_first_layer(g, columns[i]);
    }
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        for (int rows = 1; rows <= 16384; rows = rows == 256 ? 16384 : rows * 16) {
            if (rows <= 256 || layers[i][1] <= 3072) {
                measure_dense(g, rows, layers[i][0], layers[i][1]);
            }
        }
    }
    return 0;
}
