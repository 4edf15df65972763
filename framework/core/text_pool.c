#include "core/text_pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"

void *esp_pool_take(esp_text_pool *pool, size_t bytes)
{
    if (pool->n_blocks == pool->capacity) {
        size_t capacity = pool->capacity ? 2 * pool->capacity : 64;
        void **larger = realloc(pool->blocks, capacity * sizeof *larger);
        if (larger == NULL) {
            pool->failed = true;
            return NULL;
        }
        pool->blocks = larger;
        pool->capacity = capacity;
    }
    void *block = calloc(1, bytes ? bytes : 1);
    if (block == NULL) {
        pool->failed = true;
        return NULL;
    }
    pool->blocks[pool->n_blocks++] = block;
    return block;
}

const char *esp_pool_format(esp_text_pool *pool, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    char *text = size < 0 ? NULL : esp_pool_take(pool, (size_t)size + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)size + 1, format, again);
    } else {
        pool->failed = true;
    }
    va_end(again);
    va_end(args);
    return text != NULL ? text : "";
}

int esp_pool_status(const esp_text_pool *pool)
{
    return pool->failed ? esp_fail(ESP_MEMORY, "no memory for the report") : ESP_OK;
}

void esp_pool_free(esp_text_pool *pool)
{
    for (size_t i = 0; i < pool->n_blocks; i++) {
        free(pool->blocks[i]);
    }
    free(pool->blocks);
    *pool = (esp_text_pool){0};
}
