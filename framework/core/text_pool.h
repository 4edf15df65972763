/* Memory that lives as long as what it was made for. */
#ifndef ESP_CORE_TEXT_POOL_H
#define ESP_CORE_TEXT_POOL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct esp_text_pool {
    void **blocks;
    size_t n_blocks, capacity;
    bool failed; /* some request found no memory; what it returned was "" */
} esp_text_pool;

/* Zeroed memory, or NULL (and failed). Thread: the owner's. */
void *esp_pool_take(esp_text_pool *pool, size_t bytes);

/* A string by format; "" where memory is short (and failed): a caller that builds many strings asks
 * esp_pool_status once at its end. Thread: the owner's. */
const char *esp_pool_format(esp_text_pool *pool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ESP_OK, or ESP_MEMORY where any request failed. */
int esp_pool_status(const esp_text_pool *pool);

void esp_pool_free(esp_text_pool *pool);

#endif
