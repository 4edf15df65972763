#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/status.h"
#include "core/text.h"

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/espalier-test-file-XXXXXX");
    *state = folder == NULL ? NULL : mkdtemp(folder);
    return *state == NULL;
}

static int remove_folder(void **state)
{
    char *command = esp_text_format("rm -rf '%s'", (char *)*state);
    int status = system(command);
    free(command);
    free(*state);
    return status;
}

static int entries(const char *folder)
{
    DIR *directory = opendir(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

static void test_file__round_trip(void **state)
{
    char *path = esp_text_format("%s/a", (char *)*state);
    /* Sizes around the steps in which reading grows its block. */
    static const size_t sizes[] = {0, 1, 65535, 65536, 131071, 131072, 1000003};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        char *bytes = malloc(sizes[s] + 1), *back = NULL;
        size_t count = 99;
        for (size_t i = 0; i < sizes[s]; i++) {
            bytes[i] = (char)(i * 31 % 251);
        }
        assert_int_equal(esp_file_write(path, bytes, sizes[s]), ESP_OK);
        assert_int_equal(esp_file_read(&back, &count, path), ESP_OK);
        assert_int_equal(count, sizes[s]);
        assert_memory_equal(back, bytes, count);
        assert_int_equal(back[count], '\0');
        free(back);
        free(bytes);
    }
    assert_int_equal(entries(*state), 1); /* no temporary file stays */
    free(path);
}

static void test_file__pieces_some_of_them_empty(void **state)
{
    char *path = esp_text_format("%s/pieces", (char *)*state), *back = NULL;
    const esp_file_piece pieces[] = {{NULL, 0}, {"ab", 2}, {NULL, 0}, {"c", 1}};
    size_t count = 0;
    assert_int_equal(esp_file_write_pieces(path, pieces, 4), ESP_OK);
    assert_int_equal(esp_file_read(&back, &count, path), ESP_OK);
    assert_string_equal(back, "abc");
    free(back);
    free(path);
}

static void test_file__absent_and_unreadable(void **state)
{
    char *bytes = NULL, *path = esp_text_format("%s/absent", (char *)*state);
    size_t count = 0;
    assert_int_equal(esp_file_read(&bytes, &count, path), ESP_NOT_FOUND);
    assert_non_null(strstr(esp_message(), path));
    assert_null(bytes);
    assert_int_equal(esp_file_read(&bytes, &count, *state), ESP_USAGE); /* a folder */
    assert_non_null(strstr(esp_message(), *state));
    assert_null(bytes);
    free(path);
}

static void test_file__failed_write_leaves_nothing(void **state)
{
    char *absent = esp_text_format("%s/no/such/folder", (char *)*state);
    assert_int_equal(esp_file_write(absent, "x", 1), ESP_IO);
    assert_non_null(strstr(esp_message(), absent));
    free(absent);
    char *folder = esp_text_format("%s/folder", (char *)*state);
    assert_int_equal(mkdir(folder, 0777), 0);
    int before = entries(*state);
    assert_int_equal(esp_file_write(folder, "x", 1), ESP_USAGE); /* a folder is no file */
    assert_int_equal(entries(*state), before);
    free(folder);
}

/* A name that is no plain file stays what it is: /dev/stdout is a link, as root one to be lost. */
static void test_file__links_and_pipes_stay(void **state)
{
    char *target = esp_text_format("%s/target", (char *)*state), *bytes = NULL, got = 0;
    char *link = esp_text_format("%s/link", (char *)*state);
    char *pipe = esp_text_format("%s/pipe", (char *)*state);
    struct stat found;
    size_t count = 0;
    assert_int_equal(esp_file_write(target, "older and longer", 16), ESP_OK);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(esp_file_write(link, "new", 3), ESP_OK);
    assert_int_equal(lstat(link, &found), 0);
    assert_true(S_ISLNK(found.st_mode));
    assert_int_equal(esp_file_read(&bytes, &count, target), ESP_OK);
    assert_string_equal(bytes, "new");
    free(bytes);

    assert_int_equal(mkfifo(pipe, 0666), 0);
    const int reader = open(pipe, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(esp_file_write(pipe, "x", 1), ESP_OK);
    assert_int_equal(lstat(pipe, &found), 0);
    assert_true(S_ISFIFO(found.st_mode));
    assert_int_equal(read(reader, &got, 1), 1);
    assert_int_equal(got, 'x');
    close(reader);
    assert_int_equal(entries(*state), 3);
    free(pipe);
    free(link);
    free(target);
}

static void test_file__make_directories(void **state)
{
    char *deep = esp_text_format("%s/one/two/three/", (char *)*state);
    struct stat found;
    assert_int_equal(esp_file_make_directories(deep), ESP_OK);
    assert_int_equal(stat(deep, &found), 0);
    assert_true(S_ISDIR(found.st_mode));
    assert_int_equal(esp_file_make_directories(deep), ESP_OK); /* again: nothing to do */
    free(deep);
    char *file = esp_text_format("%s/plain", (char *)*state);
    assert_int_equal(esp_file_write(file, "x", 1), ESP_OK);
    char *below = esp_text_format("%s/below", file);
    assert_int_equal(esp_file_make_directories(below), ESP_IO); /* a file is in the way */
    assert_non_null(strstr(esp_message(), file));
    free(below);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_file__round_trip, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_file__pieces_some_of_them_empty, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_file__absent_and_unreadable, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_file__failed_write_leaves_nothing, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_file__links_and_pipes_stay, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_file__make_directories, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
