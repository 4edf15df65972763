/* What the machine itself loses when several of its cores work at once: cores that share units or
 * a clock (two threads of one core, turbo) are slower together whatever they compute. */
#ifndef ESP_RUN_BENCH_CORES_H
#define ESP_RUN_BENCH_CORES_H

/* Seconds that n_threads take together for a fixed loop each, of multiplications and additions in
 * registers alone: no memory, nothing shared. Errors: ESP_FAILED, ESP_MEMORY. Thread: one. */
int esp_bench_cores(double *seconds, int n_threads);

#endif
