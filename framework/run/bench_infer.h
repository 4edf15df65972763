/* Hard inference against the dense layer of the whole training width, timed in turns. */
#ifndef ESP_RUN_BENCH_INFER_H
#define ESP_RUN_BENCH_INFER_H

#include "run/bench_layer.h"

/* What the machine can do at most, for shares of it. */
typedef struct esp_bench_machine {
    double flops; /* a second, of one core: a product of two matrices of 1536 x 1536 by BLAS */
    double bytes; /* a second, of one core: reading 256 MB in order */
} esp_bench_machine;

/* One layer at one batch size. Times are medians of rounds in which dense and layer take turns. */
typedef struct esp_bench_inference {
    const esp_bench_layer *layer;
    int batch;            /* of all threads together; batch 1: of each, as streams of their own */
    int n_threads;        /* each with its share of the batch, on a core of its own */
    double seconds;       /* an example */
    double dense_seconds; /* an example, of the two products of dense_width alone */
    double speed_up;      /* the median of the rounds' own */
    double by_count;      /* dense multiply-adds over the layer's */
    double peak_share;    /* of n_threads x flops, by multiply-adds on the path alone */
    double bytes_share;   /* of n_threads x bytes: features, outputs, and weights counted once */
    double error;         /* relative to the masked dense evaluation, the greatest of its batches */
    int checked;          /* examples of them */
} esp_bench_inference;

enum { ESP_BENCH_MOST_THREADS = 64, ESP_BENCH_MOST_TURNS = 101 };

/* Errors: ESP_MEMORY. Thread: one; BLAS must be prepared. */
int esp_bench_machine_measure(esp_bench_machine *out);

/* Bytes that measuring one takes. */
double esp_bench_infer_bytes(const esp_bench_inference *result);

/* Fills results [n] of one layer: layer, batch and n_threads are the caller's. Large batches take
 * fewer rounds. Errors: ESP_MEMORY; ESP_FAILED where outputs are wrong. Thread: one. */
int esp_bench_infer(esp_bench_inference *results, int n, const esp_bench_machine *machine,
                    int n_rounds);

#endif
