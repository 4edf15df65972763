#define _POSIX_C_SOURCE 200809L
#include "core/log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/terminal.h"

bool esp_log_colored(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return (no_color == NULL || *no_color == '\0') && isatty(esp_terminal_descriptor(stream)) &&
           !(term != NULL && strcmp(term, "dumb") == 0);
}

static void say(const char *color, const char *label, const char *format, va_list args)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, args);
    flockfile(stderr);
    if (*label != '\0' && esp_log_colored(stderr)) {
        esp_terminal_control(stderr, color);
        fputs(label, stderr);
        esp_terminal_control(stderr, "\033[0m");
        fprintf(stderr, "%s\n", text);
    } else {
        fprintf(stderr, "%s%s\n", label, text);
    }
    funlockfile(stderr);
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
