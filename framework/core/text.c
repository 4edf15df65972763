#define _POSIX_C_SOURCE 200809L
#include "core/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORD = 64 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: Levenshtein's distance with neighbors exchanged as one edit, row by row
 * (G. Navarro, A guided tour to approximate string matching, 2001). */
static size_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > MAX_WORD || m > MAX_WORD) {
        return (size_t)-1;
    }
    size_t rows[3][MAX_WORD + 1], *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least(row[j], before[j - 2] + 1);
            }
        }
    }
    return row[m];
}

const char *esp_text_suggest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    const size_t length = strlen(word), floor = length < 5 ? 1 : 2;
    size_t allowed = length / 3 > floor ? length / 3 : floor;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(word, candidates[i]);
        if (distance > 1 && length >= 3 && strncmp(word, candidates[i], length) == 0) {
            distance = 1;
        }
        if (distance <= allowed && distance < strlen(candidates[i])) {
            best = candidates[i];
            if (distance == 0) {
                break;
            }
            allowed = distance - 1;
        }
    }
    return best;
}

char *esp_text_format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    char *text = size < 0 ? NULL : malloc((size_t)size + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)size + 1, format, again);
    }
    va_end(again);
    va_end(args);
    return text;
}

char **esp_text_copy_words(const char *const *words, size_t count)
{
    size_t size = (count + 1) * sizeof(char *);
    for (size_t i = 0; i < count; i++) {
        size += strlen(words[i]) + 1;
    }
    char **block = malloc(size);
    if (block == NULL) {
        return NULL;
    }
    char *text = (char *)(block + count + 1);
    for (size_t i = 0; i < count; i++) {
        block[i] = text;
        text = stpcpy(text, words[i]) + 1;
    }
    block[count] = NULL;
    return block;
}

void esp_text_duration(char out[32], double seconds)
{
    long whole = (long)(seconds + 0.5);
    if (!(seconds >= 0) || seconds > 1e9) {
        snprintf(out, 32, "?");
    } else if (seconds < 9.95) {
        snprintf(out, 32, "%.1f s", seconds);
    } else if (whole < 60) {
        snprintf(out, 32, "%ld s", whole);
    } else if (whole < 3600) {
        snprintf(out, 32, "%ld min %02ld s", whole / 60, whole % 60);
    } else {
        snprintf(out, 32, "%ld h %02ld min", whole / 3600, whole % 3600 / 60);
    }
}
