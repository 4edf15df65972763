#define _POSIX_C_SOURCE 200809L
#include "core/new_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/status.h"
#include "core/text.h"

int esp_new_file_open(esp_new_file *file, const char *path)
{
    struct stat found;
    *file = (esp_new_file){0};
    if (stat(path, &found) == 0 && !S_ISREG(found.st_mode)) {
        return esp_fail(ESP_USAGE, "'%s' is not a file", path);
    }
    file->path = esp_text_format("%s", path);
    file->temporary = esp_text_format("%s.tmp", path);
    int status = ESP_OK;
    if (file->path == NULL || file->temporary == NULL) {
        status = esp_fail(ESP_MEMORY, "%s: no memory", path);
    } else if ((file->out = fopen(file->temporary, "wb")) == NULL) {
        status = esp_fail(ESP_IO, "%s: %s", file->temporary, strerror(errno));
    }
    if (status != ESP_OK) {
        esp_new_file_drop(file);
    }
    return status;
}

int esp_new_file_keep(esp_new_file *file)
{
    errno = 0;
    const int failed = ferror(file->out) | fflush(file->out) | fsync(fileno(file->out));
    int status = ESP_OK;
    if (failed != 0) {
        status = esp_fail(ESP_IO, "%s: %s", file->temporary,
                          errno != 0 ? strerror(errno) : "cannot be written");
    } else if (rename(file->temporary, file->path) != 0) {
        status = esp_fail(ESP_IO, "%s: %s", file->path, strerror(errno));
    } else {
        free(file->temporary);
        file->temporary = NULL;
    }
    esp_new_file_drop(file);
    return status;
}

void esp_new_file_drop(esp_new_file *file)
{
    if (file->out != NULL) {
        fclose(file->out);
        if (file->temporary != NULL) {
            unlink(file->temporary);
        }
    }
    free(file->path);
    free(file->temporary);
    *file = (esp_new_file){0};
}
