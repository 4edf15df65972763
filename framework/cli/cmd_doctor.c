/* espalier doctor: what on this machine would make numbers slow or not repeatable, or a run fail.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/options.h"
#include "core/status.h"
#include "store/store.h"

typedef struct arguments {
    const char *database, *format_name;
} arguments;

static const char *const state_names[] = {"ok", "warning", "error"};

void esp_doctor_found(doctor_findings *all, doctor_verdict how, const char *what,
                      const char *advice, const char *format, ...)
{
    va_list values;
    char text[2048];
    if (all->count == DOCTOR_MAX_FINDINGS) {
        return;
    }
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    all->list[all->count++] = (doctor_finding){.state = how,
                                               .what = what,
                                               .text = esp_pool_format(&all->pool, "%s", text),
                                               .advice = esp_pool_format(&all->pool, "%s", advice)};
}

static int print(const doctor_findings *all, bool json)
{
    json_t *array = json_array();
    for (int i = 0; i < all->count; i++) {
        const doctor_finding *one = &all->list[i];
        if (json) {
            json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s}", "state",
                                                   state_names[one->state], "what", one->what,
                                                   "text", one->text, "advice", one->advice));
        } else {
            printf("%-8s %-14s %s%s%s\n", state_names[one->state], one->what, one->text,
                   one->advice[0] != '\0' ? "; to do: " : "", one->advice);
        }
    }
    if (json) {
        json_dumpf(array, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(array);
    return esp_pool_status(&all->pool);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &given->format_name;
        state->child_inputs[1] = &given->database;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "takes no '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run(int argc, char **argv)
{
    static const struct argp_child shared[] = {
        {&esp_text_or_json_argp, 0, NULL, 0}, {&esp_database_argp, 0, NULL, 0}, {0}};
    static const struct argp parser = {
        .parser = parse_option,
        .children = shared,
        .doc = "Says what on this machine would make numbers slow or not repeatable, or a run "
               "fail.\v"
               "One line each: ok, warning or error, and what to do. Looks at BLAS, cores and the "
               "control group's quota, load, CPU frequency, power, memory, limits of the process, "
               "how the program was built and from which commit, git, plugins of another build, "
               "data sets, and the place of the results database. Exits with 1 only where a run "
               "would fail.\n\n"
               "examples:\n"
               "  espalier doctor\n"
               "  espalier doctor --db /scratch/results.db --format json"};
    arguments given = {0};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier doctor --help` shows how it is used");
    }
    const bool json = strcmp(given.format_name, "json") == 0;
    doctor_findings all = {.count = 0};
    esp_doctor_machine(&all);
    esp_doctor_program(&all);
    esp_doctor_place(&all, esp_store_default_path(given.database));
    int status = print(&all, json), n_errors = 0;
    for (int i = 0; i < all.count; i++) {
        n_errors += all.list[i].state == DOCTOR_ERROR;
    }
    esp_pool_free(&all.pool);
    if (status == ESP_OK && n_errors > 0) {
        return esp_fail(ESP_FAILED, "a run would fail here: %d %s above", n_errors,
                        n_errors == 1 ? "error" : "errors");
    }
    return status;
}

const esp_command esp_cmd_doctor = {
    "doctor", "what here would make numbers slow or not repeatable, or a run fail", run};
