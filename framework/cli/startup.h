/* What must be settled before BLAS is loaded. */
#ifndef ESP_CLI_STARTUP_H
#define ESP_CLI_STARTUP_H

/* Makes sure BLAS keeps to one thread and to kernels made for this processor: both are read from
 * the environment when the library is loaded, so where they are not as they should be, the program
 * sets them and starts itself again. Does not return then. Thread: one, first thing in a verb that
 * computes. */
void esp_startup_blas(char **argv);

#endif
