/* Small helpers for text. */
#ifndef ESP_CORE_TEXT_H
#define ESP_CORE_TEXT_H

#include <stddef.h>

/* The candidate closest to word, or NULL when none is close enough to be meant. A letter left out,
 * added or replaced and two neighbors exchanged are one edit, and a missing ending after 3
 * letters counts as one edit; a third of the word's length may be edits, at least 1, from 5 letters
 * on at least 2. Thread: any. */
const char *esp_text_suggest(const char *word, const char *const *candidates, size_t count);

/* A new string by format; owned by the caller. NULL when out of memory. Thread: any. */
char *esp_text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A copy of count words as one block, which the caller frees: the pointers, NULL, then their text.
 * NULL when out of memory. Thread: any. */
char **esp_text_copy_words(const char *const *words, size_t count);

/* Writes seconds as people read them: "0.8 s", "4 min 10 s", "2 h 05 min". out [32]. */
void esp_text_duration(char out[32], double seconds);

#endif
