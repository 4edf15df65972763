/* Options that several verbs share, as argp children: list them in .children and hand them their
 * part of the verb's arguments at ARGP_KEY_INIT (state->child_inputs, in the same order). */
#ifndef ESP_CLI_OPTIONS_H
#define ESP_CLI_OPTIONS_H

#include <argp.h>

#include "study/study.h"

enum { ESP_MAX_SETS = 256 };

/* --set, --seeds, --only: which part of a study, changed how. Input: esp_study_arguments. */
typedef struct esp_study_arguments {
    esp_study_options options; /* options.sets is sets */
    const char *sets[ESP_MAX_SETS];
} esp_study_arguments;
extern const struct argp esp_study_argp;

/* --db. Input: const char *, NULL where not given (see esp_store_default_path). */
extern const struct argp esp_database_argp;

/* What a --db of a verb's own names; nothing is a usage error. */
const char *esp_option_database(struct argp_state *state, const char *value);

/* --format. Input: const char *, "text" where not given; what it may be is the verb's to say,
 * except where it is text or json. */
extern const struct argp esp_format_argp, esp_text_or_json_argp;

/* A whole number from 1 to most, or a usage error that names the option. */
int esp_option_count(struct argp_state *state, const char *option, const char *text, int most);

/* argp_parse, except that a usage error ends with the exit code of ESP_USAGE, and that a long
 * option which there is not is told with the one that could have been meant. */
error_t esp_argp_parse(const struct argp *parser, int argc, char **argv, void *input);

/* Trials at a time where --jobs is not given: one a core, and no more than the CPU quota of the
 * control group allows, which is then said. Thread: one. */
int esp_default_jobs(void);

#endif
