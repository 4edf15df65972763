#include "cli/options.h"

#include <stdlib.h>

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
    {"only", KEY_ONLY, "PATTERN", 0, "only matching variants or cells, such as 'balanced*'", 0},
    {0}};

const struct argp esp_study_argp = {.options = study_options, .parser = parse_study};

static error_t parse_database(int key, char *value, struct argp_state *state)
{
    if (key == KEY_DATABASE) {
        *(const char **)state->input = value;
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

static const struct argp_option format_options[] = {
    {"format", KEY_FORMAT, "FORMAT", 0, "text (default), md, csv or json", 0}, {0}};

const struct argp esp_format_argp = {.options = format_options, .parser = parse_format};

int esp_option_count(struct argp_state *state, const char *option, const char *text, int most)
{
    char *end = NULL;
    long count = strtol(text, &end, 10);
    if (*end != '\0' || end == text || count < 1 || count > most) {
        argp_error(state, "%s takes a number from 1 to %d, not '%s'", option, most, text);
    }
    return (int)count;
}
