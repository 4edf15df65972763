/* Whole files, and files that appear whole or not at all. */
#ifndef ESP_CORE_FILE_H
#define ESP_CORE_FILE_H

#include <stddef.h>

/* Reads a file into a new block with a NUL after its end; *bytes owned by the caller (free).
 * Errors, with path and reason: ESP_NOT_FOUND where there is none; ESP_USAGE for what cannot be
 * read as a file (a directory, no permission); ESP_IO where reading fails. Thread: any. */
int esp_file_read(char **bytes, size_t *count, const char *path);

/* Writes a file as new_file.h says: readers see the old or the new one, never half of one; of two
 * writers at once one's is there. Errors: ESP_USAGE where path is a folder or may not be written,
 * ESP_IO, ESP_MEMORY, with path and reason. Thread: any. */
int esp_file_write(const char *path, const void *bytes, size_t count);

/* The same of pieces one after another, so that none need be copied; an empty one may be NULL. */
typedef struct esp_file_piece {
    const void *bytes;
    size_t count;
} esp_file_piece;
int esp_file_write_pieces(const char *path, const esp_file_piece *pieces, int n_pieces);

/* Makes a directory and its parents. Errors: ESP_IO. Thread: any. */
int esp_file_make_directories(const char *path);

#endif
