/* Hashes, by libcrypto. */
#ifndef ESP_CORE_DIGEST_H
#define ESP_CORE_DIGEST_H

#include <stddef.h>

enum { ESP_SHA256_HEX = 65, ESP_MD5_HEX = 33 }; /* with the final NUL */

typedef struct esp_digest esp_digest;

/* SHA-256 of pieces: create, add any number of times, finish (which also destroys). hex
 * [ESP_SHA256_HEX]. Errors: ESP_MEMORY. Thread: the owner's. */
int esp_digest_create(esp_digest **out);
void esp_digest_add(esp_digest *digest, const void *bytes, size_t count);
void esp_digest_finish(esp_digest *digest, char *hex);

/* SHA-256 or MD5 of a whole block or file, as lower-case hex. Errors: ESP_IO, with the path.
 * Thread: any. */
int esp_sha256(char hex[ESP_SHA256_HEX], const void *bytes, size_t count);
int esp_md5(char hex[ESP_MD5_HEX], const void *bytes, size_t count);
int esp_sha256_file(char hex[ESP_SHA256_HEX], const char *path);

#endif
