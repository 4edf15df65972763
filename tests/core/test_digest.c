#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"

/* The examples of NIST's FIPS 180 for SHA-256: "abc", two blocks, a million times 'a'; and the
 * empty message, as everyone publishes it. */
static const struct {
    const char *text, *sha256;
} published[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};
static const char million[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void test_digest__sha256_of_blocks(void **state)
{
    (void)state;
    char hex[ESP_SHA256_HEX];
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        assert_int_equal(esp_sha256(hex, published[i].text, strlen(published[i].text)), ESP_OK);
        assert_string_equal(hex, published[i].sha256);
    }
}

static void test_digest__pieces_of_any_size(void **state)
{
    (void)state;
    char block[997], hex[ESP_SHA256_HEX];
    memset(block, 'a', sizeof block);
    esp_digest *digest = NULL;
    assert_int_equal(esp_digest_create(&digest), ESP_OK);
    size_t left = 1000000;
    for (size_t piece = 0; left > 0; piece = (piece * 31 + 17) % sizeof block) {
        size_t count = piece < left ? piece : left;
        esp_digest_add(digest, block, count);
        left -= count;
    }
    esp_digest_finish(digest, hex);
    assert_string_equal(hex, million);
}

/* The test suite of RFC 1321, appendix A.5. */
static void test_digest__md5_of_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *text, *md5;
    } suite[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    char hex[ESP_MD5_HEX];
    for (size_t i = 0; i < sizeof suite / sizeof *suite; i++) {
        assert_int_equal(esp_md5(hex, suite[i].text, strlen(suite[i].text)), ESP_OK);
        assert_string_equal(hex, suite[i].md5);
    }
}

static void test_digest__file(void **state)
{
    (void)state;
    char path[] = "/tmp/espalier-test-digest-XXXXXX", hex[ESP_SHA256_HEX];
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(esp_sha256_file(hex, path), ESP_OK);
    assert_string_equal(hex, published[0].sha256);
    char *block = malloc(1000000);
    assert_non_null(block);
    memset(block, 'a', 1000000);
    assert_int_equal(esp_file_write(path, block, 1000000), ESP_OK);
    free(block);
    assert_int_equal(esp_sha256_file(hex, path), ESP_OK);
    assert_string_equal(hex, million);
    unlink(path);
    assert_int_equal(esp_sha256_file(hex, path), ESP_IO);
    assert_non_null(strstr(esp_message(), path));
    assert_int_equal(esp_sha256_file(hex, "/"), ESP_IO); /* opens, but cannot be read */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest__sha256_of_blocks),
        cmocka_unit_test(test_digest__pieces_of_any_size),
        cmocka_unit_test(test_digest__md5_of_blocks),
        cmocka_unit_test(test_digest__file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
