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

/* Who this server is: on which interface it listens, the machine's name, and the names it was told
 * (esp_host_name_is_sound), such as a proxy's. */
typedef struct esp_host_names {
    bool loopback;
    const char *machine;
    int n;
    const char *const *told;
} esp_host_names;

/* Whether a request with this Host header may be answered. A page of somebody else's whose name was
 * made to point here (DNS rebinding) still says its own name: so what is no name at all, localhost,
 * this machine's name and the names told are ours, and all else is not. A server that listens on a
 * loopback address answers to loopback and the names told. The port is not looked at: a tunnel has
 * another. Neither are case and a dot at the end. */
bool esp_host_is_ours(const char *host, const esp_host_names *ours);

/* Whether a name can stand in a Host header: letters, digits, '-', '_' and '.', or an address, IPv6
 * with brackets or without. A port may follow a name, an IPv4 address or brackets. */
bool esp_host_name_is_sound(const char *name);

/* 127.0.0.0/8 or ::1. */
bool esp_address_is_loopback(const char *address);

#endif
