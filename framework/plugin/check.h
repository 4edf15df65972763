/* The contract test of a plugin: what `espalier plugins check FILE.so` runs. */
#ifndef ESP_PLUGIN_CHECK_H
#define ESP_PLUGIN_CHECK_H

#include <stdio.h>

#include "espalier_plugin.h"

/* What a check found, beyond its lines. */
typedef struct esp_check_verdict {
    esp_kind kind; /* 0: the descriptor was refused; then nothing else is known */
    char name[64], version[64], sha256[65];
    int real_size;           /* bytes of an element */
    int n_gradients;         /* models x settings whose gradients were compared */
    double worst, tolerance; /* error of a gradient, as a share of its norm */
} esp_check_verdict;

/* Runs every check on one plugin file in a child process (so a plugin that crashes or hangs is
 * refused, not fatal): descriptor and parameter table, gradients against central differences at
 * default, minimum and maximum parameters (1e-6 for a double plugin, 1e-3 for float; points kept
 * off kinks; what a term says it holds fixed is held fixed), finite values, determinism, guard
 * bytes around every array, state saved and loaded, two instances in two threads, thread and
 * process left as they were. Prints a line a check to out. verdict may be NULL. A plugin whose
 * gradient was not compared is refused. Errors: ESP_PLUGIN with the first reason it is refused.
 * Thread: one. */
int esp_plugin_check(esp_check_verdict *verdict, const char *path, FILE *out);

/* The same with another time limit than 20 seconds of processor time (five times that by the clock;
 * more where a sanitizer slows everything). */
int esp_plugin_check_within(esp_check_verdict *verdict, const char *path, FILE *out,
                            double seconds);

#endif
