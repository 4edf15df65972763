/* Within report/: the tables of a report on variance, of the primary metric at the first epoch. */
#ifndef ESP_REPORT_TABLE_VARIANCE_H
#define ESP_REPORT_TABLE_VARIANCE_H

#include "report/table_build.h"
#include "report/variance.h"

/* Each cell's worst and failed seeds. */
int esp_table_worst(esp_table *out, esp_report *report, const esp_layout *plan);

/* Seeds against variants: how each seed stands among the others. */
int esp_table_standings(esp_table *out, esp_report *report);

/* Rank correlation over seeds of cells that are compared. */
int esp_table_same_seeds(esp_table *out, esp_report *report);

/* Variance components; no rows where the study does not cross its sources of randomness. */
int esp_table_components(esp_table *out, esp_report *report, const esp_layout *plan);

/* sd over seeds by epoch. */
int esp_table_parting(esp_table *out, esp_report *report, const esp_layout *plan);

/* Rank correlation with soft - hard accuracy and the use of leaves, within each cell. */
int esp_table_relations(esp_table *out, esp_report *report, const esp_layout *plan);

#endif
