/* What the program says of its verbs and options, read back from its own --help. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/completion.h"

char *esp_output_of(const char *first, const char *second)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return NULL;
    }
    pid_t child = fork();
    if (child == 0) {
        setenv("ARGP_HELP_FMT", "rmargin=1000", 1);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "espalier", first, second, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    char *text = NULL, block[4096];
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    for (ssize_t got; memory != NULL && (got = read(ends[0], block, sizeof block)) > 0;) {
        fwrite(block, 1, (size_t)got, memory);
    }
    close(ends[0]);
    if (memory != NULL) {
        fclose(memory);
    }
    int code = 1;
    if (child > 0) {
        waitpid(child, &code, 0);
    }
    if (code != 0) {
        free(text);
        return NULL;
    }
    return text;
}

char *esp_help_of(const char *verb)
{
    return verb != NULL ? esp_output_of(verb, "--help") : esp_output_of("--help", NULL);
}

bool esp_help_read_option(esp_verb_option *out, const char *line)
{
    size_t indent = strspn(line, " "), length;
    *out = (esp_verb_option){0};
    if (indent < 2 || line[indent] != '-') {
        return false;
    }
    line += indent;
    if (line[1] != '-' && strncmp(line + 2, ", --", 4) == 0) {
        out->letter = line[1];
        line += 4;
    }
    if (strncmp(line, "--", 2) != 0) {
        return false;
    }
    length = 2 + strcspn(line + 2, "=[ \n");
    snprintf(out->name, sizeof out->name, "%.*s", (int)length, line);
    line += length;
    if (*line == '=') {
        length = strcspn(line, " \n");
        snprintf(out->value, sizeof out->value, "%.*s", (int)length - 1, line + 1);
        line += length;
    }
    line += strspn(line, " ");
    snprintf(out->about, sizeof out->about, "%.*s", (int)strcspn(line, "\n"), line);
    return true;
}

const char *esp_help_next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end != NULL && end[1] != '\0' ? end + 1 : NULL;
}

bool esp_help_find_option(esp_verb_option *out, const char *help, const char *word)
{
    size_t length = strcspn(word, "=");
    for (const char *line = help; line != NULL; line = esp_help_next_line(line)) {
        if (esp_help_read_option(out, line) &&
            ((strlen(out->name) == length && strncmp(out->name, word, length) == 0) ||
             (word[0] == '-' && word[1] == out->letter && word[1] != '\0' && word[2] == '\0'))) {
            return true;
        }
    }
    return false;
}
