/* espalier: the command line. Finds the verb and maps its status to an exit code. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/startup.h"
#include "core/log.h"
#include "core/status.h"
#include "core/terminal.h"
#include "core/text.h"

/* computes: uses BLAS, see startup.h. */
static const struct {
    const esp_command *command;
    bool computes;
} verbs[] = {
    {&esp_cmd_check, false},      {&esp_cmd_plan, true},   {&esp_cmd_run, true},
    {&esp_cmd_report, false},     {&esp_cmd_query, false}, {&esp_cmd_export, false},
    {&esp_cmd_ls, false},         {&esp_cmd_show, false},  {&esp_cmd_eval, true},
    {&esp_cmd_plugins, false},    {&esp_cmd_data, false},  {&esp_cmd_status, false},
    {&esp_cmd_completion, false}, {&esp_cmd_diff, false},  {&esp_cmd_doctor, false},
    {&esp_cmd_db, false},         {&esp_cmd_replay, true}, {&esp_cmd_bench, true},
    {&esp_cmd_serve, false},
};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

static void print_usage(FILE *out)
{
    fprintf(out, "espalier: research on tree-routed networks\n\n"
                 "usage: espalier VERB [ARGUMENT...]\n\nverbs:\n");
    for (int i = 0; i < N_VERBS; i++) {
        fprintf(out, "  %-10s %s\n", verbs[i].command->name, verbs[i].command->summary);
    }
    fprintf(
        out,
        "\n`espalier VERB --help` shows a verb's options with examples.\n"
        "example:\n"
        "  espalier plan experiments/quickstart.yaml     what a run would do\n"
        "  espalier run experiments/quickstart.yaml      do it\n"
        "  espalier report quickstart                    read it\n"
        "\nenvironment: ESPALIER_DB, ESPALIER_DATA_PATH, ESPALIER_PLUGIN_PATH, NO_COLOR\n"
        "exit codes: 0 done, 1 some trials failed, 2 usage or study error, 3 results database,\n"
        "            4 not found, 130 interrupted\n");
}

static int unknown_verb(const char *verb)
{
    const char *names[N_VERBS];
    for (int i = 0; i < N_VERBS; i++) {
        names[i] = verbs[i].command->name;
    }
    const char *meant = esp_text_suggest(verb, names, N_VERBS);
    esp_log_error("unknown verb '%s'%s%s%s; `espalier --help` lists them", verb,
                  meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
    return esp_exit_code(ESP_USAGE);
}

/* Runs the verb; the exit code. */
static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return esp_exit_code(ESP_USAGE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("espalier %s\n", ESPALIER_VERSION);
        return 0;
    }
    for (int i = 0; i < N_VERBS; i++) {
        if (strcmp(argv[1], verbs[i].command->name) == 0) {
            if (verbs[i].computes) {
                esp_startup_blas(argv);
            }
            char name[64];
            snprintf(name, sizeof name, "espalier %s", verbs[i].command->name);
            argv[1] = name;
            int status = verbs[i].command->run(argc - 1, argv + 1);
            if (status != ESP_OK && *esp_message()) {
                esp_log_error("%s", esp_message());
            }
            return esp_exit_code(status);
        }
    }
    return unknown_verb(argv[1]);
}

/* A full disk shows at the latest here; of on_exit, as the help of a verb ends the program too. */
static void check_output(int code, void *unused)
{
    (void)unused;
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        esp_log_error("standard output: %s: what was written is not all there",
                      errno != 0 ? strerror(errno) : "cannot be written");
        _exit(code == 0 ? esp_exit_code(ESP_IO) : code);
    }
}

int main(int argc, char **argv)
{
    esp_terminal_guard();
    on_exit(check_output, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write, not a death */
    return dispatch(argc, argv);
}
