#include "core/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/new_file.h"
#include "core/status.h"
#include "core/text.h"

/* A wrong name is the caller's mistake, a failing disk is not. */
static int reading_failed(const char *path)
{
    int status = errno == ENOENT || errno == ENOTDIR  ? ESP_NOT_FOUND
                 : errno == EISDIR || errno == EACCES ? ESP_USAGE
                                                      : ESP_IO;
    return esp_fail(status, "%s: %s", path, strerror(errno));
}

int esp_file_read(char **bytes, size_t *count, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return reading_failed(path);
    }
    int status = ESP_OK;
    char *block = NULL;
    size_t used = 0, capacity = 0, got = 0;
    do {
        if (capacity - used < 65536) {
            capacity = capacity * 2 + 131072;
            char *larger = realloc(block, capacity);
            if (larger == NULL) {
                status = esp_fail(ESP_MEMORY, "%s: no memory for %zu bytes", path, capacity);
                goto out;
            }
            block = larger;
        }
        got = fread(block + used, 1, capacity - used - 1, file);
        used += got;
    } while (got > 0);
    if (ferror(file)) {
        status = reading_failed(path);
        goto out;
    }
    block[used] = '\0';
    *bytes = block;
    *count = used;
    block = NULL;
out:
    free(block);
    fclose(file);
    return status;
}

int esp_file_write(const char *path, const void *bytes, size_t count)
{
    return esp_file_write_pieces(path, &(esp_file_piece){bytes, count}, 1);
}

int esp_file_write_pieces(const char *path, const esp_file_piece *pieces, int n_pieces)
{
    esp_new_file file = {0};
    ESP_TRY(esp_new_file_open(&file, path));
    errno = 0;
    for (int i = 0; i < n_pieces; i++) {
        if (pieces[i].count > 0 && /* else bytes may be NULL */
            fwrite(pieces[i].bytes, 1, pieces[i].count, file.out) != pieces[i].count) {
            const int status = esp_fail(ESP_IO, "%s: %s", path,
                                        errno != 0 ? strerror(errno) : "cannot be written");
            esp_new_file_drop(&file);
            return status;
        }
    }
    return esp_new_file_keep(&file);
}

int esp_file_make_directories(const char *path)
{
    char *copy = esp_text_format("%s", path);
    if (copy == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    int status = ESP_OK;
    for (char *slash = copy + 1; status == ESP_OK; slash++) {
        char held = *slash;
        if (held != '/' && held != '\0') {
            continue;
        }
        *slash = '\0';
        struct stat found;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
            status = esp_fail(ESP_IO, "%s: %s", copy, strerror(errno));
        } else if (stat(copy, &found) != 0 || !S_ISDIR(found.st_mode)) {
            status = esp_fail(ESP_IO, "%s: %s", copy, strerror(ENOTDIR));
        }
        *slash = held;
        if (held == '\0') {
            break;
        }
    }
    free(copy);
    return status;
}
