/* espalier run: trains a study. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/published_values.h"
#include "core/status.h"
#include "run/run.h"
#include "run/supervisor.h"
#include "store/store.h"

enum { KEY_RETRY = 1000, KEY_STRICT, KEY_REUSE, KEY_UNCHECKED, KEY_HALT };

static const struct argp_option own_options[] = {
    {"jobs", 'j', "N", 0,
     "trials at a time, each on one core (default: all that the CPU quota allows)", 0},
    {"halt", KEY_HALT, "WHEN", 0,
     "never (default); soon,fail=N: after N failed trials begin no other, finish what runs; "
     "now,fail=N: cut off what runs as well. N may be a share of the trials, N%; soon and now "
     "alone "
     "mean fail=1",
     0},
    {"retry-failed", KEY_RETRY, 0, 0, "train failed trials again", 0},
    {"strict-code", KEY_STRICT, 0, 0,
     "train again what was done by another build of the program or of a plugin", 0},
    {"reuse-stale", KEY_REUSE, 0, 0,
     "count what another build of your own plugin trained as it is; one of the two options is "
     "needed "
     "where a plugin's file has changed and its version has not",
     0},
    {"unchecked", KEY_UNCHECKED, 0, 0,
     "use your own plugins without `plugins check`, which else runs once on each new file", 0},
    {0}};

typedef struct arguments {
    const char *path, *database;
    esp_study_arguments study;
    esp_run_options run;
} arguments;

/* N or N%. */
static bool read_limit(esp_halt *halt, const char *text)
{
    char *end = NULL;
    const long count = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;
    halt->percent = count > 0 && *end == '%';
    halt->count = (int)count;
    return count >= 1 && count <= (halt->percent ? 100 : INT_MAX) && end[halt->percent] == '\0';
}

/* never | soon | now, the last two with fail=N or fail=N%, as GNU parallel writes it. */
static void parse_halt(esp_halt *halt, const char *text, struct argp_state *state)
{
    static const char *const words[] = {
        [ESP_HALT_NEVER] = "never", [ESP_HALT_SOON] = "soon", [ESP_HALT_NOW] = "now"};
    static const char limit[] = ",fail=";
    const size_t length = strcspn(text, ",");
    bool sound = false;
    *halt = (esp_halt){.count = 1};
    for (int i = 0; i < 3; i++) {
        if (strlen(words[i]) == length && strncmp(words[i], text, length) == 0) {
            halt->when = (esp_halt_when)i;
            sound = text[length] == '\0' || (halt->when != ESP_HALT_NEVER &&
                                             strncmp(text + length, limit, sizeof limit - 1) == 0 &&
                                             read_limit(halt, text + length + sizeof limit - 1));
        }
    }
    if (!sound) {
        argp_error(state,
                   "--halt takes never, soon,fail=N or now,fail=N (N from 1, or 1%% to "
                   "100%%), not '%s'",
                   text);
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->study;
        state->child_inputs[1] = &a->database;
        return 0;
    case 'j':
        a->run.jobs = esp_option_count(state, "--jobs", value, 256);
        return 0;
    case KEY_RETRY:
        a->run.retry_failed = true;
        return 0;
    case KEY_HALT:
        parse_halt(&a->run.halt, value, state);
        return 0;
    case KEY_STRICT:
        a->run.strict_code = true;
        return 0;
    case KEY_REUSE:
        a->run.reuse_stale = true;
        return 0;
    case KEY_UNCHECKED:
        a->run.unchecked = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->path != NULL) {
            argp_error(state, "one study at a time; '%s' is a second one", value);
        }
        a->path = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which study? e.g. espalier run experiments/quickstart.yaml");
        return 0;
    case ARGP_KEY_END:
        if (a->run.strict_code && a->run.reuse_stale) {
            argp_error(state, "--strict-code trains again what --reuse-stale counts: give one");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char documentation[] =
    "Trains the trials of a study that are not done yet, and continues those that were cut off.\v"
    "Examples:\n"
    "  espalier run experiments/quickstart.yaml\n"
    "  espalier run experiments/table1.yaml --set phases.balance.epochs=30\n"
    "  espalier run experiments/table1.yaml --seeds 0..1 --only 'balanced*'\n"
    "\n"
    "Nothing starts before the whole study is found valid. Results go to the database as epochs "
    "end;"
    " an interrupt (Ctrl-C) keeps finished epochs, and the same command goes on from there. The "
    "trials with most left to train begin first. The time left is an estimate from the epochs so "
    "far; a pause (Ctrl-Z) counts for none.";

static int run(int argc, char **argv)
{
    static const struct argp_child shared[] = {
        {&esp_study_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    const struct argp parser = {.options = own_options,
                                .parser = parse,
                                .args_doc = "STUDY.yaml",
                                .doc = documentation,
                                .children = shared};
    arguments a = {0};
    esp_supervisor_heed_stops();
    esp_argp_parse(&parser, argc, argv, &a);
    a.run.database = esp_store_default_path(a.database);

    esp_registry *registry = NULL;
    esp_study *study = NULL;
    esp_inputs inputs = {0};
    int status = ESP_OK;
    ESP_TRY_OUT(esp_registry_create(&registry));
    ESP_TRY_OUT(esp_study_load(&study, a.path, &a.study.options, registry, stderr));
    a.run.jobs = a.run.jobs > 0 ? a.run.jobs : esp_default_jobs();
    esp_inputs_add(&inputs, study->path, "the study's file");
    ESP_TRY_OUT(esp_store_spare_beside(&inputs, a.run.database));
    status = esp_run(study, registry, &a.run);
    if (status == ESP_OK || status == ESP_FAILED) {
        char said[1024];
        snprintf(said, sizeof said, "%s", esp_message());
        esp_published_store(a.run.database, study);
        esp_fail(status, "%s", said);
    }
out:
    esp_inputs_free(&inputs);
    esp_study_free(study);
    esp_registry_destroy(registry);
    return status;
}

const esp_command esp_cmd_run = {"run", "train a study's trials into the results database", run};
