/* Matrix products through cblas, and what the BLAS library is doing on this machine. The only place
 * that includes cblas.h. Which library is behind cblas is asked of what is loaded: the build
 * chooses one (-DESPALIER_BLAS), or leaves it to the system's alternatives. */
#ifndef ESP_NN_BLAS_H
#define ESP_NN_BLAS_H

#include <stdbool.h>

#include "espalier_plugin.h"

/* C [m x n] = op(A) [m x k] . op(B) [k x n] + beta * C, all row-major with row strides lda, ldb,
 * ldc. transpose_a: A is stored [k x m]; transpose_b: B is stored [n x k]. Thread: any; runs on the
 * caller's core alone once esp_blas_prepare succeeded. */
void esp_matmul(esp_real *c, int ldc, bool transpose_a, const esp_real *a, int lda,
                bool transpose_b, const esp_real *b, int ldb, esp_real beta, int m, int n, int k);

/* y [n], or transposed [k], = op(A) . x for A [n x k]: the product of one example, by the routine
 * that BLAS has for it. Thread: as esp_matmul. */
void esp_matvec(esp_real *y, bool transpose, const esp_real *a, const esp_real *x, int n, int k);

/* Sets BLAS to one thread a caller and checks that it obeys (a library that cannot be asked gets
 * the benefit of the doubt), and that what is to multiply bytes (byte_product.h) is there. Every
 * network and inference does it when it is created; a program calls it first to learn of an error
 * before it starts threads. Errors: ESP_FAILED, ESP_USAGE. Thread: any. */
int esp_blas_prepare(void);

/* The library that is loaded. name: "openblas", "blis", or "blas" where it does not say. version,
 * build and kernel ("SkylakeX"): in its words, "unknown" where it has none. file: the one that
 * holds the kernels, "" where that cannot be found. threads: for one caller, 1 after
 * esp_blas_prepare; 0 where it cannot be asked. */
typedef struct esp_blas_library {
    const char *name;
    char version[32], build[160], kernel[32], file[1024];
    int threads;
} esp_blas_library;

/* Thread: any. */
void esp_blas_describe(esp_blas_library *out);

/* OpenBLAS picks kernels by a table of processors; one that is newer than the library gets those of
 * a 2004 processor, several times slower. Where that happened, the name to give OPENBLAS_CORETYPE
 * before the program starts; else NULL. Thread: any. */
const char *esp_blas_better_kernel(void);

#endif
