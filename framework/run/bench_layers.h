/* Which layers `bench infer` measures. */
#ifndef ESP_RUN_BENCH_LAYERS_H
#define ESP_RUN_BENCH_LAYERS_H

#include "run/bench_layer.h"

enum { ESP_BENCH_LAYERS = 192 };

/* Each of these returns how many layers it wrote.
 * default: a choice of every kind; grid: fff of depths 1 to 11 and leaf widths 1 to 64, 784 -> 10
 * and 768 -> 768; figure: fff and moe top 1 of 2^1 to most_leaves leaves or experts of width 32,
 * 768 -> 768, as in figures 3 and 4 of arXiv 2308.14711. */
int esp_bench_layers_default(esp_bench_layer layers[ESP_BENCH_LAYERS]);
int esp_bench_layers_grid(esp_bench_layer layers[ESP_BENCH_LAYERS]);
int esp_bench_layers_figure(esp_bench_layer layers[ESP_BENCH_LAYERS], int most_leaves);

#endif
