/* espalier check: is a study sound? Nothing is run. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "core/log.h"
#include "core/status.h"
#include "plugin/registry.h"
#include "study/study.h"

static const char doc[] =
    "Reads studies, resolves every cell and reports all mistakes at once, each with its place. "
    "Prints \"FILE: ok: N cells, M trials\" for a sound one; nothing is run.\v"
    "Examples:\n"
    "  espalier check experiments/*.yaml\n"
    "  espalier check table1.yaml --set phases.harden.epochs=30 --seeds 0..1\n";

static const struct argp_option arguments_known[] = {
    {"set", 's', "KEY=VALUE", 0, "Change one key of every cell (repeatable)", 0},
    {"seeds", 'S', "SEEDS", 0, "Only these seeds, such as 0..4 or 1,3; others join", 0},
    {"only", 'o', "PATTERN", 0, "Only cells whose variant or label matches", 0},
    {0},
};

typedef struct options {
    esp_study_options study;
    const char **sets, **paths;
    int n_paths;
} options;

static error_t parse(int key, char *argument, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 's':
        o->sets[o->study.n_sets++] = argument;
        return 0;
    case 'S':
        o->study.seeds = argument;
        return 0;
    case 'o':
        o->study.only = argument;
        return 0;
    case ARGP_KEY_ARG:
        o->paths[o->n_paths++] = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state,
                   "which study? name at least one file, such as experiments/quickstart.yaml");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int check(const char *path, const esp_study_options *study_options,
                 const esp_registry *registry)
{
    esp_study *study = NULL;
    ESP_TRY(esp_study_load(&study, path, study_options, registry, stderr));
    int n_asked = 0;
    for (int i = 0; i < study->n_trials; i++) {
        n_asked += study->trials[i].asked_for;
    }
    printf("%s: ok: %d cell%s, %d trial%s\n", path, study->n_cells, study->n_cells == 1 ? "" : "s",
           n_asked, n_asked == 1 ? "" : "s");
    esp_study_free(study);
    return ESP_OK;
}

static int run(int argc, char **argv)
{
    argp_err_exit_status = esp_exit_code(ESP_USAGE);
    options o = {.sets = calloc((size_t)argc, sizeof *o.sets),
                 .paths = calloc((size_t)argc, sizeof *o.paths)};
    o.study.sets = o.sets;
    esp_registry *registry = NULL;
    int status = o.sets != NULL && o.paths != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "out of memory");
    const struct argp argp = {arguments_known, parse, "STUDY.yaml...", doc, NULL, NULL, NULL};
    ESP_TRY_OUT(status);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    ESP_TRY_OUT(esp_registry_create(&registry));
    for (int i = 0; i < o.n_paths; i++) {
        int one = check(o.paths[i], &o.study, registry);
        if (one != ESP_OK && *esp_message()) {
            esp_log_error("%s", esp_message()); /* each, not the last alone */
        }
        status = status == ESP_OK ? one : status;
    }
    if (status != ESP_OK) {
        esp_fail(status, "%s", ""); /* all is said already */
    }
out:
    esp_registry_destroy(registry);
    free(o.sets);
    free(o.paths);
    return status;
}

const esp_command esp_cmd_check = {"check", "read studies and report every mistake in them", run};
