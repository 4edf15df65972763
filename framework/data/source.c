#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/status.h"

enum {
    READ_BUFFER = 1 << 18,
    READ_MAX = 1 << 30, /* gzread counts in unsigned and answers in int */
    LOAD_START = 1 << 16
};

int esp_source_open(esp_source *out, const char *path)
{
    *out = (esp_source){.path = path};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat information;
    if (descriptor < 0 || fstat(descriptor, &information) != 0) {
        int status = esp_fail(ESP_IO, "%s: %s", path, strerror(errno));
        if (descriptor >= 0) {
            close(descriptor);
        }
        return status;
    }
    if (!S_ISREG(information.st_mode)) {
        close(descriptor);
        return esp_fail(ESP_DATA, "%s: expected a regular file, found something else", path);
    }
    out->size_on_disk = (uint64_t)information.st_size;
    out->file = gzdopen(descriptor, "rb");
    if (out->file == NULL) {
        close(descriptor);
        return esp_fail(ESP_MEMORY, "%s: no memory to read it", path);
    }
    gzbuffer(out->file, READ_BUFFER);
    return ESP_OK;
}

void esp_source_close(esp_source *source)
{
    if (source->file != NULL) {
        gzclose(source->file);
    }
    source->file = NULL;
}

int esp_source_read(size_t *got, void *bytes, esp_source *source, size_t count)
{
    *got = 0;
    while (*got < count) {
        size_t part = count - *got < READ_MAX ? count - *got : READ_MAX;
        errno = 0;
        int n = gzread(source->file, (char *)bytes + *got, (unsigned)part);
        if (n < 0) {
            int error = 0;
            const char *reason = gzerror(source->file, &error);
            if (error == Z_ERRNO) {
                return esp_fail(ESP_IO, "%s: %s", source->path, strerror(errno));
            }
            return esp_fail(ESP_DATA, "%s: damaged gzip file: expected valid data, found: %s",
                            source->path, reason);
        }
        if (n == 0) {
            break;
        }
        *got += (size_t)n;
    }
    return ESP_OK;
}

int esp_source_check_end(const esp_source *source)
{
    int error = Z_OK;
    gzerror(source->file, &error);
    if (error == Z_BUF_ERROR) { /* all bytes came, but not gzip's check sum after them */
        return esp_fail(ESP_DATA,
                        "%s: truncated: expected gzip's check sum at the end, found the end of the "
                        "file",
                        source->path);
    }
    return ESP_OK;
}

/* A raw file is read into as much as it has; of gzip only the end tells how much it holds. */
static int load(char **bytes, size_t *count, esp_source *source)
{
    size_t capacity = LOAD_START;
    if (source->size_on_disk > capacity) {
        capacity = (size_t)source->size_on_disk;
    }
    for (;;) {
        size_t got = 0;
        char *larger = realloc(*bytes, capacity + 1);
        if (larger == NULL) {
            return esp_fail(ESP_MEMORY, "%s: no memory for %zu bytes", source->path, capacity);
        }
        *bytes = larger;
        ESP_TRY(esp_source_read(&got, *bytes + *count, source, capacity - *count));
        *count += got;
        (*bytes)[*count] = '\0';
        if (*count < capacity || gzeof(source->file)) {
            return esp_source_check_end(source);
        }
        capacity *= 2;
    }
}

int esp_source_load(char **bytes, size_t *count, const char *path)
{
    *bytes = NULL;
    *count = 0;
    esp_source source;
    ESP_TRY(esp_source_open(&source, path));
    int status = load(bytes, count, &source);
    esp_source_close(&source);
    if (status != ESP_OK) {
        free(*bytes);
        *bytes = NULL;
        *count = 0;
    }
    return status;
}
