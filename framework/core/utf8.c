#include "core/utf8.h"

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
