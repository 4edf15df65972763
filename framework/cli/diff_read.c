/* The two sides of a diff, out of the database. */
#include <stdlib.h>
#include <string.h>

#include "cli/diff.h"
#include "core/status.h"
#include "core/text.h"
#include "report/study_names.h"
#include "store/shown.h"

const char *esp_diff_kind_name(diff_kind kind)
{
    static const char *const names[] = {"trial", "variant", "study"};
    return names[kind];
}

/* ---- finding -----------------------------------------------------------------------------------
 */

/* The trial's id, with study, cell and seed where the study run last has it. */
static int find_trial(diff_side *out, esp_store *store, const char *prefix)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY(esp_trial_find(out->trial, store, prefix));
    ESP_TRY_OUT(esp_rows_open(&rows, store,
                              "SELECT study || ': ' || cell || ' seed ' || seed FROM study_trial"
                              " WHERE trial_id = :id ORDER BY cell_key DESC LIMIT 1"));
    ESP_TRY_OUT(esp_rows_bind_text(rows, ":id", out->trial));
    ESP_TRY_OUT(esp_rows_step(rows, &has_row));
    const char *label = has_row ? esp_rows_text(rows, 0) : NULL;
    out->title = esp_text_format("%s  %s", out->trial, label != NULL ? label : "");
out:
    esp_rows_close(rows);
    return status;
}

static int find_side(diff_side *out, esp_store *store, const char *name)
{
    bool exists = false;
    ESP_TRY(esp_study_exists(&exists, store, name));
    if (!exists && strpbrk(name, ":@") == NULL) {
        out->kind = DIFF_TRIAL;
        return find_trial(out, store, name);
    }
    esp_named_study named;
    int status = esp_named_study_read(&named, store, name);
    out->study = named.study;
    out->variant = named.variant;
    out->revision = named.revision;
    out->has_revision = named.has_revision;
    out->kind = out->variant != NULL ? DIFF_VARIANT : DIFF_STUDY;
    out->title = strdup(name);
    return status == ESP_OK && out->title == NULL ? esp_fail(ESP_MEMORY, "no memory for %s", name)
                                                  : status;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

#define MINE " study = :study AND latest = 1 AND (:variant IS NULL OR variant = :variant)"
/* A trial's cell: of the study that planned it last. */
#define CELLS                                                                                      \
    "WITH mine AS (SELECT cell_key, variant, substr(cell, length(variant) + 2) AS label, ordinal"  \
    " FROM study_cell WHERE" MINE " UNION ALL SELECT max(ct.cell), '', '', 0 FROM cell_trial ct"   \
    " JOIN trial t ON t.id = ct.trial WHERE t.trial_id = :trial HAVING max(ct.cell) NOT NULL) "
/* The environments of last attempts. What is not compared: what differs by the hour, long texts
 * (their hashes are), and the study, whose differences have a section of their own. */
#define ENVIRONMENTS                                                                               \
    "WITH trials AS (SELECT trial_key FROM study_trial WHERE" MINE " UNION ALL SELECT id FROM"     \
    " trial WHERE trial_id = :trial), mine AS (SELECT DISTINCT environment FROM trials"            \
    " JOIN attempt a ON a.trial = trial_key AND a.number ="                                        \
    " (SELECT max(number) FROM attempt b WHERE b.trial = a.trial)) "
#define METRIC                                                                                     \
    "SELECT v.split || '.' || v.metric || ' at ' || s.at, printf('%!.17g', v.value) FROM"          \
    " trial t JOIN selection s ON s.trial = t.id CROSS JOIN "
#define METRIC_OF                                                                                  \
    " v ON v.trial = s.trial AND v.epoch = s.epoch WHERE t.trial_id = :trial"                      \
    " AND s.at IN ('selected', 'last') AND v.value IS NOT NULL"

static const char cells_sql[] = CELLS "SELECT cell_key, variant, label FROM mine ORDER BY ordinal";

/* Of cells: cell, key, value. */
static const struct {
    const char *section, *sql;
} cell_queries[] = {
    {"config", CELLS "SELECT cell_key, key, value FROM mine JOIN cell_key ON cell = cell_key"
                     " ORDER BY ordinal, key"},
    {"swept", CELLS "SELECT cell_key, key, value FROM mine JOIN cell_swept ON cell = cell_key"
                    " ORDER BY ordinal, key"},
    {"seeds", CELLS "SELECT cell_key, 'seeds', seed FROM mine JOIN cell_trial ON cell = cell_key"
                    " WHERE :trial IS NULL ORDER BY mine.ordinal, cell_trial.ordinal"},
    {"seeds", CELLS "SELECT cell_key, column1, CASE column1 WHEN 'init' THEN seed_init WHEN 'order'"
                    " THEN seed_order ELSE seed_noise END FROM mine, trial,"
                    " (VALUES ('init'), ('order'), ('noise')) WHERE trial_id = :trial"},
};

/* Of the whole: key, value. */
static const char environment_sql[] = ENVIRONMENTS
    "SELECT DISTINCT replace(substr(j.fullkey, 3), '\"', ''),"
    " iif(j.type IN ('true', 'false'), j.type, j.atom) FROM mine"
    " JOIN environment e ON e.id = environment, json_tree(e.content) j WHERE j.atom IS NOT NULL"
    " AND j.path <> '$.study' AND j.fullkey NOT IN ('$.source.diff', '$.source.diff_bytes',"
    " '$.source.diff_note', '$.repository.diff', '$.repository.diff_bytes',"
    " '$.repository.diff_note') ORDER BY 1, e.id";
static const char facts_sql[] =
    "SELECT 'status', status FROM trial WHERE trial_id = :trial UNION ALL"
    " SELECT 'epochs', (SELECT max(epoch) FROM epoch e WHERE e.trial = t.id)"
    " FROM trial t WHERE trial_id = :trial UNION ALL"
    " SELECT 'digest of parameters at ' || s.at, e.digest FROM trial t"
    " JOIN selection s ON s.trial = t.id JOIN epoch e ON e.trial = t.id"
    " AND e.epoch = s.epoch WHERE t.trial_id = :trial AND s.at IN ('selected', 'last')"
    " UNION ALL SELECT 'epoch ' || s.at, s.epoch FROM trial t JOIN selection s"
    " ON s.trial = t.id WHERE t.trial_id = :trial AND s.at = 'selected'";
static const char metrics_sql[] =
    METRIC "wide_value" METRIC_OF " UNION ALL " METRIC "tall_value" METRIC_OF " ORDER BY 1";

static int open_rows(esp_rows **rows, esp_store *store, const diff_side *side, const char *sql)
{
    ESP_TRY(esp_rows_open(rows, store, sql));
    ESP_TRY(esp_rows_bind_text(*rows, ":trial", side->trial[0] != '\0' ? side->trial : NULL));
    ESP_TRY(esp_rows_bind_text(*rows, ":study", side->study));
    return esp_rows_bind_text(*rows, ":variant", side->variant);
}

/* Sets key, or puts a further value behind those there. */
static int add_value(json_t *map, const char *key, const char *value)
{
    if (value == NULL) {
        return ESP_OK;
    }
    const char *before = json_string_value(json_object_get(map, key));
    json_t *all = before != NULL ? json_sprintf("%s, %s", before, value) : json_string(value);
    return json_object_set_new(map, key, all) == 0
               ? ESP_OK
               : esp_fail(ESP_MEMORY, "no memory for the value of %s", key);
}

static int read_values(json_t **out, esp_store *store, const diff_side *side, const char *sql)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    *out = json_object();
    ESP_TRY_OUT(open_rows(&rows, store, side, sql));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        char *key = strdup(esp_rows_text(rows, 0));
        status = key != NULL ? add_value(*out, key, esp_rows_text(rows, 1)) : ESP_MEMORY;
        free(key);
        ESP_TRY_OUT(status);
    }
out:
    esp_rows_close(rows);
    return status;
}

static int read_cell_values(json_t *by_key, esp_store *store, const diff_side *side,
                            const char *section, const char *sql)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    int status = ESP_OK;
    ESP_TRY_OUT(open_rows(&rows, store, side, sql));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        json_t *cell = json_object_get(by_key, esp_rows_text(rows, 0));
        char *key = strdup(esp_rows_text(rows, 1));
        status = key != NULL
                     ? add_value(json_object_get(cell, section), key, esp_rows_text(rows, 2))
                     : ESP_MEMORY;
        free(key);
        ESP_TRY_OUT(status);
    }
out:
    esp_rows_close(rows);
    return status;
}

static int read_cells(diff_side *side, esp_store *store)
{
    esp_rows *rows = NULL;
    bool has_row = false;
    json_t *by_key = json_object();
    int status = ESP_OK;
    side->cells = json_array();
    ESP_TRY_OUT(open_rows(&rows, store, side, cells_sql));
    for (;;) {
        ESP_TRY_OUT(esp_rows_step(rows, &has_row));
        if (!has_row) {
            break;
        }
        json_t *cell = json_pack("{s:s, s:s, s:{}, s:{}, s:{}}", "variant", esp_rows_text(rows, 1),
                                 "label", esp_rows_text(rows, 2), "config", "swept", "seeds");
        json_array_append(side->cells, cell);
        json_object_set_new(by_key, esp_rows_text(rows, 0), cell);
    }
    for (size_t i = 0; i < sizeof cell_queries / sizeof *cell_queries; i++) {
        ESP_TRY_OUT(
            read_cell_values(by_key, store, side, cell_queries[i].section, cell_queries[i].sql));
    }
out:
    json_decref(by_key);
    esp_rows_close(rows);
    return status;
}

int esp_diff_read(diff_side *out, esp_store *store, const char *name)
{
    ESP_TRY(find_side(out, store, name));
    if (out->has_revision) {
        ESP_TRY(esp_store_show_revision(store, out->study, out->revision));
    }
    ESP_TRY(read_cells(out, store));
    ESP_TRY(read_values(&out->environment, store, out, environment_sql));
    ESP_TRY(read_values(&out->facts, store, out, facts_sql));
    ESP_TRY(read_values(&out->metrics, store, out, metrics_sql));
    return esp_store_show_latest(store);
}

void esp_diff_free(diff_side *side)
{
    free(side->study);
    free(side->variant);
    free(side->title);
    json_decref(side->cells);
    json_decref(side->environment);
    json_decref(side->facts);
    json_decref(side->metrics);
}
