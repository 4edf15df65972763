/* What the queries behind exports share. Only for export*.c. */
#ifndef ESP_REPORT_EXPORT_SQL_H
#define ESP_REPORT_EXPORT_SQL_H

#include "report/export.h"

/* Of study_trial or study_cell as t: the study asked for, at its revision. */
#define ESP_EXPORT_TRIALS                                                                          \
    "(:study IS NULL OR t.study = :study)"                                                         \
    " AND CASE WHEN :revision IS NULL THEN t.latest ELSE t.revision = :revision END"

/* Of table metric as m: those asked for. */
#define ESP_EXPORT_METRIC                                                                          \
    "(:metrics IS NULL OR m.split || '.' || m.name IN (SELECT value FROM json_each(:metrics)))"

/* esp_rows_open with the parameters that these take. */
int esp_export_ask(esp_rows **out, esp_store *store, const esp_export_request *request,
                   const char *sql);

#endif
