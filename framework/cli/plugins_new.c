/* espalier plugins new: the start of a plugin, from the SDK's examples, which the build embeds. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/plugins.h"
#include "core/file.h"
#include "core/log.h"
#include "core/place.h"
#include "core/status.h"
#include "core/text.h"
#include "example_head_c.h"
#include "example_loss_c.h"
#include "plugin/params.h"

enum { LONGEST_NAME = ESP_MAX_NAME - 8 }; /* a head's tensors are called NAME_scale and so on */

static const struct {
    esp_kind kind;
    const char *name, *example, *text, *set; /* set: what puts it into a study */
} starts[] = {{ESP_LOSS, "loss", "example_loss", example_loss_c, "losses.%s.weight=0.01"},
              {ESP_HEAD, "head", "example_head", example_head_c, "heads.%s.scale=0.1"}};
enum { N_STARTS = sizeof starts / sizeof *starts };

/* ---- paths as a person would type them here ----------------------------------------------------
 */

/* Relative where it lies below the current folder, and quoted for a shell. Owned by the caller. */
static char *as_typed(const char *path)
{
    char here[PATH_MAX] = "";
    if (getcwd(here, sizeof here) == NULL) {
        here[0] = '\0';
    }
    size_t length = strlen(here);
    if (length > 1 && strcmp(path, here) == 0) {
        path = ".";
    } else if (length > 1 && strncmp(path, here, length) == 0 && path[length] == '/') {
        path += length + 1;
    }
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=.,:@%/";
    if (path[strspn(path, plain)] == '\0') {
        return strdup(path);
    }
    char *quoted = malloc(4 * strlen(path) + 3), *end = quoted;
    if (quoted == NULL) {
        return NULL;
    }
    *end++ = '\'';
    for (; *path != '\0'; path++) {
        end = *path == '\'' ? stpcpy(end, "'\\''") : (*end = *path, end + 1);
    }
    strcpy(end, "'");
    return quoted;
}

static bool is_source_tree(const char *folder)
{
    char *header = esp_text_format("%s/framework/sdk/espalier_plugin.h", folder);
    char *plugins = esp_text_format("%s/plugins/loss", folder);
    bool is = header != NULL && plugins != NULL && access(header, R_OK) == 0 &&
              access(plugins, R_OK) == 0;
    free(header);
    free(plugins);
    return is;
}

/* The source tree that a folder lies in, or NULL. Owned by the caller. */
static char *tree_around(const char *folder)
{
    char *path = realpath(folder, NULL);
    while (path != NULL && *path != '\0') {
        if (is_source_tree(path)) {
            return path;
        }
        *strrchr(path, '/') = '\0';
    }
    free(path);
    return NULL;
}

/* Where the plugin goes: --dir, the tree's folder of its kind, or here. *tree is the source tree
 * whose next build takes it up, or NULL. Both are owned by the caller. */
static int choose_folder(char **folder, char **tree, const char *wanted, const char *kind)
{
    struct stat about;
    char *around = tree_around(wanted != NULL ? wanted : ".");
    char *of_kind = around != NULL ? esp_text_format("%s/plugins/%s", around, kind) : NULL;
    *folder = wanted == NULL && of_kind != NULL ? strdup(of_kind)
                                                : realpath(wanted != NULL ? wanted : ".", NULL);
    bool is_taken_up = *folder != NULL && of_kind != NULL && strcmp(*folder, of_kind) == 0;
    free(of_kind);
    if (is_taken_up) {
        *tree = around;
    } else {
        free(around);
    }
    if (*folder == NULL || stat(*folder, &about) != 0) {
        return esp_fail(ESP_NOT_FOUND, "%s: %s", wanted != NULL ? wanted : ".", strerror(errno));
    }
    return S_ISDIR(about.st_mode) ? ESP_OK : esp_fail(ESP_USAGE, "%s is no folder", wanted);
}

/* ---- the commands that follow -----------------------------------------------------------------
 */

/* Whether the program was built, in its own folder, from that source tree. */
static bool is_built_from(const char *build, const char *tree)
{
    char *bytes = NULL;
    size_t count = 0;
    char *cache = esp_text_format("%s/CMakeCache.txt", build);
    char *line = esp_text_format("\nCMAKE_HOME_DIRECTORY:INTERNAL=%s\n", tree);
    bool is = cache != NULL && line != NULL && access(cache, R_OK) == 0 &&
              esp_file_read(&bytes, &count, cache) == ESP_OK && strstr(bytes, line) != NULL;
    free(cache);
    free(line);
    free(bytes);
    return is;
}

/* In the source tree: the build takes it up. A line a command; NULL without memory. */
static char *commands_in_tree(const char *tree, const char *name, const char *set)
{
    char *build = esp_place_program(), *commands = NULL;
    if (build != NULL && is_built_from(build, tree)) {
        char *typed = as_typed(build), *program = as_typed(program_invocation_name);
        if (typed != NULL && program != NULL) {
            commands = esp_text_format("cmake --build %s\n"
                                       "%s plugins check %s\n"
                                       "%s run STUDY.yaml --set %s\n",
                                       typed, program, name, program, set);
        }
        free(typed);
        free(program);
    } else { /* by another program, perhaps an installed one */
        char *root = as_typed(tree);
        if (root != NULL) {
            commands = esp_text_format("cmake -S %s -B %s/build/release\n"
                                       "cmake --build %s/build/release\n"
                                       "%s/build/release/espalier plugins check %s\n"
                                       "%s/build/release/espalier run STUDY.yaml --set %s\n",
                                       root, root, root, root, name, root, set);
        }
        free(root);
    }
    free(build);
    return commands;
}

/* Anywhere else: the one header is all. */
static char *commands_outside(const char *folder, const char *name, const char *set)
{
    char *commands = NULL, *raw = esp_place_header();
    char *header = raw != NULL ? as_typed(raw) : NULL, *typed = as_typed(folder);
    char *program = as_typed(program_invocation_name);
    if (header != NULL && typed != NULL && program != NULL) {
        const char *at = strcmp(typed, ".") == 0 ? "" : typed, *slash = *at != '\0' ? "/" : "";
        commands = esp_text_format(
            "cc -std=c11 -O3 -shared -fPIC -fvisibility=hidden -I %s %s%s%s.c -o %s%s%s.so -lm\n"
            "%s plugins check %s/%s.so\n"
            "ESPALIER_PLUGIN_PATH=%s %s run STUDY.yaml --set %s\n",
            header, at, slash, name, at, slash, name, program, typed, name, typed, program, set);
    }
    free(raw);
    free(header);
    free(typed);
    free(program);
    return commands;
}

/* ---- the role of a loss --------------------------------------------------------------------- */

static const char *const roles[] = {"penalty", "routing", "task"}; /* the first is the default */
static const char *const role_symbols[] = {"ESP_PENALTY", "ESP_ROUTING", "ESP_TASK"};
enum { N_ROLES = sizeof roles / sizeof *roles };

static int find_role(int *role, const char *word)
{
    for (int i = 0; i < N_ROLES; i++) {
        if (strcmp(word, roles[i]) == 0) {
            *role = i;
            return ESP_OK;
        }
    }
    const char *meant = esp_text_suggest(word, roles, N_ROLES);
    return esp_fail(ESP_USAGE, "unknown role '%s'%s%s%s; a loss is penalty, routing or task", word,
                    meant ? ", did you mean '" : "", meant ? meant : "", meant ? "'" : "");
}

/* As --role says; without it the person at the terminal is asked, and nobody else. */
static int choose_role(int *role, const char *wanted)
{
    char answer[64] = "";
    *role = 0;
    if (wanted != NULL) {
        return find_role(role, wanted);
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return ESP_OK;
    }
    fputs("What is the loss for?\n"
          "  penalty  keeps parameters or logits small\n"
          "  routing  shapes how examples are sent to leaves\n"
          "  task     is the task: it counts in soft_loss and hard_loss\n"
          "role (penalty): ",
          stderr);
    if (fgets(answer, sizeof answer, stdin) == NULL) {
        fputc('\n', stderr);
        return ESP_OK;
    }
    answer[strcspn(answer, " \t\n")] = '\0';
    return answer[0] != '\0' ? find_role(role, answer) : ESP_OK;
}

/* ---- the file ----------------------------------------------------------------------------------
 */

/* The example under another name, its commands (lines " *     $ ...") replaced by these; a loss in
 * another role. */
static void write_start(FILE *out, const char *text, const char *example, const char *name,
                        const char *commands, const char *role)
{
    static const char role_line[] = ".role = ESP_PENALTY,";
    static const char mark[] = " *     $ ";
    bool told = false;
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        const char *end = text + length + (text[length] == '\n');
        if (strncmp(text, mark, strlen(mark)) == 0) {
            for (const char *line = commands; !told && *line != '\0';) {
                size_t count = strcspn(line, "\n");
                fprintf(out, " *     %.*s\n", (int)count, line);
                line += count + 1;
            }
            told = true;
            text = end;
        }
        while (text < end) {
            if (strncmp(text, example, strlen(example)) == 0) {
                fputs(name, out);
                text += strlen(example);
            } else if (strncmp(text, role_line, strlen(role_line)) == 0) {
                fprintf(out, ".role = %s,", role);
                text += strlen(role_line);
            } else {
                fputc(*text++, out);
            }
        }
    }
}

static int must_be_new(const char *name, const esp_registry *registry)
{
    if (!esp_name_is_sound(name) || strlen(name) > LONGEST_NAME) {
        return esp_fail(ESP_USAGE,
                        "'%s' is no name for a plugin: it takes a-z, 0-9 and _, a letter first, at "
                        "most %d characters",
                        name, (int)LONGEST_NAME);
    }
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        if (entry->plugin != NULL && strcmp(entry->plugin->name, name) == 0) {
            return esp_fail(ESP_USAGE, "there is a %s '%s' already: %s; choose another name",
                            esp_plugins_kind_text(entry->plugin->kind), name, entry->path);
        }
    }
    return ESP_OK;
}

static int find_start(int *which, const char *kind)
{
    const char *kinds[N_STARTS];
    for (int i = 0; i < N_STARTS; i++) {
        kinds[i] = starts[i].name;
        if (strcmp(kind, kinds[i]) == 0) {
            *which = i;
            return ESP_OK;
        }
    }
    const char *meant = esp_text_suggest(kind, kinds, N_STARTS);
    return esp_fail(ESP_USAGE, "unknown kind '%s'%s%s%s; `espalier plugins new loss NAME`, or head",
                    kind, meant ? ", did you mean '" : "", meant ? meant : "", meant ? "'" : "");
}

int esp_plugins_new(const plugins_arguments *given, const esp_registry *registry)
{
    if (given->n_names != 2) {
        return esp_fail(ESP_USAGE, "`espalier plugins new loss NAME`, or `new head NAME`");
    }
    const char *name = given->names[1];
    int which = 0, role = 0, status = ESP_OK;
    char *folder = NULL, *tree = NULL, *path = NULL, *set = NULL, *commands = NULL, *typed = NULL;
    FILE *out = NULL;
    ESP_TRY(find_start(&which, given->names[0]));
    ESP_TRY(must_be_new(name, registry));
    if (starts[which].kind == ESP_LOSS) {
        ESP_TRY(choose_role(&role, given->role));
    } else if (given->role != NULL) {
        return esp_fail(ESP_USAGE, "--role is for `plugins new loss`: a head has none");
    }
    ESP_TRY_OUT(choose_folder(&folder, &tree, given->directory, starts[which].name));
    path = esp_text_format("%s/%s.c", folder, name);
    set = esp_text_format(starts[which].set, name);
    typed = path != NULL ? as_typed(path) : NULL;
    commands = set == NULL    ? NULL
               : tree != NULL ? commands_in_tree(tree, name, set)
                              : commands_outside(folder, name, set);
    if (typed == NULL || commands == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for the new plugin");
        goto out;
    }
    out = fopen(path, "wx");
    if (out == NULL) {
        status = esp_fail(errno == EEXIST ? ESP_USAGE : ESP_IO, "%s: %s", typed,
                          errno == EEXIST ? "exists already, and stays as it is" : strerror(errno));
        goto out;
    }
    write_start(out, starts[which].text, starts[which].example, name, commands, role_symbols[role]);
    const bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        remove(path);
        status = esp_fail(ESP_IO, "%s: %s", typed, strerror(errno));
        goto out;
    }
    esp_log_note("wrote %s, which says what to change; then build, check and use it:", typed);
    fputs(commands, stdout);
out:
    free(folder);
    free(tree);
    free(path);
    free(set);
    free(commands);
    free(typed);
    return status;
}
