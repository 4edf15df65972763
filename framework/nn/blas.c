#include "nn/blas.h"

#include <cblas.h>
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

int esp_blas_prepare(void)
{
    openblas_set_num_threads(1);
    if (openblas_get_num_threads() != 1) {
        return esp_fail(ESP_FAILED,
                        "OpenBLAS keeps %d threads although one was asked for; trials would fight "
                        "over cores. Set OPENBLAS_NUM_THREADS=1 and start again",
                        openblas_get_num_threads());
    }
    esp_byte_unit unit;
    return esp_byte_unit_choose(&unit);
}

const char *esp_blas_kernel(void)
{
    return openblas_get_corename();
}

const char *esp_blas_build(void)
{
    return openblas_get_config();
}

int esp_blas_threads(void)
{
    return openblas_get_num_threads();
}

const char *esp_blas_better_kernel(void)
{
#if defined(__x86_64__)
    static const char *const old[] = {"Prescott",   "Core2",   "Penryn",
                                      "Dunnington", "Nehalem", "Sandybridge"};
    const char *kernel = esp_blas_kernel();
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
