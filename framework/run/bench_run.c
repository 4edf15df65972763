#include "run/bench_run.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/status.h"
#include "core/text.h"
#include "run/environment.h"

static int load(esp_bench_run *b, const char *text, const char *folder,
                const esp_registry *registry)
{
    const esp_study_options whole = {0};
    b->path = esp_text_format("%s/bench.yaml", folder);
    b->database = esp_text_format("%s/bench.db", folder);
    b->checkpoints = esp_text_format("%s/bench.checkpoints", folder);
    if (b->path == NULL || b->database == NULL || b->checkpoints == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a study");
    }
    ESP_TRY(esp_file_write(b->path, text, strlen(text)));
    ESP_TRY(esp_study_load(&b->study, b->path, &whole, registry, stderr));
    const esp_data_config *config = &b->study->cells[0].data;
    ESP_TRY(esp_dataset_open(&b->data, config->name));
    return esp_partition_make(&b->partition, b->data, &config->partition);
}

static int prepare_store(esp_bench_run *b, const esp_registry *registry)
{
    esp_store *store = NULL;
    ESP_TRY(esp_environment_describe(&b->environment, b->study, registry, false,
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
    static const int first[] = {0};
    static const double work[] = {1};
    ESP_TRY(esp_progress_start(
        &b->progress, b->nowhere, 1,
        &(esp_progress_todo){.study = b->study, .trials = first, .n = 1, .work = work}));
    return esp_writer_start(&b->writer, b->database);
}

int esp_bench_run_open(esp_bench_run *out, const char *text, const char *folder,
                       const esp_registry *registry)
{
    memset(out, 0, sizeof *out);
    ESP_TRY(load(out, text, folder, registry));
    return prepare_store(out, registry);
}

int esp_bench_run_close(esp_bench_run *run, int status)
{
    char held[1024];
    snprintf(held, sizeof held, "%s", esp_message());
    const int stopped = esp_writer_stop(run->writer);
    if (status != ESP_OK) {
        esp_fail(status, "%s", held);
    }
    esp_progress_stop(run->progress);
    if (run->nowhere != NULL) {
        fclose(run->nowhere);
    }
    esp_record_free(&run->record);
    esp_partition_free(&run->partition);
    esp_dataset_close(run->data);
    esp_study_free(run->study);
    free(run->path);
    free(run->database);
    free(run->checkpoints);
    free(run->environment);
    return status != ESP_OK ? status : stopped;
}
