/* A page in the browser over a results database, live while studies run. It only reads. */
#ifndef ESP_SERVE_SERVER_H
#define ESP_SERVE_SERVER_H

#include <stdio.h>

typedef struct esp_serve_options {
    const char *database;
    const char *address; /* a number, "127.0.0.1" or "::1": the interface to listen on */
    int port;            /* 0: any that is free */
    int n_hosts; /* names that requests may call it by, as esp_host_name_is_sound has them */
    const char *const *hosts;
} esp_serve_options;

/* Listens, writes its address as one line to out, and answers until SIGINT or SIGTERM ends it.
 * Answers GET and HEAD of its own addresses alone, from connections that can only read; what a
 * request may cost is bounded (request.c, server.c). Returns ESP_INTERRUPTED when it was ended so.
 * Errors: ESP_USAGE for an address that is none or a port that is taken; ESP_FAILED; and where the
 * database cannot be read what esp_store_open says. Thread: one. */
int esp_serve(const esp_serve_options *options, FILE *out);

#endif
