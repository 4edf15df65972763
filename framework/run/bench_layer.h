/* A layer to be timed: weights of any size drawn in place, its inference, the dense layer it is
 * compared with, and the masked evaluation that its outputs are checked against. B examples, F
 * features, O outputs, H hidden units. */
#ifndef ESP_RUN_BENCH_LAYER_H
#define ESP_RUN_BENCH_LAYER_H

#include "nn/infer.h"

typedef struct esp_bench_layer {
    char name[64]; /* "fff_nodes 1x11" */
    esp_model_config model;
    int n_features, n_outputs;
    int dense_width; /* hidden units of the dense layer it is compared with */
} esp_bench_layer;

/* Weights that threads share, and examples [n_examples x F]. */
typedef struct esp_bench_block {
    const esp_bench_layer *layer;
    int n_examples;
    void *base;
    size_t bytes;
    esp_inference_weights weights;
    const esp_real *dense_first, *dense_second; /* [dense_width x F], [dense_width x O] */
    esp_real *x;
} esp_bench_block;

/* What one thread works in. */
typedef struct esp_bench_worker {
    const esp_bench_block *block;
    int batch;
    esp_inference *inference;
    esp_real *outputs, *hidden, *dense_outputs; /* [B x O], [B x dense_width], [B x O] */
    int32_t *choices;
    bool by_column; /* dense: hidden units (H, B), outputs (O, B), else [B x H], [B x O] */
} esp_bench_worker;

/* Bytes that a block and its workers hold together. */
double esp_bench_layer_bytes(const esp_bench_layer *layer, int n_examples, int batch,
                             int n_threads);

/* Errors: ESP_MEMORY. Thread: one. Close it then too. */
int esp_bench_block_open(esp_bench_block *out, const esp_bench_layer *layer, int n_examples);
void esp_bench_block_close(esp_bench_block *block);
int esp_bench_worker_open(esp_bench_worker *out, const esp_bench_block *block, int batch);
void esp_bench_worker_close(esp_bench_worker *worker);

/* The batch that begins at example `first`. Thread: the worker's. */
void esp_bench_layer_infer(esp_bench_worker *worker, int first);

/* The two matrix products of the dense layer, by BLAS, and nothing else of it. */
void esp_bench_layer_multiply(esp_bench_worker *worker, int first);

enum { ESP_BENCH_CHECKED = 128 }; /* most examples of a batch that are checked */

/* After infer of the batch at `first`: all nodes, gates and hidden units of some of its examples by
 * BLAS, the path picked by a mask, then the second product. *error is ||y - masked|| / ||masked||.
 * Errors: ESP_FAILED where it is above 1e-5, or an example went another way at a node that is not
 * within rounding of 0; ESP_MEMORY. Thread: the worker's. */
int esp_bench_layer_check(double *error, const esp_bench_worker *worker, int first);

#endif
