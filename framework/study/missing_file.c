#include "study/missing_file.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/text.h"

enum { MAX_FILES = 500 };

static const char ending[] = ".yaml";

/* Names of a folder's studies without their ending; the caller frees each. */
static size_t list_studies(char *names[MAX_FILES], const char *folder)
{
    size_t count = 0;
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL && count < MAX_FILES) {
        const size_t length = strlen(entry->d_name), tail = sizeof ending - 1;
        if (length > tail && strcmp(entry->d_name + length - tail, ending) == 0) {
            names[count] = strndup(entry->d_name, length - tail);
            count += names[count] != NULL;
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return count;
}

/* "experiments/table1.yaml", the file of that name or, where near, of a similar one; NULL: none.
 * Owned by the caller. */
static char *find(const char *folder, const char *name, bool near)
{
    char *names[MAX_FILES], *found = NULL;
    const size_t count = list_studies(names, folder);
    const char *meant = NULL;
    for (size_t i = 0; i < count; i++) {
        meant = strcmp(names[i], name) == 0 ? names[i] : meant;
    }
    if (meant == NULL && near) {
        meant = esp_text_suggest(name, (const char *const *)names, count);
    }
    if (meant != NULL) {
        const bool here = strcmp(folder, ".") == 0;
        found = esp_text_format("%s%s%s%s", here ? "" : folder, here ? "" : "/", meant, ending);
    }
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    return found;
}

int esp_study_file_missing(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    const size_t length = strlen(base), tail = sizeof ending - 1;
    const bool has_ending = length > tail && strcmp(base + length - tail, ending) == 0;
    char *folder = slash != NULL ? strndup(path, (size_t)(slash - path)) : strdup(".");
    char *name = strndup(base, has_ending ? length - tail : length);
    char *meant = NULL;
    for (int i = 0; folder != NULL && name != NULL && meant == NULL && i < 4; i++) {
        meant = find(i % 2 == 0 ? folder : "experiments", name, i >= 2);
    }
    int status = esp_fail(ESP_NOT_FOUND, "%s%s%s%s", esp_message(), meant ? "; did you mean " : "",
                          meant ? meant : "", meant ? "?" : "");
    free(meant);
    free(name);
    free(folder);
    return status;
}
