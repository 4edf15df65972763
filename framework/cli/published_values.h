/* The view versus_published, kept in step with a study's published file. */
#ifndef ESP_CLI_PUBLISHED_VALUES_H
#define ESP_CLI_PUBLISHED_VALUES_H

#include "report/report.h"
#include "study/study.h"

/* After a run: stores the published values that a report of the study would show. A study that
 * names none, and a file that is not found, change nothing; what fails is noted, and is no failure
 * of the run. Thread: one. */
void esp_published_store(const char *database, const esp_study *study);

/* Whether the view holds what this report shows; says where not. Only reads. Thread: the store's.
 */
void esp_published_compare(esp_store *store, esp_report *report);

/* The folder of a file; "." without one. Owned by the caller; NULL without memory. Thread: any. */
char *esp_folder_of(const char *path);

#endif
