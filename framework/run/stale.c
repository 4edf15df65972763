#include "run/stale.h"

#include <jansson.h>
#include <string.h>

#include "core/status.h"

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
    const char *left = json_string_value(json_object_get(a, key));
    const char *right = json_string_value(json_object_get(b, key));
    return left != NULL && right != NULL && strcmp(left, right) == 0;
}

static bool same_plugin(const json_t *a, const json_t *b, const esp_plugin *plugin)
{
    const json_t *left = json_object_get(json_object_get(a, "plugins"), plugin->name);
    const json_t *right = json_object_get(json_object_get(b, "plugins"), plugin->name);
    return same_text(left, right, "sha256");
}

static bool same_code(const json_t *a, const json_t *b, const esp_cell *cell)
{
    bool same = same_text(a, b, "executable_sha256");
    for (int i = 0; i < cell->phases[0].n_terms; i++) {
        same = same && same_plugin(a, b, cell->phases[0].terms[i].plugin);
    }
    for (int i = 0; i < cell->n_heads; i++) {
        same = same && same_plugin(a, b, cell->heads[i].plugin);
    }
    return same;
}

int esp_stale_check(bool *stale, esp_store *store, int64_t trial_key, const esp_cell *cell,
                    const char *environment)
{
    static const char sql[] =
        "SELECT environment.content FROM attempt JOIN environment "
        "ON environment.id = attempt.environment WHERE attempt.trial = :trial "
        "AND attempt.status = 'done' ORDER BY attempt.number DESC LIMIT 1";
    esp_rows *rows = NULL;
    bool has_row = false;
    json_t *mine = NULL, *its = NULL;
    int status = ESP_OK;
    *stale = false;
    ESP_TRY_OUT(esp_rows_open(&rows, store, sql));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":trial", trial_key));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    if (has_row && esp_rows_text(rows, 0) != NULL && strcmp(esp_rows_text(rows, 0), environment)) {
        mine = json_loads(environment, 0, NULL);
        its = json_loads(esp_rows_text(rows, 0), 0, NULL);
        *stale = !same_code(mine, its, cell);
    }
out:
    esp_rows_close(rows);
    json_decref(mine);
    json_decref(its);
    return status;
}
