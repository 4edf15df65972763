/* Which names are names of what a command reads, and files that are written piece by piece: all by
 * the calls of POSIX. Whole command lines are in tests/cli/test_output_files.sh. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/inputs.h"
#include "core/new_file.h"
#include "core/status.h"

static int enter_folder(void **state)
{
    char *folder = strdup("/tmp/espalier-new-file-XXXXXX");
    *state = folder;
    return folder != NULL && mkdtemp(folder) != NULL ? chdir(folder) : -1;
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *place)
{
    (void)found;
    (void)kind;
    (void)place;
    return remove(path);
}

static int leave_folder(void **state)
{
    nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return chdir("/");
}

static void make(const char *path, mode_t mode)
{
    const int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, mode);
    assert_true(file >= 0);
    assert_int_equal(write(file, "old", 3), 3);
    close(file);
}

static void test_inputs__all_names_of_a_file(void **state)
{
    (void)state;
    esp_inputs inputs = {0};
    make("there", 0666);
    assert_int_equal(mkdir("folder", 0777) | mkdir("folder/below", 0777), 0);
    make("folder/below/file", 0666);
    assert_int_equal(
        symlink("there", "one") | symlink("one", "two") | symlink("absent", "to_absent"), 0);
    assert_int_equal(link("there", "hard") | link("folder/below/file", "hard_below"), 0);
    make("other", 0666);
    esp_inputs_add(&inputs, "there", "the file");
    esp_inputs_add(&inputs, "absent", "the absent file");
    esp_inputs_add(&inputs, NULL, "none");
    esp_inputs_add_folder(&inputs, "folder", "the folder");
    esp_inputs_add_folder(&inputs, "absent_folder", "the absent folder");
    static const char *const refused[] = {"there",
                                          "./there",
                                          ".//folder/../there",
                                          "one",
                                          "two",
                                          "hard",
                                          "absent",
                                          "to_absent",
                                          "folder",
                                          "folder/new",
                                          "folder/new/deep/file",
                                          "folder/below/file",
                                          "hard_below",
                                          "absent_folder/new"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(esp_inputs_spare(&inputs, refused[i]), ESP_USAGE);
        assert_non_null(strstr(esp_message(), refused[i]));
    }
    static const char *const spared[] = {"other",        "folders",   "folder.csv",
                                         "ther",         "there.tmp", "no/such/folder/file",
                                         "folder/../new"};
    for (size_t i = 0; i < sizeof spared / sizeof *spared; i++) {
        assert_int_equal(esp_inputs_spare(&inputs, spared[i]), ESP_OK);
    }
    esp_inputs_free(&inputs);
}

static void test_new_file__dropped_or_kept(void **state)
{
    (void)state;
    struct stat before, found;
    esp_new_file file;
    make("file", 0666);
    assert_int_equal(chmod("file", 0604), 0);
    assert_int_equal(stat("file", &before), 0);
    assert_int_equal(esp_new_file_open(&file, "file"), ESP_OK);
    fputs("longer than before", file.out);
    fflush(file.out);
    esp_new_file_drop(&file);
    assert_int_equal(stat("file", &found), 0);
    assert_int_equal(found.st_size, 3);
    assert_int_equal(found.st_ino, before.st_ino);
    assert_int_equal(esp_new_file_open(&file, "file"), ESP_OK);
    fputs("longer than before", file.out);
    assert_int_equal(esp_new_file_keep(&file), ESP_OK);
    assert_int_equal(stat("file", &found), 0);
    assert_int_equal(found.st_size, 18);
    assert_int_equal(found.st_mode & 07777, 0604);
    esp_new_file_drop(&file); /* again: nothing */
    assert_int_equal(esp_new_file_open(&file, "new"), ESP_OK);
    esp_new_file_drop(&file);
    assert_int_equal(access("new", F_OK), -1);
}

/* Mode bits count, for root too. */
static void test_new_file__read_only(void **state)
{
    (void)state;
    esp_new_file file;
    make("file", 0444);
    assert_int_equal(esp_new_file_open(&file, "file"), ESP_USAGE);
    assert_non_null(strstr(esp_message(), "read-only"));
    assert_int_equal(symlink("file", "link"), 0);
    assert_int_equal(esp_new_file_open(&file, "link"), ESP_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_inputs__all_names_of_a_file, enter_folder,
                                        leave_folder),
        cmocka_unit_test_setup_teardown(test_new_file__dropped_or_kept, enter_folder, leave_folder),
        cmocka_unit_test_setup_teardown(test_new_file__read_only, enter_folder, leave_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
