/* What the rows of epochs cost SQLite alone: no records, no queue, one transaction. */
#include <stdlib.h>

#include "core/clock.h"
#include "core/status.h"
#include "store/internal.h"
#include "store/writer_figures.h"

static int attach(esp_store *store, const char *source)
{
    sqlite3_stmt *statement = NULL;
    ESP_TRY(esp_sql_run(store, "PRAGMA foreign_keys = OFF")); /* only rows of epochs are copied */
    ESP_TRY(esp_sql_prepare(&statement, store, "ATTACH ? AS source"));
    char *name = esp_sql_name(source);
    esp_sql_bind_text(statement, 1, name);
    const int status = name != NULL ? esp_sql_step(store, statement, NULL)
                                    : esp_fail(ESP_MEMORY, "no memory for a path");
    sqlite3_finalize(statement);
    free(name);
    return status;
}

static int insert(esp_store *store, const char *sql, int n_trials)
{
    sqlite3_stmt *statement = NULL;
    ESP_TRY(esp_sql_prepare(&statement, store, sql));
    sqlite3_bind_int(statement, 1, n_trials);
    const int status = esp_sql_step(store, statement, NULL);
    sqlite3_finalize(statement);
    return status;
}

/* Row by row: SQLite copies whole tables only where nothing is asked of the rows. */
static int insert_all(esp_store *store, int n_trials)
{
    ESP_TRY(insert(store, "INSERT INTO main.epoch SELECT * FROM source.epoch WHERE trial <= ?",
                   n_trials));
    return insert(store,
                  "INSERT INTO main.epoch_metric SELECT * FROM source.epoch_metric"
                  " WHERE trial <= ?",
                  n_trials);
}

int esp_store_time_inserts(double *seconds_an_epoch, const char *path, const char *source,
                           int n_trials)
{
    esp_store *store = NULL;
    int64_t n_epochs = 0;
    int status = ESP_OK;
    ESP_TRY_OUT(esp_store_open(&store, path, ESP_STORE_WRITE));
    ESP_TRY_OUT(attach(store, source));
    const double started = esp_clock_seconds();
    ESP_TRY_OUT(esp_sql_run(store, "BEGIN IMMEDIATE"));
    ESP_TRY_OUT(esp_sql_end(store, insert_all(store, n_trials)));
    const double seconds = esp_clock_seconds() - started;
    ESP_TRY_OUT(
        esp_sql_integer(&n_epochs, store, "SELECT count(*) FROM main.epoch WHERE epoch > 0", 0));
    *seconds_an_epoch = seconds / (double)(n_epochs > 0 ? n_epochs : 1);
out:
    esp_store_close(store);
    return status;
}
