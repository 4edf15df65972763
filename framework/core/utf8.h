/* UTF-8, where text may hold anything. */
#ifndef ESP_CORE_UTF8_H
#define ESP_CORE_UTF8_H

#include <stddef.h>

/* The bytes of the first character of a text that a NUL ends, and in *code what it is; 1 and -1
 * where these bytes are no UTF-8 (shortest forms alone are, surrogates are not). Thread: any. */
size_t esp_utf8_decode(long *code, const char *text);

#endif
