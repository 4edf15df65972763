/* The part of the contract test that touches arrays: check_real.c is compiled once for each element
 * type, so that one program can check float and double plugins. Nothing here depends on it. */
#ifndef ESP_PLUGIN_CHECK_REAL_H
#define ESP_PLUGIN_CHECK_REAL_H

#include <stdio.h>

#include "plugin/check.h"

/* Shared with the parent process, which reads it when the child is gone. */
typedef struct esp_check_progress {
    char stage[256];   /* what is being done: tells where a crash or a hang happened */
    char reason[1024]; /* why the plugin is refused; empty: it is not */
    esp_check_verdict verdict;
} esp_check_progress;

/* Checks an opened plugin of that element type; descriptor is its const esp_plugin. Prints a line a
 * check to out. Returns 0, or non-zero with progress->reason set. Thread: one. */
int esp_check_real_float(esp_check_progress *progress, FILE *out, const void *descriptor);
int esp_check_real_double(esp_check_progress *progress, FILE *out, const void *descriptor);

#endif
