#include "run/order.h"

#include <stdlib.h>

#include "core/status.h"
#include "study/size.h"

/* What an example's bytes, activations and losses cost beside its multiply-adds, in multiply-adds;
 * from epochs of w = 16 to 512. */
static const double work_of_an_example = 75e3;

/* Of one epoch, on average. */
static double epoch_work(const esp_cell *cell, const esp_partition *partition)
{
    esp_size size;
    const double share = esp_cell_passes(cell) / esp_cell_epochs(cell);
    return esp_size_of_cell(&size, cell) == ESP_OK
               ? (size.training_macs + work_of_an_example) * partition->n_train * share
               : 1;
}

/* A trial with what is left of it. */
typedef struct left_over {
    int trial, epochs_done;
    double work;
} left_over;

static int compare(const void *left, const void *right)
{
    const left_over *a = left, *b = right;
    return a->work != b->work ? (a->work < b->work) - (a->work > b->work) : a->trial - b->trial;
}

int esp_order_longest_first(const esp_order *order, int n, const esp_study *study,
                            const esp_partition *const *partitions, const esp_store_trial *stored,
                            const bool *anew)
{
    left_over *list = calloc((size_t)n + 1, sizeof *list);
    if (list == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a run");
    }
    for (int i = 0; i < n; i++) {
        const int trial = order->todo[i], cell = study->trials[trial].cell;
        const int epochs = esp_cell_epochs(&study->cells[cell]);
        const int before = anew[trial] ? 0 : stored[trial].epochs_done;
        const int done = before < epochs ? before : epochs;
        if (order->epoch_work[cell] == 0) {
            order->epoch_work[cell] = epoch_work(&study->cells[cell], partitions[cell]);
        }
        list[i] = (left_over){
            .trial = trial, .epochs_done = done, .work = (epochs - done) * order->epoch_work[cell]};
    }
    qsort(list, (size_t)n, sizeof *list, compare);
    for (int i = 0; i < n; i++) {
        order->todo[i] = list[i].trial;
        order->epochs_done[i] = list[i].epochs_done;
    }
    free(list);
    return ESP_OK;
}
