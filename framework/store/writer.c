/* One thread, one connection, one bounded queue: everything a run writes goes through here. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/status.h"
#include "core/text.h"
#include "core/thread.h"
#include "store/recorder.h"
#include "store/writer_figures.h"

enum { CAPACITY = 256 };
static const double seconds_per_transaction = 0.25;

typedef enum record_kind { EPOCH, BEGIN, END, FLUSH } record_kind;

/* Where the poster of a begin or a flush waits. */
typedef struct begin_answer {
    bool ready;
    int64_t attempt_key;
} begin_answer;

/* A record with all it points to in memory of the slot, which later records use again. */
typedef struct slot {
    record_kind kind;
    union {
        esp_epoch_record epoch;
        esp_begin_record begin;
        esp_end_record end;
    } record;
    begin_answer *answer; /* BEGIN, FLUSH */
    int64_t attempt_key;  /* BEGIN, once written */
    char *memory;
    size_t capacity, used;
} slot;

struct esp_writer {
    esp_store *store;
    esp_recorder *recorder;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t filled, freed, answered;
    bool stopping;
    int status; /* the first failure; nothing is written after it */
    char *message;
    int first, count; /* the slots in use, a ring */
    int n_urgent;     /* of these, all but epochs: written without delay */
    esp_writer_figures figures;
    slot slots[CAPACITY];
};

/* ---- copying into a slot -----------------------------------------------------------------------
 */

static size_t padded(size_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

static size_t text_size(const char *text)
{
    return padded(text != NULL ? strlen(text) + 1 : 0);
}

static int reserve(slot *to, size_t bytes)
{
    to->used = 0;
    if (bytes > to->capacity) {
        char *larger = realloc(to->memory, bytes);
        if (larger == NULL) {
            return esp_fail(ESP_MEMORY, "no memory for a record of %zu bytes", bytes);
        }
        to->memory = larger;
        to->capacity = bytes;
    }
    return ESP_OK;
}

/* A copy of bytes in the slot's memory, 8-byte aligned. */
static void *keep(slot *to, const void *bytes, size_t count)
{
    if (bytes == NULL || count == 0) {
        return NULL;
    }
    void *copy = memcpy(to->memory + to->used, bytes, count);
    to->used += padded(count);
    return copy;
}

static const char *keep_text(slot *to, const char *text)
{
    return text != NULL ? keep(to, text, strlen(text) + 1) : NULL;
}

static int copy_epoch(slot *to, const esp_epoch_record *from)
{
    size_t counts = (size_t)from->n_leaves * sizeof **from->leaf_counts;
    size_t extras = (size_t)from->n_extra * sizeof *from->extra;
    size_t bytes = text_size(from->phase) + text_size(from->digest) + padded(extras);
    for (int i = 0; i < from->n_extra; i++) {
        bytes += text_size(from->extra[i].name);
    }
    for (int i = 0; i < ESP_N_SPLITS; i++) {
        bytes += from->leaf_counts[i] != NULL ? padded(counts) : 0;
    }
    ESP_TRY(reserve(to, bytes));
    esp_epoch_record *record = &to->record.epoch;
    *record = *from;
    record->phase = keep_text(to, from->phase);
    record->digest = keep_text(to, from->digest);
    esp_extra_metric *extra = keep(to, from->extra, extras);
    for (int i = 0; i < from->n_extra; i++) {
        extra[i].name = keep_text(to, from->extra[i].name);
    }
    record->extra = extra;
    for (int i = 0; i < ESP_N_SPLITS; i++) {
        record->leaf_counts[i] = keep(to, from->leaf_counts[i], counts);
    }
    return ESP_OK;
}

static int copy_begin(slot *to, const esp_begin_record *from)
{
    ESP_TRY(reserve(to, text_size(from->environment) + text_size(from->host)));
    to->record.begin = *from;
    to->record.begin.environment = keep_text(to, from->environment);
    to->record.begin.host = keep_text(to, from->host);
    return ESP_OK;
}

static int copy_end(slot *to, const esp_end_record *from)
{
    size_t selections = (size_t)from->n_selections * sizeof *from->selections;
    size_t bytes =
        text_size(from->message) + text_size(from->checkpoint_digest) + padded(selections);
    for (int i = 0; i < from->n_selections; i++) {
        bytes += text_size(from->selections[i].at) + text_size(from->selections[i].monitor);
    }
    ESP_TRY(reserve(to, bytes));
    esp_end_record *record = &to->record.end;
    *record = *from;
    record->message = keep_text(to, from->message);
    record->checkpoint_digest = keep_text(to, from->checkpoint_digest);
    esp_selection_record *selection = keep(to, from->selections, selections);
    for (int i = 0; i < from->n_selections; i++) {
        selection[i].at = keep_text(to, from->selections[i].at);
        selection[i].monitor = keep_text(to, from->selections[i].monitor);
    }
    record->selections = selection;
    return ESP_OK;
}

/* ---- posting -----------------------------------------------------------------------------------
 */

/* With the mutex held: the failure all posts get once there was one. */
static int failure(const esp_writer *writer)
{
    return writer->status == ESP_OK ? ESP_OK
                                    : esp_fail(writer->status, "%s",
                                               writer->message ? writer->message : "out of memory");
}

static void count_post(esp_writer_figures *figures, int depth)
{
    figures->n_records++;
    figures->depth_sum += depth;
    figures->greatest_depth = depth > figures->greatest_depth ? depth : figures->greatest_depth;
}

static int post(esp_writer *writer, record_kind kind, const void *record, begin_answer *answer)
{
    const double started = esp_clock_seconds();
    pthread_mutex_lock(&writer->mutex);
    while (writer->count == CAPACITY && writer->status == ESP_OK) {
        pthread_cond_wait(&writer->freed, &writer->mutex);
    }
    int status = failure(writer);
    if (status == ESP_OK) {
        slot *to = &writer->slots[(writer->first + writer->count) % CAPACITY];
        to->kind = kind;
        to->answer = answer;
        status = kind == EPOCH   ? copy_epoch(to, record)
                 : kind == BEGIN ? copy_begin(to, record)
                 : kind == END   ? copy_end(to, record)
                                 : ESP_OK;
    }
    if (status == ESP_OK) {
        writer->count++;
        writer->n_urgent += kind != EPOCH;
        count_post(&writer->figures, writer->count);
        pthread_cond_signal(&writer->filled);
    }
    if (status == ESP_OK && answer != NULL) {
        while (!answer->ready) {
            pthread_cond_wait(&writer->answered, &writer->mutex);
        }
        status = failure(writer);
    }
    writer->figures.post_seconds += esp_clock_seconds() - started;
    pthread_mutex_unlock(&writer->mutex);
    return status;
}

int esp_writer_begin(int64_t *attempt_key, esp_writer *writer, const esp_begin_record *record)
{
    begin_answer answer = {0};
    ESP_TRY(post(writer, BEGIN, record, &answer));
    *attempt_key = answer.attempt_key;
    return ESP_OK;
}

int esp_writer_epoch(esp_writer *writer, const esp_epoch_record *record)
{
    return post(writer, EPOCH, record, NULL);
}

int esp_writer_end(esp_writer *writer, const esp_end_record *record)
{
    return post(writer, END, record, NULL);
}

int esp_writer_flush(esp_writer *writer)
{
    begin_answer answer = {0};
    return post(writer, FLUSH, NULL, &answer);
}

void esp_writer_measure(esp_writer_figures *out, esp_writer *writer)
{
    clockid_t clock;
    struct timespec time = {0};
    if (pthread_getcpuclockid(writer->thread, &clock) == 0) {
        clock_gettime(clock, &time);
    }
    pthread_mutex_lock(&writer->mutex);
    *out = writer->figures;
    pthread_mutex_unlock(&writer->mutex);
    out->cpu_seconds = (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* ---- the thread --------------------------------------------------------------------------------
 */

static struct timespec seconds_from_now(double seconds)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += (long)(seconds * 1e9);
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

/* Keeps the first failure, which all posts then get. */
static void note(esp_writer *writer, int status)
{
    char *message = esp_text_format("%s", esp_message());
    pthread_mutex_lock(&writer->mutex);
    writer->status = status;
    writer->message = message;
    pthread_cond_broadcast(&writer->freed);
    pthread_mutex_unlock(&writer->mutex);
}

/* Waits for a record, then for those that follow it within a quarter of a second, but no longer
 * where one is urgent or half the queue is full. Returns how many; 0: stopping, and none is left.
 * Nothing is held in the database meanwhile, so that other runs may write. */
static int gather(esp_writer *writer)
{
    int waited = 0;
    pthread_mutex_lock(&writer->mutex);
    while (writer->count == 0 && !writer->stopping) {
        pthread_cond_wait(&writer->filled, &writer->mutex);
    }
    const struct timespec deadline = seconds_from_now(seconds_per_transaction);
    while (writer->n_urgent == 0 && writer->count < CAPACITY / 2 && !writer->stopping &&
           waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&writer->filled, &writer->mutex, &deadline);
    }
    const int count = writer->count;
    pthread_mutex_unlock(&writer->mutex);
    return count;
}

static int write_record(esp_writer *writer, slot *from)
{
    switch (from->kind) {
    case EPOCH:
        return esp_recorder_epoch(writer->recorder, &from->record.epoch);
    case BEGIN:
        return esp_recorder_begin(&from->attempt_key, writer->recorder, &from->record.begin);
    case END:
        return esp_recorder_end(writer->recorder, &from->record.end);
    case FLUSH:
        break;
    }
    return ESP_OK;
}

/* The first count records of the queue, in one transaction. */
static int write_all(esp_writer *writer, int count)
{
    int status = esp_sql_run(writer->store, "BEGIN IMMEDIATE");
    if (status != ESP_OK) {
        return status;
    }
    for (int i = 0; i < count && status == ESP_OK; i++) {
        status = write_record(writer, &writer->slots[(writer->first + i) % CAPACITY]);
    }
    ESP_TRY(esp_sql_end(writer->store, status));
    return esp_store_check_place(writer->store);
}

static void release(esp_writer *writer, int count, double seconds)
{
    pthread_mutex_lock(&writer->mutex);
    writer->figures.n_transactions++;
    writer->figures.transaction_seconds += seconds;
    for (int i = 0; i < count; i++) {
        const slot *done = &writer->slots[(writer->first + i) % CAPACITY];
        if (done->answer != NULL) {
            done->answer->attempt_key = done->attempt_key;
            done->answer->ready = true;
        }
        writer->n_urgent -= done->kind != EPOCH;
    }
    writer->first = (writer->first + count) % CAPACITY;
    writer->count -= count;
    pthread_cond_broadcast(&writer->answered);
    pthread_cond_broadcast(&writer->freed);
    pthread_mutex_unlock(&writer->mutex);
}

static void *write_records(void *context)
{
    esp_writer *writer = context;
    for (int count = gather(writer); count > 0; count = gather(writer)) {
        const double started = esp_clock_seconds();
        /* Only this thread writes status, so it may look at it without the mutex. */
        if (writer->status == ESP_OK) {
            int status = write_all(writer, count);
            if (status != ESP_OK) {
                note(writer, status);
            }
        }
        release(writer, count, esp_clock_seconds() - started);
    }
    return NULL;
}

/* ---- life --------------------------------------------------------------------------------------
 */

static void destroy(esp_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    esp_recorder_destroy(writer->recorder);
    esp_store_close(writer->store);
    pthread_mutex_destroy(&writer->mutex);
    pthread_cond_destroy(&writer->filled);
    pthread_cond_destroy(&writer->freed);
    pthread_cond_destroy(&writer->answered);
    for (int i = 0; i < CAPACITY; i++) {
        free(writer->slots[i].memory);
    }
    free(writer->message);
    free(writer);
}

int esp_writer_start(esp_writer **out, const char *path)
{
    *out = NULL;
    esp_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the writer");
    }
    int status = ESP_OK, count = 0;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->filled, &monotonic);
    pthread_cond_init(&writer->freed, NULL);
    pthread_cond_init(&writer->answered, NULL);
    pthread_condattr_destroy(&monotonic);
    const esp_migration *migrations = esp_store_migrations(&count);
    ESP_TRY_OUT(
        esp_store_open_with(&writer->store, path, ESP_STORE_WRITE, migrations, count, false));
    ESP_TRY_OUT(esp_recorder_create(&writer->recorder, writer->store));
    int error = esp_thread_start(&writer->thread, write_records, writer);
    if (error != 0) {
        status = esp_fail(ESP_FAILED, "cannot start the writer's thread: %s", strerror(error));
        goto out;
    }
    *out = writer;
    writer = NULL;
out:
    destroy(writer);
    return status;
}

int esp_writer_stop(esp_writer *writer)
{
    if (writer == NULL) {
        return ESP_OK;
    }
    pthread_mutex_lock(&writer->mutex);
    writer->stopping = true;
    pthread_cond_signal(&writer->filled);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
    int status = failure(writer);
    destroy(writer);
    return status;
}
