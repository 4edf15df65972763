/* espalier diff: what differs between two trials, two variants or two studies. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/diff.h"
#include "cli/options.h"
#include "core/status.h"

typedef struct arguments {
    const char *names[2], *database, *format_name;
    int n_names;
} arguments;

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        state->child_inputs[1] = &given->database;
        return 0;
    case ARGP_KEY_ARG:
        if (given->n_names == 2) {
            argp_error(state, "two at a time");
        }
        given->names[given->n_names++] = argument;
        return 0;
    case ARGP_KEY_END:
        if (given->n_names < 2) {
            argp_error(state, "two trials, two studies or two STUDY:VARIANT are compared; "
                              "`espalier ls` lists them");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int diff(esp_store *store, const arguments *given, bool json)
{
    diff_side sides[2] = {{0}, {0}};
    diff_results results = {0};
    json_t *list = NULL;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_diff_read(&sides[0], store, given->names[0]));
    ESP_TRY_OUT(esp_diff_read(&sides[1], store, given->names[1]));
    if (sides[0].kind != sides[1].kind) {
        status = esp_fail(ESP_USAGE, "'%s' is a %s and '%s' a %s: only like is compared with like",
                          given->names[0], esp_diff_kind_name(sides[0].kind), given->names[1],
                          esp_diff_kind_name(sides[1].kind));
        goto out;
    }
    list = esp_diff_compare(sides);
    const bool has_results = sides[0].kind != DIFF_TRIAL && json_array_size(list) > 0;
    if (has_results) {
        ESP_TRY_OUT(esp_diff_results_read(&results, store, given->names));
    }
    if (json) {
        status = esp_diff_print_json(list, sides, has_results ? &results : NULL);
    } else {
        esp_diff_print_text(list, sides);
        if (has_results) {
            esp_diff_results_print(&results);
        }
    }
out:
    esp_diff_results_free(&results);
    json_decref(list);
    esp_diff_free(&sides[0]);
    esp_diff_free(&sides[1]);
    return status;
}

static int run(int argc, char **argv)
{
    static const struct argp_child shared[] = {
        {&esp_text_or_json_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = parse_option,
        .children = shared,
        .args_doc = "TRIAL|STUDY[@REVISION][:VARIANT] TRIAL|STUDY[@REVISION][:VARIANT]",
        .doc =
            "Prints what differs between two trials, two variants, or two studies or revisions of "
            "one, and how the results of the latter differ.\v"
            "Compared are the resolved configuration, seeds, and what trained them last: "
            "executable and the git commit it was built from, plugins and data sets that both "
            "use, compiler, CPU, BLAS kernel, libraries; of trials also status, digests of the "
            "parameters, and metrics at the selected and the last epoch. Of variants and studies, "
            "cells are compared that share the values of what both sweep: a key that differs in "
            "all of them alike is one line, else one for each [variant] or [variant cell]. Studies "
            "without a variant of the same name are compared as a whole. "
            "Results are means over seeds of the primary metric, with the tests that a report "
            "makes. A trial is an id or the beginning of one; of a study the revision run last "
            "counts, or the one named.\n\n"
            "examples:\n"
            "  espalier diff 3f2a 81c0\n"
            "  espalier diff quickstart:baseline quickstart:balanced\n"
            "  espalier diff quickstart@1 quickstart@2\n"
            "  espalier diff quickstart@1:baseline quickstart@2:baseline\n"
            "  espalier diff table1 table2 --format json"};
    arguments given = {0};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier diff --help` shows how it is used");
    }
    bool json = strcmp(given.format_name, "json") == 0;
    esp_store *store = NULL;
    ESP_TRY(esp_store_open(&store, esp_store_default_path(given.database), ESP_STORE_READ));
    int status = diff(store, &given, json);
    esp_store_close(store);
    return status;
}

const esp_command esp_cmd_diff = {"diff", "what differs between two trials, variants or studies",
                                  run};
