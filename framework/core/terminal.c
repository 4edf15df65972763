#include "core/terminal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/utf8.h"

enum { CHUNK = 1024, MAX_HELD = 3 };

/* A stream that is guarded; written once by esp_terminal_guard. */
typedef struct guard {
    FILE *stream; /* NULL: not guarded */
    int descriptor;
    bool is_data;
    int n_held; /* the beginning of a character whose other bytes are still to come */
    char held[MAX_HELD + 1];
} guard;

static guard guards[2] = {{.descriptor = STDOUT_FILENO}, {.descriptor = STDERR_FILENO}};

static guard *guard_of(FILE *stream)
{
    for (int i = 0; i < 2; i++) {
        if (stream != NULL && guards[i].stream == stream) {
            return &guards[i];
        }
    }
    return NULL;
}

static bool write_all(int descriptor, const char *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t written = write(descriptor, bytes, count);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        bytes += written;
        count -= (size_t)written;
    }
    return true;
}

/* How many of the first bytes are what most output is: ASCII that steers nothing. */
static size_t plain_bytes(const char *bytes, size_t count)
{
    size_t n = 0;
    while (n < count &&
           ((bytes[n] >= ' ' && bytes[n] <= '~') || bytes[n] == '\n' || bytes[n] == '\t')) {
        n++;
    }
    return n;
}

/* Writes what is held and count bytes, keeping back an unfinished character. */
static bool write_visible(guard *g, const char *bytes, size_t count)
{
    char text[MAX_HELD + CHUNK + 1], visible[ESP_UTF8_VISIBLE * sizeof text];
    const size_t n = (size_t)g->n_held + count;
    memcpy(text, g->held, (size_t)g->n_held);
    memcpy(text + g->n_held, bytes, count);
    text[n] = '\0';
    const size_t whole = n - esp_utf8_unfinished(text, n);
    g->n_held = (int)(n - whole);
    memcpy(g->held, text + whole, n - whole);
    size_t used = 0;
    for (size_t at = 0; at < whole;) {
        const size_t plain = plain_bytes(text + at, whole - at);
        memcpy(visible + used, text + at, plain);
        at += plain;
        used += plain;
        if (at < whole) {
            at += esp_utf8_show(visible + used, text + at);
            used += strlen(visible + used);
        }
    }
    return write_all(g->descriptor, visible, used);
}

/* Of fopencookie: the bytes that were taken, 0 where they cannot be written. */
static ssize_t take(void *cookie, const char *bytes, size_t count)
{
    guard *g = cookie;
    if (g->is_data || (g->n_held == 0 && plain_bytes(bytes, count) == count)) {
        return write_all(g->descriptor, bytes, count) ? (ssize_t)count : 0;
    }
    for (size_t done = 0; done < count;) {
        const size_t n = count - done < CHUNK ? count - done : CHUNK;
        if (!write_visible(g, bytes + done, n)) {
            return 0;
        }
        done += n;
    }
    return (ssize_t)count;
}

/* A text that ends within a character: its bytes are not lost. */
static void write_held(void)
{
    for (int i = 0; i < 2; i++) {
        if (guards[i].stream != NULL) {
            fflush(guards[i].stream);
            write_all(guards[i].descriptor, guards[i].held, (size_t)guards[i].n_held);
            guards[i].n_held = 0;
        }
    }
}

static void put_guard(FILE **stream, guard *g, bool by_line)
{
    FILE *guarded = fopencookie(g, "w", (cookie_io_functions_t){.write = take});
    if (guarded != NULL) {
        setvbuf(guarded, NULL, by_line ? _IOLBF : _IOFBF, BUFSIZ);
        fflush(*stream);
        g->stream = *stream = guarded;
    }
}

void esp_terminal_guard(void)
{
    put_guard(&stdout, &guards[0], isatty(STDOUT_FILENO));
    put_guard(&stderr, &guards[1], true);
    atexit(write_held);
}

void esp_terminal_data(FILE *stream)
{
    guard *g = guard_of(stream);
    if (g != NULL && !isatty(g->descriptor)) {
        fflush(stream);
        g->is_data = true;
    }
}

void esp_terminal_control(FILE *stream, const char *sequence)
{
    const guard *g = guard_of(stream);
    if (g == NULL) {
        fputs(sequence, stream);
        return;
    }
    flockfile(stream);
    fflush(stream);
    write_all(g->descriptor, sequence, strlen(sequence));
    funlockfile(stream);
}

void esp_terminal_step(bool is_last, const char *format, ...)
{
    if (isatty(esp_terminal_descriptor(stderr))) {
        va_list values;
        va_start(values, format);
        esp_terminal_control(stderr, "\r\033[K");
        vfprintf(stderr, format, values);
        fputs(is_last ? "\n" : "", stderr);
        fflush(stderr);
        va_end(values);
    }
}

int esp_terminal_descriptor(FILE *stream)
{
    const guard *g = guard_of(stream);
    return g != NULL ? g->descriptor : fileno(stream);
}
