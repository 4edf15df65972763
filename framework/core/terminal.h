/* What a terminal would obey in a name, a message or a file never reaches it: main guards standard
 * output and standard error, so no verb has to think of it. */
#ifndef ESP_CORE_TERMINAL_H
#define ESP_CORE_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* From here on, stdout and stderr write control characters, and those that reorder text, as
 * "\u001b" (also in JSON the same string), and stray bytes of the kind as "\x9b". Newline and tab
 * pass. stderr writes whole lines. Thread: one, before anything is printed. */
void esp_terminal_guard(void);

/* What is printed to the stream from here on is data for programs (CSV): where it goes to a file or
 * a pipe it passes as it is. Nothing happens to a stream that is not guarded. Thread: the stream's.
 */
void esp_terminal_data(FILE *stream);

/* Writes a sequence of the program's own that the terminal is to obey, after what was printed
 * before. Thread: any. */
void esp_terminal_control(FILE *stream, const char *sequence);

/* Where stderr is a terminal: words in place of those of the step before; is_last ends the line.
 * Thread: one. */
void esp_terminal_step(bool is_last, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The descriptor that a stream writes to, guarded or not; -1: none. Thread: any. */
int esp_terminal_descriptor(FILE *stream);

#endif
