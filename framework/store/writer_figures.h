/* What the writer costs: for benchmarks. */
#ifndef ESP_STORE_WRITER_FIGURES_H
#define ESP_STORE_WRITER_FIGURES_H

#include <stdint.h>

#include "store/store.h"

typedef struct esp_writer_figures {
    int64_t n_records, n_transactions;
    int64_t depth_sum;          /* records in the queue, each post's own counted, over all posts */
    int greatest_depth;         /* of these the most */
    double post_seconds;        /* that posters spent in it, waiting included */
    double transaction_seconds; /* from BEGIN to the disk's word */
    double cpu_seconds;         /* of the writer's thread */
} esp_writer_figures;

/* All since it started. Thread: any, before it is stopped. */
void esp_writer_measure(esp_writer_figures *out, esp_writer *writer);

/* Seconds an epoch in which SQLite alone puts the rows of source's epochs, of its first n_trials,
 * into a new database at path in one transaction: the floor of writing them. Errors: ESP_STORE.
 * Thread: one. */
int esp_store_time_inserts(double *seconds_an_epoch, const char *path, const char *source,
                           int n_trials);

#endif
