/* The safetensors file format: 8-byte header length, JSON header, tensors. */
#ifndef ESP_STORE_SAFETENSORS_H
#define ESP_STORE_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

enum { ESP_SAFETENSORS_RANK = 4 };

typedef struct esp_safetensor {
    const char *name;
    const char *dtype; /* "F32", "F64", "I64", "U8" */
    int rank;          /* 0 for a scalar */
    int64_t shape[ESP_SAFETENSORS_RANK];
    const void *bytes;
    size_t count; /* bytes */
} esp_safetensor;

typedef struct esp_safetensors_meta {
    const char *key, *value;
} esp_safetensors_meta;

/* Writes a file whole (temporary, fsync, rename), tensors in the order given, header keys in that
 * order too, data 8-byte aligned: the same content is the same bytes. Errors: ESP_IO. Thread: any.
 */
int esp_safetensors_write(const char *path, const esp_safetensor *tensors, int n_tensors,
                          const esp_safetensors_meta *metadata, int n_metadata);

/* The same, with the SHA-256 of all else as last metadata, which reading checks: for files that are
 * read back where one wrong bit would go unnoticed. */
int esp_safetensors_write_sealed(const char *path, const esp_safetensor *tensors, int n_tensors,
                                 const esp_safetensors_meta *metadata, int n_metadata);

typedef struct esp_safetensors esp_safetensors; /* a file read whole */

/* Reads and validates: header length, JSON, dtypes, shapes against byte ranges, no overlap, no gaps
 * past the end, and the content where the file is sealed. Errors: ESP_IO / ESP_NOT_FOUND / ESP_DATA
 * naming file, tensor, expected and found. Thread: any. */
int esp_safetensors_read(esp_safetensors **out, const char *path);
void esp_safetensors_free(esp_safetensors *file);
int esp_safetensors_count(const esp_safetensors *file);
/* Pointers stay valid until free; bytes may be unaligned. */
const esp_safetensor *esp_safetensors_at(const esp_safetensors *file, int index);
const esp_safetensor *esp_safetensors_find(const esp_safetensors *file, const char *name);
/* A metadata value, or NULL. */
const char *esp_safetensors_meta_of(const esp_safetensors *file, const char *key);

#endif
