/* Decimal numbers in files of text. */
#ifndef ESP_DATA_NUMBERS_H
#define ESP_DATA_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>

/* Reads all of text [length] as one decimal number (sign, digits, point, exponent; no names, no
 * hexadecimal, no blanks), rounded to double as by strtod and then to float. false where it is
 * none or not finite as float. Thread: any. */
bool esp_number_read(float *out, const char *text, size_t length);

/* A position in a file of text, for messages. */
typedef struct esp_text_place {
    const char *path;
    size_t line, column; /* in bytes; both count from 1 */
} esp_text_place;

/* What was found, for a message: at most 40 bytes, printable, "nothing" where there is none.
 * shown [64]. */
void esp_text_shown(char shown[64], const char *text, size_t length);

#endif
