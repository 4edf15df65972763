/* Tables of the temporary schema hide those of the file, and copies of its views read them: so
 * every query, also one of the user's own, shows what is asked for. Nothing is written to the file.
 */
#include "store/shown.h"

#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "store/internal.h"

static int run_and_free(esp_store *store, char *sql)
{
    int status = sql != NULL ? esp_sql_run(store, sql)
                             : esp_fail(ESP_MEMORY, "%s: no memory for a view", store->path);
    sqlite3_free(sql);
    return status;
}

/* Runs what a query makes: one statement in each row. */
static int run_all_of(esp_store *store, const char *query)
{
    sqlite3_stmt *statement = NULL;
    char *all = sqlite3_mprintf("");
    bool has_row = false;
    int status = esp_sql_prepare(&statement, store, query);
    while (status == ESP_OK) {
        status = esp_sql_step(store, statement, &has_row);
        if (status != ESP_OK || !has_row) {
            break;
        }
        char *longer = sqlite3_mprintf("%z%s;\n", all, sqlite3_column_text(statement, 0));
        all = longer;
    }
    sqlite3_finalize(statement);
    if (status != ESP_OK) {
        sqlite3_free(all);
        return status;
    }
    return run_and_free(store, all);
}

int esp_store_show_latest(esp_store *store)
{
    return run_all_of(store, "SELECT printf('DROP %s temp.\"%w\"', type, name) FROM"
                             " sqlite_temp_master WHERE type IN ('table', 'view')"
                             " ORDER BY type = 'table'");
}

/* The file's views once more: a view of the file reads the file's tables alone. */
static int copy_views(esp_store *store)
{
    return run_all_of(store, "SELECT 'CREATE TEMP VIEW ' || substr(sql, length('CREATE VIEW ') + 1)"
                             " FROM main.sqlite_master WHERE type = 'view' ORDER BY rowid");
}

/* What is written to the temporary schema stays in memory. */
static int begin(esp_store *store)
{
    ESP_TRY(esp_sql_run(store, "PRAGMA temp_store = MEMORY"));
    return esp_store_show_latest(store);
}

int esp_store_show_revision(esp_store *store, const char *study, int revision)
{
    ESP_TRY(begin(store));
    ESP_TRY(esp_sql_run(store, "CREATE TEMP TABLE study (id INTEGER PRIMARY KEY, name TEXT UNIQUE,"
                               " current_revision INTEGER)"));
    ESP_TRY(run_and_free(
        store, sqlite3_mprintf("INSERT INTO temp.study SELECT s.id, s.name, CASE s.name WHEN %Q"
                               " THEN (SELECT r.id FROM main.revision r WHERE r.study = s.id"
                               " AND r.number = %d) ELSE s.current_revision END FROM main.study s",
                               study, revision)));
    return copy_views(store);
}

/* ---- several beside each other -----------------------------------------------------------------
 */

/* A row a side: k from 0; its cells' variants are <prefix><variant><suffix>. */
static const char side_sql[] =
    "CREATE TEMP TABLE side (k INTEGER PRIMARY KEY, revision INTEGER, variant TEXT, prefix TEXT,"
    " suffix TEXT)";

/* A cell's id is the old one times the number of sides, plus its side. base: the variant's name
 * before; rest: what follows it in the label. */
static const char tables_sql[] =
    "CREATE TEMP TABLE study (id INTEGER PRIMARY KEY, name TEXT UNIQUE, current_revision INTEGER);"
    "CREATE TEMP TABLE revision (id INTEGER PRIMARY KEY, study INTEGER, number INTEGER, hash TEXT,"
    " title TEXT, source TEXT, text TEXT, overrides TEXT, report TEXT, variants TEXT,"
    " created_at TEXT, last_run_at TEXT);"
    "CREATE TEMP TABLE cell (id INTEGER PRIMARY KEY, revision INTEGER, ordinal INTEGER,"
    " variant TEXT, label TEXT, reference INTEGER, config TEXT, identity TEXT, side INTEGER,"
    " base TEXT, rest TEXT);"
    "CREATE INDEX temp.cell_by_name ON cell (side, base, rest);"
    "CREATE TEMP TABLE cell_key (cell INTEGER, key TEXT, value TEXT, PRIMARY KEY (cell, key))"
    " WITHOUT ROWID;"
    "CREATE TEMP TABLE cell_swept (cell INTEGER, key TEXT, value TEXT, PRIMARY KEY (cell, key))"
    " WITHOUT ROWID;"
    "CREATE TEMP TABLE cell_trial (cell INTEGER, ordinal INTEGER, trial INTEGER, seed TEXT,"
    " PRIMARY KEY (cell, ordinal)) WITHOUT ROWID;"
    "CREATE INDEX temp.cell_trial_by_trial ON cell_trial (trial);"
    "CREATE TEMP TABLE published AS SELECT * FROM main.published LIMIT 0;"
    "INSERT INTO temp.cell SELECT c.id * n.n + s.k, 1,"
    " row_number() OVER (ORDER BY s.k, c.ordinal) - 1, s.prefix || c.variant || s.suffix,"
    " s.prefix || c.variant || s.suffix || substr(c.label, length(c.variant) + 1), NULL, c.config,"
    " c.identity, s.k, c.variant, substr(c.label, length(c.variant) + 1)"
    " FROM (SELECT count(*) AS n FROM temp.side) n CROSS JOIN temp.side s CROSS JOIN main.cell c"
    " ON c.revision = s.revision WHERE s.variant IS NULL OR c.variant = s.variant;"
    "INSERT INTO temp.cell_key SELECT c.id, x.key, x.value FROM temp.cell c CROSS JOIN"
    " main.cell_key x ON x.cell = c.id / (SELECT count(*) FROM temp.side);"
    "INSERT INTO temp.cell_swept SELECT c.id, x.key, x.value FROM temp.cell c CROSS JOIN"
    " main.cell_swept x ON x.cell = c.id / (SELECT count(*) FROM temp.side);"
    "INSERT INTO temp.cell_trial SELECT c.id, x.ordinal, x.trial, x.seed FROM temp.cell c"
    " CROSS JOIN main.cell_trial x ON x.cell = c.id / (SELECT count(*) FROM temp.side);";

/* First by name, which most have; else by all swept keys of the first side's cell. */
static const char references_sql[] =
    "CREATE TEMP TABLE free_side AS SELECT s.k FROM temp.side s JOIN temp.side f ON f.k = 0"
    " WHERE s.k > 0 AND ((s.variant IS NOT NULL AND f.variant IS NOT NULL) OR NOT EXISTS"
    "  (SELECT 1 FROM temp.cell a JOIN temp.cell b ON b.side = 0 AND b.base = a.base"
    "   WHERE a.side = s.k));"
    "UPDATE temp.cell SET reference = coalesce("
    " (SELECT o.id FROM temp.cell o WHERE o.side = 0 AND o.base = cell.base"
    "  AND o.rest = cell.rest),"
    " (SELECT o.id FROM temp.cell o WHERE o.side = 0 AND (o.base = cell.base OR cell.side IN"
    "   (SELECT k FROM temp.free_side)) AND NOT EXISTS (SELECT 1 FROM temp.cell_swept w"
    "   WHERE w.cell = o.id AND NOT EXISTS (SELECT 1 FROM temp.cell_swept x WHERE x.cell = cell.id"
    "    AND x.key = w.key AND x.value = w.value) AND NOT EXISTS (SELECT 1 FROM temp.cell_key x"
    "    WHERE x.cell = cell.id AND x.key = w.key AND x.value = w.value))"
    "  ORDER BY o.ordinal LIMIT 1)) WHERE side > 0;"
    "DROP TABLE temp.free_side;";

/* The report's section is the first side's, except what names variants. */
static const char revision_sql[] =
    "INSERT INTO temp.study VALUES (1, %Q, 1);"
    "INSERT INTO temp.revision SELECT 1, 1, 1, '', CASE (SELECT count(DISTINCT"
    " revision) FROM temp.side) WHEN 1 THEN r.title ELSE (SELECT group_concat(title, ' beside ') "
    "FROM"
    " (SELECT st.name || '@' || r.number || coalesce(nullif((SELECT ' (' || group_concat('--set ' "
    "||"
    "   o.value, ' ') || ')' FROM json_each(r.overrides) o), ''), '') AS title FROM temp.side s"
    "   JOIN main.revision r ON r.id = s.revision JOIN main.study st ON st.id = r.study"
    "   GROUP BY r.id ORDER BY min(s.k))) END, r.source, r.text, '[]', json_remove(r.report,"
    " '$.contrasts', '$.published', '$.baseline_rows', '$.report.contrasts', '$.report.published',"
    " '$.report.baseline_rows'), (SELECT json_group_array(variant) FROM (SELECT variant FROM"
    "  temp.cell GROUP BY variant ORDER BY min(ordinal))), r.created_at, (SELECT max(x.last_run_at)"
    "  FROM temp.side s JOIN main.revision x ON x.id = s.revision) FROM main.revision r WHERE r.id "
    "="
    " (SELECT revision FROM temp.side WHERE k = 0);";

static int add_side(esp_store *store, const esp_shown *sides, int n, int k)
{
    bool studies_differ = false, revisions_differ = false;
    for (int i = 0; i < n; i++) {
        const bool same = strcmp(sides[i].study, sides[0].study) == 0;
        studies_differ = studies_differ || !same;
        for (int j = 0; j < i; j++) {
            revisions_differ = revisions_differ || (strcmp(sides[i].study, sides[j].study) == 0 &&
                                                    sides[i].revision != sides[j].revision);
        }
    }
    char suffix[24] = "";
    if (revisions_differ) {
        sqlite3_snprintf(sizeof suffix, suffix, "@%d", sides[k].revision);
    }
    return run_and_free(
        store,
        sqlite3_mprintf("INSERT INTO temp.side SELECT %d, r.id, %Q, %Q || %Q, %Q FROM"
                        " main.revision r JOIN main.study s ON s.id = r.study WHERE"
                        " s.name = %Q AND r.number = %d",
                        k, sides[k].variant, studies_differ ? sides[k].study : "",
                        studies_differ ? ":" : "", suffix, sides[k].study, sides[k].revision));
}

static int copy_unasked(esp_store *store)
{
    bool there = false;
    ESP_TRY(esp_store_has_unasked(&there, store));
    return there ? esp_sql_run(store, "CREATE TEMP TABLE unasked_cell AS SELECT c.id AS cell FROM"
                                      " temp.cell c JOIN main.unasked_cell u ON u.cell = c.id /"
                                      " (SELECT count(*) FROM temp.side)")
                 : ESP_OK;
}

int esp_store_show_beside(esp_store *store, const char *name, const esp_shown *sides, int n)
{
    ESP_TRY(begin(store));
    ESP_TRY(esp_sql_run(store, side_sql));
    for (int k = 0; k < n; k++) {
        ESP_TRY(add_side(store, sides, n, k));
    }
    ESP_TRY(esp_sql_run(store, tables_sql));
    ESP_TRY(esp_sql_run(store, references_sql));
    ESP_TRY(copy_unasked(store));
    ESP_TRY(run_and_free(store, sqlite3_mprintf(revision_sql, name)));
    return copy_views(store);
}
