#include "data/numbers.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXACT_DIGITS = 15, /* 10^15 < 2^53 */
    EXACT_POWER = 22,  /* 10^22 is a double */
    LONGEST = 400,
    SHOWN = 40
};

/* Plain decimals of few digits: both operands are doubles exactly, so that one division rounds as
 * strtod does (Clinger 1990, the fast path). false: something else. */
static bool read_short(double *out, const char *text, size_t length)
{
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    size_t at = length > 0 && (*text == '-' || *text == '+');
    uint64_t digits = 0;
    int n_digits = 0, n_decimals = 0;
    bool point = false;
    for (; at < length; at++) {
        if (text[at] == '.' && !point) {
            point = true;
        } else if (text[at] >= '0' && text[at] <= '9' && n_digits < EXACT_DIGITS) {
            digits = 10 * digits + (uint64_t)(text[at] - '0');
            n_digits++;
            n_decimals += point;
        } else {
            return false;
        }
    }
    if (n_digits == 0) {
        return false;
    }
    double value = (double)digits / powers[n_decimals];
    *out = *text == '-' ? -value : value;
    return true;
}

bool esp_number_read(float *out, const char *text, size_t length)
{
    double value = 0;
    if (!read_short(&value, text, length)) {
        char copy[LONGEST + 1];
        if (length == 0 || length > LONGEST) {
            return false;
        }
        memcpy(copy, text, length);
        copy[length] = '\0';
        if (strspn(copy, "0123456789+-.eE") != length || strcspn(copy, "0123456789") == length) {
            return false;
        }
        char *end = NULL;
        value = strtod(copy, &end);
        if (end != copy + length) {
            return false;
        }
    }
    *out = (float)value;
    return isfinite(*out);
}

void esp_text_shown(char shown[64], const char *text, size_t length)
{
    size_t n = length < SHOWN ? length : SHOWN;
    if (n == 0) {
        snprintf(shown, 64, "nothing");
        return;
    }
    shown[0] = '\'';
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        shown[i + 1] = (char)(c < 32 || c == 127 ? '?' : c);
    }
    snprintf(shown + n + 1, 64 - n - 1, "%s", length > SHOWN ? "...'" : "'");
}
