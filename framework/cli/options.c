#include "cli/options.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/processors.h"
#include "core/status.h"
#include "core/text.h"
#include "store/store.h"

/* Keys beyond ASCII are long options only. */
enum { KEY_SET = 2000, KEY_SEEDS, KEY_ONLY, KEY_DATABASE, KEY_FORMAT };

static error_t parse_study(int key, char *value, struct argp_state *state)
{
    esp_study_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        a->options.sets = a->sets;
        return 0;
    case KEY_SET:
        if (a->options.n_sets == ESP_MAX_SETS) {
            argp_error(state, "more than %d --set", (int)ESP_MAX_SETS);
        }
        a->sets[a->options.n_sets++] = value;
        return 0;
    case KEY_SEEDS:
        a->options.seeds = value;
        return 0;
    case KEY_ONLY:
        a->options.only = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option study_options[] = {
    {"set", KEY_SET, "KEY=VALUE", 0, "change a key of every cell, such as phases.harden.epochs=30",
     0},
    {"seeds", KEY_SEEDS, "SEEDS", 0, "only these seeds, 0..4 or 1,3,5; new ones join the study", 0},
    {"only", KEY_ONLY, "PATTERN", 0,
     "only matching variants or cells, such as 'balanced*' or 'balanced model.leaf_width=8'", 0},
    {0}};

const struct argp esp_study_argp = {.options = study_options, .parser = parse_study};

const char *esp_option_database(struct argp_state *state, const char *value)
{
    if (*value == '\0') {
        argp_error(state, "--db '' names no database; leave --db out for %s",
                   esp_store_default_path(NULL));
    }
    return value;
}

static error_t parse_database(int key, char *value, struct argp_state *state)
{
    if (key == KEY_DATABASE) {
        *(const char **)state->input = esp_option_database(state, value);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp_option database_options[] = {
    {"db", KEY_DATABASE, "FILE", 0,
     "results database (default: $ESPALIER_DB, else results/espalier.db)", 0},
    {0}};

const struct argp esp_database_argp = {.options = database_options, .parser = parse_database};

static error_t parse_format(int key, char *value, struct argp_state *state)
{
    const char **format = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        *format = "text";
        return 0;
    case KEY_FORMAT:
        *format = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_text_or_json(int key, char *value, struct argp_state *state)
{
    static const char *const formats[] = {"text", "json"};
    if (key == KEY_FORMAT && strcmp(value, formats[0]) != 0 && strcmp(value, formats[1]) != 0) {
        const char *meant = esp_text_suggest(value, formats, 2);
        argp_error(state, "no format '%s'%s%s%s; text or json", value,
                   meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
    }
    return parse_format(key, value, state);
}

static const struct argp_option format_options[] = {
    {"format", KEY_FORMAT, "FORMAT", 0, "text (default), md, csv or json", 0}, {0}};

const struct argp esp_format_argp = {.options = format_options, .parser = parse_format};

static const struct argp_option text_or_json[] = {
    {"format", KEY_FORMAT, "FORMAT", 0, "text (default) or json", 0}, {0}};

const struct argp esp_text_or_json_argp = {.options = text_or_json, .parser = parse_text_or_json};

int esp_option_count(struct argp_state *state, const char *option, const char *text, int most)
{
    char *end = NULL;
    long count = strtol(text, &end, 10);
    if (*end != '\0' || end == text || count < 1 || count > most) {
        argp_error(state, "%s takes a number from 1 to %d, not '%s'", option, most, text);
    }
    return (int)count;
}

/* ---- options that there are not ---------------------------------------------------------------
 */

enum { MAX_OPTIONS = 128 };

typedef struct known_options {
    int n;
    const struct argp_option *at[MAX_OPTIONS];
} known_options;

static void gather(known_options *out, const struct argp *parser)
{
    for (const struct argp_option *option = parser->options;
         option != NULL && (option->name != NULL || option->key != 0 || option->doc != NULL);
         option++) {
        if (out->n < MAX_OPTIONS && (option->name != NULL || option->key != 0)) {
            out->at[out->n++] = option;
        }
    }
    for (const struct argp_child *child = parser->children; child != NULL && child->argp != NULL;
         child++) {
        gather(out, child->argp);
    }
}

/* The option that a word names, as getopt_long takes it: the beginning of a name is enough. */
static const struct argp_option *find(const known_options *known, const char *word)
{
    const bool is_long = word[1] == '-';
    const size_t length = is_long ? strcspn(word + 2, "=") : 1;
    for (int i = 0; i < known->n; i++) {
        const struct argp_option *option = known->at[i];
        if (is_long ? option->name != NULL && strncmp(option->name, word + 2, length) == 0
                    : option->key == word[1]) {
            return option;
        }
    }
    return NULL;
}

static void refuse(const known_options *known, const char *verb, const char *word)
{
    const char *names[MAX_OPTIONS + 2] = {"help", "usage"};
    size_t n = 2;
    for (int i = 0; i < known->n; i++) {
        if (known->at[i]->name != NULL && (known->at[i]->flags & OPTION_HIDDEN) == 0) {
            names[n++] = known->at[i]->name;
        }
    }
    const int length = (int)strcspn(word, "=");
    char *name = esp_text_format("%.*s", length - 2, word + 2);
    const char *meant = name != NULL ? esp_text_suggest(name, names, n) : NULL;
    esp_log_error("unknown option '%.*s'%s%s%s; `%s --help` lists them", length, word,
                  meant ? "; did you mean '--" : "", meant ? meant : "", meant ? "'?" : "", verb);
    free(name);
}

error_t esp_argp_parse(const struct argp *parser, int argc, char **argv, void *input)
{
    static const char *const always[] = {"help", "usage", "version"};
    known_options known = {0};
    argp_err_exit_status = esp_exit_code(ESP_USAGE);
    gather(&known, parser);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *word = argv[i];
        if (word[0] != '-' || word[1] == '\0') {
            continue;
        }
        const struct argp_option *option = find(&known, word);
        bool is_known = option != NULL || word[1] != '-';
        for (int j = 0; j < 3; j++) {
            is_known = is_known || strncmp(always[j], word + 2, strlen(word + 2)) == 0;
        }
        if (!is_known) {
            refuse(&known, argv[0], word);
            exit(argp_err_exit_status);
        }
        const bool has_value = word[1] == '-' ? strchr(word, '=') != NULL : word[2] != '\0';
        if (option != NULL && option->arg != NULL && !has_value &&
            (option->flags & OPTION_ARG_OPTIONAL) == 0) {
            i++;
        }
    }
    return argp_parse(parser, argc, argv, 0, NULL, input);
}

int esp_default_jobs(void)
{
    const int jobs = esp_processors_usable(), cores = esp_processors();
    if (jobs < cores) {
        esp_log_note("the control group allows the time of %.3g cores, not of the %d there are: "
                     "--jobs %d",
                     esp_processors_quota(), cores, jobs);
    }
    return jobs;
}
