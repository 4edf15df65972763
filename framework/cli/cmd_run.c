/* espalier run: trains a study. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "core/log.h"
#include "core/status.h"
#include "run/run.h"
#include "store/store.h"

enum {
    KEY_SET = 's',
    KEY_SEEDS = 'S',
    KEY_ONLY = 'o',
    KEY_JOBS = 'j',
    KEY_DB = 'd',
    KEY_RETRY = 'r',
    KEY_STRICT = 'c'
};

static const struct argp_option argument_options[] = {
    {"set", KEY_SET, "KEY=VALUE", 0, "override a key of the study, e.g. phases.harden.epochs=30",
     0},
    {"seeds", KEY_SEEDS, "SEEDS", 0, "train these seeds: 0..4 or 1,3,5; others join the study", 0},
    {"only", KEY_ONLY, "PATTERN", 0, "train only matching variants or cells, e.g. 'balanced*'", 0},
    {"jobs", KEY_JOBS, "N", 0, "trials at a time, each on one core (default: all cores)", 0},
    {"db", KEY_DB, "FILE", 0, "results database (default: $ESPALIER_DB or results/espalier.db)", 0},
    {"retry-failed", KEY_RETRY, 0, 0, "train failed trials again", 0},
    {"strict-code", KEY_STRICT, 0, 0,
     "train again what was done by another build of the program or of a plugin", 0},
    {0}};

typedef struct arguments {
    const char *study;
    const char *sets[256];
    esp_study_options study_options;
    esp_run_options run_options;
    const char *database;
} arguments;

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case KEY_SET:
        if (a->study_options.n_sets == 256) {
            argp_error(state, "more than 256 --set");
        }
        a->sets[a->study_options.n_sets++] = value;
        return 0;
    case KEY_SEEDS:
        a->study_options.seeds = value;
        return 0;
    case KEY_ONLY:
        a->study_options.only = value;
        return 0;
    case KEY_JOBS: {
        char *end = NULL;
        long jobs = strtol(value, &end, 10);
        if (*end || end == value || jobs < 1 || jobs > 256) {
            argp_error(state, "--jobs takes a number from 1 to 256, not '%s'", value);
        }
        a->run_options.jobs = (int)jobs;
        return 0;
    }
    case KEY_DB:
        a->database = value;
        return 0;
    case KEY_RETRY:
        a->run_options.retry_failed = true;
        return 0;
    case KEY_STRICT:
        a->run_options.strict_code = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->study != NULL) {
            argp_error(state, "one study at a time; '%s' is a second one", value);
        }
        a->study = value;
        return 0;
    case ARGP_KEY_END:
        if (a->study == NULL) {
            argp_error(state, "which study? e.g. espalier run experiments/quickstart.yaml");
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
    "  espalier run experiments/table1.yaml --seeds 0..1 --set phases.balance.epochs=30\n"
    "  espalier run experiments/table1.yaml --only 'balanced*' --jobs 1\n"
    "\n"
    "Nothing starts before the whole study is found valid. Results go to the database as epochs "
    "end;"
    " an interrupt (Ctrl-C) keeps finished epochs, and the same command goes on from there.";

static int run(int argc, char **argv)
{
    arguments a = {.study_options = {0}};
    a.study_options.sets = a.sets;
    const struct argp parser = {argument_options, parse, "STUDY.yaml", documentation, 0, 0, 0};
    argp_err_exit_status = esp_exit_code(ESP_USAGE);
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    a.run_options.database = esp_store_default_path(a.database);

    esp_registry *registry = NULL;
    esp_study *study = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_registry_create(&registry));
    ESP_TRY_OUT(esp_study_load(&study, a.study, &a.study_options, registry, stderr));
    ESP_TRY_OUT(esp_run(study, registry, &a.run_options));
out:
    esp_study_free(study);
    esp_registry_destroy(registry);
    return status;
}

const esp_command esp_cmd_run = {"run", "train a study's trials into the results database", run};
