/* The products of byte_product.h on the matrix unit of x86-64 (AMX), which multiplies 16 x 32 by
 * 32 x 16 elements of eight significant bits (bfloat16) at once and adds in float. A byte is such
 * an element as it is; a float is the sum of three, exactly: so every product is exact, and what is
 * rounded is the sum, as it is in float. Elements below 2^-126 count as 0. */
#ifndef ESP_NN_BYTE_TILES_H
#define ESP_NN_BYTE_TILES_H

#include "nn/byte_product.h"

/* Whether this build, this machine and this kernel have it; asks the kernel, for the process and
 * what it forks. Thread: any. */
bool esp_byte_tiles_exist(void);

/* As those of byte_product.h. */
size_t esp_byte_tiles_space(int n_examples, int n_features);
void esp_byte_tiles_project(float *out, int stride, const float *weights, int n_rows,
                            const esp_byte_batch *batch, float *space);
void esp_byte_tiles_gradient(float *out, const float *d, int stride, int n_rows,
                             const esp_byte_batch *batch, float *space);

#endif
