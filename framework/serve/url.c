#include "serve/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

static int digit(char hex)
{
    return hex >= '0' && hex <= '9'   ? hex - '0'
           : hex >= 'a' && hex <= 'f' ? hex - 'a' + 10
           : hex >= 'A' && hex <= 'F' ? hex - 'A' + 10
                                      : -1;
}

bool esp_url_decode(char *text)
{
    char *next = text;
    for (; *text != '\0'; text++) {
        if (*text == '%') {
            const int high = digit(text[1]), low = high < 0 ? -1 : digit(text[2]);
            if (low < 0 || high * 16 + low == 0) {
                return false;
            }
            *next++ = (char)(high * 16 + low);
            text += 2;
        } else {
            *next++ = *text;
        }
    }
    *next = '\0';
    return true;
}

void esp_url_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char byte = (unsigned char)*text;
        const bool plain = byte < 0x80 && (isalnum(byte) || strchr("-_.~", byte) != NULL);
        fprintf(out, plain ? "%c" : "%%%02X", byte);
    }
}

/* IPv4 or IPv6, without brackets. */
static bool is_address(const char *text)
{
    struct in6_addr number;
    return inet_pton(AF_INET, text, &number) == 1 || inet_pton(AF_INET6, text, &number) == 1;
}

bool esp_address_is_loopback(const char *address)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, address, &four) == 1) {
        return ntohl(four.s_addr) >> 24 == 127;
    }
    return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* The host of "host", "host:port" or "[host]:port", without a dot at its end; out [256]. */
static bool take_host(char *out, const char *text)
{
    struct in6_addr number;
    if (text == NULL || strlen(text) > 255) {
        return false;
    }
    const bool bracket = *text == '[';
    strcpy(out, text + bracket);
    char *end = bracket                                  ? strchr(out, ']')
                : inet_pton(AF_INET6, out, &number) == 1 ? NULL
                                                         : strchr(out, ':');
    if (bracket && end == NULL) {
        return false;
    }
    if (end != NULL) {
        const char *port = end + bracket;
        if (*port != '\0' && (*port != ':' || strspn(port + 1, "0123456789") != strlen(port + 1))) {
            return false;
        }
        *end = '\0';
    }
    const size_t length = strlen(out);
    if (bracket) {
        return inet_pton(AF_INET6, out, &number) == 1;
    }
    if (length > 1 && out[length - 1] == '.') {
        out[length - 1] = '\0';
    }
    return true;
}

static bool same_host(const char *a, const char *b)
{
    struct in6_addr left, right;
    if (inet_pton(AF_INET6, a, &left) == 1 && inet_pton(AF_INET6, b, &right) == 1) {
        return memcmp(&left, &right, sizeof left) == 0;
    }
    return strcasecmp(a, b) == 0;
}

bool esp_host_is_ours(const char *host, const esp_host_names *ours)
{
    char name[256], told[256];
    if (!take_host(name, host)) {
        return false;
    }
    for (int i = 0; i < ours->n; i++) {
        if (take_host(told, ours->told[i]) && same_host(name, told)) {
            return true;
        }
    }
    if (strcasecmp(name, "localhost") == 0) {
        return true;
    }
    return ours->loopback ? esp_address_is_loopback(name)
                          : is_address(name) || strcasecmp(name, ours->machine) == 0;
}

bool esp_host_name_is_sound(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    char host[256];
    return take_host(host, name) && *host != '\0' && *host != '.' &&
           (is_address(host) || strspn(host, plain) == strlen(host));
}
