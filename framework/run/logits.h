/* The logits of a whole split as a file for other programs. */
#ifndef ESP_RUN_LOGITS_H
#define ESP_RUN_LOGITS_H

#include "run/evaluate.h"

/* Writes the logits of all examples, in the view's order, as npy (format version 1.0): float32,
 * [n x O], rows by example. soft: all leaves mixed, else by descent. Heads log as in any
 * evaluation. Errors: ESP_MEMORY, ESP_IO, those of heads. Thread: the network's. */
int esp_logits_write(const char *path, esp_network *network, const esp_view_of_data *data,
                     int batch_size, bool soft);

#endif
