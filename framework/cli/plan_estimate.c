/* How long an epoch takes: from trials of the same size in the database, else from multiply-adds at
 * a rate measured on the spot. */
#include <string.h>

#include "cli/plan.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/status.h"
#include "nn/blas.h"

/* Beside products an epoch converts bytes and computes activations: seconds an example, and the
 * share of the products' time, both measured on one core with w = 16 at batch size 256. */
static const double example_seconds = 1e-6, elementwise_share = 0.6;

/* Floating-point operations a second of a product shaped as a small network's first layer. */
static double calibrate(void)
{
    enum { M = 256, K = 784, N = 32, STRIDE = 800 };
    static const double enough = 0.05;
    esp_real *a = NULL, *b = NULL, *c = NULL;
    double rate = 0;
    esp_arena arena;
    size_t count = (size_t)M * STRIDE + (size_t)K * N + (size_t)M * N;
    if (esp_arena_create(&arena, count * sizeof(esp_real) + 4 * ESP_ALIGNMENT) != ESP_OK) {
        return 0;
    }
    a = ESP_TAKE(&arena, esp_real, M * STRIDE);
    b = ESP_TAKE(&arena, esp_real, K * N);
    c = ESP_TAKE(&arena, esp_real, M * N);
    double start = esp_clock_seconds(), last = start;
    for (int n = 0; last - start < enough; n++) {
        esp_matmul(c, N, false, a, STRIDE, false, b, N, 0, M, N, K);
        double done = esp_clock_seconds();
        double one = 2.0 * M * K * N / (done - last);
        rate = one > rate ? one : rate; /* the best: the first calls warm up */
        last = done;
    }
    esp_arena_destroy(&arena);
    return rate;
}

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

static int estimated_seconds(double *out, esp_plan *plan, const esp_cell *cell,
                             const esp_size *size)
{
    const uint32_t n_features = cell->data.n_features, n_train = cell->data.n_train;
    if (plan->flops == 0) {
        ESP_TRY(esp_blas_prepare());
        plan->flops = calibrate();
    }
    double forward = (double)n_features * size->n_hidden;
    /* Each epoch trains on train and evaluates about a sixth as many held-out examples; every
     * evaluate_every epochs train is evaluated too. */
    double evaluations = 1.0 / 6 + (cell->evaluate_every > 0 ? 1.0 / cell->evaluate_every : 0);
    double operations = 2 * (size->training_macs + evaluations * forward);
    double rate = plan->flops > 0 ? plan->flops : 1e9;
    *out = n_train *
           (operations / rate * (1 + elementwise_share) + (1 + evaluations) * example_seconds);
    return ESP_OK;
}

int esp_plan_estimate(esp_plan *plan, esp_store *store)
{
    for (int i = 0; i < plan->study->n_cells; i++) {
        const esp_cell *cell = &plan->study->cells[i];
        esp_plan_cell *planned = &plan->cells[i];
        planned->epoch_seconds = 0;
        if (store != NULL) {
            ESP_TRY(measured_seconds(&planned->epoch_seconds, store, cell));
        }
        planned->measured = planned->epoch_seconds > 0;
        if (!planned->measured) {
            ESP_TRY(estimated_seconds(&planned->epoch_seconds, plan, cell, &planned->size));
        }
    }
    return ESP_OK;
}
