/* One trial trained as a run trains it, and what of its time went into storing its epochs. */
#include <stdatomic.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/status.h"
#include "core/text.h"
#include "run/bench_run.h"
#include "run/bench_store.h"
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

static int train(esp_bench_logging *out, const esp_bench_run *b)
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
    atomic_int failures = 0;
    atomic_llong beat = 0;
    const esp_trial_control control = {
        .stop = &no, .abandon = &no, .beat = &beat, .failures = &failures};
    const double started = esp_clock_seconds();
    ESP_TRY(esp_trial_run(&context, 0, 0, &control));
    out->trial_seconds = esp_clock_seconds() - started;
    esp_writer_measure(&out->writer, b->writer);
    return ESP_OK;
}

/* The time hashing takes does not depend on the values hashed. */
static int time_digests(double *seconds, const esp_bench_run *b, int count)
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
    esp_bench_run b = {0};
    char *text = esp_text_format(study_text, data, n_epochs);
    int status = ESP_OK;
    *out = (esp_bench_logging){.n_epochs = n_epochs};
    ESP_TRY_OUT(text != NULL ? ESP_OK : esp_fail(ESP_MEMORY, "no memory for a study"));
    ESP_TRY_OUT(esp_bench_run_open(&b, text, folder, registry));
    ESP_TRY_OUT(train(out, &b));
    ESP_TRY_OUT(time_digests(&out->digest_seconds, &b, n_epochs + 1));
    out->epoch_seconds = out->trial_seconds / n_epochs;
    out->share = (out->writer.post_seconds + out->writer.cpu_seconds + out->digest_seconds) /
                 out->trial_seconds;
out:
    free(text);
    return esp_bench_run_close(&b, status);
}
