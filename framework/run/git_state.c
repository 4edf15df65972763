#include "run/git_state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/place.h"
#include "core/text.h"

/* ---- git as a program --------------------------------------------------------------------------
 */

/* What a program wrote. */
typedef struct output {
    char text[ESP_DIFF_BYTES + 1]; /* its beginning */
    size_t kept, bytes;            /* kept of all */
    char sha256[ESP_SHA256_HEX];   /* of all */
    bool late;                     /* it took too long and was ended */
    int spawned;                   /* errno of its start, 0 where it started */
    int code;                      /* its exit code, -1 where a signal ended it */
} output;

/* A hook's or an alias' GIT_DIR and the like would lead elsewhere than the folder asked for. */
static char **git_environment(void)
{
    static char *const more[] = {"LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0"};
    size_t count = 0, kept = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **all = calloc(count + sizeof more / sizeof *more + 1, sizeof *all);
    for (size_t i = 0; all != NULL && i < count; i++) {
        const bool is_git = strncmp(environ[i], "GIT_", 4) == 0;
        if (strncmp(environ[i], "LC_ALL=", 7) != 0 &&
            (!is_git || strncmp(environ[i], "GIT_CONFIG", 10) == 0 ||
             strncmp(environ[i], "GIT_CEILING", 11) == 0)) {
            all[kept++] = environ[i];
        }
    }
    for (size_t i = 0; all != NULL && i < sizeof more / sizeof *more; i++) {
        all[kept++] = more[i];
    }
    return all;
}

/* Starts words in a process group of its own, so that all of it can be ended; *from reads what it
 * writes. Returns an errno. */
static int start(pid_t *child, int *from, const char *const *words, bool with_errors)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    char **environment = git_environment();
    if (environment == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        free(environment);
        return ENOMEM;
    }
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    if (with_errors) {
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    } else {
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    /* It takes char *const[] for history's sake and does not write to it. */
    const int error = posix_spawnp(child, words[0], &actions, &attributes,
                                   (char *const *)(uintptr_t)words, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
    }
    *from = ends[0];
    free(environment);
    return error;
}

static void collect(output *out, esp_digest *digest, int from, double deadline)
{
    char block[16384];
    for (;;) {
        const double left = deadline - esp_clock_seconds();
        struct pollfd waiting = {.fd = from, .events = POLLIN};
        if (left <= 0 || (poll(&waiting, 1, (int)(left * 1000) + 1) == 0)) {
            out->late = true;
            return;
        }
        const ssize_t got = read(from, block, sizeof block);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return;
        }
        const size_t room = sizeof out->text - 1 - out->kept;
        const size_t keep = (size_t)got < room ? (size_t)got : room;
        memcpy(out->text + out->kept, block, keep);
        out->kept += keep;
        out->bytes += (size_t)got;
        esp_digest_add(digest, block, (size_t)got);
    }
}

/* The exit code. A process that a dead network disk holds cannot be ended: it is left behind. */
static int reap(pid_t child, double deadline)
{
    int result = 0;
    for (bool killed = false;;) {
        const pid_t ended = waitpid(child, &result, WNOHANG);
        if (ended == child) {
            return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
        }
        if (ended < 0 && errno != EINTR) {
            return -1;
        }
        if (esp_clock_seconds() >= deadline) {
            if (killed) {
                return -1;
            }
            kill(-child, SIGKILL);
            killed = true;
            deadline = esp_clock_seconds() + 0.2;
        }
        poll(NULL, 0, 1);
    }
}

/* Runs words until deadline; out owned by the caller (free), NULL where memory is short. */
static output *run_program(const char *const *words, bool with_errors, double deadline)
{
    output *out = calloc(1, sizeof *out);
    esp_digest *digest = NULL;
    pid_t child = 0;
    int from = -1;
    if (out == NULL || esp_digest_create(&digest) != 0) {
        free(out);
        return NULL;
    }
    out->spawned = start(&child, &from, words, with_errors);
    if (out->spawned == 0) {
        collect(out, digest, from, deadline);
        close(from);
        out->code = reap(child, out->late ? 0 : deadline);
    }
    esp_digest_finish(digest, out->sha256);
    return out;
}

/* ---- words and diffs ---------------------------------------------------------------------------
 */

static json_t *unknown(const char *reason)
{
    return json_pack("{s:n, s:s}", "commit", "reason", reason);
}

/* JSON is UTF-8: of a line that is not, every byte past ASCII becomes '?'. */
static json_t *json_of_text(char *text, size_t count)
{
    for (size_t begin = 0, end; begin < count; begin = end) {
        const char *newline = memchr(text + begin, '\n', count - begin);
        end = newline != NULL ? (size_t)(newline - text) + 1 : count;
        json_t *line = json_stringn(text + begin, end - begin);
        for (size_t i = begin; i < end; i++) {
            const bool is_foreign = line == NULL && (unsigned char)text[i] >= 0x80;
            text[i] = is_foreign || text[i] == '\0' ? '?' : text[i];
        }
        json_decref(line);
    }
    return json_stringn(text, count);
}

static void add_diff(json_t *state, char *text, size_t kept, size_t bytes, const char *sha256)
{
    json_object_set_new(state, "diff_bytes", json_integer((json_int_t)bytes));
    if (bytes == 0) {
        return;
    }
    json_object_set_new(state, "diff_sha256", json_string(sha256));
    if (bytes <= ESP_DIFF_BYTES && kept == bytes) {
        json_object_set_new(state, "diff", json_of_text(text, bytes));
    } else {
        json_object_set_new(state, "diff", json_null());
        json_object_set_new(
            state, "diff_note",
            json_sprintf("longer than %d bytes, so only its SHA-256 is kept", (int)ESP_DIFF_BYTES));
    }
}

/* ---- the state of a folder ---------------------------------------------------------------------
 */

/* Why the repository's head cannot be told, or NULL. */
static const char *why_unknown(output *head)
{
    static const char *const prefixes[] = {"fatal: ", "error: "};
    if (head->spawned != 0) {
        return head->spawned == ENOENT ? "git is not installed" : strerror(head->spawned);
    }
    if (head->late) {
        return "git took too long";
    }
    if (head->code == 0) {
        return NULL;
    }
    if (strstr(head->text, "not a git repository") != NULL) {
        return "not in a git repository";
    }
    if (strstr(head->text, "ambiguous argument 'HEAD'") != NULL) {
        return "the git repository has no commit yet";
    }
    head->text[strcspn(head->text, "\n")] = '\0';
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        const size_t length = strlen(prefixes[i]);
        if (strncmp(head->text, prefixes[i], length) == 0) {
            return head->text + length;
        }
    }
    return head->text[0] != '\0' ? head->text : "git failed";
}

/* rev-parse prints the top folder and the commit, a line each; warnings may stand before. */
static json_t *state_of_head(char *text)
{
    const char *folder = "", *commit = "";
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        folder = line[0] == '/' ? line : folder;
        commit =
            strlen(line) >= 40 && line[strspn(line, "0123456789abcdef")] == '\0' ? line : commit;
    }
    if (commit[0] == '\0') {
        return unknown("git gave no commit");
    }
    json_t *state = json_pack("{s:s}", "commit", commit);
    json_object_set_new(state, "folder", json_of_text((char *)(uintptr_t)folder, strlen(folder)));
    return state;
}

static void add_changes(json_t *state, const char *folder, double deadline)
{
    const char *const words[] = {"git",
                                 "-C",
                                 folder,
                                 "-c",
                                 "core.fsmonitor=false",
                                 "-c",
                                 "core.quotePath=true",
                                 "-c",
                                 "diff.relative=false",
                                 "-c",
                                 "diff.noprefix=false",
                                 "-c",
                                 "diff.mnemonicPrefix=false",
                                 "diff",
                                 "--no-color",
                                 "--no-ext-diff",
                                 "--no-textconv",
                                 "--full-index",
                                 "HEAD",
                                 NULL};
    output *diff = run_program(words, false, deadline);
    if (diff == NULL || diff->late || diff->spawned != 0 || diff->code != 0) {
        json_object_set_new(state, "dirty", json_null());
        json_object_set_new(state, "reason",
                            json_string(diff != NULL && !diff->late ? "git diff failed"
                                                                    : "git diff took too long"));
    } else {
        json_object_set_new(state, "dirty", json_boolean(diff->bytes > 0));
        add_diff(state, diff->text, diff->kept, diff->bytes, diff->sha256);
    }
    free(diff);
}

json_t *esp_git_state(const char *folder)
{
    const char *const words[] = {
        "git",  "-C", folder, "-c", "core.fsmonitor=false", "rev-parse", "--show-toplevel",
        "HEAD", NULL};
    const double deadline = esp_clock_seconds() + ESP_GIT_MILLISECONDS / 1000.0;
    output *head = run_program(words, true, deadline);
    if (head == NULL) {
        return NULL;
    }
    const char *reason = why_unknown(head);
    json_t *state = reason != NULL ? unknown(reason) : state_of_head(head->text);
    if (!json_is_null(json_object_get(state, "commit"))) {
        add_changes(state, folder, deadline);
    }
    free(head);
    return state;
}

/* ---- what the build noted ----------------------------------------------------------------------
 */

/* Lines "key value" up to an empty one, then the diff. */
static json_t *parse_note(char *text, size_t count, const char *executable)
{
    const char *diff_sha256 = "";
    size_t diff_bytes = 0;
    bool is_ours = false;
    char *line = text, *const end = text + count;
    json_t *state = json_object(), *plugins = json_array(), *untracked = json_array();
    while (line < end && *line != '\n') {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL) {
            break;
        }
        *newline = '\0';
        char *space = strchr(line, ' ');
        char *value = space != NULL ? space + 1 : newline;
        *(space != NULL ? space : newline) = '\0';
        if (strcmp(line, "executable") == 0) {
            is_ours = strcmp(value, executable) == 0;
        } else if (strcmp(line, "plugin") == 0) {
            json_array_append_new(plugins, json_string(value));
        } else if (strcmp(line, "untracked") == 0) {
            json_array_append_new(untracked, json_of_text(value, strlen(value)));
        } else if (strcmp(line, "diff_sha256") == 0) {
            diff_sha256 = value;
        } else if (strcmp(line, "diff_bytes") == 0) {
            diff_bytes = strtoul(value, NULL, 10);
        } else {
            json_object_set_new(state, line, json_of_text(value, strlen(value)));
        }
        line = newline + 1;
    }
    line += line < end;
    if (!is_ours) {
        json_decref(state);
        state = unknown("the note beside the program is about another build");
    } else if (json_object_get(state, "reason") != NULL) {
        json_object_set_new(state, "commit", json_null());
    } else {
        json_object_set_new(state, "dirty",
                            json_boolean(diff_bytes > 0 || json_array_size(untracked) > 0));
        add_diff(state, line, (size_t)(end - line), diff_bytes, diff_sha256);
    }
    if (json_array_size(untracked) > 0) {
        json_object_set(state, "untracked", untracked);
    }
    if (is_ours) {
        json_object_set(state, "plugins", plugins);
    }
    json_decref(plugins);
    json_decref(untracked);
    return state;
}

json_t *esp_source_state(const char *executable)
{
    char program[4096];
    char *text = NULL;
    size_t count = 0;
    json_t *state = NULL;
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    char *path = esp_text_format("%s.source", program);
    if (path != NULL && access(path, F_OK) != 0) { /* installed: not among the programs */
        char *folder = esp_place_program();
        free(path);
        path =
            folder != NULL ? esp_text_format("%s/../lib/espalier/espalier.source", folder) : NULL;
        free(folder);
    }
    if (path == NULL || esp_file_read(&text, &count, path) != 0) {
        state = unknown("the build's note is not beside the program");
    } else {
        state = parse_note(text, count, executable);
    }
    free(text);
    free(path);
    return state;
}
