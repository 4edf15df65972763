/* How long an epoch takes: from trials of the same size in the database, else from a few steps of
 * it on the spot. */
#include <stdlib.h>
#include <string.h>

#include "cli/plan.h"
#include "core/status.h"
#include "nn/blas.h"
#include "run/epoch_time.h"

/* Where no step can be had: multiply-adds a second of one core, and the memory above which none is
 * tried. */
static const double nominal_rate = 1e10, most_bytes = 1e9;

/* Of the five latest such trials that have epochs: all of them may be millions. */
static const char same_size[] =
    "SELECT avg(e.seconds), count(*) FROM epoch e WHERE e.epoch > 0 AND e.seconds > 0"
    " AND e.trial IN (SELECT ct.trial FROM cell c"
    " CROSS JOIN cell_key p ON p.cell = c.id AND p.key = 'parameters' AND p.value = :parameters"
    " CROSS JOIN cell_key w ON w.cell = c.id AND w.key = 'leaf_width' AND w.value = :leaf_width"
    " CROSS JOIN cell_key d ON d.cell = c.id AND d.key = 'data.name' AND d.value = :data"
    " CROSS JOIN cell_key b ON b.cell = c.id AND b.key = 'batch_size' AND b.value = :batch_size"
    " CROSS JOIN cell_trial ct ON ct.cell = c.id"
    " WHERE EXISTS (SELECT 1 FROM epoch f WHERE f.trial = ct.trial AND f.epoch > 0)"
    " ORDER BY c.id DESC LIMIT 5)";

static const char *param(const esp_cell *cell, const char *key)
{
    for (int i = 0; i < cell->n_params; i++) {
        if (strcmp(cell->params[i].key, key) == 0) {
            return cell->params[i].value;
        }
    }
    return "";
}

static int measured_seconds(double *out, esp_store *store, const esp_cell *cell)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_rows_open(&rows, store, same_size));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":parameters", param(cell, "parameters")));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":leaf_width", param(cell, "leaf_width")));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":data", param(cell, "data.name")));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":batch_size", param(cell, "batch_size")));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    *out = has_row && esp_rows_integer(rows, 1) > 0 ? esp_rows_real(rows, 0) : 0;
out:
    esp_rows_close(rows);
    return status;
}

static bool is_same(const esp_cell *a, const esp_cell *b)
{
    static const char *const keys[] = {"parameters", "training_width", "leaf_width",
                                       "data.name",  "batch_size",     "heads"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(param(a, keys[i]), param(b, keys[i])) != 0) {
            return false;
        }
    }
    return a->model.kind == b->model.kind;
}

static int estimated_seconds(const esp_plan *plan, int index)
{
    const esp_cell *cell = &plan->study->cells[index];
    esp_plan_cell *planned = &plan->cells[index];
    if (planned->size.training_bytes < most_bytes) {
        ESP_TRY(esp_blas_prepare());
        ESP_TRY(esp_epoch_time(&planned->epoch_seconds, cell));
    }
    if (planned->epoch_seconds == 0) {
        planned->epoch_seconds = cell->data.n_train * planned->size.training_macs / nominal_rate;
    }
    return ESP_OK;
}

/* sizes [n]: cells of which no two are of one size. Returns the one of them that is of the cell's
 * size; -1: none is. */
static int find_size(const int *sizes, int n, const esp_plan *plan, int cell)
{
    for (int i = 0; i < n; i++) {
        if (is_same(&plan->study->cells[sizes[i]], &plan->study->cells[cell])) {
            return sizes[i];
        }
    }
    return -1;
}

static int find_seconds(esp_plan *plan, int cell, esp_store *store)
{
    esp_plan_cell *planned = &plan->cells[cell];
    planned->epoch_seconds = 0;
    if (store != NULL) {
        ESP_TRY(measured_seconds(&planned->epoch_seconds, store, &plan->study->cells[cell]));
    }
    planned->measured = planned->epoch_seconds > 0;
    return planned->measured ? ESP_OK : estimated_seconds(plan, cell);
}

int esp_plan_estimate(esp_plan *plan, esp_store *store)
{
    const int n_cells = plan->study->n_cells;
    int status = ESP_OK, n_sizes = 0;
    int *sizes = calloc((size_t)n_cells + 1, sizeof *sizes);
    if (sizes == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for the sizes of %d cells", n_cells);
    }
    for (int i = 0; i < n_cells; i++) {
        const int alike = find_size(sizes, n_sizes, plan, i);
        if (alike >= 0) {
            plan->cells[i].epoch_seconds = plan->cells[alike].epoch_seconds;
            plan->cells[i].measured = plan->cells[alike].measured;
        } else {
            ESP_TRY_OUT(find_seconds(plan, i, store));
            sizes[n_sizes++] = i;
        }
    }
out:
    free(sizes);
    return status;
}
