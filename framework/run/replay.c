#include "run/replay.h"

#include <string.h>

#include "core/status.h"
#include "run/selection.h"

static int replay_epochs(int *first_different, int *epochs, esp_training *training,
                         const esp_replay_record *record, void (*step)(int epoch, int n_epochs))
{
    char digest[65];
    ESP_TRY(esp_training_evaluate(training, (bool[ESP_N_SPLITS]){true, true, true}));
    ESP_TRY(esp_training_digest(digest, training));
    for (;;) {
        if (strcmp(digest, record->digests[training->epoch]) != 0) {
            *first_different = training->epoch;
        }
        *epochs = training->epoch + 1;
        if (step != NULL) {
            step(training->epoch, record->n_epochs);
        }
        if (*first_different >= 0 || *epochs >= record->n_epochs || !esp_phase_advance(training)) {
            return ESP_OK;
        }
        const bool splits[ESP_N_SPLITS] = {true, true, true};
        ESP_TRY(esp_training_epoch(training, NULL));
        ESP_TRY(esp_training_evaluate(training, splits));
        esp_selection_update(training);
        esp_stopping_update(training);
        esp_rate_update(training);
        ESP_TRY(esp_training_digest(digest, training));
    }
}

int esp_replay(int *first_different, int *epochs, const esp_study *study, int trial,
               const esp_replay_record *record, void (*step)(int epoch, int n_epochs))
{
    const esp_trial *its = &study->trials[trial];
    const esp_cell *cell = &study->cells[its->cell];
    esp_dataset *data = NULL;
    esp_partition partition = {0};
    esp_training *training = NULL;
    int status = ESP_OK;
    *first_different = -1;
    *epochs = 0;
    ESP_TRY_OUT(esp_dataset_open(&data, cell->data.name));
    ESP_TRY_OUT(esp_partition_make(&partition, data, &cell->data.partition));
    ESP_TRY_OUT(esp_training_create(&training, cell, its, data, &partition));
    ESP_TRY_OUT(replay_epochs(first_different, epochs, training, record, step));
out:
    esp_training_destroy(training);
    esp_partition_free(&partition);
    esp_dataset_close(data);
    return status;
}
