#include "cli/startup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nn/blas.h"

void esp_startup_blas(char **argv)
{
    static const char once[] = "ESPALIER_STARTED_AGAIN";
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    const char *kernel = esp_blas_better_kernel();
    if (getenv(once) != NULL || (kernel == NULL && threads != NULL && strcmp(threads, "1") == 0)) {
        unsetenv(once);
        return;
    }
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    setenv("BLIS_NUM_THREADS", "1", 1);
    setenv(once, "1", 1);
    if (kernel != NULL) {
        setenv("OPENBLAS_CORETYPE", kernel, 1);
    }
    execv("/proc/self/exe", argv); /* where that fails, slower is still right */
    unsetenv(once);
}
