/* A study's file that is not there. */
#ifndef ESP_STUDY_MISSING_FILE_H
#define ESP_STUDY_MISSING_FILE_H

/* After esp_file_read failed with ESP_NOT_FOUND: adds to its message the study that may have been
 * meant, in path's own folder or in experiments/. Always ESP_NOT_FOUND. Thread: any. */
int esp_study_file_missing(const char *path);

#endif
