#include "core/thread.h"

#include <errno.h>
#include <stdlib.h>

#include "core/c_locale.h"

typedef struct beginning {
    void *(*work)(void *argument);
    void *argument;
} beginning;

static void *begin(void *argument)
{
    const beginning own = *(beginning *)argument;
    free(argument);
    esp_set_c_locale();
    return own.work(own.argument);
}

int esp_thread_start(pthread_t *out, void *(*work)(void *argument), void *argument)
{
    beginning *own = malloc(sizeof *own);
    if (own == NULL) {
        return ENOMEM;
    }
    *own = (beginning){.work = work, .argument = argument};
    const int error = pthread_create(out, NULL, begin, own);
    if (error != 0) {
        free(own);
    }
    return error;
}
