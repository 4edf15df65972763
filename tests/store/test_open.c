/* Opening: what is made, what is refused, and that what is refused stays as it was. */
#include "store/store_fixture.h"

#include <glob.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/digest.h"
#include "core/file.h"
#include "store/internal.h"

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", sql, message);
    }
    sqlite3_close(db);
}

/* Opens for both and expects the status and a part of the message; the file must not change. */
static void expect_refused(const char *path, int status, const char *part)
{
    const esp_store_mode modes[] = {ESP_STORE_READ, ESP_STORE_WRITE};
    for (int i = 0; i < 2; i++) {
        char before[ESP_SHA256_HEX], after[ESP_SHA256_HEX];
        esp_store *store = NULL;
        ASSERT_OK(esp_sha256_file(before, path));
        assert_int_equal(esp_store_open(&store, path, modes[i]), status);
        assert_null(store);
        ASSERT_CONTAINS(esp_message(), path);
        ASSERT_CONTAINS(esp_message(), part);
        ASSERT_OK(esp_sha256_file(after, path));
        assert_string_equal(before, after);
    }
}

static void make_empty_store(const fixture *db)
{
    esp_store *store = NULL;
    ASSERT_OK(esp_store_open(&store, db->path, ESP_STORE_WRITE));
    esp_store_close(store);
}

static void test_write__makes_folders_and_schema(void **state)
{
    const fixture *db = *state;
    make_empty_store(db);
    ASSERT_ROW(db->path,
               "SELECT (SELECT * FROM pragma_user_version),"
               " (SELECT * FROM pragma_application_id),"
               " (SELECT * FROM pragma_journal_mode)",
               "1|1163087937|wal");
    /* Every view can be read, by name and with its columns. */
    ASSERT_ROW(db->path,
               "SELECT study, variant, cell, seed, trial_id, status, at, epoch, split,"
               " metric, value FROM trial_final UNION ALL"
               " SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
               "1|2|3|4|5|6|7|8|9|10|11");
    ASSERT_ROW(db->path,
               "SELECT count(*) FROM sqlite_master t WHERE type = 'table' AND"
               " sql NOT LIKE '%STRICT%'",
               "0");
}

static void test_views__have_the_columns_of_the_contract(void **state)
{
    const fixture *db = *state;
    /* CONTRACT, section Database. */
    static const char *const views[][2] = {
        {"trial_final",
         "study, variant, cell, seed, trial_id, status, at, epoch, split, metric, value"},
        {"seed_stats", "study, variant, cell, at, split, metric, n, mean, sd, variance, min, max,"
                       " best, spread, planned, failed"},
        {"epoch_seed_stats", "study, variant, cell, phase, phase_epoch, split, metric, n, mean, sd,"
                             " variance, min, max"},
        {"paired_delta", "study, variant, cell, reference, seed, at, split, metric, value,"
                         " reference_value, delta"},
        {"learning_curve", "study, variant, cell, seed, trial_id, epoch, phase, phase_epoch, split,"
                           " metric, value"},
        {"leaf_load", "trial_id, epoch, split, leaf, count"},
        {"leaf_balance", "trial_id, epoch, split, leaves, dead, entropy, cv, max_share"},
        {"cell_param", "study, variant, cell, key, value"},
        {"versus_published",
         "study, variant, cell, at, split, metric, routing, n, best, spread, sd, published_best,"
         " published_spread, spread_is, runs, source"},
        {"missing_trials", "study, variant, cell, seed, trial_id, status"},
        {"stale_trials", "study, variant, cell, seed, trial_id, status"},
    };
    make_empty_store(db);
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        char sql[512];
        bool of_studies = strncmp(views[i][0], "leaf_", 5) != 0;
        for (int all = 0; all <= of_studies; all++) {
            snprintf(sql, sizeof sql, "SELECT count(*) FROM (SELECT %s%s FROM %s%s)", views[i][1],
                     all ? ", revision" : "", views[i][0], all ? "_all" : "");
            ASSERT_ROW(db->path, sql, "0");
        }
    }
}

static void test_read__nothing_there(void **state)
{
    const fixture *db = *state;
    esp_store *store = NULL;
    assert_int_equal(esp_store_open(&store, db->path, ESP_STORE_READ), ESP_NOT_FOUND);
    ASSERT_CONTAINS(esp_message(), "espalier run");
    assert_int_equal(access(db->path, F_OK), -1);
    char empty[128];
    snprintf(empty, sizeof empty, "%s/empty.db", db->folder);
    ASSERT_OK(esp_file_write(empty, "", 0));
    assert_int_equal(esp_store_open(&store, empty, ESP_STORE_READ), ESP_NOT_FOUND);
    ASSERT_OK(esp_store_open(&store, empty, ESP_STORE_WRITE));
    esp_store_close(store);
}

/* The second run of a study: every command that writes looks the file through first. */
static void test_write__existing_file_again(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 16, 0);
    fixture_register(db->path, &study);
    for (int i = 0; i < 2; i++) {
        esp_store *store = NULL;
        const int status = esp_store_open(&store, db->path, ESP_STORE_WRITE);
        if (status != ESP_OK) {
            fail_msg("SQLite %s: %s", sqlite3_libversion(), esp_message());
        }
        esp_store_close(store);
        ASSERT_ROW(db->path, "SELECT count(*) FROM study", "1");
    }
}

static void test_refused__foreign_files(void **state)
{
    const fixture *db = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/other.db", db->folder);
    run_sql(path, "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
    expect_refused(path, ESP_STORE, "not an espalier database");
    run_sql(path, "PRAGMA application_id = 7; PRAGMA user_version = 1");
    expect_refused(path, ESP_STORE, "not an espalier database");
    snprintf(path, sizeof path, "%s/text", db->folder);
    ASSERT_OK(esp_file_write(path, "study: table1\n", 14));
    expect_refused(path, ESP_STORE, "not an espalier database");
    esp_store *store = NULL;
    assert_int_equal(esp_store_open(&store, db->folder, ESP_STORE_WRITE), ESP_STORE);
    ASSERT_CONTAINS(esp_message(), "not a file");
    snprintf(path, sizeof path, "%s/text/x/y.db", db->folder);
    assert_int_equal(esp_store_open(&store, path, ESP_STORE_WRITE), ESP_STORE);
    ASSERT_CONTAINS(esp_message(), "Not a directory");
}

static void test_refused__newer_version(void **state)
{
    const fixture *db = *state;
    make_empty_store(db);
    run_sql(db->path, "PRAGMA user_version = 2");
    expect_refused(db->path, ESP_STORE, "newer espalier (schema version 2");
}

static void test_refused__damaged_files(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 16, 0);
    fixture_register(db->path, &study);
    char *bytes = NULL, path[128];
    size_t count = 0;
    ASSERT_OK(esp_file_read(&bytes, &count, db->path));
    /* Cut short, as by a copy that broke off. */
    snprintf(path, sizeof path, "%s/short.db", db->folder);
    ASSERT_OK(esp_file_write(path, bytes, count / 2));
    expect_refused(path, ESP_STORE, "damaged");
    /* Every page but the first overwritten. */
    memset(bytes + 4096, 0x5a, count - 4096);
    snprintf(path, sizeof path, "%s/noise.db", db->folder);
    ASSERT_OK(esp_file_write(path, bytes, count));
    esp_store *store = NULL;
    assert_int_equal(esp_store_open(&store, path, ESP_STORE_WRITE), ESP_STORE);
    ASSERT_CONTAINS(esp_message(), "damaged");
    free(bytes);
}

/* Root may do everything: this is tried as nobody, in a child. */
static void test_permissions__told_and_read_only_folders_readable(void **state)
{
    const fixture *db = *state;
    if (geteuid() != 0) {
        skip();
    }
    make_empty_store(db);
    char folder[96];
    snprintf(folder, sizeof folder, "%s/r", db->folder);
    assert_int_equal(chmod(db->folder, 0755) | chmod(folder, 0755) | chmod(db->path, 0644), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        esp_store *store = NULL;
        esp_rows *rows = NULL;
        if (setuid(65534) != 0) {
            _exit(9);
        }
        if (esp_store_open(&store, db->path, ESP_STORE_WRITE) != ESP_STORE ||
            strstr(esp_message(), "no permission to write") == NULL) {
            _exit(1);
        }
        /* Nobody can make lock files there, and there is no writer: it is read as it is. */
        if (esp_store_open(&store, db->path, ESP_STORE_READ) != ESP_OK ||
            esp_rows_open(&rows, store, "SELECT * FROM seed_stats") != ESP_OK) {
            fprintf(stderr, "%s\n", esp_message());
            _exit(2);
        }
        esp_rows_close(rows);
        esp_store_close(store);
        char path[128];
        snprintf(path, sizeof path, "%s/new/espalier.db", folder);
        if (esp_store_open(&store, path, ESP_STORE_WRITE) != ESP_STORE ||
            strstr(esp_message(), "Permission denied") == NULL) {
            _exit(3);
        }
        _exit(0);
    }
    int outcome = 0;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_true(WIFEXITED(outcome));
    assert_int_equal(WEXITSTATUS(outcome), 0);
    assert_int_equal(chmod(db->path, 0600), 0);
}

/* A version 2 that adds a column, and one whose step fails half way. */
static void test_migration__after_a_backup_whole_or_not_at_all(void **state)
{
    const fixture *db = *state;
    int count = 0;
    const esp_migration *ours = esp_store_migrations(&count);
    assert_int_equal(count, 1);
    fixture_study study;
    fixture_make_study(&study, "s", "t", 2, 0);
    fixture_register(db->path, &study);
    const esp_migration broken[] = {
        ours[0], {2, "ALTER TABLE trial ADD COLUMN note TEXT; ALTER TABLE no_such_table ADD x"}};
    const esp_migration sound[] = {ours[0], {2, "ALTER TABLE trial ADD COLUMN note TEXT"}};
    esp_store *store = NULL;
    /* A reader does not migrate, and says who does. */
    assert_int_equal(esp_store_open_with(&store, db->path, ESP_STORE_READ, sound, 2, true),
                     ESP_STORE);
    ASSERT_CONTAINS(esp_message(), "older espalier");
    assert_int_equal(esp_store_open_with(&store, db->path, ESP_STORE_WRITE, broken, 2, true),
                     ESP_STORE);
    ASSERT_CONTAINS(esp_message(), "schema version 2");
    ASSERT_ROW(db->path,
               "SELECT count(*), (SELECT * FROM pragma_user_version) FROM"
               " pragma_table_info('trial') WHERE name = 'note'",
               "0|1");
    ASSERT_OK(esp_store_open_with(&store, db->path, ESP_STORE_WRITE, sound, 2, true));
    esp_rows *rows = NULL;
    bool has_row = false;
    ASSERT_OK(esp_rows_open(&rows, store, "SELECT count(note) + count(*) FROM trial"));
    ASSERT_OK(esp_rows_step(rows, &has_row));
    assert_int_equal(esp_rows_integer(rows, 0), 4);
    esp_rows_close(rows);
    esp_store_close(store);
    /* This program knows version 1 only: it refuses the new file and reads the backup. */
    assert_int_equal(esp_store_open(&store, db->path, ESP_STORE_READ), ESP_STORE);
    char backup[128];
    snprintf(backup, sizeof backup, "%s.before-v2", db->path);
    ASSERT_ROW(backup, "SELECT count(*) FROM trial", "4");
    /* Opened again it has nothing left to do. */
    ASSERT_OK(esp_store_open_with(&store, db->path, ESP_STORE_WRITE, sound, 2, true));
    esp_store_close(store);
}

/* With no room for the backup, or for the steps, the file stays what it was; in a child, since the
 * limit of file sizes cannot be raised again. */
static void test_migration__no_room(void **state)
{
    const fixture *db = *state;
    int count = 0;
    const esp_migration *ours = esp_store_migrations(&count);
    const esp_migration sound[] = {ours[0], {2, "ALTER TABLE trial ADD COLUMN note TEXT"}};
    make_empty_store(db);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        esp_store *store = NULL;
        const struct rlimit limit = {.rlim_cur = 65536, .rlim_max = 65536};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        const int status = esp_store_open_with(&store, db->path, ESP_STORE_WRITE, sound, 2, true);
        _exit(status != ESP_STORE                                        ? 1
              : strstr(esp_message(), "backup before migrating") == NULL ? 2
              : strstr(esp_message(), "File too large") == NULL          ? 3
                                                                         : 0);
    }
    int outcome = 0;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_int_equal(outcome, 0);
    char pattern[128];
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s.before*", db->path);
    assert_int_equal(glob(pattern, 0, NULL, &found), GLOB_NOMATCH);
    ASSERT_ROW(db->path, "SELECT * FROM pragma_user_version", "1");
    ASSERT_ROW(db->path, "SELECT * FROM pragma_integrity_check", "ok");
}

/* Kilobytes of the log after 4000 pages were written in 400 transactions of this store. */
static long log_after_many_writes(const fixture *db, esp_store *store)
{
    for (int i = 0; i < 400; i++) {
        assert_int_equal(sqlite3_exec(store->db,
                                      "UPDATE revision SET title = hex(randomblob(20000))", NULL,
                                      NULL, NULL),
                         SQLITE_OK);
    }
    char name[128];
    struct stat information;
    snprintf(name, sizeof name, "%s-wal", db->path);
    assert_int_equal(stat(name, &information), 0);
    return (long)(information.st_size / 1024);
}

static void test_log__starts_over_and_grows_under_a_long_reader_only(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 1, 0);
    fixture_register(db->path, &study);
    esp_store *store = NULL, *reader = NULL;
    esp_rows *rows = NULL;
    bool has_row = false;
    ASSERT_OK(esp_store_open(&store, db->path, ESP_STORE_WRITE));
    const long usual = log_after_many_writes(db, store);
    assert_in_range(usual, 1000, 6000); /* a checkpoint every 1000 pages of 4 kB, and some more */
    ASSERT_OK(esp_store_open(&reader, db->path, ESP_STORE_READ));
    ASSERT_OK(esp_rows_open(&rows, reader, "SELECT trial_id FROM trial"));
    ASSERT_OK(esp_rows_step(rows, &has_row));
    const long held = log_after_many_writes(db, store);
    assert_in_range(held, 12000, 40000);
    /* The reader is still where it was, and what it sees is whole. */
    ASSERT_OK(esp_rows_step(rows, &has_row));
    assert_true(has_row);
    esp_rows_close(rows);
    esp_store_close(reader);
    /* Without it the log is used from its beginning again: it grows no more. */
    assert_in_range(log_after_many_writes(db, store), held, held + 500);
    int64_t limit = 0;
    ASSERT_OK(esp_sql_integer(&limit, store, "PRAGMA journal_size_limit", 0));
    assert_int_equal(limit, 64 << 20);
    esp_store_close(store);
}

static void test_links__lead_to_the_file(void **state)
{
    const fixture *db = *state;
    char link_name[128];
    esp_store *store = NULL;
    snprintf(link_name, sizeof link_name, "%s/link.db", db->folder);
    make_empty_store(db);
    assert_int_equal(symlink(db->path, link_name), 0);
    ASSERT_OK(esp_store_open(&store, link_name, ESP_STORE_WRITE));
    esp_store_close(store);
    assert_int_equal(remove(db->path), 0);
    const esp_store_mode modes[] = {ESP_STORE_READ, ESP_STORE_WRITE};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(esp_store_open(&store, link_name, modes[i]), ESP_STORE);
        ASSERT_CONTAINS(esp_message(), "a symbolic link to a file that is not there");
    }
    assert_int_not_equal(access(db->path, F_OK), 0);
}

static void test_rows__read_only_and_one_statement(void **state)
{
    const fixture *db = *state;
    static const char *const refused[] = {"DELETE FROM trial",
                                          "SELECT 1; SELECT 2",
                                          "",
                                          "-- nothing",
                                          "BEGIN",
                                          "ATTACH '/tmp/x.db' AS other",
                                          "VACUUM",
                                          "PRAGMA user_version = 9",
                                          "SELECT no_such",
                                          "SELEC 1"};
    make_empty_store(db);
    const esp_store_mode modes[] = {ESP_STORE_READ, ESP_STORE_WRITE};
    for (int mode = 0; mode < 2; mode++) {
        esp_store *store = NULL;
        esp_rows *rows = NULL;
        ASSERT_OK(esp_store_open(&store, db->path, modes[mode]));
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
            assert_int_equal(esp_rows_open(&rows, store, refused[i]), ESP_USAGE);
            assert_null(rows);
        }
        ASSERT_OK(esp_rows_open(&rows, store, "SELECT :a, :b, 1, 2.5, NULL ; -- end \n"));
        ASSERT_OK(esp_rows_bind_text(rows, ":a", "x"));
        ASSERT_OK(esp_rows_bind_integer(rows, ":b", 7));
        ASSERT_OK(esp_rows_bind_integer(rows, ":c", 7));
        bool has_row = false;
        ASSERT_OK(esp_rows_step(rows, &has_row));
        const char types[] = "tiirn";
        for (int i = 0; i < 5; i++) {
            assert_int_equal(esp_rows_type(rows, i), types[i]);
        }
        assert_string_equal(esp_rows_text(rows, 0), "x");
        assert_int_equal(esp_rows_integer(rows, 1), 7);
        assert_true(esp_rows_real(rows, 3) == 2.5);
        assert_true(isnan(esp_rows_real(rows, 4)));
        ASSERT_OK(esp_rows_step(rows, &has_row));
        assert_false(has_row);
        esp_rows_close(rows);
        esp_store_close(store);
    }
}

static void test_lookup__without_writing(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 1, 0);
    fixture_register(db->path, &study);
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, db->path));
    fixture_train(writer, study.trials[0].key, (double[]){0.5, 0.6}, 2, 1);
    ASSERT_OK(esp_writer_stop(writer));
    esp_store_trial trials[] = {{.id = study.ids[0]}, {.id = study.ids[1]}, {.id = "unknown"}};
    esp_store *store = NULL;
    ASSERT_OK(esp_store_open(&store, db->path, ESP_STORE_READ));
    ASSERT_OK(esp_store_lookup(store, trials, 3));
    esp_store_close(store);
    assert_int_equal(trials[0].status, ESP_TRIAL_DONE);
    assert_int_equal(trials[0].epochs_done, 2);
    assert_int_equal(trials[0].key, study.trials[0].key);
    assert_int_equal(trials[1].status, ESP_TRIAL_PLANNED);
    assert_true(trials[1].key > 0);
    assert_int_equal(trials[2].key, 0);
}

static void test_reader__while_a_writer_writes(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 1, 0);
    fixture_register(db->path, &study);
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(db->path, &other), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(other, "BEGIN IMMEDIATE; UPDATE trial SET status = 'done'", NULL, NULL, NULL),
        SQLITE_OK);
    ASSERT_ROW(db->path, "SELECT count(*) FROM missing_trials", "2");
    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(other);
    ASSERT_ROW(db->path, "SELECT count(*) FROM missing_trials", "0");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_write__makes_folders_and_schema),
        TEST(test_views__have_the_columns_of_the_contract),
        TEST(test_read__nothing_there),
        TEST(test_write__existing_file_again),
        TEST(test_refused__foreign_files),
        TEST(test_refused__newer_version),
        TEST(test_refused__damaged_files),
        TEST(test_permissions__told_and_read_only_folders_readable),
        TEST(test_migration__after_a_backup_whole_or_not_at_all),
        TEST(test_migration__no_room),
        TEST(test_log__starts_over_and_grows_under_a_long_reader_only),
        TEST(test_links__lead_to_the_file),
        TEST(test_rows__read_only_and_one_statement),
        TEST(test_lookup__without_writing),
        TEST(test_reader__while_a_writer_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
