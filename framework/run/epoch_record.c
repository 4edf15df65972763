#include "run/epoch_record.h"

#include <math.h>

#include "core/status.h"

int esp_epoch_store(esp_writer *writer, const esp_training *t, int64_t trial_key,
                    int64_t attempt_key, int epoch, bool selected_later)
{
    const bool trained = epoch > 0 && !selected_later;
    const esp_phase_config *phase = &t->cell->phases[t->phase];
    char digest[65];
    esp_epoch_record record = {.trial_key = trial_key,
                               .attempt_key = attempt_key,
                               .epoch = epoch,
                               .supplements = selected_later,
                               .phase = epoch > 0 ? phase->name : "",
                               .phase_epoch = epoch > 0 ? t->phase_epoch : 0,
                               .learning_rate = selected_later ? NAN : t->optimizer.learning_rate,
                               .seconds = epoch == 0 ? 0
                                          : trained  ? t->seconds
                                                     : NAN,
                               .running_loss = trained ? t->running_loss : NAN,
                               .running_soft_accuracy = trained ? t->running_soft_accuracy : NAN,
                               .n_extra = t->n_extra,
                               .extra = t->extra,
                               .n_leaves = t->network->routes ? t->network->n_leaves : 0};
    ESP_TRY(esp_training_digest(digest, t));
    record.digest = digest;
    for (int s = 0; s < ESP_N_SPLITS; s++) {
        const esp_evaluation *evaluation = &t->evaluations[s];
        for (int m = 0; m < ESP_N_METRICS; m++) {
            record.metrics[s][m] = evaluation->done ? evaluation->metrics[m] : NAN;
        }
        record.leaf_counts[s] = evaluation->done ? evaluation->leaf_counts : NULL;
    }
    if (trained) { /* train's leaf counts are running ones, as its losses are */
        record.leaf_counts[ESP_TRAIN] = t->running_leaf_counts;
    } else if (epoch > 0) {
        record.leaf_counts[ESP_TRAIN] = NULL;
    }
    return esp_writer_epoch(writer, &record);
}
