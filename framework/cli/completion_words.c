/* A command line while it is typed: its words as shells hand them over, and which of them stands
 * for what. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <wordexp.h>

#include "cli/completion.h"
#include "core/text.h"

/* ---- words as they were typed -----------------------------------------------------------------
 */

/* A word without its quotes, the last one's perhaps still open, with ~ and $NAME put in; no command
 * is run. As it is where a shell would make no word or several of it. Owned by the caller. */
static char *unquote(const char *typed, bool is_last)
{
    static const char *const ends[] = {"", "\"", "'"};
    char *found = NULL;
    for (size_t i = 0; i < (is_last ? sizeof ends / sizeof *ends : 1) && found == NULL; i++) {
        wordexp_t words;
        char *text = esp_text_format("%s%s", typed, ends[i]);
        if (text != NULL && wordexp(text, &words, WRDE_NOCMD) == 0) {
            found = strdup(words.we_wordc == 1 ? words.we_wordv[0] : typed);
            wordfree(&words);
        }
        free(text);
    }
    return found != NULL ? found : strdup(typed);
}

typedef struct command_line {
    char *words[ESP_COMPLETION_WORDS];
    int n_words;
    int cut; /* how much of the last one is words of their own to the shell */
} command_line;

/* bash takes "--format=te", "study:va" and "study@1" for three words each: they become one again.
 */
static void join(command_line *out, const char *const *words, int n_words)
{
    bool is_open = false; /* the last one ends in a separator */
    for (int i = 0; i < n_words && i < ESP_COMPLETION_WORDS; i++) {
        const bool separates =
            i > 0 && words[i][0] != '\0' && strspn(words[i], "=:@") == strlen(words[i]);
        char *word = unquote(words[i], i == n_words - 1);
        out->cut = 0;
        if (separates || is_open) {
            char **last = &out->words[out->n_words - 1];
            char *joined = esp_text_format("%s%s", *last, word != NULL ? word : "");
            out->cut = (int)strlen(separates && joined != NULL ? joined : *last);
            free(word);
            free(*last);
            *last = joined;
        } else {
            out->words[out->n_words++] = word;
        }
        is_open = separates;
    }
}

/* ---- what stands where ------------------------------------------------------------------------
 */

/* Positional words by the usage lines that the ones typed before fit. */
static void offer_arguments(const esp_typed *t, const char *help, char *const *before, int n_before)
{
    for (const char *line = help; line != NULL; line = esp_help_next_line(line)) {
        if (strncmp(line, "Usage: ", 7) != 0 && strncmp(line, "  or: ", 6) != 0) {
            continue;
        }
        char *copy = strndup(line, strcspn(line, "\n")), *rest = copy, *word;
        char *start = copy != NULL ? strstr(copy, "[OPTION...]") : NULL;
        bool fits = start != NULL;
        rest = start != NULL ? start + strlen("[OPTION...]") : NULL;
        for (int i = 0; fits && (word = strsep(&rest, " ")) != NULL;) {
            if (*word == '\0') {
                continue;
            }
            if (i == n_before || (i < n_before && strstr(word, "...") != NULL)) {
                esp_offer_placeholder(t, word);
                break;
            }
            bool is_literal = islower((unsigned char)word[0]) && strchr(word, '|') == NULL;
            fits = !is_literal || strcmp(word, before[i]) == 0;
            i++;
        }
        free(copy);
    }
}

static void offer_options(const esp_typed *t, const char *help)
{
    esp_verb_option option;
    for (const char *line = help; line != NULL; line = esp_help_next_line(line)) {
        if (esp_help_read_option(&option, line)) {
            esp_offer(t, option.name, option.about);
        }
    }
}

/* What may stand at the last word of a verb's command line. */
static void offer_at_last(esp_typed *t, const char *help, char *const *words, int last)
{
    char *positional[ESP_COMPLETION_WORDS];
    int n_positional = 0;
    bool wants_value = false;
    esp_verb_option found;
    for (int i = 1; i < last; i++) {
        wants_value = false;
        if (words[i][0] != '-') {
            positional[n_positional++] = words[i];
        } else if (esp_help_find_option(&found, help, words[i]) && found.value[0] != '\0') {
            const char *equals = strchr(words[i], '=');
            wants_value = equals == NULL && i + 1 == last;
            if (strcmp(found.name, "--db") == 0 && !wants_value) {
                t->database = equals != NULL ? equals + 1 : words[i + 1];
            }
            i += equals == NULL && !wants_value;
        }
    }
    t->first = n_positional > 0 ? positional[0] : NULL;
    const char *equals = strchr(t->prefix, '=');
    if (wants_value) {
        esp_offer_value(t, &found);
    } else if (t->prefix[0] == '-' && equals != NULL) {
        if (esp_help_find_option(&found, help, t->prefix)) {
            t->before = t->prefix;
            t->n_before = (int)(equals + 1 - t->prefix);
            t->prefix = equals + 1;
            esp_offer_value(t, &found);
        }
    } else if (t->prefix[0] == '-') {
        offer_options(t, help);
    } else {
        offer_arguments(t, help, positional, n_positional);
    }
}

void esp_complete(const char *const *words, int n_words)
{
    command_line line = {0};
    join(&line, words, n_words);
    bool is_whole = line.n_words > 0;
    for (int i = 0; i < line.n_words; i++) {
        is_whole = is_whole && line.words[i] != NULL;
    }
    const int last = line.n_words - 1;
    char *help = is_whole ? esp_help_of(last == 0 ? NULL : line.words[0]) : NULL;
    if (help != NULL) {
        esp_typed t = {
            .prefix = line.words[last], .before = "", .cut = line.cut, .verb = line.words[0]};
        if (last == 0) {
            esp_offer_verbs(&t, help);
        } else {
            offer_at_last(&t, help, line.words, last);
        }
    }
    for (int i = 0; i < line.n_words; i++) {
        free(line.words[i]);
    }
    free(help);
}
