/* A confined connection: what it answers, what it refuses, and that it ends in time. The oracle is
 * SQLite's documentation of what each of these statements would do otherwise. */
#include "store/store_fixture.h"

#include "core/clock.h"
#include "store/confine.h"

static esp_store *open_confined(const fixture *db, int milliseconds)
{
    esp_store *store = NULL;
    ASSERT_OK(esp_store_open(&store, db->path, ESP_STORE_WRITE));
    esp_store_close(store);
    ASSERT_OK(esp_store_open(&store, db->path, ESP_STORE_READ));
    ASSERT_OK(esp_store_confine(store, &(esp_confinement){milliseconds, 1 << 20}));
    return store;
}

/* The status of all of a query's rows. */
static int ask(esp_store *store, const char *sql)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = esp_rows_open(&rows, store, sql);
    if (status == ESP_OK) {
        do {
            status = esp_rows_step(rows, &has_row);
        } while (status == ESP_OK && has_row);
    }
    esp_rows_close(rows);
    return status;
}

static void test_confine__reads(void **state)
{
    static const char *const queries[] = {
        "SELECT count(*) FROM seed_stats",
        "SELECT * FROM leaf_balance",
        "SELECT json_extract(p.value, '$.epochs') FROM cell c, json_each(c.config, '$.phases') p",
        "SELECT value, sqrt(value) FROM json_each('[1, 2]')",
        "SELECT count(*) FROM sqlite_master",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9) SELECT i FROM n"
        " ORDER BY -i",
        "SELECT trial_is_held(1)",
    };
    esp_store *store = open_confined(*state, 60000);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        if (ask(store, queries[i]) != ESP_OK) {
            fail_msg("%s: %s", queries[i], esp_message());
        }
    }
    esp_store_close(store);
}

static void test_confine__refuses(void **state)
{
    static const char *const queries[] = {
        "DELETE FROM study",
        "UPDATE sqlite_master SET sql = ''",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "ATTACH '/etc/passwd' AS other",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA temp_store_directory = '/tmp'",
        "SELECT * FROM pragma_journal_mode",
        "SELECT * FROM pragma_table_info('study')",
        "SELECT * FROM pragma_database_list",
        "VACUUM INTO '/tmp/espalier-stolen.db'",
        "BEGIN IMMEDIATE",
        "SAVEPOINT s",
        "REINDEX",
        "ANALYZE",
        "SELECT load_extension('x')",
        "SELECT writefile('x', 'y')",
        "SELECT readfile('/etc/passwd')",
        "SELECT zeroblob(1 << 21)",
        "SELECT 1; DELETE FROM study",
        "EXPLAIN DELETE FROM study",
    };
    esp_store *store = open_confined(*state, 60000);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        if (ask(store, queries[i]) != ESP_USAGE) {
            fail_msg("%s: not refused: %s", queries[i], esp_message());
        }
    }
    esp_store_close(store);
}

static void test_confine__ends_in_time(void **state)
{
    esp_store *store = open_confined(*state, 200);
    double started = esp_clock_seconds();
    assert_int_equal(ask(store, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                                " SELECT count(*) FROM n"),
                     ESP_USAGE);
    ASSERT_CONTAINS(esp_message(), "longer");
    double seconds = esp_clock_seconds() - started;
    assert_true(seconds > 0.1 && seconds < 5);
    esp_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_confine__reads, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_confine__refuses, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_confine__ends_in_time, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
