/* espalier doctor: the program, its plugins, and what they were built from. */
#include <fts.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "core/digest.h"
#include "core/place.h"
#include "core/status.h"
#include "plugin/registry.h"
#include "run/git_state.h"

static void look_at_build(doctor_findings *all)
{
    static const char flags[] = ESPALIER_FLAGS;
    static const char again[] = "build with CMAKE_BUILD_TYPE=Release and ESPALIER_SANITIZE empty";
    if (strstr(flags, "-fsanitize") != NULL) {
        esp_doctor_found(all, DOCTOR_WARNING, "build", again,
                         "with sanitizers, several times slower: %s", flags);
    } else if (strstr(flags, "-O2") == NULL && strstr(flags, "-O3") == NULL) {
        esp_doctor_found(all, DOCTOR_WARNING, "build", again, "without optimization: %s", flags);
    } else {
        esp_doctor_found(all, DOCTOR_FINE, "build", "", "%s, %s", ESPALIER_COMPILER, flags);
    }
    if (strstr(flags, "-march=native") != NULL) {
        esp_doctor_found(
            all, DOCTOR_FINE, "processor", "",
            "built for the processor of the machine that built it; elsewhere build again, or with "
            "-DESPALIER_MARCH=x86-64-v3 for several");
    }
}

/* The source file changed last after the program was built, if there is one. */
static void look_at_source(doctor_findings *all)
{
    char folder[] = ESPALIER_SOURCE_DIR "/framework";
    char *const folders[] = {folder, NULL};
    struct stat program;
    char newer[1024] = "";
    if (esp_place_is_installed() || stat("/proc/self/exe", &program) != 0 ||
        access(folder, R_OK) != 0) {
        return;
    }
    FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; tree != NULL && newer[0] == '\0' && (entry = fts_read(tree)) != NULL;) {
        const char *ending = strrchr(entry->fts_name, '.');
        if (entry->fts_info == FTS_F && ending != NULL &&
            (strcmp(ending, ".c") == 0 || strcmp(ending, ".h") == 0 ||
             strcmp(ending, ".sql") == 0) &&
            entry->fts_statp->st_mtime > program.st_mtime) {
            snprintf(newer, sizeof newer, "%s", entry->fts_path);
        }
    }
    if (tree != NULL) {
        fts_close(tree);
    }
    if (newer[0] != '\0') {
        esp_doctor_found(all, DOCTOR_WARNING, "source", "build again",
                         "%s is newer than this program: it does not do what the source says",
                         newer);
    } else {
        esp_doctor_found(all, DOCTOR_FINE, "source", "", "not newer than the program");
    }
}

/* What a commit and the changes since it are called. */
static void describe_state(char *out, size_t size, const json_t *state)
{
    const json_t *dirty = json_object_get(state, "dirty");
    const char *diff = json_string_value(json_object_get(state, "diff_note"));
    snprintf(out, size, "commit %.12s%s%s%s", json_string_value(json_object_get(state, "commit")),
             json_is_true(dirty)   ? " with changes"
             : json_is_null(dirty) ? ", changes unknown: git diff took too long"
                                   : "",
             diff != NULL ? "; the diff is " : "", diff != NULL ? diff : "");
}

/* What attempts will record of where the program and the studies come from. */
static void look_at_git(doctor_findings *all, const json_t *source)
{
    char words[512];
    const char *reason = json_string_value(json_object_get(source, "reason"));
    if (json_is_string(json_object_get(source, "commit"))) {
        describe_state(words, sizeof words, source);
        esp_doctor_found(all, DOCTOR_FINE, "built from", "", "%s", words);
    } else {
        esp_doctor_found(all, DOCTOR_WARNING, "built from",
                         "build in a git repository, and keep the .source file beside the program",
                         "not known, %s: attempts record the program's hash, no commit",
                         reason != NULL ? reason : "");
    }
    json_t *here = esp_git_state(".");
    reason = json_string_value(json_object_get(here, "reason"));
    if (json_is_string(json_object_get(here, "commit"))) {
        describe_state(words, sizeof words, here);
        esp_doctor_found(all, DOCTOR_FINE, "git", "", "studies here are at %s", words);
    } else if (reason != NULL && strstr(reason, "repository") != NULL) {
        esp_doctor_found(all, DOCTOR_FINE, "git", "",
                         "this folder is %s: attempts record a study's text, no commit",
                         strcmp(reason, "not in a git repository") == 0 ? "in no git repository"
                                                                        : reason);
    } else {
        esp_doctor_found(all, DOCTOR_WARNING, "git", "install git, or see what keeps it",
                         "%s: attempts record a study's text, no commit",
                         reason != NULL ? reason : "no answer");
    }
    json_decref(here);
}

/* ---- plugins -----------------------------------------------------------------------------------
 */

static bool was_built_with(const json_t *source, const char *sha256)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(source, "plugins"), i, one)
    {
        if (strcmp(json_string_value(one), sha256) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether a plugin lies where those are that came with the program. */
static bool is_in_our_folder(const char *path)
{
    char *program = esp_place_program(), *ours = esp_place_plugins();
    const char *folders[] = {program, ours}, *below[] = {"/plugins/", "/"};
    bool is_in = false;
    for (int i = 0; i < 2; i++) {
        const size_t length = folders[i] != NULL ? strlen(folders[i]) : 0;
        is_in = is_in || (length > 0 && strncmp(path, folders[i], length) == 0 &&
                          strncmp(path + length, below[i], strlen(below[i])) == 0);
    }
    free(program);
    free(ours);
    return is_in;
}

static void look_at_plugin(doctor_findings *all, const esp_registry *registry,
                           const esp_plugin_entry *entry, const json_t *source)
{
    static const char again[] = "build it again, or take it out of the plugin folder";
    const bool has_note = json_object_get(source, "plugins") != NULL;
    if (entry->is_hidden) {
        for (int i = 0; i < esp_registry_count(registry);
             i++) { /* a copy of what is used is fine */
            const esp_plugin_entry *other = esp_registry_entry(registry, i);
            if (other->plugin != NULL && strcmp(other->sha256, entry->sha256) == 0) {
                return;
            }
        }
        esp_doctor_found(all, DOCTOR_WARNING, "plugin",
                         "unset ESPALIER_PLUGIN_PATH, or take one of them away, unless it is meant",
                         "%s is %s: numbers are those of the other build", entry->path,
                         entry->refusal);
    } else if (entry->plugin == NULL) {
        esp_doctor_found(all, DOCTOR_WARNING, "plugin", again, "%s is refused: %s", entry->path,
                         entry->refusal);
    } else if (has_note && is_in_our_folder(entry->path) &&
               !was_built_with(source, entry->sha256)) {
        esp_doctor_found(all, DOCTOR_WARNING, "plugin", again,
                         "%s is of another build than this program", entry->path);
    }
}

static void look_at_plugins(doctor_findings *all, const json_t *source)
{
    esp_registry *registry = NULL;
    int ready = 0;
    if (esp_registry_create(&registry) != ESP_OK) {
        esp_doctor_found(all, DOCTOR_ERROR, "plugins", "set ESPALIER_PLUGIN_PATH", "%s",
                         esp_message());
        return;
    }
    for (int i = 0; i < esp_registry_count(registry); i++) {
        const esp_plugin_entry *entry = esp_registry_entry(registry, i);
        ready += entry->plugin != NULL;
        look_at_plugin(all, registry, entry, source);
    }
    if (ready == 0) {
        esp_doctor_found(all, DOCTOR_ERROR, "plugins", "set ESPALIER_PLUGIN_PATH",
                         "none is usable");
    } else {
        esp_doctor_found(all, DOCTOR_FINE, "plugins", "", "%d usable", ready);
    }
    esp_registry_destroy(registry);
}

void esp_doctor_program(doctor_findings *all)
{
    char executable[ESP_SHA256_HEX] = "";
    json_t *source = NULL;
    look_at_build(all);
    look_at_source(all);
    if (esp_sha256_file(executable, "/proc/self/exe") == ESP_OK) {
        source = esp_source_state(executable);
    }
    look_at_git(all, source);
    look_at_plugins(all, source);
    json_decref(source);
}
