#include "store/merge_checkpoints.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/status.h"
#include "core/text.h"
#include "store/store.h"

static int copy_file(bool *copied, const char *to, const char *from, const char *name, bool replace)
{
    char *bytes = NULL, *target = esp_text_format("%s/%s", to, name);
    char *source = esp_text_format("%s/%s", from, name);
    size_t count = 0;
    int status = ESP_OK;
    if (target == NULL || source == NULL) {
        status = esp_fail(ESP_MEMORY, "no memory for a path");
    } else if (replace || access(target, F_OK) != 0) {
        status = esp_file_read(&bytes, &count, source);
        if (status == ESP_OK) {
            status = esp_file_write(target, bytes, count);
            *copied = status == ESP_OK;
        }
    }
    free(bytes);
    free(target);
    free(source);
    return status;
}

static bool is_temporary(const char *name)
{
    const size_t length = strlen(name);
    return length >= 4 && strcmp(name + length - 4, ".tmp") == 0;
}

static int folder_of(char **folder, const char *database, const char *trial)
{
    char *all = esp_store_beside(database, ".checkpoints");
    *folder = all != NULL ? esp_text_format("%s/%s", all, trial) : NULL;
    free(all);
    return *folder != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a path");
}

int esp_merge_checkpoints(bool *took_last, const char *to, const char *from, const char *trial,
                          bool replace)
{
    *took_last = false;
    DIR *folder = NULL;
    struct dirent *entry = NULL;
    int status = ESP_OK;
    char *source = NULL, *target = NULL;
    ESP_TRY_OUT(folder_of(&source, from, trial));
    ESP_TRY_OUT(folder_of(&target, to, trial));
    folder = opendir(source);
    if (folder == NULL) {
        status = errno == ENOENT ? ESP_OK : esp_fail(ESP_IO, "%s: %s", source, strerror(errno));
        goto out;
    }
    ESP_TRY_OUT(esp_file_make_directories(target));
    while (status == ESP_OK && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.' && !is_temporary(entry->d_name)) {
            bool copied = false;
            status = copy_file(&copied, target, source, entry->d_name, replace);
            *took_last = *took_last || (copied && strcmp(entry->d_name, "last.safetensors") == 0);
        }
    }
out:
    if (folder != NULL) {
        closedir(folder);
    }
    free(source);
    free(target);
    return status;
}
