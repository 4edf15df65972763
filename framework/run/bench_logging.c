/* One trial trained as a run trains it, and what of its time went into storing its epochs. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/status.h"
#include "core/text.h"
#include "run/bench_store.h"
#include "run/environment.h"
#include "run/record.h"
#include "run/trial.h"

static const char study_text[] = "study: logging\n"
                                 "seeds: 0\n"
                                 "defaults:\n"
                                 "  data: {name: %s, validation: 0.1}\n"
                                 "  model: {kind: fff, training_width: 16, leaf_width: 8}\n"
                                 "  losses:\n"
                                 "    cross_entropy: {weight: 1}\n"
                                 "    hardening: {weight: 1, reduction: mean}\n"
                                 "    balance: {weight: 1}\n"
                                 "  optimizer: {kind: adam, learning_rate: 0.001}\n"
                                 "  phases:\n"
                                 "    train: {epochs: %d}\n"
                                 "  selection: {monitor: validation.hard_accuracy}\n";

/* All of a run that one trial needs. */
typedef struct bench {
    char *path, *database, *checkpoints, *environment;
    esp_study *study;
    esp_dataset *data;
    esp_partition partition;
    esp_store_study record;
    esp_writer *writer;
    esp_progress *progress;
    FILE *nowhere;
} bench;

static int load(bench *b, const char *data, const char *folder, const esp_registry *registry,
                int n_epochs)
{
    const esp_study_options whole = {0};
    b->path = esp_text_format("%s/logging.yaml", folder);
    b->database = esp_text_format("%s/logging.db", folder);
    b->checkpoints = esp_text_format("%s/logging.checkpoints", folder);
    char *text = esp_text_format(study_text, data, n_epochs);
    int status = b->path && b->database && b->checkpoints && text
                     ? esp_file_write(b->path, text, strlen(text))
                     : esp_fail(ESP_MEMORY, "no memory for a study");
    free(text);
    ESP_TRY(status);
    ESP_TRY(esp_study_load(&b->study, b->path, &whole, registry, stderr));
    ESP_TRY(esp_dataset_open(&b->data, data));
    return esp_partition_make(&b->partition, b->data, &b->study->cells[0].data.partition);
}

static int prepare_store(bench *b, const esp_registry *registry)
{
    esp_store *store = NULL;
    ESP_TRY(esp_environment_describe(&b->environment, b->study, registry,
                                     (const esp_dataset *const *)&b->data, 1));
    ESP_TRY(esp_record_make(&b->record, b->study));
    ESP_TRY(esp_store_open(&store, b->database, ESP_STORE_WRITE));
    int status = esp_store_register(store, &b->record);
    esp_store_close(store);
    ESP_TRY(status);
    b->nowhere = fopen("/dev/null", "w");
    if (b->nowhere == NULL) {
        return esp_fail(ESP_IO, "/dev/null cannot be opened");
    }
    ESP_TRY(esp_progress_start(&b->progress, b->nowhere, 1, 1, 1));
    return esp_writer_start(&b->writer, b->database);
}

static int train(esp_bench_logging *out, const bench *b)
{
    const bool anew = true;
    const esp_dataset *data = b->data;
    const esp_partition *partition = &b->partition;
    const esp_trial_context context = {.study = b->study,
                                       .stored = b->record.trials,
                                       .anew = &anew,
                                       .data = &data,
                                       .partitions = &partition,
                                       .checkpoints = b->checkpoints,
                                       .environment = b->environment,
                                       .host = "bench",
                                       .writer = b->writer,
                                       .progress = b->progress};
    const atomic_int no = 0;
    atomic_llong beat = 0;
    const esp_trial_control control = {.stop = &no, .abandon = &no, .beat = &beat};
    const double started = esp_clock_seconds();
    ESP_TRY(esp_trial_run(&context, 0, 0, &control));
    out->trial_seconds = esp_clock_seconds() - started;
    esp_writer_measure(&out->writer, b->writer);
    return ESP_OK;
}

/* The time hashing takes does not depend on the values hashed. */
static int time_digests(double *seconds, const bench *b, int count)
{
    esp_training *training = NULL;
    char digest[65];
    ESP_TRY(esp_training_create(&training, &b->study->cells[0], &b->study->trials[0], b->data,
                                &b->partition));
    int status = ESP_OK;
    const double started = esp_clock_seconds();
    for (int i = 0; i < count && status == ESP_OK; i++) {
        status = esp_training_digest(digest, training);
    }
    *seconds = esp_clock_seconds() - started;
    esp_training_destroy(training);
    return status;
}

int esp_bench_measure_logging(esp_bench_logging *out, const char *data, const char *folder,
                              const esp_registry *registry, int n_epochs)
{
    bench b = {0};
    int status = ESP_OK;
    *out = (esp_bench_logging){.n_epochs = n_epochs};
    ESP_TRY_OUT(load(&b, data, folder, registry, n_epochs));
    ESP_TRY_OUT(prepare_store(&b, registry));
    ESP_TRY_OUT(train(out, &b));
    ESP_TRY_OUT(time_digests(&out->digest_seconds, &b, n_epochs + 1));
    out->epoch_seconds = out->trial_seconds / n_epochs;
    out->share = (out->writer.post_seconds + out->writer.cpu_seconds + out->digest_seconds) /
                 out->trial_seconds;
out:
    if (b.writer != NULL) {
        const int stopped = esp_writer_stop(b.writer);
        status = status != ESP_OK ? status : stopped;
    }
    esp_progress_stop(b.progress);
    if (b.nowhere != NULL) {
        fclose(b.nowhere);
    }
    esp_record_free(&b.record);
    esp_partition_free(&b.partition);
    esp_dataset_close(b.data);
    esp_study_free(b.study);
    free(b.path);
    free(b.database);
    free(b.checkpoints);
    free(b.environment);
    return status;
}
