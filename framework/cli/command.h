/* Verbs of the program: one cmd_<verb>.c each, one table in main.c. */
#ifndef ESP_CLI_COMMAND_H
#define ESP_CLI_COMMAND_H

#include <argp.h>

typedef struct esp_command {
    const char *name;
    const char *summary; /* one line, for the list of verbs */
    /* argv[0] is "espalier VERB". Returns an esp_status. Results to stdout, words to stderr. */
    int (*run)(int argc, char **argv);
} esp_command;

extern const esp_command esp_cmd_check, esp_cmd_plan, esp_cmd_run, esp_cmd_report, esp_cmd_query,
    esp_cmd_ls, esp_cmd_show, esp_cmd_eval, esp_cmd_plugins, esp_cmd_data, esp_cmd_status,
    esp_cmd_completion, esp_cmd_diff, esp_cmd_doctor, esp_cmd_db, esp_cmd_replay, esp_cmd_bench,
    esp_cmd_export, esp_cmd_serve;

#endif
