/* espalier completion: what a shell needs to complete command lines. The scripts only hand the
 * words typed so far to `espalier completion --words`, which answers from each verb's own --help,
 * so that nothing here names a verb or an option and goes stale. */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "core/status.h"
#include "core/text.h"
#include "data/catalog.h"
#include "plugin/registry.h"
#include "store/store.h"

enum { MAX_WORDS = 256, OPTION_WORDS = 256 };

typedef struct arguments {
    const char *shell;
    const char *words[MAX_WORDS]; /* after `espalier`, the last is being typed */
    int n_words;
    bool has_words;
} arguments;

/* ---- scripts ---------------------------------------------------------------------------------
 * A candidate is a line "word<tab>what it is"; a line ":files ENDING" or ":files" asks for files.
 */

static const char bash_script[] =
    "# bash completion of espalier; in ~/.bashrc: source <(espalier completion bash)\n"
    "_espalier() {\n"
    "    local line word current=${COMP_WORDS[COMP_CWORD]}\n"
    "    [ \"$current\" = '=' ] && current=\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :files*)\n"
    "            compopt -o filenames 2>/dev/null\n"
    "            while IFS= read -r word; do\n"
    "                COMPREPLY+=(\"$word\")\n"
    "            done < <(compgen -d -- \"$current\"; compgen -f -X \"!*${line#:files}\" -- "
    "\"$current\")\n"
    "            ;;\n"
    "        *) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
    "        esac\n"
    "    done < <(\"${COMP_WORDS[0]}\" completion --words -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
    "2>/dev/null)\n"
    "}\n"
    "complete -F _espalier espalier\n";

static const char zsh_script[] =
    "#compdef espalier\n"
    "# zsh completion of espalier; in ~/.zshrc, after compinit: source <(espalier completion zsh)\n"
    "_espalier() {\n"
    "    local line\n"
    "    local -a found\n"
    "    for line in \"${(@f)$(\"${words[1]}\" completion --words -- \"${(@)words[2,CURRENT]}\" "
    "2>/dev/null)}\"; do\n"
    "        case $line in\n"
    "        '') ;;\n"
    "        :files*) _files -g \"*${line#:files}\" ;;\n"
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
    "    for line in ($words[1] completion --words -- $words[2..-1] \"$current\" 2>/dev/null)\n"
    "        switch $line\n"
    "            case ':files?*'\n"
    "                __fish_complete_suffix (string replace ':files' '' -- $line)\n"
    "            case ':files'\n"
    "                __fish_complete_path \"$current\"\n"
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

/* ---- reading --help -------------------------------------------------------------------------- */

/* What `espalier FIRST [SECOND]` prints; NULL where it fails. Owned by the caller. */
static char *output_of(const char *first, const char *second)
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

/* A verb's help, or the program's, without line breaks inside paragraphs. */
static char *help_of(const char *verb)
{
    return verb != NULL ? output_of(verb, "--help") : output_of("--help", NULL);
}

typedef struct verb_option {
    char letter; /* 0: none */
    char name[64], value[64], about[512];
} verb_option;

/* Reads one line of help, "  -f, --format=FORMAT  about"; false where it is no option's. */
static bool read_option(verb_option *out, const char *line)
{
    size_t indent = strspn(line, " "), length;
    *out = (verb_option){0};
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

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end != NULL && end[1] != '\0' ? end + 1 : NULL;
}

/* The option a word names, "--format", "--format=x" or "-f". */
static bool find_option(verb_option *out, const char *help, const char *word)
{
    size_t length = strcspn(word, "=");
    for (const char *line = help; line != NULL; line = next_line(line)) {
        if (read_option(out, line) &&
            ((strlen(out->name) == length && strncmp(out->name, word, length) == 0) ||
             (word[0] == '-' && word[1] == out->letter && word[1] != '\0' && word[2] == '\0'))) {
            return true;
        }
    }
    return false;
}

/* ---- candidates ------------------------------------------------------------------------------ */

/* What is being typed, and what to put before each candidate ("--format=" in one word). */
typedef struct typed {
    const char *prefix, *before;
    int n_before;
    const char *verb, *database;
} typed;

static void offer(const typed *t, const char *word, const char *about)
{
    if (strncmp(word, t->prefix, strlen(t->prefix)) == 0) {
        printf("%.*s%s\t%s\n", t->n_before, t->before, word, about != NULL ? about : "");
    }
}

static void offer_verbs(const typed *t, const char *help)
{
    const char *line = strstr(help, "\nverbs:\n");
    char name[64];
    int end = 0;
    for (line = line != NULL ? line + strlen("\nverbs:\n") : NULL;
         line != NULL && sscanf(line, "  %63[a-z] %n", name, &end) == 1; line = next_line(line)) {
        char about[256];
        snprintf(about, sizeof about, "%.*s", (int)strcspn(line + end, "\n"), line + end);
        offer(t, name, about);
    }
    offer(t, "--help", "what there is");
    offer(t, "--version", "version of the program");
}

/* Rows of (word, what it is) from the results database; none where it cannot be read. */
static void offer_rows(const typed *t, const char *sql)
{
    esp_store *store = NULL;
    esp_rows *rows = NULL;
    bool has_row = false;
    if (esp_store_open(&store, esp_store_default_path(t->database), ESP_STORE_READ) == ESP_OK &&
        esp_rows_open(&rows, store, sql) == ESP_OK &&
        esp_rows_bind_text(rows, ":prefix", t->prefix) == ESP_OK) {
        while (esp_rows_step(rows, &has_row) == ESP_OK && has_row) {
            offer(t, esp_rows_text(rows, 0), esp_rows_text(rows, 1));
        }
    }
    esp_rows_close(rows);
    esp_store_close(store);
}

static void offer_studies(const typed *t)
{
    offer_rows(t, "SELECT s.name, r.title FROM study s JOIN revision r"
                  " ON r.id = s.current_revision ORDER BY s.name");
}

static void offer_trials(const typed *t)
{
    offer_rows(t, "SELECT t.trial_id, (SELECT c.label || ' seed ' || ct.seed || ', ' || t.status"
                  " FROM cell_trial ct JOIN cell c ON c.id = ct.cell WHERE ct.trial = t.id"
                  " ORDER BY c.id DESC LIMIT 1) FROM trial t"
                  " WHERE t.trial_id LIKE :prefix || '%' ORDER BY t.id DESC LIMIT 200");
}

static void offer_plugins(const typed *t)
{
    esp_registry *registry = NULL;
    if (esp_registry_create(&registry) == ESP_OK) {
        for (int i = 0; i < esp_registry_count(registry); i++) {
            const esp_plugin *plugin = esp_registry_entry(registry, i)->plugin;
            if (plugin != NULL) {
                offer(t, plugin->name, plugin->summary);
            }
        }
    }
    esp_registry_destroy(registry);
}

static void offer_datasets(const typed *t)
{
    const char **names = esp_dataset_names();
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        const esp_known_dataset *known = esp_known_dataset_find(names[i]);
        offer(t, names[i], known != NULL ? known->title : "");
    }
    free(names);
}

/* Named queries, "name  what it answers", as `espalier query` lists them. */
static void offer_queries(const typed *t)
{
    char *list = output_of("query", NULL);
    for (const char *line = list; line != NULL && *line != '\0'; line = next_line(line)) {
        char name[64], about[256];
        const int length = (int)strcspn(line, " \n");
        snprintf(name, sizeof name, "%.*s", length, line);
        line += length + (int)strspn(line + length, " ");
        snprintf(about, sizeof about, "%.*s", (int)strcspn(line, "\n"), line);
        offer(t, name, about);
    }
    free(list);
}

/* "text (default), md, csv or json" or "text|json": the choices named, where there are several. */
static void offer_choices(const typed *t, const char *text)
{
    char words[16][32];
    int count = 0;
    while (count < 16) {
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
        if (length == 0 || length >= sizeof words[0]) {
            break;
        }
        snprintf(words[count++], sizeof words[0], "%.*s", (int)length, text);
        text += length;
        if (strncmp(text, " (default)", 10) == 0) {
            text += 10;
        }
        size_t between = text[0] == '|'                  ? 1
                         : strncmp(text, ", ", 2) == 0   ? 2
                         : strncmp(text, " or ", 4) == 0 ? 4
                                                         : 0;
        if (between == 0) {
            break;
        }
        text += between;
    }
    for (int i = 0; count > 1 && i < count; i++) {
        offer(t, words[i], "");
    }
}

/* What a word of a usage line stands for: "STUDY", "FILE.yaml", "TRIAL|STUDY", "ls", "[NAME...]".
 */
static void offer_placeholder(const typed *t, const char *placeholder)
{
    char all[256], *rest = all;
    size_t used = 0;
    for (const char *c = placeholder; *c != '\0' && used + 1 < sizeof all; c++) {
        if (*c != '[' && *c != ']' && strncmp(c, "...", 3) != 0 &&
            !(*c == '.' && (c[1] == '.' || c[1] == '\0' || c[1] == ']'))) {
            all[used++] = *c;
        }
    }
    all[used] = '\0';
    for (char *one; (one = strsep(&rest, "|")) != NULL;) {
        one[strcspn(one, ":")] = '\0'; /* STUDY:VARIANT */
        const char *ending = strrchr(one, '.');
        if (islower((unsigned char)one[0])) {
            offer(t, one, "");
        } else if (ending != NULL) {
            printf(":files%s\n", ending);
        } else if (strcmp(one, "STUDY") == 0) {
            offer_studies(t);
        } else if (strcmp(one, "TRIAL") == 0) {
            offer_trials(t);
        } else if (strcmp(one, "NAME") == 0 && strcmp(t->verb, "plugins") == 0) {
            offer_plugins(t);
        } else if (strcmp(one, "NAME") == 0 && strcmp(t->verb, "data") == 0) {
            offer_datasets(t);
        } else if (strcmp(one, "NAME") == 0 && strcmp(t->verb, "query") == 0) {
            offer_queries(t);
        } else if (strcmp(one, "FILE") == 0 || strcmp(one, "DIRECTORY") == 0) {
            puts(":files");
        }
    }
}

static void offer_value(const typed *t, const verb_option *found)
{
    if (strchr(found->value, '|') != NULL) {
        offer_choices(t, found->value);
    } else if (strcmp(found->name, "--data") == 0) {
        offer_datasets(t);
    } else if (strcmp(found->value, "FILE") == 0) {
        puts(":files");
    } else {
        offer_choices(t, found->about);
    }
}

/* Positional words by the usage lines that the ones typed before fit. */
static void offer_arguments(const typed *t, const char *help, const char *const *before,
                            int n_before)
{
    for (const char *line = help; line != NULL; line = next_line(line)) {
        if (strncmp(line, "Usage: ", 7) != 0 && strncmp(line, "  or: ", 6) != 0) {
            continue;
        }
        char *copy = strndup(line, strcspn(line, "\n")), *rest = copy, *word;
        char *start = copy != NULL ? strstr(copy, "[OPTION...]") : NULL;
        bool fits = start != NULL;
        rest = start != NULL ? start + strlen("[OPTION...]") : NULL;
        for (int i = 0; fits && (word = strsep(&rest, " ")) != NULL;) {
            if (*word == '\0') {
                continue;
            }
            if (i == n_before || (i < n_before && strstr(word, "...") != NULL)) {
                offer_placeholder(t, word);
                break;
            }
            bool is_literal = islower((unsigned char)word[0]) && strchr(word, '|') == NULL;
            fits = !is_literal || strcmp(word, before[i]) == 0;
            i++;
        }
        free(copy);
    }
}

/* Prints what may stand at the last of the words. */
static void complete(const char *const *words, int n_words)
{
    typed t = {.prefix = words[n_words - 1], .before = "", .verb = words[0]};
    char *help = help_of(n_words == 1 ? NULL : words[0]);
    const char *positional[MAX_WORDS];
    int n_positional = 0, last = n_words - 1;
    verb_option found;
    if (help == NULL) {
        return;
    }
    if (n_words == 1) {
        offer_verbs(&t, help);
        free(help);
        return;
    }
    /* bash takes --format=te for three words */
    if (strcmp(t.prefix, "=") == 0 && last > 1) {
        t.prefix = "";
    } else if (strcmp(words[last - 1], "=") == 0 && last > 2) {
        last--;
    }
    bool wants_value = false;
    for (int i = 1; i < last; i++) {
        wants_value = false;
        if (words[i][0] != '-') {
            positional[n_positional++] = words[i];
        } else if (find_option(&found, help, words[i]) && found.value[0] != '\0') {
            const char *value = strchr(words[i], '=');
            int place = i + 1 < last && strcmp(words[i + 1], "=") == 0 ? i + 2 : i + 1;
            wants_value = value == NULL && place >= last;
            value = value != NULL ? value + 1 : place < last ? words[place] : NULL;
            i = strchr(words[i], '=') == NULL && place < last ? place : i;
            t.database = strcmp(found.name, "--db") == 0 ? value : t.database;
            if (wants_value) {
                break;
            }
        }
    }
    const char *equals = strchr(t.prefix, '=');
    if (wants_value) {
        offer_value(&t, &found);
    } else if (t.prefix[0] == '-' && equals != NULL) {
        if (find_option(&found, help, t.prefix)) {
            t.before = t.prefix;
            t.n_before = (int)(equals + 1 - t.prefix);
            t.prefix = equals + 1;
            offer_value(&t, &found);
        }
    } else if (t.prefix[0] == '-') {
        for (const char *line = help; line != NULL; line = next_line(line)) {
            if (read_option(&found, line)) {
                offer(&t, found.name, found.about);
            }
        }
    } else {
        offer_arguments(&t, help, positional, n_positional);
    }
    free(help);
}

/* ---- the verb -------------------------------------------------------------------------------- */

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case OPTION_WORDS:
        given->has_words = true;
        return 0;
    case ARGP_KEY_ARG:
        if (given->has_words && given->n_words < MAX_WORDS) {
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
               "It completes verbs, options and their values, studies and trials of the results "
               "database, plugins, data sets and study files.\n\n"
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
            complete(given.words, given.n_words);
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
