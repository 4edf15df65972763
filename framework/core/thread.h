/* How threads begin. The only place that calls pthread_create. */
#ifndef ESP_CORE_THREAD_H
#define ESP_CORE_THREAD_H

#include <pthread.h>

/* Starts a thread that runs work(argument) in the C locale, whatever locale the process is in. The
 * caller joins *out. Returns 0, or the number of an error as pthread_create does. Thread: any. */
int esp_thread_start(pthread_t *out, void *(*work)(void *argument), void *argument);

#endif
