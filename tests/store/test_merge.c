/* Merging where a database of our own making shows what whole runs cannot: an epoch replaced by one
 * that differs, and a cell that another program resolved otherwise. Expected rows follow from
 * store/merge.h. */
#include "store/store_fixture.h"

#include "store/backup.h"
#include "store/internal.h"
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

/* Into words too, after a space: a study's name, its revision here, the one there, what it is now.
 */
static void keep_latest(void *context, const char *study, int ours, int theirs, bool moves)
{
    const size_t used = strlen(context);
    snprintf((char *)context + used, 256 - used, " %s %d %d %d", study, ours, theirs,
             moves ? theirs : ours);
}

static esp_merge_count merge(const char *path, const char *other, char words[256])
{
    esp_store *store = NULL;
    esp_merge_count count;
    const esp_merge_tell tell = {keep_words, keep_latest, words};
    words[0] = '\0';
    ASSERT_OK(esp_store_open(&store, path, ESP_STORE_WRITE));
    ASSERT_OK(esp_store_merge(&count, store, other, &tell));
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

/* Runs, without training, the revision of that text: study s, one seed. */
static void run_revision(const char *path, const char *text)
{
    fixture_study study;
    usleep(2000); /* two runs are not of one millisecond */
    fixture_make_study(&study, "s", text, 1, 1);
    fixture_register(path, &study);
}

static void copy_database(const char *path, const char *from)
{
    esp_store *store = NULL;
    ASSERT_OK(esp_store_open(&store, from, ESP_STORE_READ));
    ASSERT_OK(esp_store_back_up(path, store));
    esp_store_close(store);
}

/* By hand, as if the clock had been elsewhere at each run. */
static void shift_clock(const char *path, const char *text, const char *time)
{
    esp_store *store = NULL;
    ASSERT_OK(esp_store_open(&store, path, ESP_STORE_WRITE));
    char *sql = sqlite3_mprintf("UPDATE revision SET last_run_at = %Q WHERE text = %Q", time, text);
    ASSERT_OK(esp_sql_run(store, sql));
    sqlite3_free(sql);
    esp_store_close(store);
}

static const char latest_sql[] =
    "SELECT r.text FROM study s JOIN revision r ON r.id = s.current_revision";

/* Which revision is current does not hang on clocks: whichever is ahead, the same comes out. */
static void test_merge__latest_revision_needs_no_clock(void **state)
{
    const fixture *here = *state;
    static const char *const clocks[] = {"2001-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"};
    /* ours and theirs: one letter a run, in order; theirs after a + begins as a copy of ours. */
    static const struct {
        const char *ours, *theirs, *latest, *told;
    } cases[] = {
        {"ab", "b", "b", ""},          /* the same one there */
        {"ab", "a", "b", " s 2 1 2"},  /* run there, but not since */
        {"ab", "c", "b", " s 2 3 2"},  /* nothing tells which was first */
        {"ab", "bc", "c", " s 2 3 3"}, /* from ours to a new one */
        {"ab", "cb", "b", ""},         {"ab", "ba", "b", " s 2 1 2"}, /* ours ran both too, and in
                                                                         the other order */
        {"ab", "+c", "c", " s 2 3 3"},                                /* went on from a copy */
        {"ab", "+a", "a", " s 2 1 1"}, /* so did this, to one that ours knows */
        {"ab", "+", "b", ""},          {"a", "+ba", "a", ""},         {"", "ab", "b", ""},
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof *cases); i++) {
        char ours[160], theirs[160], words[256], text[2] = "";
        snprintf(ours, sizeof ours, "%s/ours%zu.db", here->folder, i);
        snprintf(theirs, sizeof theirs, "%s/theirs%zu.db", here->folder, i);
        const char *next = cases[i / 2].theirs;
        for (const char *run = cases[i / 2].ours; *run != '\0'; run++) {
            text[0] = *run;
            run_revision(ours, text);
        }
        if (*cases[i / 2].ours != '\0') {
            text[0] = cases[i / 2].ours[0];
            shift_clock(ours, text, clocks[i % 2]);
        }
        if (*next == '+') {
            copy_database(theirs, ours);
            next++;
        }
        for (; *next != '\0'; next++) {
            text[0] = *next;
            run_revision(theirs, text);
            if (i % 2 == 0) {
                shift_clock(theirs, text, "2098-01-01T00:00:00.000Z");
            }
        }
        merge(ours, theirs, words);
        assert_string_equal(words, cases[i / 2].told);
        ASSERT_ROW(ours, latest_sql, cases[i / 2].latest);
        merge(ours, theirs, words); /* again, it changes nothing */
        ASSERT_ROW(ours, latest_sql, cases[i / 2].latest);
    }
}

/* What was run here after a merge stays when the same database is merged again. */
static void test_merge__run_here_since_stays(void **state)
{
    const fixture *here = *state;
    char theirs[160], words[256];
    snprintf(theirs, sizeof theirs, "%s/theirs.db", here->folder);
    run_revision(here->path, "a");
    run_revision(here->path, "b");
    copy_database(theirs, here->path);
    run_revision(theirs, "a");
    merge(here->path, theirs, words);
    ASSERT_ROW(here->path, latest_sql, "a");
    run_revision(here->path, "b");
    merge(here->path, theirs, words);
    assert_string_equal(words, " s 2 1 2");
    ASSERT_ROW(here->path, latest_sql, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_merge__replaced_epoch_that_differs_is_noted,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_merge__cell_of_another_configuration, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_merge__latest_revision_needs_no_clock, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_merge__run_here_since_stays, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
