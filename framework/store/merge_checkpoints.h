/* Checkpoints of a trial from beside one database to beside another. */
#ifndef ESP_STORE_MERGE_CHECKPOINTS_H
#define ESP_STORE_MERGE_CHECKPOINTS_H

#include <stdbool.h>

/* Copies the files of <from>.checkpoints/<trial> into <to>.checkpoints/<trial>, each whole; those
 * that are there stay unless replace. No folder there, nothing to do. *took_last: last.safetensors
 * was copied. Errors: ESP_IO, ESP_MEMORY. Thread: any. */
int esp_merge_checkpoints(bool *took_last, const char *to, const char *from, const char *trial,
                          bool replace);

#endif
