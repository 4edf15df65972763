#include "core/inputs.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/new_file.h"
#include "core/status.h"
#include "core/text.h"

enum { DEPTH = 8 }; /* of folders of checkpoints there are two */

/* Also of a file whose folder is still to be made. */
static char *place_of(const char *path)
{
    char *real = esp_file_resolve(path);
    const char *slash = strrchr(path, '/');
    if (real != NULL || slash == NULL || slash == path) {
        return real;
    }
    char *folder = esp_text_format("%.*s", (int)(slash - path), path);
    char *place = folder != NULL ? place_of(folder) : NULL;
    real = place != NULL ? esp_text_format("%s%s", place, slash) : NULL;
    free(place);
    free(folder);
    return real;
}

static void add(esp_inputs *inputs, const char *path, const char *what, bool is_folder)
{
    if (path == NULL) {
        return;
    }
    char *real = place_of(path);
    char *kept = real != NULL ? real : esp_text_format("%s", path);
    if (inputs->n == inputs->capacity) {
        const int capacity = 2 * inputs->capacity + 16;
        esp_input *more = realloc(inputs->at, (size_t)capacity * sizeof *more);
        inputs->at = more != NULL ? more : inputs->at;
        inputs->capacity = more != NULL ? capacity : inputs->capacity;
    }
    if (kept == NULL || inputs->n == inputs->capacity) {
        free(kept);
        inputs->is_short = true;
        return;
    }
    inputs->at[inputs->n++] = (esp_input){kept, is_folder, what};
}

void esp_inputs_add(esp_inputs *inputs, const char *path, const char *what)
{
    add(inputs, path, what, false);
}

void esp_inputs_add_folder(esp_inputs *inputs, const char *path, const char *what)
{
    add(inputs, path, what, true);
}

static bool is_same_file(const struct stat *a, const char *path)
{
    struct stat b;
    return stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

/* Whether a file is also one somewhere below a folder: another name of it. */
static bool holds(const char *path, const struct stat *found, int depth)
{
    struct dirent *entry = NULL;
    bool is_held = false;
    DIR *folder = depth > 0 ? opendir(path) : NULL;
    while (folder != NULL && !is_held && (entry = readdir(folder)) != NULL) {
        struct stat below;
        char *name = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0
                         ? esp_text_format("%s/%s", path, entry->d_name)
                         : NULL;
        if (name != NULL && lstat(name, &below) == 0) {
            is_held = S_ISDIR(below.st_mode)
                          ? holds(name, found, depth - 1)
                          : below.st_dev == found->st_dev && below.st_ino == found->st_ino;
        }
        free(name);
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return is_held;
}

static bool is_below(const char *path, const char *folder)
{
    const size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

int esp_inputs_spare(const esp_inputs *inputs, const char *path)
{
    struct stat found;
    if (path == NULL) {
        return ESP_OK;
    }
    if (inputs->is_short) {
        return esp_fail(ESP_MEMORY, "no memory for paths");
    }
    const bool is_there = stat(path, &found) == 0;
    const bool is_linked = is_there && S_ISREG(found.st_mode) && found.st_nlink > 1;
    char *real = place_of(path);
    const esp_input *hit = NULL;
    for (int i = 0; i < inputs->n && hit == NULL; i++) {
        const esp_input *one = &inputs->at[i];
        const bool by_name = real != NULL && (one->is_folder ? is_below(real, one->path)
                                                             : strcmp(real, one->path) == 0);
        const bool by_file =
            is_there && (one->is_folder ? is_linked && holds(one->path, &found, DEPTH)
                                        : is_same_file(&found, one->path));
        hit = by_name || by_file ? one : NULL;
    }
    int status = ESP_OK;
    if (hit != NULL) {
        status = esp_fail(ESP_USAGE, "%s: is %s%s, which this would destroy: write to another file",
                          path, hit->is_folder ? "in " : "", hit->what);
    }
    free(real);
    return status;
}

void esp_inputs_free(esp_inputs *inputs)
{
    for (int i = 0; i < inputs->n; i++) {
        free(inputs->at[i].path);
    }
    free(inputs->at);
    *inputs = (esp_inputs){0};
}
