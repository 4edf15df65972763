#include "nn/blas.h"

#include <cblas.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "nn/byte_product.h"

void esp_matmul(esp_real *c, int ldc, bool transpose_a, const esp_real *a, int lda,
                bool transpose_b, const esp_real *b, int ldb, esp_real beta, int m, int n, int k)
{
    if (m == 0 || n == 0) {
        return;
    }
    _Generic((esp_real)0, float
             : cblas_sgemm, double
             : cblas_dgemm)(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                            transpose_b ? CblasTrans : CblasNoTrans, m, n, k, 1, a, lda, b, ldb,
                            beta, c, ldc);
}

void esp_matvec(esp_real *y, bool transpose, const esp_real *a, const esp_real *x, int n, int k)
{
    _Generic((esp_real)0, float
             : cblas_sgemv, double
             : cblas_dgemv)(CblasRowMajor, transpose ? CblasTrans : CblasNoTrans, n, k, 1, a, k, x,
                            1, 0, y, 1);
}

/* ---- what only one library has, looked for in those that are loaded ----------------------------
 */

typedef struct controls {
    void (*openblas_set_threads)(int);
    int (*openblas_get_threads)(void);
    char *(*openblas_config)(void);
    char *(*openblas_kernel)(void);
    void (*blis_set_threads)(int64_t); /* its dim_t, as 64-bit systems build it */
    int64_t (*blis_get_threads)(void);
    const char *(*blis_version)(void);
    int (*blis_query)(void);
    const char *(*blis_kernel)(int);
} controls;

/* POSIX's way from dlsym to a function. */
static void find(void *function, const char *symbol)
{
    void *found = dlsym(RTLD_DEFAULT, symbol);
    memcpy(function, &found, sizeof found);
}

static controls find_controls(void)
{
    controls c;
    find(&c.openblas_set_threads, "openblas_set_num_threads");
    find(&c.openblas_get_threads, "openblas_get_num_threads");
    find(&c.openblas_config, "openblas_get_config");
    find(&c.openblas_kernel, "openblas_get_corename");
    find(&c.blis_set_threads, "bli_thread_set_num_threads");
    find(&c.blis_get_threads, "bli_thread_get_num_threads");
    find(&c.blis_version, "bli_info_get_version_str");
    find(&c.blis_query, "bli_arch_query_id");
    find(&c.blis_kernel, "bli_arch_string");
    return c;
}

static bool is_openblas(const controls *c)
{
    return c->openblas_set_threads && c->openblas_get_threads && c->openblas_config &&
           c->openblas_kernel;
}

static bool is_blis(const controls *c)
{
    return c->blis_set_threads && c->blis_get_threads && c->blis_version && c->blis_query &&
           c->blis_kernel;
}

static int count_threads(const controls *c)
{
    return is_openblas(c) ? c->openblas_get_threads() : is_blis(c) ? (int)c->blis_get_threads() : 0;
}

int esp_blas_prepare(void)
{
    const controls c = find_controls();
    /* Only once: a trial may prepare while others multiply. */
    if (count_threads(&c) > 1 && is_openblas(&c)) {
        c.openblas_set_threads(1);
    } else if (count_threads(&c) > 1) {
        c.blis_set_threads(1);
    }
    const int threads = count_threads(&c);
    if (threads > 1) {
        return esp_fail(ESP_FAILED,
                        "BLAS keeps %d threads although one was asked for; trials would fight "
                        "over cores. Set OPENBLAS_NUM_THREADS=1 (BLIS: BLIS_NUM_THREADS=1) and "
                        "start again",
                        threads);
    }
    esp_byte_unit unit;
    return esp_byte_unit_choose(&unit);
}

/* ---- what it says of itself --------------------------------------------------------------------
 */

/* The file that a function came from, links followed. */
static void find_file(char *out, size_t size, const void *function)
{
    Dl_info information;
    void *address;
    memcpy(&address, function, sizeof address);
    char *path = address != NULL && dladdr(address, &information) != 0 && information.dli_fname
                     ? realpath(information.dli_fname, NULL)
                     : NULL;
    snprintf(out, size, "%s", path != NULL ? path : "");
    free(path);
}

void esp_blas_describe(esp_blas_library *out)
{
    const controls c = find_controls();
    *out = (esp_blas_library){
        .name = "blas", .version = "unknown", .build = "unknown", .kernel = "unknown"};
    out->threads = count_threads(&c); /* first: it starts BLIS, which has no kernel before */
    if (is_openblas(&c)) {
        out->name = "openblas";
        snprintf(out->build, sizeof out->build, "%s", c.openblas_config());
        sscanf(out->build, "OpenBLAS %31s", out->version);
        snprintf(out->kernel, sizeof out->kernel, "%s", c.openblas_kernel());
        find_file(out->file, sizeof out->file, &c.openblas_config);
    } else if (is_blis(&c)) {
        out->name = "blis";
        snprintf(out->version, sizeof out->version, "%s", c.blis_version());
        snprintf(out->build, sizeof out->build, "BLIS %s", out->version);
        snprintf(out->kernel, sizeof out->kernel, "%s", c.blis_kernel(c.blis_query()));
        find_file(out->file, sizeof out->file, &c.blis_version);
    } else {
        void *product;
        find(&product, "cblas_sgemm");
        find_file(out->file, sizeof out->file, &product);
    }
}

const char *esp_blas_better_kernel(void)
{
#if defined(__x86_64__)
    static const char *const old[] = {"Prescott",   "Core2",   "Penryn",
                                      "Dunnington", "Nehalem", "Sandybridge"};
    const controls c = find_controls();
    const char *kernel = is_openblas(&c) ? c.openblas_kernel() : "";
    bool is_old = false;
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) {
        is_old = is_old || strcmp(kernel, old[i]) == 0;
    }
    if (is_old && getenv("OPENBLAS_CORETYPE") == NULL) {
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            return "SkylakeX";
        }
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
            return "Haswell";
        }
    }
#endif
    return NULL;
}
