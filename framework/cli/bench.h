/* What `espalier bench` can measure: one file each, listed in cmd_bench.c. */
#ifndef ESP_CLI_BENCH_H
#define ESP_CLI_BENCH_H

#include "cli/command.h"

typedef struct esp_bench_subject {
    esp_command command;       /* `espalier bench <name>` */
    const struct argp *parser; /* its options, for the help of all */
} esp_bench_subject;

extern const esp_bench_subject esp_bench_store;

#endif
