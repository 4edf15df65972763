/* What an epoch of training costs against its floor, shape by shape. */
#ifndef ESP_RUN_BENCH_TRAIN_H
#define ESP_RUN_BENCH_TRAIN_H

#include "plugin/registry.h"

/* One network of the paper. Times are medians of interleaved repetitions, in seconds. */
typedef struct esp_bench_shape {
    int training_width, leaf_width, master_leaf; /* its width, or 0 */
    int n_projections;                           /* columns of the fused first layer */
    /* The floor: the first layer's matrix products alone, forward and for the gradient, by BLAS at
     * the batch size, of as many batches as an epoch has, in the storage layout where they take
     * least. */
    double floor_seconds;
    /* An epoch as a run trains it: all losses, Adam, shuffled batches of 256; then the exact soft
     * and hard evaluation of the test set, the digest, the record to the writer. */
    double epoch_seconds;
    double training_seconds; /* of these, the epoch alone */
} esp_bench_shape;

enum { ESP_BENCH_SHAPES = 22 };

/* The paper's shapes: training widths 16 and 128, leaf widths down from half of it to 1, each
 * without and with a master leaf as wide as a leaf. Returns how many. */
int esp_bench_paper_shapes(esp_bench_shape shapes[ESP_BENCH_SHAPES]);

/* Measures a shape on a data set. Errors: as those of a run. Thread: one. */
int esp_bench_train(esp_bench_shape *shape, const char *data, const char *folder,
                    const esp_registry *registry, int n_repetitions);

#endif
