#include "core/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"

/* esp_digest is libcrypto's context under our name. */
static void to_hex(char *hex, const unsigned char *bytes, unsigned count)
{
    static const char digits[] = "0123456789abcdef"; /* a study has a digest for each trial */
    for (unsigned i = 0; i < count; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[2 * count] = '\0';
}

int esp_digest_create(esp_digest **out)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || !EVP_DigestInit_ex(context, EVP_sha256(), NULL)) {
        EVP_MD_CTX_free(context);
        return esp_fail(ESP_MEMORY, "libcrypto cannot start a SHA-256");
    }
    *out = (esp_digest *)context;
    return ESP_OK;
}

void esp_digest_add(esp_digest *digest, const void *bytes, size_t count)
{
    EVP_DigestUpdate((EVP_MD_CTX *)digest, bytes, count);
}

void esp_digest_finish(esp_digest *digest, char *hex)
{
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    EVP_DigestFinal_ex((EVP_MD_CTX *)digest, value, &count);
    EVP_MD_CTX_free((EVP_MD_CTX *)digest);
    to_hex(hex, value, count);
}

static int digest_block(char *hex, const void *bytes, size_t count, const EVP_MD *kind)
{
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!EVP_Digest(bytes, count, value, &size, kind, NULL)) {
        return esp_fail(ESP_FAILED, "libcrypto cannot hash %zu bytes", count);
    }
    to_hex(hex, value, size);
    return ESP_OK;
}

int esp_sha256(char hex[ESP_SHA256_HEX], const void *bytes, size_t count)
{
    return digest_block(hex, bytes, count, EVP_sha256());
}

int esp_md5(char hex[ESP_MD5_HEX], const void *bytes, size_t count)
{
    return digest_block(hex, bytes, count, EVP_md5());
}

int esp_sha256_file(char hex[ESP_SHA256_HEX], const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return esp_fail(ESP_IO, "%s: %s", path, strerror(errno));
    }
    esp_digest *digest = NULL;
    int status = esp_digest_create(&digest);
    if (status == ESP_OK) {
        unsigned char block[65536];
        size_t count = 0;
        while ((count = fread(block, 1, sizeof block, file)) > 0) {
            esp_digest_add(digest, block, count);
        }
        esp_digest_finish(digest, hex);
        if (ferror(file)) {
            status = esp_fail(ESP_IO, "%s: cannot be read", path);
        }
    }
    fclose(file);
    return status;
}
