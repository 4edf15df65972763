/* The first layer's products on data as it is kept, in bytes: x = scale * byte + shift is made in
 * registers, so no batch of floats is written and read. Written for few rows, where general matrix
 * products spend their time packing; measured against OpenBLAS in `bench train`.
 * P rows of weights, B examples, F features. Sums run in an order that depends on P and F alone. */
#ifndef ESP_NN_BYTE_PRODUCT_H
#define ESP_NN_BYTE_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What multiplies: BLAS, for which the caller makes floats; vectors (AVX-512 or AVX2 with FMA); the
 * matrix unit (byte_tiles.h). Their sums differ in rounding. */
typedef enum esp_byte_unit { ESP_BY_BLAS, ESP_BY_VECTORS, ESP_BY_TILES } esp_byte_unit;

typedef struct esp_byte_batch {
    esp_byte_unit unit;
    const uint8_t *bytes; /* [B x row], 64-byte aligned; what follows the F of a row is zero */
    int row;              /* esp_byte_row(F) */
    int n_examples, n_features;
    float scale, shift;
} esp_byte_batch;

/* The fastest unit that this build and this machine have, or the one that the environment variable
 * ESPALIER_PRODUCTS names (blas, vectors, tiles). Errors: ESP_USAGE where it names none, or one
 * that is not there. Thread: any. */
int esp_byte_unit_choose(esp_byte_unit *unit);
bool esp_byte_unit_exists(esp_byte_unit unit);
const char *esp_byte_unit_name(esp_byte_unit unit);

/* Bytes from one example to the next. */
int esp_byte_row(int n_features);

/* Floats of working space that both need for batches of up to n_examples. */
size_t esp_byte_product_space(esp_byte_unit unit, int n_examples, int n_features);

/* out (P, B), stride between rows, = weights [P x F] . x^T; n_examples is rounded up to a multiple
 * of 16 in what is read of bytes and written of out. space: 64-byte aligned. Thread: the trial's.
 */
void esp_byte_project(float *out, int stride, const float *weights, int n_rows,
                      const esp_byte_batch *batch, float *space);

/* out [P x F] = d (P, B) . x. Thread: the trial's. */
void esp_byte_gradient(float *out, const float *d, int stride, int n_rows,
                       const esp_byte_batch *batch, float *space);

#endif
