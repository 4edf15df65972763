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

static void compare_plugin(esp_stale *out, const json_t *a, const json_t *b,
                           const esp_plugin *plugin)
{
    const json_t *left = json_object_get(json_object_get(a, "plugins"), plugin->name);
    const json_t *right = json_object_get(json_object_get(b, "plugins"), plugin->name);
    if (same_text(left, right, "sha256")) {
        return;
    }
    out->other_code = true;
    if (right != NULL && (json_is_false(json_object_get(left, "shipped")) ||
                          json_is_false(json_object_get(right, "shipped")))) {
        out->changed = plugin;
    }
}

static void compare_code(esp_stale *out, const json_t *a, const json_t *b, const esp_cell *cell)
{
    out->other_code = !same_text(a, b, "executable_sha256");
    for (int i = 0; i < cell->phases[0].n_terms; i++) {
        compare_plugin(out, a, b, cell->phases[0].terms[i].plugin);
    }
    for (int i = 0; i < cell->n_heads; i++) {
        compare_plugin(out, a, b, cell->heads[i].plugin);
    }
}

int esp_stale_check(esp_stale *out, esp_store *store, int64_t trial_key, const esp_cell *cell,
                    const char *environment)
{
    /* Of both only what counts here, as the rest may hold long diffs and trials are many; no
     * row where they are the same. */
    static const char sql[] =
        "SELECT json_object('executable_sha256', content ->> '$.executable_sha256',"
        " 'plugins', content -> '$.plugins'),"
        " json_object('executable_sha256', :mine ->> '$.executable_sha256',"
        " 'plugins', :mine -> '$.plugins')"
        " FROM attempt JOIN environment ON environment.id = attempt.environment"
        " WHERE attempt.id = (SELECT id FROM attempt WHERE trial = :trial"
        " ORDER BY status = 'done' AND (SELECT status FROM trial WHERE id = :trial) = 'done' DESC,"
        " number DESC LIMIT 1) AND content <> :mine";
    esp_rows *rows = NULL;
    bool has_row = false;
    json_t *mine = NULL, *its = NULL;
    int status = ESP_OK;
    *out = (esp_stale){0};
    ESP_TRY_OUT(esp_rows_open(&rows, store, sql));
    ESP_TRY_OUT(esp_rows_bind_integer(rows, ":trial", trial_key));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":mine", environment));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    if (has_row) {
        its = json_loads(esp_rows_text(rows, 0), 0, NULL);
        mine = json_loads(esp_rows_text(rows, 1), 0, NULL);
        compare_code(out, mine, its, cell);
    }
out:
    esp_rows_close(rows);
    json_decref(mine);
    json_decref(its);
    return status;
}
