#include "report/key_words.h"

#include <string.h>

/* Part of a key: where it starts, how long it is. */
typedef struct part {
    const char *start;
    size_t length;
} part;

/* The last n words of a key, of which ".name" at its end is none; the whole key past the first.
 * *whole: nothing longer is left. */
static part last_words(bool *whole, const char *key, int n)
{
    const size_t length = strlen(key);
    const bool named = length > 5 && strcmp(key + length - 5, ".name") == 0;
    const char *end = key + length - (named ? 5 : 0), *start = end;
    for (int words = 0; words < n; words++) {
        if (words > 0 && start == key) { /* fewer than n */
            *whole = true;
            return (part){key, length};
        }
        start -= words > 0; /* the dot */
        while (start > key && start[-1] != '.') {
            start--;
        }
    }
    *whole = start == key && !named;
    return (part){start, (size_t)(end - start)};
}

static bool is_part(const part *one, const char *text, size_t length)
{
    return one->length == length && memcmp(one->start, text, length) == 0;
}

/* Whether a part is a name that another key could have. */
static bool is_name_of(const part *one, const char *key)
{
    bool whole = false;
    for (int n = 1; !whole; n++) {
        const part other = last_words(&whole, key, n);
        if (is_part(one, other.start, other.length)) {
            return true;
        }
    }
    return false;
}

static bool is_used(const part *one, const char *key, const esp_words *among,
                    const esp_words *taken)
{
    for (int i = 0; among != NULL && i < among->n; i++) {
        if (strcmp(among->at[i], key) != 0 && is_name_of(one, among->at[i])) {
            return true;
        }
    }
    for (int i = 0; taken != NULL && i < taken->n; i++) {
        if (is_part(one, taken->at[i], strlen(taken->at[i]))) {
            return true;
        }
    }
    return false;
}

const char *esp_key_words(esp_text_pool *pool, const char *key, const esp_words *among,
                          const esp_words *taken)
{
    bool whole = false;
    part one = {key, 0};
    for (int n = 1; !whole; n++) {
        one = last_words(&whole, key, n);
        if (!is_used(&one, key, among, taken)) {
            break;
        }
    }
    return one.start[one.length] == '\0'
               ? one.start
               : esp_pool_format(pool, "%.*s", (int)one.length, one.start);
}
