/* Who works on a database: what one holder does as another sees it, also after a death. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/status.h"
#include "store/lock.h"

static char folder[64], database[96];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/espalier-lock-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(database, sizeof database, "%s/new/results.db", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void test_lock__runs_share_a_merge_is_alone(void **state)
{
    (void)state;
    int first = -1, second = -1, merge = -1;
    assert_false(esp_store_has_runner(database));
    assert_int_equal(esp_lock_take(&first, database, ESP_LOCK_SHARED), ESP_OK);
    assert_int_equal(esp_lock_take(&second, database, ESP_LOCK_SHARED), ESP_OK);
    assert_true(esp_store_has_runner(database));
    assert_int_equal(esp_lock_take(&merge, database, ESP_LOCK_ALONE), ESP_STORE);
    assert_non_null(strstr(esp_message(), "a run is writing"));
    assert_int_equal(merge, -1);
    close(first);
    assert_int_equal(esp_lock_take(&merge, database, ESP_LOCK_ALONE), ESP_STORE);
    close(second);
    assert_false(esp_store_has_runner(database));
    assert_int_equal(esp_lock_take(&merge, database, ESP_LOCK_ALONE), ESP_OK);
    assert_int_equal(esp_lock_take(&first, database, ESP_LOCK_SHARED), ESP_STORE);
    assert_non_null(strstr(esp_message(), "a merge or migration"));
    close(merge);
}

static void test_lock__a_trial_has_one_holder(void **state)
{
    (void)state;
    int first = -1, second = -1;
    bool taken = false;
    assert_int_equal(esp_lock_take(&first, database, ESP_LOCK_SHARED), ESP_OK);
    assert_int_equal(esp_lock_take(&second, database, ESP_LOCK_SHARED), ESP_OK);
    assert_int_equal(esp_lock_trial(&taken, first, 7), ESP_OK);
    assert_true(taken);
    assert_int_equal(esp_lock_trial(&taken, first, 7), ESP_OK); /* its own already */
    assert_true(taken);
    assert_int_equal(esp_lock_trial(&taken, second, 7), ESP_OK);
    assert_false(taken);
    assert_int_equal(esp_lock_trial(&taken, second, 8), ESP_OK);
    assert_true(taken);
    assert_true(esp_trial_is_held(database, 7));
    assert_true(esp_trial_is_held(database, 8));
    assert_false(esp_trial_is_held(database, 9));
    esp_unlock_trial(first, 7);
    assert_false(esp_trial_is_held(database, 7));
    assert_int_equal(esp_lock_trial(&taken, second, 7), ESP_OK);
    assert_true(taken);
    esp_unlock_trials(second); /* the database stays taken */
    assert_false(esp_trial_is_held(database, 7));
    assert_false(esp_trial_is_held(database, 8));
    close(first);
    assert_true(esp_store_has_runner(database));
    close(second);
}

static void test_lock__a_fork_holds_it_and_death_drops_it(void **state)
{
    (void)state;
    int pipes[2], lock = -1, other = -1;
    bool taken = false;
    char word;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(esp_lock_take(&other, database, ESP_LOCK_SHARED), ESP_OK);
    const pid_t parent = fork();
    if (parent == 0) { /* a run: the worker below it claims, and is killed alone */
        if (esp_lock_take(&lock, database, ESP_LOCK_SHARED) != ESP_OK) {
            _exit(1);
        }
        const pid_t worker = fork();
        if (worker == 0) {
            _exit(esp_lock_trial(&taken, lock, 3) == ESP_OK && taken ? 0 : 1);
        }
        int result = 1;
        waitpid(worker, &result, 0);
        if (write(pipes[1], result == 0 ? "y" : "n", 1) != 1) {
            _exit(1);
        }
        pause();
    }
    assert_int_equal(read(pipes[0], &word, 1), 1);
    assert_int_equal(word, 'y');
    assert_true(esp_trial_is_held(database, 3)); /* the worker is gone, its run is not */
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    assert_false(esp_trial_is_held(database, 3));
    assert_int_equal(esp_lock_trial(&taken, other, 3), ESP_OK);
    assert_true(taken);
    close(other);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_lock__links_lead_to_one_lock(void **state)
{
    (void)state;
    char link[128];
    int lock = -1;
    assert_int_equal(esp_lock_take(&lock, database, ESP_LOCK_SHARED), ESP_OK);
    FILE *file = fopen(database, "w");
    assert_non_null(file);
    fclose(file);
    snprintf(link, sizeof link, "%s/link.db", folder);
    assert_int_equal(symlink(database, link), 0);
    assert_true(esp_store_has_runner(link));
    close(lock);
    assert_false(esp_store_has_runner(link));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lock__runs_share_a_merge_is_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lock__a_trial_has_one_holder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lock__a_fork_holds_it_and_death_drops_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_lock__links_lead_to_one_lock, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
