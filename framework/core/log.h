/* Words for the person at the terminal: always on stderr, colored only where that is a terminal and
 * NO_COLOR is not set. */
#ifndef ESP_CORE_LOG_H
#define ESP_CORE_LOG_H

#include <stdbool.h>
#include <stdio.h>

/* Each writes one whole line with one write, so lines of threads do not mix. Thread: any. */
void esp_log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void esp_log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void esp_log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether words to this stream may carry color. Thread: any. */
bool esp_log_colored(FILE *stream);

#endif
