#include "core/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

static size_t round_up(size_t bytes)
{
    return (bytes + ESP_ALIGNMENT - 1) & ~(size_t)(ESP_ALIGNMENT - 1);
}

void *esp_arena_take(esp_arena *arena, size_t bytes)
{
    size_t start = arena->used;
    arena->used += round_up(bytes);
    if (arena->base == NULL) {
        return NULL;
    }
    assert(arena->used <= arena->capacity);
    return arena->base + start;
}

int esp_arena_create(esp_arena *out, size_t capacity)
{
    capacity = round_up(capacity ? capacity : 1);
    out->base = aligned_alloc(ESP_ALIGNMENT, capacity);
    if (out->base == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for %zu bytes", capacity);
    }
    memset(out->base, 0, capacity);
    out->capacity = capacity;
    out->used = 0;
    return ESP_OK;
}

void esp_arena_destroy(esp_arena *arena)
{
    free(arena->base);
    *arena = (esp_arena){0};
}
