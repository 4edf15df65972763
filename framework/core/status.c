#include "core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_CAPACITY = 4096 };
static _Thread_local char message[MESSAGE_CAPACITY];

int esp_fail(int status, const char *format, ...)
{
    /* Formatted aside first: an argument may be the current message itself. */
    char text[MESSAGE_CAPACITY];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof text);
    return status;
}

int esp_fail_prefix(int status, const char *format, ...)
{
    char prefix[MESSAGE_CAPACITY / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    return esp_fail(status, "%s: %s", prefix, message);
}

const char *esp_message(void)
{
    return message;
}

int esp_exit_code(int status)
{
    switch (status) {
#define X(name, exit_code, text)                                                                   \
    case ESP_##name:                                                                               \
        return exit_code;
        ESP_STATUS_LIST(X)
#undef X
    default:
        return 1;
    }
}

const char *esp_status_text(int status)
{
    switch (status) {
#define X(name, exit_code, text)                                                                   \
    case ESP_##name:                                                                               \
        return text;
        ESP_STATUS_LIST(X)
#undef X
    default:
        return "unknown status";
    }
}
