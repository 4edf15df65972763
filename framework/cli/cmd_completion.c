/* espalier completion: what a shell needs to complete command lines. The scripts only hand the
 * words typed so far to `espalier completion --words`, which answers from each verb's own --help,
 * so that nothing here names a verb or an option and goes stale. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/completion.h"
#include "cli/options.h"
#include "core/status.h"
#include "core/text.h"

enum { OPTION_WORDS = 256 };

typedef struct arguments {
    const char *shell;
    const char *words[ESP_COMPLETION_WORDS]; /* after `espalier`, the last is being typed */
    int n_words;
    bool has_words;
} arguments;

/* ---- scripts ---------------------------------------------------------------------------------
 * A candidate is a line "word<tab>what it is"; a line ":files ENDING", ":files" or
 * ":directories" asks for files.
 */

static const char bash_script[] =
    "# bash completion of espalier; in ~/.bashrc: source <(espalier completion bash)\n"
    "_espalier() {\n"
    "    local line word current=${COMP_WORDS[COMP_CWORD]}\n"
    "    case $current in '=' | ':' | '@') current= ;; esac\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :files* | :directories)\n"
    "            compopt -o filenames 2>/dev/null\n"
    "            while IFS= read -r word; do\n"
    "                COMPREPLY+=(\"$word\")\n"
    "            done < <([ \"$line\" = :files ] || compgen -d -- \"$current\"\n"
    "                [ \"$line\" = :directories ] || compgen -f -X \"!*${line#:files}\" -- "
    "\"$current\")\n"
    "            ;;\n"
    "        *) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
    "        esac\n"
    "    done < <(\"${COMP_WORDS[0]/#\\~/$HOME}\" completion --words -- "
    "\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _espalier espalier\n";

static const char zsh_script[] =
    "#compdef espalier\n"
    "# zsh completion of espalier; in ~/.zshrc, after compinit: source <(espalier completion zsh)\n"
    "_espalier() {\n"
    "    local line\n"
    "    local -a found\n"
    "    for line in \"${(@f)$(\"${words[1]/#\\~/$HOME}\" completion --words -- "
    "\"${(@)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
    "        case $line in\n"
    "        '') ;;\n"
    "        :files*) compset -P '--*='; _files -g \"*${line#:files}\" ;;\n"
    "        :directories) compset -P '--*='; _files -/ ;;\n"
    "        *$'\\t') found+=(\"${${line%$'\\t'}//:/\\\\:}\") ;;\n"
    "        *) found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "        esac\n"
    "    done\n"
    "    (( ${#found} )) && _describe espalier found\n"
    "}\n"
    "if [[ ${funcstack[1]} = _espalier ]]; then # loaded by compinit from a file of this name\n"
    "    _espalier \"$@\"\n"
    "else\n"
    "    compdef _espalier espalier\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion of espalier; in config.fish: espalier completion fish | source\n"
    "function __espalier_words\n"
    "    set -l words (commandline -opc)\n"
    "    set -l current (commandline -ct)\n"
    "    set -l program (string replace -r '^~' -- $HOME $words[1])\n"
    "    for line in ($program completion --words -- $words[2..-1] \"$current\" 2>/dev/null)\n"
    "        switch $line\n"
    "            case ':files?*'\n"
    "                __fish_complete_suffix (string replace ':files' '' -- $line)\n"
    "            case ':files'\n"
    "                complete -C \"'' $current\"\n"
    "            case ':directories'\n"
    "                complete -C \"'' $current\" | string match -r '.*/$'\n"
    "            case '*'\n"
    "                echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c espalier -f -a '(__espalier_words)'\n";

static const struct {
    const char *name, *script;
} shells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
enum { N_SHELLS = sizeof shells / sizeof *shells };

/* ---- the verb -------------------------------------------------------------------------------- */

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case OPTION_WORDS:
        given->has_words = true;
        return 0;
    case ARGP_KEY_ARG:
        if (given->has_words && given->n_words < ESP_COMPLETION_WORDS) {
            given->words[given->n_words++] = argument;
        } else if (given->shell != NULL && !given->has_words) {
            argp_error(state, "one shell at a time");
        } else {
            given->shell = argument;
        }
        return 0;
    case ARGP_KEY_NO_ARGS:
        if (!given->has_words) {
            argp_error(state, "for which shell? bash, zsh or fish");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"words", OPTION_WORDS, NULL, OPTION_HIDDEN, "answer a script", 0}, {0}};
    static const struct argp parser = {
        .options = options,
        .parser = parse_option,
        .args_doc = "bash|zsh|fish",
        .doc = "Prints a script with which the shell completes espalier's command lines.\v"
               "It completes verbs, options and their values, studies, revisions, variants and "
               "trials of the results database, plugins, data sets, named queries and files.\n\n"
               "examples:\n"
               "  source <(espalier completion bash)    in ~/.bashrc\n"
               "  source <(espalier completion zsh)     in ~/.zshrc, after compinit\n"
               "  espalier completion fish | source     in ~/.config/fish/config.fish"};
    arguments given = {0};
    if (esp_argp_parse(&parser, argc, argv, &given) != 0) {
        return esp_fail(ESP_USAGE, "`espalier completion --help` shows how it is used");
    }
    if (given.has_words) {
        if (given.n_words > 0) {
            esp_complete(given.words, given.n_words);
        }
        return ESP_OK;
    }
    const char *names[N_SHELLS];
    for (int i = 0; i < N_SHELLS; i++) {
        names[i] = shells[i].name;
        if (strcmp(given.shell, shells[i].name) == 0) {
            fputs(shells[i].script, stdout);
            return ESP_OK;
        }
    }
    const char *meant = esp_text_suggest(given.shell, names, N_SHELLS);
    return esp_fail(ESP_USAGE, "no completion for '%s'%s%s%s; there is one for bash, zsh and fish",
                    given.shell, meant ? "; did you mean '" : "", meant ? meant : "",
                    meant ? "'?" : "");
}

const esp_command esp_cmd_completion = {"completion", "script for completion in bash, zsh or fish",
                                        run};
