/* UTF-8, where text may hold anything. */
#ifndef ESP_CORE_UTF8_H
#define ESP_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes of the first character of a text that a NUL ends, and in *code what it is; 1 and -1
 * where these bytes are no UTF-8 (shortest forms alone are, surrogates are not). Thread: any. */
size_t esp_utf8_decode(long *code, const char *text);

/* Whether a character steers what shows it: the control characters (C0, DEL, C1), and those that
 * reorder the text behind them. Thread: any. */
bool esp_utf8_steers(long code);

/* The first character of a text as it may be shown, and its bytes in the text: itself, newline and
 * tab too; "\u001b" for one that steers; "\x9b" for a byte that is no UTF-8 and that a terminal of
 * one byte a character would obey. Thread: any. */
enum { ESP_UTF8_VISIBLE = 7 };
size_t esp_utf8_show(char out[ESP_UTF8_VISIBLE], const char *text);

/* How many of count bytes at their end begin a character that is not whole. Thread: any. */
size_t esp_utf8_unfinished(const char *bytes, size_t count);

#endif
