/* A file read from its start to its end, raw or gzip (told apart by content, not by name). */
#ifndef ESP_DATA_SOURCE_H
#define ESP_DATA_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

enum {
    /* deflate makes at most 1032 bytes of one (zlib's "Technical Details"), so that what a header
     * claims can be refused before memory is taken for it */
    ESP_DEFLATE_RATIO = 1032
};

typedef struct esp_source {
    gzFile file;
    const char *path; /* the caller's, for messages */
    uint64_t size_on_disk;
} esp_source;

/* Errors: ESP_IO with the reason, ESP_DATA where it is no regular file. Thread: the owner's. */
int esp_source_open(esp_source *out, const char *path);
void esp_source_close(esp_source *source);

/* Reads count bytes or, where the file ends before, *got fewer. Errors: ESP_IO; ESP_DATA where gzip
 * is damaged. */
int esp_source_read(size_t *got, void *bytes, esp_source *source, size_t count);

/* At the end of the content: whether gzip's check sum was there too. Errors: ESP_DATA. */
int esp_source_check_end(const esp_source *source);

/* A whole file in memory: [count + 1] bytes, the last one NUL; owned by the caller. Takes no more
 * memory than twice the content. Errors: as above; ESP_MEMORY. Thread: any. */
int esp_source_load(char **bytes, size_t *count, const char *path);

#endif
