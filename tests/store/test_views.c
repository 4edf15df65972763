/* The views against values worked out by hand, next to each assertion. */
#include "store/store_fixture.h"

#include "store/published.h"

/* Test accuracies: baseline .5 .75 | .6 | 1; balanced .75 | .8 | .7 at the selected epoch. */
static void fill(const fixture *db, fixture_study *study)
{
    fixture_make_study(study, "s", "study: s", 3, 0x100);
    fixture_register(db->path, study);
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, db->path));
    const double first[] = {0.75, 0.5}, ones[][1] = {{0.6}, {1}, {0.75}, {0.8}, {0.7}};
    fixture_train(writer, study->trials[0].key, first, 2, 1);
    for (int i = 0; i < 5; i++) {
        fixture_train(writer, study->trials[i + 1].key, ones[i], 1, 1);
    }
    ASSERT_OK(esp_writer_stop(writer));
}

#define WHERE_BASELINE                                                                             \
    " FROM seed_stats WHERE study = 's' AND variant = 'baseline' AND at = 'selected'"              \
    " AND split = 'test' AND metric = "

static void test_seed_stats__against_hand(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fill(db, &study);
    /* .75 .6 1: mean .78333..., deviations -.0333 -.18333 .21666, squares sum .0816666...,
     * variance by n - 1: .0408333... */
    ASSERT_CLOSE(fixture_real(db->path, "SELECT mean" WHERE_BASELINE "'hard_accuracy'"), 2.35 / 3);
    ASSERT_CLOSE(fixture_real(db->path, "SELECT variance" WHERE_BASELINE "'hard_accuracy'"),
                 0.245 / 6);
    ASSERT_CLOSE(fixture_real(db->path, "SELECT sd" WHERE_BASELINE "'hard_accuracy'"),
                 sqrt(0.245 / 6));
    ASSERT_ROW(db->path,
               "SELECT cell, n, min, max, best, spread, planned, failed" WHERE_BASELINE
               "'hard_accuracy'",
               "baseline leaf=8|3|0.6|1.0|1.0|0.4|3|0");
    /* Of losses the least is best: .25 .4 0. */
    ASSERT_ROW(db->path, "SELECT n, min, max, best, spread" WHERE_BASELINE "'hard_loss'",
               "3|0.0|0.4|0.0|0.4");
    /* At the last epoch the first seed is at .5. */
    ASSERT_CLOSE(fixture_real(db->path, "SELECT mean FROM seed_stats WHERE variant = 'baseline'"
                                        " AND at = 'last' AND metric = 'hard_accuracy'"),
                 2.1 / 3);
}

static void test_seed_stats__one_seed_and_failed_ones(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 3, 0);
    fixture_register(db->path, &study);
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, db->path));
    fixture_train(writer, study.trials[0].key, (double[]){0.5}, 1, 1);
    int64_t attempt = fixture_begin(writer, study.trials[1].key, "{}");
    esp_epoch_record record = fixture_epoch(study.trials[1].key, attempt, 1);
    record.metrics[ESP_TEST][ESP_HARD_ACCURACY] = 0.1;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    fixture_end(writer, study.trials[1].key, attempt, ESP_TRIAL_FAILED, 1, 1);
    ASSERT_OK(esp_writer_stop(writer));
    ASSERT_ROW(db->path,
               "SELECT n, mean, sd, variance, planned, failed" WHERE_BASELINE "'hard_accuracy'",
               "1|0.5|-|-|3|1");
    /* The failed trial's figures are there, as such, but in no statistic. */
    ASSERT_ROW(db->path,
               "SELECT seed, value FROM trial_final WHERE status = 'failed'"
               " AND at = 'last'",
               "1|0.1");
    ASSERT_ROW(db->path,
               "SELECT group_concat(seed || status, ' ') FROM missing_trials"
               " WHERE variant = 'baseline'",
               "1failed 2planned");
}

static void test_seed_stats__equal_values_have_no_variance(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 3, 0);
    fixture_register(db->path, &study);
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, db->path));
    for (int i = 0; i < 3; i++) {
        fixture_train(writer, study.trials[i].key, (double[]){0.1}, 1, 1);
    }
    ASSERT_OK(esp_writer_stop(writer));
    assert_true(fixture_real(db->path, "SELECT variance" WHERE_BASELINE "'hard_accuracy'") == 0);
}

static void test_paired_delta__pairs_by_seed(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fill(db, &study);
    ASSERT_ROW(db->path,
               "SELECT count(*), count(DISTINCT variant) FROM paired_delta"
               " WHERE at = 'selected' AND metric = 'hard_accuracy'",
               "3|1");
    ASSERT_ROW(db->path,
               "SELECT variant, cell, reference, seed, split, value, reference_value,"
               " round(delta, 12) FROM paired_delta"
               " WHERE seed = '1' AND at = 'selected' AND metric = 'hard_accuracy'",
               "balanced|balanced leaf=8|baseline leaf=8|1|test|0.8|0.6|0.2");
    ASSERT_CLOSE(fixture_real(db->path, "SELECT sum(delta) FROM paired_delta WHERE"
                                        " at = 'selected' AND metric = 'hard_accuracy'"),
                 2.25 - 2.35);
}

static void test_revisions__views_show_the_one_run_last(void **state)
{
    const fixture *db = *state;
    fixture_study first, second;
    fill(db, &first);
    /* Another text: another revision, with trials of its own that are not run. */
    fixture_make_study(&second, "s", "study: s # changed", 2, 0x200);
    fixture_register(db->path, &second);
    ASSERT_ROW(db->path, "SELECT count(*) FROM seed_stats", "0");
    ASSERT_ROW(db->path, "SELECT count(*) FROM missing_trials", "4");
    ASSERT_ROW(db->path, "SELECT DISTINCT revision FROM seed_stats_all", "1");
    /* The first one run again is the same revision, and its trials are known. */
    fixture_make_study(&first, "s", "study: s", 3, 0x100);
    fixture_register(db->path, &first);
    assert_int_equal(first.trials[0].status, ESP_TRIAL_DONE);
    assert_int_equal(first.trials[0].epochs_done, 2);
    ASSERT_ROW(db->path, "SELECT count(*) FROM revision", "2");
    ASSERT_ROW(db->path, "SELECT n" WHERE_BASELINE "'hard_accuracy'", "3");
    ASSERT_ROW(db->path, "SELECT count(*) FROM missing_trials", "0");
    ASSERT_ROW(db->path, "SELECT count(*) FROM missing_trials_all WHERE revision = 2", "4");
}

static void test_revisions__seeds_join_and_renamed_trials_leave(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 3, 0x100);
    fixture_register(db->path, &study);
    /* Fewer seeds: the others stay in the revision. */
    fixture_make_study(&study, "s", "t", 2, 0x100);
    study.trials[2].id = "0000000000000103"; /* as three seeds number them */
    study.trials[3].id = "0000000000000104";
    fixture_register(db->path, &study);
    ASSERT_ROW(db->path, "SELECT count(*) FROM missing_trials", "6");
    /* The same text under a trainer that gives other identities: they take the places. */
    fixture_make_study(&study, "s", "t", 3, 0x900);
    fixture_register(db->path, &study);
    ASSERT_ROW(db->path, "SELECT count(*), min(trial_id) FROM missing_trials",
               "6|0000000000000900");
}

static void test_shared_trials__belong_to_both_studies(void **state)
{
    const fixture *db = *state;
    fixture_study first, second;
    fill(db, &first);
    fixture_make_study(&second, "other", "study: other", 3, 0x100);
    second.trials[0].seed = "init=0,order=0,noise=0"; /* the label is the study's own */
    fixture_register(db->path, &second);
    assert_int_equal(second.trials[5].key, first.trials[5].key);
    assert_int_equal(second.trials[5].status, ESP_TRIAL_DONE);
    ASSERT_ROW(db->path, "SELECT count(*) FROM trial", "6");
    ASSERT_ROW(db->path,
               "SELECT count(DISTINCT study), count(DISTINCT mean) FROM seed_stats"
               " WHERE variant = 'baseline' AND at = 'last' AND metric = 'hard_loss'",
               "2|1");
    ASSERT_ROW(db->path,
               "SELECT seed FROM trial_final WHERE study = 'other' AND at = 'last'"
               " AND trial_id = '0000000000000100' AND metric = 'hard_loss'",
               "init=0,order=0,noise=0");
}

/* Two seeds, phases a and b; the first seed stops a after 1 epoch, the second after 2. */
static void test_epoch_seed_stats__early_stopping_misaligns(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 2, 0);
    fixture_register(db->path, &study);
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, db->path));
    const struct {
        int trial, epoch;
        const char *phase;
        int phase_epoch;
        double loss;
    } rows[] = {{0, 1, "a", 1, 1},   {0, 2, "b", 1, 0.5},  {1, 1, "a", 1, 2},
                {1, 2, "a", 2, 1.5}, {1, 3, "b", 1, 0.25}, {1, 4, "b", 2, 0.125}};
    int64_t attempts[2];
    for (int i = 0; i < 2; i++) {
        attempts[i] = fixture_begin(writer, study.trials[i].key, "{}");
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        esp_epoch_record record =
            fixture_epoch(study.trials[rows[i].trial].key, attempts[rows[i].trial], rows[i].epoch);
        record.phase = rows[i].phase;
        record.phase_epoch = rows[i].phase_epoch;
        record.running_loss = rows[i].loss;
        ASSERT_OK(esp_writer_epoch(writer, &record));
    }
    fixture_end(writer, study.trials[0].key, attempts[0], ESP_TRIAL_DONE, 2, 2);
    fixture_end(writer, study.trials[1].key, attempts[1], ESP_TRIAL_DONE, 4, 4);
    ASSERT_OK(esp_writer_stop(writer));
    ASSERT_ROW(db->path,
               "SELECT n, mean, variance, min, max FROM epoch_seed_stats WHERE"
               " phase = 'a' AND phase_epoch = 1 AND metric = 'running_loss'",
               "2|1.5|0.5|1.0|2.0");
    ASSERT_ROW(db->path,
               "SELECT n, mean, sd FROM epoch_seed_stats WHERE phase = 'a' AND"
               " phase_epoch = 2",
               "1|1.5|-");
    /* Epochs 2 and 3 of the trials, but both the first of phase b: .5 and .25. */
    ASSERT_ROW(db->path,
               "SELECT n, mean, variance FROM epoch_seed_stats WHERE phase = 'b' AND"
               " phase_epoch = 1",
               "2|0.375|0.03125");
    ASSERT_ROW(db->path, "SELECT group_concat(epoch, '') FROM learning_curve WHERE seed = '1'",
               "1234");
}

static void test_leaf_balance__against_hand(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 1, 0);
    fixture_register(db->path, &study);
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, db->path));
    int64_t attempt = fixture_begin(writer, study.trials[0].key, "{}");
    /* 3 1 0 0: entropy (3/4 ln 4/3 + 1/4 ln 4)/ln 4; mean 1, population sd sqrt((4+0+1+1)/4). */
    const int64_t skewed[] = {3, 1, 0, 0}, even[] = {5, 5, 5, 5}, none[] = {0, 0, 0, 0};
    esp_epoch_record record = fixture_epoch(study.trials[0].key, attempt, 1);
    record.n_leaves = 4;
    record.leaf_counts[ESP_TRAIN] = even;
    record.leaf_counts[ESP_VALIDATION] = none;
    record.leaf_counts[ESP_TEST] = skewed;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    record.epoch = 2;
    record.n_leaves = 1;
    record.leaf_counts[ESP_TRAIN] = record.leaf_counts[ESP_VALIDATION] = NULL;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    ASSERT_OK(esp_writer_stop(writer));
    ASSERT_ROW(db->path,
               "SELECT trial_id, leaves, dead, max_share FROM leaf_balance WHERE"
               " epoch = 1 AND split = 'test'",
               "0000000000000000|4|2|0.75");
    ASSERT_CLOSE(fixture_real(db->path, "SELECT entropy FROM leaf_balance WHERE epoch = 1 AND"
                                        " split = 'test'"),
                 (0.75 * log(4.0 / 3) + 0.25 * log(4)) / log(4));
    ASSERT_CLOSE(fixture_real(db->path, "SELECT cv FROM leaf_balance WHERE epoch = 1 AND"
                                        " split = 'test'"),
                 sqrt(1.5));
    ASSERT_CLOSE(fixture_real(db->path, "SELECT entropy FROM leaf_balance WHERE split = 'train'"),
                 1);
    ASSERT_ROW(db->path,
               "SELECT leaves, dead, cv, max_share FROM leaf_balance WHERE"
               " split = 'train'",
               "4|0|0.0|0.25");
    ASSERT_ROW(db->path,
               "SELECT leaves, dead, entropy, cv, max_share FROM leaf_balance WHERE"
               " split = 'validation'",
               "4|4|-|-|-");
    ASSERT_ROW(db->path,
               "SELECT leaves, dead, entropy, cv, max_share FROM leaf_balance WHERE"
               " epoch = 2",
               "1|0|1.0|0.0|1.0");
    ASSERT_ROW(db->path,
               "SELECT group_concat(leaf || ':' || count, ' ') FROM leaf_load WHERE"
               " epoch = 1 AND split = 'test'",
               "0:3 1:1 2:0 3:0");
}

static void test_tall_metrics__in_every_view(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 2, 0);
    fixture_register(db->path, &study);
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, db->path));
    for (int i = 0; i < 4; i++) {
        int64_t attempt = fixture_begin(writer, study.trials[i].key, "{}");
        const esp_extra_metric extra[] = {{ESP_TRAIN, "loss.balance", 1.0 + i},
                                          {ESP_TEST, "master_leaf.k", 0.5 * i},
                                          {ESP_TEST, "early_exit.accuracy_at_90", 0.25 * i},
                                          {ESP_TEST, "early_exit.cost_at_90", 1}};
        esp_epoch_record record = fixture_epoch(study.trials[i].key, attempt, 1);
        record.n_extra = 4;
        record.extra = extra;
        ASSERT_OK(esp_writer_epoch(writer, &record));
        fixture_end(writer, study.trials[i].key, attempt, ESP_TRIAL_DONE, 1, 1);
    }
    ASSERT_OK(esp_writer_stop(writer));
    ASSERT_ROW(db->path, "SELECT n, mean, best, spread" WHERE_BASELINE "'master_leaf.k'",
               "2|0.25|-|0.5");
    ASSERT_ROW(db->path, "SELECT best" WHERE_BASELINE "'early_exit.accuracy_at_90'", "0.25");
    ASSERT_ROW(db->path, "SELECT best" WHERE_BASELINE "'early_exit.cost_at_90'", "-");
    ASSERT_ROW(db->path,
               "SELECT mean, best FROM seed_stats WHERE metric = 'loss.balance' AND"
               " variant = 'balanced' AND at = 'last'",
               "3.5|3.0");
    ASSERT_ROW(db->path,
               "SELECT group_concat(delta) FROM paired_delta WHERE at = 'last' AND"
               " metric = 'loss.balance'",
               "2.0,2.0");
    ASSERT_ROW(db->path, "SELECT count(*) FROM learning_curve WHERE metric = 'master_leaf.k'", "4");
    ASSERT_ROW(db->path,
               "SELECT n, variance FROM epoch_seed_stats WHERE metric = 'master_leaf.k'"
               " AND variant = 'balanced'",
               "2|0.125");
}

static void test_cell_param__of_the_revision(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 1, 0);
    fixture_register(db->path, &study);
    fixture_register(db->path, &study); /* again: nothing doubles */
    ASSERT_ROW(db->path, "SELECT count(*) FROM cell_param", "4");
    ASSERT_ROW(db->path,
               "SELECT value FROM cell_param WHERE variant = 'balanced' AND"
               " key = 'losses.balance.weight'",
               "1");
    ASSERT_ROW(db->path, "SELECT count(*), min(value) FROM cell_swept", "2|8");
}

static void test_versus_published__beside_ours(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fill(db, &study);
    esp_store_published row = {
        "baseline", "baseline leaf=8", "test", "hard_accuracy", "hard", 0.931, 0.166, "sd",
        10,         "2308.14711"};
    esp_store *store = NULL;
    ASSERT_OK(esp_store_open(&store, db->path, ESP_STORE_WRITE));
    ASSERT_OK(esp_store_set_published(store, "s", &row, 1));
    ASSERT_OK(esp_store_set_published(store, "s", &row, 1));
    row.cell = "no such cell";
    assert_int_equal(esp_store_set_published(store, "s", &row, 1), ESP_NOT_FOUND);
    ASSERT_CONTAINS(esp_message(), "no such cell");
    esp_store_close(store);
    ASSERT_ROW(db->path,
               "SELECT variant, split, metric, routing, n, best, spread, published_best,"
               " published_spread, spread_is, runs, source FROM versus_published"
               " WHERE at = 'selected'",
               "baseline|test|hard_accuracy|hard|3|1.0|0.4|0.931|0.166|sd|10|2308.14711");
    ASSERT_OK(esp_store_open(&store, db->path, ESP_STORE_READ));
    assert_int_equal(esp_store_set_published(store, "s", &row, 0), ESP_STORE);
    esp_store_close(store);
}

static void test_stale_trials__other_executable_or_plugin(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 3, 0);
    fixture_register(db->path, &study);
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, db->path));
    /* As the runner writes them: the path of a plugin's file is no part of the comparison. */
    const char *const environments[] = {
        /* baseline, whose cell names balance alone */
        "{\"executable_sha256\": \"old\", \"plugins\": {}}",
        "{\"executable_sha256\": \"new\", \"plugins\": {\"balance\": {\"sha256\": \"1\"}}}",
        "{\"executable_sha256\": \"new\", \"cpu\": \"x\", \"plugins\": {\"balance\":"
        " {\"sha256\": \"2\", \"file\": \"/a\"}, \"hardening\": {\"sha256\": \"8\"},"
        " \"master_leaf\": {\"sha256\": \"4\"}}}",
        /* balanced, which names balance and the head master_leaf */
        "{\"executable_sha256\": \"new\", \"plugins\": {\"balance\": {\"sha256\": \"2\"},"
        " \"master_leaf\": {\"sha256\": \"4\"}}}",
        "{\"executable_sha256\": \"new\", \"plugins\": {\"balance\": {\"sha256\": \"2\"},"
        " \"hardening\": {\"sha256\": \"8\"}}}",
        "{\"executable_sha256\": \"new\", \"plugins\": {\"balance\": {\"sha256\": \"2\","
        " \"file\": \"/b\"}, \"hardening\": {\"sha256\": \"9\"},"
        " \"master_leaf\": {\"sha256\": \"5\"}}}"};
    for (int i = 0; i < 6; i++) {
        int64_t attempt = fixture_begin(writer, study.trials[i].key, environments[i]);
        fixture_end(writer, study.trials[i].key, attempt, ESP_TRIAL_DONE, 1, 1);
    }
    ASSERT_OK(esp_writer_stop(writer));
    /* The first by its executable, the second by its loss, the fourth by its head. The third and
     * the fifth ran beside plugins that have changed since, and use none of them. */
    ASSERT_ROW(db->path, "SELECT group_concat(trial_id) FROM stale_trials",
               "0000000000000000,0000000000000001,0000000000000003");
}

/* `test_views --make FILE` leaves a database for tests of the command line: the study above with
 * leaf counts in one trial, a study with one failed trial, and a study whose runner was killed. */
static int make_database(const char *path)
{
    fixture db;
    fixture_study study, other, cut;
    snprintf(db.path, sizeof db.path, "%s", path);
    fill(&db, &study);
    fixture_make_study(&other, "table1", "study: table1\nseeds: 0..0\n", 1, 0xabc0);
    fixture_register(path, &other);
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, path));
    const int64_t counts[] = {9, 0, 1};
    int64_t key = other.trials[0].key;
    int64_t attempt = fixture_begin(writer, key, "{\"executable\": \"a\"}");
    esp_epoch_record record = fixture_epoch(key, attempt, 1);
    record.n_leaves = 3;
    record.leaf_counts[ESP_TEST] = counts;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    fixture_end(writer, key, attempt, ESP_TRIAL_DONE, 1, 1);
    key = other.trials[1].key;
    attempt = fixture_begin(writer, key, "{\"executable\": \"a\"}");
    record = fixture_epoch(key, attempt, 1);
    record.metrics[ESP_TEST][ESP_HARD_ACCURACY] = 0.125;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    ASSERT_OK(esp_writer_end(writer, &(esp_end_record){.trial_key = key,
                                                       .attempt_key = attempt,
                                                       .status = ESP_TRIAL_FAILED,
                                                       .message = "loss is not finite",
                                                       .seconds = 1,
                                                       .epochs = 1}));
    ASSERT_OK(esp_writer_stop(writer));
    fixture_make_study(&cut, "cut", "study: cut\nseeds: 0..0\n", 1, 0xc00);
    fixture_register(path, &cut);
    ASSERT_OK(esp_writer_start(&writer, path));
    key = cut.trials[0].key;
    attempt = fixture_begin(writer, key, "{\"executable\": \"a\"}");
    record = fixture_epoch(key, attempt, 1);
    record.metrics[ESP_TEST][ESP_HARD_ACCURACY] = 0.375;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    return esp_writer_stop(writer);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--make") == 0) {
        return make_database(argv[2]) == ESP_OK ? 0 : 1;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_seed_stats__against_hand),
        TEST(test_seed_stats__one_seed_and_failed_ones),
        TEST(test_seed_stats__equal_values_have_no_variance),
        TEST(test_paired_delta__pairs_by_seed),
        TEST(test_revisions__views_show_the_one_run_last),
        TEST(test_revisions__seeds_join_and_renamed_trials_leave),
        TEST(test_shared_trials__belong_to_both_studies),
        TEST(test_epoch_seed_stats__early_stopping_misaligns),
        TEST(test_leaf_balance__against_hand),
        TEST(test_tall_metrics__in_every_view),
        TEST(test_cell_param__of_the_revision),
        TEST(test_versus_published__beside_ours),
        TEST(test_stale_trials__other_executable_or_plugin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
