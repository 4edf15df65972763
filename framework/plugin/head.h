/* What heads declare, checked before memory is laid out by it. */
#ifndef ESP_PLUGIN_HEAD_H
#define ESP_PLUGIN_HEAD_H

#include "plugin/instance.h"

/* Calls the head's declare() for this model and checks what it says: counts, names, ranks and
 * shapes. Errors: ESP_PLUGIN with the head's name and what is wrong. Thread: the trial's. */
int esp_head_declare(esp_head_decl *out, esp_instance *head, const esp_dims *dims);

/* Whether all tensors of a model have names of their own; tensors [n_taken] are the model's.
 * Errors: ESP_PLUGIN naming the one that stands twice. Thread: any. */
int esp_head_names_differ(const esp_head_decl *heads, int n_heads, const char *const *taken,
                          int n_taken);

#endif
