#define _POSIX_C_SOURCE 200809L
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int write_all(int file, const char *path, const esp_file_piece *piece)
{
    const char *next = piece->bytes;
    for (size_t left = piece->count; left > 0;) {
        const ssize_t written = write(file, next, left);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return esp_fail(ESP_IO, "%s: %s", path, strerror(errno));
        }
        next += written;
        left -= (size_t)written;
    }
    return ESP_OK;
}

int esp_file_write(const char *path, const void *bytes, size_t count)
{
    return esp_file_write_pieces(path, &(esp_file_piece){bytes, count}, 1);
}

/* What is there and is no regular file: a device or a pipe, which a rename would put a file in
 * place of, or a link, which leads where it is to be written. */
static bool is_written_in_place(const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0 && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode);
}

/* in_place: pipes and terminals cannot be synchronized. */
static int write_file(const char *path, const esp_file_piece *pieces, int n_pieces, bool in_place)
{
    int status = ESP_OK;
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) {
        return esp_fail(ESP_IO, "%s: %s", path, strerror(errno));
    }
    for (int i = 0; i < n_pieces; i++) {
        ESP_TRY_OUT(write_all(file, path, &pieces[i]));
    }
    if (fsync(file) != 0 && !in_place) {
        status = esp_fail(ESP_IO, "%s: %s", path, strerror(errno));
    }
out:
    if (close(file) != 0 && status == ESP_OK) {
        status = esp_fail(ESP_IO, "%s: %s", path, strerror(errno));
    }
    return status;
}

int esp_file_write_pieces(const char *path, const esp_file_piece *pieces, int n_pieces)
{
    if (is_written_in_place(path)) {
        return write_file(path, pieces, n_pieces, true);
    }
    char *temporary = esp_text_format("%s.tmp", path);
    if (temporary == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    int status = write_file(temporary, pieces, n_pieces, false);
    if (status == ESP_OK && rename(temporary, path) != 0) {
        status = esp_fail(ESP_IO, "%s: %s", path, strerror(errno));
    }
    if (status != ESP_OK) {
        unlink(temporary);
    }
    free(temporary);
    return status;
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
