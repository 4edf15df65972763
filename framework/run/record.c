#include "run/record.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

char *esp_record_overrides(const esp_study *study)
{
    json_t *list = json_array();
    for (int i = 0; i < study->n_sets; i++) {
        json_array_append_new(list, json_string(study->sets[i]));
    }
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

static esp_store_param *copy_params(const esp_key_value *params, int count)
{
    esp_store_param *copy = calloc((size_t)count + 1, sizeof *copy);
    for (int i = 0; copy != NULL && i < count; i++) {
        copy[i] = (esp_store_param){params[i].key, params[i].value};
    }
    return copy;
}

int esp_record_make(esp_store_study *out, const esp_study *study)
{
    esp_store_cell *cells = calloc((size_t)study->n_cells + 1, sizeof *cells);
    esp_store_trial *trials = calloc((size_t)study->n_trials + 1, sizeof *trials);
    *out = (esp_store_study){.name = study->name,
                             .title = study->title,
                             .source = study->source,
                             .text = study->text,
                             .overrides = esp_record_overrides(study),
                             .report = study->report,
                             .variants = study->variants,
                             .cells = cells,
                             .trials = trials};
    bool complete = cells != NULL && trials != NULL && out->overrides != NULL;
    for (int i = 0; complete && i < study->n_cells; i++) {
        const esp_cell *cell = &study->cells[i];
        cells[i] = (esp_store_cell){.variant = cell->variant,
                                    .label = cell->label,
                                    .reference = cell->reference,
                                    .unasked = true,
                                    .config = cell->config,
                                    .identity = cell->identity,
                                    .n_swept = cell->n_swept,
                                    .n_params = cell->n_params,
                                    .swept = copy_params(cell->swept, cell->n_swept),
                                    .params = copy_params(cell->params, cell->n_params)};
        out->n_cells = i + 1;
        complete = cells[i].swept != NULL && cells[i].params != NULL;
    }
    for (int i = 0; complete && i < study->n_trials; i++) {
        const esp_trial *trial = &study->trials[i];
        cells[trial->cell].unasked = cells[trial->cell].unasked && !trial->asked_for;
        trials[i] = (esp_store_trial){.cell = trial->cell,
                                      .id = trial->id,
                                      .seed = trial->seed,
                                      .seed_init = trial->seed_init,
                                      .seed_order = trial->seed_order,
                                      .seed_noise = trial->seed_noise};
        out->n_trials = i + 1;
    }
    if (!complete) {
        esp_record_free(out);
        return esp_fail(ESP_MEMORY, "no memory to record a study");
    }
    return ESP_OK;
}

void esp_record_free(esp_store_study *record)
{
    for (int i = 0; i < record->n_cells; i++) {
        free((void *)(uintptr_t)record->cells[i].swept);
        free((void *)(uintptr_t)record->cells[i].params);
    }
    free((void *)(uintptr_t)record->cells);
    free((void *)(uintptr_t)record->overrides);
    free(record->trials);
    memset(record, 0, sizeof *record);
}
