/* Words of a figure that have little room: cut where they say the least, so that words that differ
 * still do. */
#include <string.h>

#include "core/status.h"
#include "report/figure_plot.h"
#include "report/key_words.h"

const char *esp_plot_short(esp_text_pool *pool, const char *text, int limit)
{
    size_t used = 0, length = strlen(text);
    char *out = esp_pool_take(pool, length + 4);
    if (out == NULL) {
        return "";
    }
    int n = 0;
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        const bool starts = (c & 0xc0) != 0x80;
        if (starts && n == limit) {
            memcpy(out + used, "\xe2\x80\xa6", 4); /* an ellipsis */
            return out;
        }
        n += starts;
        out[used++] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    out[used] = '\0';
    return out;
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Characters of UTF-8 text. */
static int characters(const char *text, size_t length)
{
    int n = 0;
    for (size_t i = 0; i < length; i++) {
        n += !continues(text[i]);
    }
    return n;
}

static bool all_fit(const char *const *texts, int n, int limit)
{
    bool fit = true;
    for (int i = 0; i < n; i++) {
        fit = fit && characters(texts[i], strlen(texts[i])) <= limit;
    }
    return fit;
}

/* ---- "key=value key=value" ------------------------------------------------------------------- */

/* The next word of a text after `at`, which it moves on; NULL at the end. */
static const char *next_word(esp_text_pool *pool, const char **at)
{
    const char *start = *at + strspn(*at, " ");
    const size_t length = strcspn(start, " ");
    *at = start + length;
    return length > 0 ? esp_pool_format(pool, "%.*s", (int)length, start) : NULL;
}

/* Whether a word is one of a text's. */
static bool is_in(esp_text_pool *pool, const char *text, const char *word)
{
    const char *other;
    while ((other = next_word(pool, &text)) != NULL) {
        if (strcmp(other, word) == 0) {
            return true;
        }
    }
    return false;
}

/* What texts of keys and values have in common: their keys; pairs that stand in all of them. */
typedef struct pairs {
    esp_words keys, common;
} pairs;

static bool find_pairs(pairs *out, esp_text_pool *pool, const char *const *texts, int n)
{
    size_t most = 1;
    for (int i = 0; i < n; i++) {
        for (const char *at = strchr(texts[i], '='); at != NULL; at = strchr(at + 1, '=')) {
            most++;
        }
    }
    *out = (pairs){.keys.at = esp_pool_take(pool, most * sizeof *out->keys.at),
                   .common.at = esp_pool_take(pool, most * sizeof *out->common.at)};
    if (out->keys.at == NULL || out->common.at == NULL) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        const char *at = texts[i], *word;
        while ((word = next_word(pool, &at)) != NULL) {
            const char *equals = strchr(word, '=');
            if (equals == NULL || equals == word) {
                continue;
            }
            const char *key = esp_pool_format(pool, "%.*s", (int)(equals - word), word);
            if (!esp_words_have(&out->keys, key)) {
                out->keys.at[out->keys.n++] = key;
            }
            bool everywhere = i == 0 && n > 1 && !esp_words_have(&out->common, word);
            for (int k = 1; everywhere && k < n; k++) {
                everywhere = is_in(pool, texts[k], word);
            }
            if (everywhere) {
                out->common.at[out->common.n++] = word;
            }
        }
    }
    return out->keys.n > 0;
}

/* A text with its keys by their short names of at most `most` characters, 0: whole; without the
 * pairs that stand in all texts, where they are to go. */
static const char *rewrite(esp_text_pool *pool, const char *text, const pairs *of, bool drop,
                           int most)
{
    const char *out = "", *at = text, *word;
    while ((word = next_word(pool, &at)) != NULL) {
        const char *equals = strchr(word, '=');
        if (drop && esp_words_have(&of->common, word)) {
            continue;
        }
        if (equals != NULL && equals > word) {
            const char *key = esp_key_words(
                pool, esp_pool_format(pool, "%.*s", (int)(equals - word), word), &of->keys, NULL);
            word = esp_pool_format(pool, "%s%s", most > 0 ? esp_plot_short(pool, key, most) : key,
                                   equals);
        }
        out = esp_pool_format(pool, "%s%s%s", out, *out ? " " : "", word);
    }
    return out;
}

/* ---- any text -------------------------------------------------------------------------------- */

/* The window of a text that holds what lies between `prefix` and `suffix` bytes, which all texts
 * share, and as much on either side as there is room for. */
static const char *window(esp_text_pool *pool, const char *text, size_t prefix, size_t suffix,
                          int limit)
{
    const size_t length = strlen(text);
    if (characters(text, length) <= limit) {
        return text;
    }
    const int core = characters(text + prefix, length - prefix - suffix);
    const int room = limit - 2 - core; /* beside the core and two ellipses */
    size_t start = prefix, end = length - suffix;
    for (int k = 0; k < (room > 0 ? room / 2 : 0) && start > 0; k++) {
        do {
            start--;
        } while (start > 0 && continues(text[start]));
    }
    int used = characters(text + start, end - start);
    while (used < limit - 2 && end < length) {
        do {
            end++;
        } while (end < length && continues(text[end]));
        used++;
    }
    while (used < limit - 2 && start > 0) {
        do {
            start--;
        } while (start > 0 && continues(text[start]));
        used++;
    }
    const char *out = esp_pool_format(pool, "%s%.*s", start > 0 ? "\xe2\x80\xa6" : "",
                                      (int)(end - start), text + start);
    return end < length && used <= limit - 2 ? esp_pool_format(pool, "%s\xe2\x80\xa6", out)
           : used > limit - 2                ? esp_plot_short(pool, out, limit - 1)
                                             : out;
}

static void cut(const char **texts, esp_text_pool *pool, int n, int limit)
{
    size_t prefix = strlen(texts[0]), suffix = prefix, shortest = prefix;
    for (int i = 1; i < n; i++) {
        const size_t length = strlen(texts[i]);
        size_t same = 0, end = 0;
        while (same < prefix && same < length && texts[i][same] == texts[0][same]) {
            same++;
        }
        while (end < suffix && end < length &&
               texts[i][length - 1 - end] == texts[0][strlen(texts[0]) - 1 - end]) {
            end++;
        }
        prefix = same;
        suffix = end;
        shortest = length < shortest ? length : shortest;
    }
    if (prefix == strlen(texts[0])) { /* the others go on after it, or are the same */
        suffix = 0;
    }
    while (prefix > 0 && continues(texts[0][prefix])) {
        prefix--;
    }
    suffix =
        suffix > shortest - (prefix < shortest ? prefix : shortest) ? shortest - prefix : suffix;
    while (suffix > 0 && continues(texts[0][strlen(texts[0]) - suffix])) {
        suffix--;
    }
    for (int i = 0; i < n; i++) {
        texts[i] = window(pool, texts[i], n > 1 ? prefix : 0, n > 1 ? suffix : 0, limit);
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Texts that differ and came out the same get their numbers. */
static void number(const char **out, esp_text_pool *pool, const char *const *texts, int n,
                   int limit)
{
    enum { ROOM = 7 }; /* of " (1234)" */
    bool *twice = esp_pool_take(pool, ((size_t)n + 1) * sizeof *twice);
    for (int i = 0; twice != NULL && i < n; i++) {
        for (int k = 0; k < n && !twice[i]; k++) {
            twice[i] = strcmp(out[i], out[k]) == 0 && strcmp(texts[i], texts[k]) != 0;
        }
    }
    for (int i = 0; twice != NULL && i < n; i++) {
        int first = 0; /* the same text again has the same number */
        while (strcmp(texts[first], texts[i]) != 0) {
            first++;
        }
        if (twice[i]) {
            out[i] = esp_pool_format(pool, "%s (%d)",
                                     esp_plot_short(pool, out[i], limit > ROOM ? limit - ROOM : 1),
                                     first + 1);
        }
    }
}

int esp_plot_shorten(const char ***out, esp_text_pool *pool, const char *const *texts, int n,
                     int limit)
{
    const char **words = *out = esp_pool_take(pool, ((size_t)n + 1) * sizeof *words);
    pairs of;
    ESP_TRY(esp_pool_status(pool));
    if (n == 0) {
        return ESP_OK;
    }
    for (int i = 0; i < n; i++) {
        words[i] = texts[i];
    }
    if (!all_fit(words, n, limit) && find_pairs(&of, pool, texts, n)) {
        int most = 0; /* characters of a key */
        for (int step = 0; !all_fit(words, n, limit) && (step < 3 || most > 3); step++) {
            most = step < 2 ? 0 : step == 2 ? 24 : most - 1;
            for (int i = 0; i < n; i++) {
                const char *shorter = rewrite(pool, texts[i], &of, step > 0, most);
                words[i] = *shorter ? shorter : rewrite(pool, texts[i], &of, false, most);
            }
        }
    }
    if (!all_fit(words, n, limit)) {
        cut(words, pool, n, limit);
    }
    for (int i = 0; i < n; i++) {
        words[i] = esp_plot_short(pool, words[i], limit);
    }
    number(words, pool, texts, n, limit);
    return esp_pool_status(pool);
}

int esp_plot_words_of(esp_plot_words *out, const esp_plot *plot, int title)
{
    const int n = plot->n_panels < ESP_MAX_PANELS ? plot->n_panels : ESP_MAX_PANELS;
    const char *titles[ESP_MAX_PANELS];
    for (int i = 0; i < n; i++) {
        titles[i] = plot->panels[i].title;
    }
    ESP_TRY(esp_plot_shorten(&out->titles, plot->pool, titles, n, title));
    return esp_plot_shorten(&out->ticks, plot->pool, plot->ticks, plot->n_ticks, ESP_MOST_TICK);
}
