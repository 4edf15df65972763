/* espalier check: is a study sound? Nothing is run. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/options.h"
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

typedef struct options {
    esp_study_arguments study;
    const char **paths;
    int n_paths;
} options;

static error_t parse(int key, char *argument, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->study;
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
    options o = {.paths = calloc((size_t)argc, sizeof *o.paths)};
    esp_registry *registry = NULL;
    int status = o.paths != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "out of memory");
    static const struct argp_child shared[] = {{&esp_study_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .parser = parse, .args_doc = "STUDY.yaml...", .doc = doc, .children = shared};
    ESP_TRY_OUT(status);
    esp_argp_parse(&argp, argc, argv, &o);
    ESP_TRY_OUT(esp_registry_create(&registry));
    for (int i = 0; i < o.n_paths; i++) {
        int one = check(o.paths[i], &o.study.options, registry);
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
    free(o.paths);
    return status;
}

const esp_command esp_cmd_check = {"check", "read studies and report every mistake in them", run};
