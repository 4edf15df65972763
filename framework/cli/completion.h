/* What completion is made of: command lines as a shell sees them while they are typed, and what may
 * stand where the cursor is. All of it reads only, and is silent about whatever it cannot read. */
#ifndef ESP_CLI_COMPLETION_H
#define ESP_CLI_COMPLETION_H

#include <stdbool.h>

enum { ESP_COMPLETION_WORDS = 256 };

/* ---- --help, read (completion_help.c) ---------------------------------------------------------
 */

typedef struct esp_verb_option {
    char letter; /* 0: none */
    char name[64], value[64], about[512];
} esp_verb_option;

/* What `espalier FIRST [SECOND]` prints; NULL where it fails. Owned by the caller (free). */
char *esp_output_of(const char *first, const char *second);

/* A verb's help, or with NULL the program's, without line breaks inside paragraphs; as above. */
char *esp_help_of(const char *verb);

/* The line after this one, NULL where there is none. */
const char *esp_help_next_line(const char *line);

/* Reads one line of help, "  -f, --format=FORMAT  about"; false where it is no option's. */
bool esp_help_read_option(esp_verb_option *out, const char *line);

/* The option a word names, "--format", "--format=x" or "-f". */
bool esp_help_find_option(esp_verb_option *out, const char *help, const char *word);

/* ---- candidates (completion_offer.c) ----------------------------------------------------------
 */

/* What is being typed. A candidate is printed as before and the word, without the first `cut`
 * characters: those that bash takes for words of their own ("--format=" of "--format=te"). */
typedef struct esp_typed {
    const char *prefix, *before;
    int n_before, cut;
    const char *verb, *database;
    const char *first; /* the first positional word, NULL where there is none yet */
} esp_typed;

void esp_offer(const esp_typed *t, const char *word, const char *about);
void esp_offer_verbs(const esp_typed *t, const char *help);

/* What an option's value may be. */
void esp_offer_value(const esp_typed *t, const esp_verb_option *option);

/* What a word of a usage line stands for: "STUDY", "FILE.yaml", "TRIAL|STUDY[:VARIANT]", "ls",
 * "[NAME...]". */
void esp_offer_placeholder(const esp_typed *t, const char *placeholder);

/* ---- command lines (completion_words.c) -------------------------------------------------------
 */

/* Prints what may stand at the last of the words after `espalier`: a line each, "word<tab>what it
 * is", or ":files ENDING", ":files", ":directories" to ask the shell for files. Words are as they
 * were typed, quotes and all. */
void esp_complete(const char *const *words, int n_words);

#endif
