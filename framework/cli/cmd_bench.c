/* espalier bench: what things cost, measured on this machine. */
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"
#include "core/status.h"
#include "core/text.h"

static const esp_bench_subject *const subjects[] = {
    &esp_bench_store, &esp_bench_training, &esp_bench_trials, &esp_bench_inference_subject};
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

/* As argp prints it for other verbs, with the options of all subjects. */
static void print_help(void)
{
    for (int i = 0; i < N_SUBJECTS; i++) {
        printf("%s espalier bench [OPTION...] %s\n",
               i == 0 ? "Usage:" : "  or: ", subjects[i]->command.name);
    }
    puts("Measures what things cost on this machine.");
    for (int i = 0; i < N_SUBJECTS; i++) {
        char name[] = "espalier bench";
        printf("\n%s: %s\n\n", subjects[i]->command.name, subjects[i]->command.summary);
        fflush(stdout);
        argp_help(subjects[i]->parser, stdout,
                  ARGP_HELP_PRE_DOC | ARGP_HELP_LONG | ARGP_HELP_POST_DOC, name);
    }
}

static int unknown_subject(const char *word)
{
    const char *names[N_SUBJECTS];
    for (int i = 0; i < N_SUBJECTS; i++) {
        names[i] = subjects[i]->command.name;
    }
    if (word == NULL) {
        return esp_fail(ESP_USAGE, "bench what? e.g. espalier bench store");
    }
    const char *meant = esp_text_suggest(word, names, N_SUBJECTS);
    return esp_fail(ESP_USAGE, "bench cannot measure '%s'%s%s%s; `espalier bench --help` lists all",
                    word, meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

static int run(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        for (int k = 0; k < N_SUBJECTS; k++) {
            if (strcmp(argv[i], subjects[k]->command.name) == 0) {
                char name[64];
                snprintf(name, sizeof name, "%s %s", argv[0], argv[i]);
                memmove(argv + 1, argv, sizeof *argv * (size_t)i); /* closes the gap */
                argv[1] = name;
                return subjects[k]->command.run(argc - 1, argv + 1);
            }
        }
    }
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
        print_help();
        return ESP_OK;
    }
    return unknown_subject(argc > 1 ? argv[1] : NULL);
}

const esp_command esp_cmd_bench = {"bench", "measure what things cost on this machine", run};
