/* The writer thread: what it stores, what it refuses, and what it leaves behind when it fails. */
#include "store/store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static esp_writer *start(const fixture *db, fixture_study *study, int n_seeds)
{
    esp_writer *writer = NULL;
    fixture_make_study(study, "s", "t", n_seeds, 0);
    fixture_register(db->path, study);
    ASSERT_OK(esp_writer_start(&writer, db->path));
    return writer;
}

/* What was measured when an epoch was trained stands; what it lacked is added. */
static void test_epoch__a_supplement_adds_what_is_absent(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    esp_writer *writer = start(db, &study, 1);
    int64_t key = study.trials[0].key, attempt = fixture_begin(writer, key, "{}");
    const int64_t counts[] = {1, 2}, other_counts[] = {3, 4};
    const esp_extra_metric extra[] = {
        {ESP_TEST, "a.b", 1}, {ESP_TEST, "a.c", 2}, {ESP_TEST, "a.b", 7}};
    esp_epoch_record record = fixture_epoch(key, attempt, 1);
    record.digest = "d";
    record.running_loss = 3;
    record.n_leaves = 2;
    record.leaf_counts[ESP_TEST] = counts;
    record.n_extra = 3;
    record.extra = extra;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    record = fixture_epoch(key, attempt, 1);
    record.supplements = true;
    record.digest = "d";
    record.running_loss = 4;
    record.n_leaves = 2;
    record.leaf_counts[ESP_TEST] = other_counts;
    record.metrics[ESP_TRAIN][ESP_HARD_ACCURACY] = 0.25;
    const esp_extra_metric again[] = {{ESP_TEST, "a.b", 5}, {ESP_TEST, "a.d", 6}};
    record.n_extra = 2;
    record.extra = again;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    ASSERT_OK(esp_writer_stop(writer));
    ASSERT_ROW(db->path,
               "SELECT train_running_loss, train_hard_accuracy, test_hard_loss,"
               " test_leaf_counts, digest FROM epoch",
               "3.0|0.25|-|[1,2]|d");
    ASSERT_ROW(db->path,
               "SELECT group_concat(metric || '=' || value, ' ') FROM learning_curve"
               " WHERE metric LIKE 'a.%'",
               "a.b=1.0 a.c=2.0 a.d=6.0");
    ASSERT_ROW(db->path, "SELECT count(*) FROM digest_mismatch", "0");
}

/* An evaluation that was mended gives the same parameters other values: none of the old may stay.
 */
static void test_epoch__trained_again_it_takes_the_old_ones_place(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    esp_writer *writer = start(db, &study, 1);
    int64_t key = study.trials[0].key, attempt = fixture_begin(writer, key, "{}");
    const esp_extra_metric extra = {ESP_TEST, "a.b", 1}, other = {ESP_TEST, "a.c", 2};
    esp_epoch_record record = fixture_epoch(key, attempt, 1);
    record.digest = "d";
    record.metrics[ESP_TRAIN][ESP_HARD_ACCURACY] = 0.25;
    record.n_extra = 1;
    record.extra = &extra;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    record = fixture_epoch(key, fixture_begin(writer, key, "{}"), 1);
    record.digest = "d";
    record.running_loss = 3;
    record.n_extra = 1;
    record.extra = &other;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    ASSERT_OK(esp_writer_stop(writer));
    ASSERT_ROW(db->path,
               "SELECT e.train_running_loss, e.train_hard_accuracy, a.number, (SELECT"
               " group_concat(metric || '=' || value) FROM learning_curve WHERE metric LIKE 'a.%')"
               " FROM epoch e JOIN attempt a ON a.id = e.attempt",
               "3.0|-|2|a.c=2.0");
    ASSERT_ROW(db->path, "SELECT count(*) FROM digest_mismatch", "0");
}

static void test_epoch__another_digest_replaces_and_is_noted(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    esp_writer *writer = start(db, &study, 1);
    int64_t key = study.trials[0].key, attempt = fixture_begin(writer, key, "{}");
    const esp_extra_metric extra = {ESP_TRAIN, "a.b", 1};
    esp_epoch_record record = fixture_epoch(key, attempt, 1);
    record.digest = "one";
    record.running_loss = 3;
    record.n_extra = 1;
    record.extra = &extra;
    ASSERT_OK(esp_writer_epoch(writer, &record));
    int64_t second = fixture_begin(writer, key, "{}");
    record = fixture_epoch(key, second, 1);
    record.digest = "two";
    ASSERT_OK(esp_writer_epoch(writer, &record));
    ASSERT_OK(esp_writer_stop(writer));
    /* Nothing of the old parameters is left beside the new ones. */
    ASSERT_ROW(db->path,
               "SELECT train_running_loss, digest, (SELECT count(*) FROM epoch_metric)"
               " FROM epoch",
               "-|two|0");
    ASSERT_ROW(db->path,
               "SELECT m.epoch, m.stored, m.found, a.number FROM digest_mismatch m"
               " JOIN attempt a ON a.id = m.attempt",
               "1|one|two|2");
}

static void test_begin_and_end__attempts_statuses_selections(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    esp_writer *writer = start(db, &study, 1);
    int64_t key = study.trials[0].key;
    int64_t first = fixture_begin(writer, key, "{\"executable\": \"x\"}");
    /* A begin is committed when it returns: another connection sees it. */
    ASSERT_ROW(db->path, "SELECT t.status, a.status FROM trial t JOIN attempt a ON a.trial = t.id",
               "running|running");
    for (int epoch = 0; epoch <= 5; epoch++) {
        esp_epoch_record record = fixture_epoch(key, first, epoch);
        ASSERT_OK(esp_writer_epoch(writer, &record));
    }
    /* The first attempt never ends: killed. The second trains 4 epochs. */
    int64_t second = fixture_begin(writer, key, "{\"executable\": \"x\"}");
    assert_true(second > first);
    fixture_end(writer, key, second, ESP_TRIAL_DONE, 2, 4);
    ASSERT_OK(esp_writer_stop(writer));
    ASSERT_ROW(db->path, "SELECT group_concat(number || status, ' ') FROM attempt",
               "1interrupted 2done");
    ASSERT_ROW(db->path, "SELECT count(*) FROM environment", "1");
    ASSERT_ROW(db->path, "SELECT max(epoch) FROM epoch", "4");
    ASSERT_ROW(db->path, "SELECT group_concat(at || epoch, ' ') FROM selection", "last4 selected2");
    ASSERT_ROW(db->path,
               "SELECT status, (SELECT seconds FROM attempt WHERE number = 2) FROM trial"
               " WHERE id = 1",
               "done|2.0");
}

static void test_end__attempt_zero_is_the_latest(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    esp_writer *writer = start(db, &study, 1);
    int64_t key = study.trials[0].key;
    fixture_begin(writer, key, "{}");
    ASSERT_OK(esp_writer_end(writer, &(esp_end_record){.trial_key = key,
                                                       .status = ESP_TRIAL_FAILED,
                                                       .message = "crashed in balance",
                                                       .checkpoint_digest = ""}));
    ASSERT_OK(esp_writer_stop(writer));
    ASSERT_ROW(db->path,
               "SELECT t.status, a.status, a.message FROM trial t JOIN attempt a"
               " ON a.trial = t.id",
               "failed|failed|crashed in balance");
}

static void test_epochs__are_seen_soon(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    esp_writer *writer = start(db, &study, 1);
    int64_t key = study.trials[0].key, attempt = fixture_begin(writer, key, "{}");
    esp_epoch_record record = fixture_epoch(key, attempt, 1);
    ASSERT_OK(esp_writer_epoch(writer, &record));
    double seen = 0;
    for (int i = 0; i < 100 && seen != 1; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        seen = fixture_real(db->path, "SELECT count(*) FROM epoch");
    }
    assert_true(seen == 1);
    ASSERT_OK(esp_writer_stop(writer));
}

static void test_flush__commits_what_was_posted(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    esp_writer *writer = start(db, &study, 1);
    int64_t key = study.trials[0].key, attempt = fixture_begin(writer, key, "{}");
    for (int epoch = 1; epoch <= 3; epoch++) {
        esp_epoch_record record = fixture_epoch(key, attempt, epoch);
        ASSERT_OK(esp_writer_epoch(writer, &record));
        ASSERT_OK(esp_writer_flush(writer));
        assert_true(fixture_real(db->path, "SELECT count(*) FROM epoch") == epoch);
    }
    ASSERT_OK(esp_writer_flush(writer));
    ASSERT_OK(esp_writer_stop(writer));
}

enum { POSTERS = 4, EPOCHS_EACH = 500, LEAVES = 16 };

typedef struct poster {
    esp_writer *writer;
    int64_t key;
    int status;
} poster;

static void *post_epochs(void *context)
{
    poster *job = context;
    int64_t attempt = 0;
    job->status = esp_writer_begin(
        &attempt, job->writer,
        &(esp_begin_record){.trial_key = job->key, .environment = "{}", .host = "here"});
    for (int epoch = 0; epoch <= EPOCHS_EACH && job->status == ESP_OK; epoch++) {
        /* All that a record points to dies as soon as it is posted. */
        char digest[32], name[32];
        int64_t counts[LEAVES];
        snprintf(digest, sizeof digest, "%d-%d", (int)job->key, epoch);
        snprintf(name, sizeof name, "term.k%d", epoch % 3);
        for (int i = 0; i < LEAVES; i++) {
            counts[i] = job->key * 1000000 + epoch * LEAVES + i;
        }
        const esp_extra_metric extra = {ESP_TRAIN, name, epoch};
        esp_epoch_record record = fixture_epoch(job->key, attempt, epoch);
        record.digest = digest;
        record.running_loss = epoch;
        record.n_leaves = LEAVES;
        record.leaf_counts[ESP_TRAIN] = counts;
        record.n_extra = 1;
        record.extra = &extra;
        job->status = esp_writer_epoch(job->writer, &record);
        memset(digest, '?', sizeof digest);
        memset(name, '?', sizeof name);
        memset(counts, 0, sizeof counts);
    }
    return NULL;
}

static void test_posters__four_threads_lose_nothing(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    esp_writer *writer = start(db, &study, POSTERS / 2);
    poster jobs[POSTERS];
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        jobs[i] = (poster){.writer = writer, .key = study.trials[i].key};
        assert_int_equal(pthread_create(&threads[i], NULL, post_epochs, &jobs[i]), 0);
    }
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].status, ESP_OK);
    }
    ASSERT_OK(esp_writer_stop(writer));
    ASSERT_ROW(db->path,
               "SELECT count(*), sum(digest = trial || '-' || epoch),"
               " sum(json_extract(train_leaf_counts, '$[15]') ="
               " trial * 1000000 + epoch * 16 + 15) FROM epoch",
               "2004|2004|2004");
    ASSERT_ROW(db->path,
               "SELECT count(*), sum(x.value = x.epoch AND m.name ="
               " 'term.k' || (x.epoch % 3)) FROM epoch_metric x JOIN metric m"
               " ON m.id = x.metric",
               "2004|2004");
}

/* Posts big epochs until one fails; the status that ended it. */
static int post_until_failure(esp_writer *writer, int64_t key, int64_t attempt, int *posted)
{
    static int64_t counts[20000];
    int status = ESP_OK;
    for (*posted = 0; *posted < 2000 && status == ESP_OK; ++*posted) {
        esp_epoch_record record = fixture_epoch(key, attempt, *posted + 1);
        record.n_leaves = (int)(sizeof counts / sizeof *counts);
        record.leaf_counts[ESP_TRAIN] = counts;
        status = esp_writer_epoch(writer, &record);
    }
    return status;
}

/* A full disk, by RLIMIT_FSIZE in a child process: SQLite sees short writes. */
static void test_full_disk__is_reported_and_the_file_stays_sound(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    fixture_make_study(&study, "s", "t", 1, 0);
    fixture_register(db->path, &study);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        esp_writer *writer = NULL;
        int64_t attempt = 0;
        int posted = 0;
        signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {1 << 20, 1 << 20};
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || esp_writer_start(&writer, db->path) != ESP_OK ||
            esp_writer_begin(&attempt, writer,
                             &(esp_begin_record){.trial_key = study.trials[0].key,
                                                 .environment = "{}",
                                                 .host = "here"}) != ESP_OK) {
            _exit(10);
        }
        int first = post_until_failure(writer, study.trials[0].key, attempt, &posted);
        char message[512];
        snprintf(message, sizeof message, "%s", esp_message());
        int again = post_until_failure(writer, study.trials[0].key, attempt, &posted);
        bool same = strcmp(message, esp_message()) == 0 && posted == 1;
        int end = esp_writer_end(writer, &(esp_end_record){.trial_key = study.trials[0].key,
                                                           .attempt_key = attempt,
                                                           .status = ESP_TRIAL_DONE});
        int stop = esp_writer_stop(writer);
        bool named = strstr(message, db->path) != NULL && strstr(message, "start again") != NULL;
        fprintf(stderr, "the failure reads: %s\n", message);
        _exit(first != ESP_STORE   ? 11
              : again != ESP_STORE ? 12
              : !same              ? 13
              : end != ESP_STORE   ? 14
              : stop != ESP_STORE  ? 15
              : !named             ? 16
                                   : 0);
    }
    int outcome = 0;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_true(WIFEXITED(outcome));
    assert_int_equal(WEXITSTATUS(outcome), 0);
    ASSERT_ROW(db->path, "SELECT * FROM pragma_integrity_check", "ok");
    /* What was committed is there, without gaps, and the trial can be tried again. */
    ASSERT_ROW(db->path,
               "SELECT count(*) = coalesce(max(epoch), 0), (SELECT status FROM trial"
               " WHERE id = 1) FROM epoch",
               "1|running");
    esp_writer *writer = NULL;
    ASSERT_OK(esp_writer_start(&writer, db->path));
    fixture_begin(writer, study.trials[0].key, "{}");
    ASSERT_OK(esp_writer_stop(writer));
}

static void test_broken_record__fails_that_and_all_later_posts(void **state)
{
    const fixture *db = *state;
    fixture_study study;
    esp_writer *writer = start(db, &study, 1);
    int64_t attempt = 0;
    assert_int_equal(esp_writer_begin(&attempt, writer,
                                      &(esp_begin_record){
                                          .trial_key = 999, .environment = "{}", .host = "here"}),
                     ESP_STORE);
    ASSERT_CONTAINS(esp_message(), "no trial with key 999");
    assert_int_equal(esp_writer_begin(&attempt, writer,
                                      &(esp_begin_record){.trial_key = study.trials[0].key,
                                                          .environment = "{}",
                                                          .host = "here"}),
                     ESP_STORE);
    assert_int_equal(esp_writer_flush(writer), ESP_STORE);
    assert_int_equal(esp_writer_stop(writer), ESP_STORE);
    ASSERT_CONTAINS(esp_message(), "no trial with key 999");
    ASSERT_ROW(db->path, "SELECT count(*), (SELECT count(*) FROM environment) FROM attempt", "0|0");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_epoch__a_supplement_adds_what_is_absent),
        TEST(test_epoch__trained_again_it_takes_the_old_ones_place),
        TEST(test_epoch__another_digest_replaces_and_is_noted),
        TEST(test_begin_and_end__attempts_statuses_selections),
        TEST(test_end__attempt_zero_is_the_latest),
        TEST(test_epochs__are_seen_soon),
        TEST(test_flush__commits_what_was_posted),
        TEST(test_posters__four_threads_lose_nothing),
        TEST(test_full_disk__is_reported_and_the_file_stays_sound),
        TEST(test_broken_record__fails_that_and_all_later_posts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
