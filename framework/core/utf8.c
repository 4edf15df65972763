#include "core/utf8.h"

#include <stdio.h>
#include <string.h>

size_t esp_utf8_decode(long *code, const char *text)
{
    static const struct {
        unsigned char mask, lead;
        long least; /* what needs so many bytes: shorter spellings are refused */
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t n = 0; n < 4; n++) {
        if ((bytes[0] & forms[n].mask) != forms[n].lead) {
            continue;
        }
        *code = bytes[0] & ~forms[n].mask & 0xff;
        for (size_t i = 1; i <= n; i++) {
            if ((bytes[i] & 0xc0) != 0x80) {
                *code = -1;
                return 1;
            }
            *code = *code << 6 | (bytes[i] & 0x3f);
        }
        if (*code >= forms[n].least && *code <= 0x10ffff && (*code & ~0x7ffL) != 0xd800) {
            return n + 1;
        }
    }
    *code = -1;
    return 1;
}

bool esp_utf8_steers(long code)
{
    return (code >= 0 && code < 0x20) || (code >= 0x7f && code < 0xa0) ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

size_t esp_utf8_show(char out[ESP_UTF8_VISIBLE], const char *text)
{
    long code;
    const size_t n = esp_utf8_decode(&code, text);
    const unsigned char byte = (unsigned char)*text;
    if (code < 0 && byte < 0xa0) {
        snprintf(out, ESP_UTF8_VISIBLE, "\\x%02x", (unsigned)byte);
    } else if (code != '\n' && code != '\t' && esp_utf8_steers(code)) {
        snprintf(out, ESP_UTF8_VISIBLE, "\\u%04x", (unsigned)code & 0xffff);
    } else {
        memcpy(out, text, n);
        out[n] = '\0';
    }
    return n;
}

size_t esp_utf8_unfinished(const char *bytes, size_t count)
{
    for (size_t n = 1; n <= 3 && n <= count; n++) {
        const unsigned char byte = (unsigned char)bytes[count - n];
        const size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        if (length > n) {
            return n;
        }
        if ((byte & 0xc0) != 0x80) { /* a whole character begins here */
            break;
        }
    }
    return 0;
}
