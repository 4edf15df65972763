/* espalier: the command line. Finds the verb and maps its status to an exit code. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "core/log.h"
#include "core/status.h"
#include "core/text.h"

static const esp_command *const commands[] = {
    &esp_cmd_check, &esp_cmd_plan, &esp_cmd_run,  &esp_cmd_report,  &esp_cmd_query,
    &esp_cmd_ls,    &esp_cmd_show, &esp_cmd_eval, &esp_cmd_plugins, &esp_cmd_data,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_usage(FILE *out)
{
    fprintf(out, "espalier: research on tree-routed networks\n\n"
                 "usage: espalier VERB [ARGUMENT...]\n\nverbs:\n");
    for (int i = 0; i < N_COMMANDS; i++) {
        fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
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
    const char *names[N_COMMANDS];
    for (int i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i]->name;
    }
    const char *meant = esp_text_suggest(verb, names, N_COMMANDS);
    esp_log_error("unknown verb '%s'%s%s%s; `espalier --help` lists them", verb,
                  meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
    return esp_exit_code(ESP_USAGE);
}

int main(int argc, char **argv)
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
    for (int i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i]->name) == 0) {
            char name[64];
            snprintf(name, sizeof name, "espalier %s", commands[i]->name);
            argv[1] = name;
            int status = commands[i]->run(argc - 1, argv + 1);
            if (status != ESP_OK && *esp_message()) {
                esp_log_error("%s", esp_message());
            }
            return esp_exit_code(status);
        }
    }
    return unknown_verb(argv[1]);
}
