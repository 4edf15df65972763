#define _POSIX_C_SOURCE 200809L
#include "core/log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool esp_log_colored(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return (no_color == NULL || *no_color == '\0') && isatty(fileno(stream)) &&
           !(term != NULL && strcmp(term, "dumb") == 0);
}

static void say(const char *color, const char *label, const char *format, va_list args)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, args);
    for (char *at = text; *at; at++) { /* names may be in it: nothing of them steers the terminal */
        const unsigned char c = (unsigned char)*at;
        *at = (char)((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? '?' : c);
    }
    if (esp_log_colored(stderr)) {
        fprintf(stderr, "%s%s\033[0m%s\n", color, label, text);
    } else {
        fprintf(stderr, "%s%s\n", label, text);
    }
}

void esp_log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("\033[1;31m", "error: ", format, args);
    va_end(args);
}

void esp_log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("\033[1;33m", "warning: ", format, args);
    va_end(args);
}

void esp_log_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("", "", format, args);
    va_end(args);
}
