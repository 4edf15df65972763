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

bool esp_host_is_ours(const char *host, bool loopback, const char *machine)
{
    char name[256];
    if (host == NULL || strlen(host) >= sizeof name) {
        return false;
    }
    const bool bracket = *host == '[';
    strcpy(name, host + bracket);
    char *end = bracket ? strchr(name, ']') : strchr(name, ':');
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
    if (strcasecmp(name, "localhost") == 0) {
        return true;
    }
    return loopback ? esp_address_is_loopback(name)
                    : is_address(name) || strcasecmp(name, machine) == 0;
}
