/* Addresses as they come in a request, and the Host that is ours. */
#ifndef ESP_SERVE_URL_H
#define ESP_SERVE_URL_H

#include <stdbool.h>
#include <stdio.h>

/* Undoes %41 in place. False where a % stands without two digits, or for a NUL. Thread: any, as
 * below. */
bool esp_url_decode(char *text);

/* What encodeURIComponent writes: safe in a path, a query and an attribute. */
void esp_url_text(FILE *out, const char *text);

/* Whether a request with this Host header may be answered. A page of somebody else's whose name was
 * made to point here (DNS rebinding) still says its own name: so what is no name at all, localhost
 * and this machine's name are ours, and all else is not. A server that listens on a loopback
 * address answers to loopback alone. The port is not looked at: a tunnel has another. */
bool esp_host_is_ours(const char *host, bool loopback, const char *machine);

/* 127.0.0.0/8 or ::1. */
bool esp_address_is_loopback(const char *address);

#endif
