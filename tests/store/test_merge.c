/* Merging where a database of our own making shows what whole runs cannot: an epoch replaced by one
 * that differs, and a cell that another program resolved otherwise. Expected rows follow from
 * store/merge.h. */
#include "store/store_fixture.h"

#include "store/merge.h"

static void keep_words(void *context, const char *words)
{
    snprintf(context, 256, "%s", words);
}

/* Trains the first trial to `epochs` with digests "<letter>1", ...; done or interrupted. */
static void train(const char *path, fixture_study *study, char letter, int epochs,
                  esp_trial_status status)
{
    esp_writer *writer = NULL;
    int64_t trial = study->trials[0].key;
    ASSERT_OK(esp_writer_start(&writer, path));
    int64_t attempt = fixture_begin(writer, trial, "{}");
    for (int epoch = 1; epoch <= epochs; epoch++) {
        char digest[16];
        snprintf(digest, sizeof digest, "%c%d", letter, epoch);
        esp_epoch_record record = fixture_epoch(trial, attempt, epoch);
        record.digest = digest;
        ASSERT_OK(esp_writer_epoch(writer, &record));
    }
    fixture_end(writer, trial, attempt, status, 1, epochs);
    ASSERT_OK(esp_writer_stop(writer));
}

static esp_merge_count merge(const char *path, const char *other, char words[256])
{
    esp_store *store = NULL;
    esp_merge_count count;
    words[0] = '\0';
    ASSERT_OK(esp_store_open(&store, path, ESP_STORE_WRITE));
    ASSERT_OK(esp_store_merge(&count, store, other, keep_words, words));
    esp_store_close(store);
    return count;
}

static void test_merge__replaced_epoch_that_differs_is_noted(void **state)
{
    const fixture *here = *state;
    char other[160], words[256];
    fixture_study ours, theirs;
    snprintf(other, sizeof other, "%s/other.db", here->folder);
    fixture_make_study(&ours, "s", "text", 1, 1);
    fixture_make_study(&theirs, "s", "text", 1, 1);
    fixture_register(here->path, &ours);
    fixture_register(other, &theirs);
    train(here->path, &ours, 'a', 2, ESP_TRIAL_INTERRUPTED);
    train(other, &theirs, 'b', 3, ESP_TRIAL_DONE);
    esp_merge_count count = merge(here->path, other, words);
    assert_int_equal(count.replaced, 1);
    assert_int_equal(count.conflicts, 0);
    ASSERT_ROW(here->path, "SELECT group_concat(digest, ' ') FROM epoch", "b1 b2 b3");
    ASSERT_ROW(here->path, "SELECT group_concat(stored || found, ' ') FROM digest_mismatch",
               "a1b1 a2b2");
    ASSERT_ROW(here->path, "SELECT group_concat(number || status, ' ') FROM attempt",
               "1interrupted 2done");
    count = merge(here->path, other, words);
    assert_int_equal(count.replaced, 0);
    ASSERT_ROW(here->path, "SELECT count(*), (SELECT count(*) FROM digest_mismatch) FROM attempt",
               "2|2");
}

static void test_merge__cell_of_another_configuration(void **state)
{
    const fixture *here = *state;
    char other[160], words[256];
    fixture_study ours, theirs;
    snprintf(other, sizeof other, "%s/other.db", here->folder);
    fixture_make_study(&ours, "s", "text", 1, 1);
    fixture_make_study(&theirs, "s", "text", 1, 100);
    theirs.cells[0].identity = "{\"trainer\": 2}";
    fixture_register(here->path, &ours);
    fixture_register(other, &theirs);
    train(other, &theirs, 'b', 3, ESP_TRIAL_DONE);
    esp_merge_count count = merge(here->path, other, words);
    assert_int_equal(count.conflicts, 1);
    ASSERT_CONTAINS(words, "cell baseline leaf=8");
    ASSERT_ROW(here->path, "SELECT count(*) FROM epoch", "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_merge__replaced_epoch_that_differs_is_noted,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_merge__cell_of_another_configuration, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
