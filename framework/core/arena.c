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

enum { GUARD = ESP_ALIGNMENT, GUARD_BYTE = 0xA5 };

void *esp_arena_take_guarded(esp_arena *arena, size_t bytes)
{
    unsigned char *whole = esp_arena_take(arena, bytes + 2 * GUARD);
    if (whole == NULL) {
        return NULL;
    }
    memset(whole, GUARD_BYTE, GUARD);
    memset(whole + GUARD + bytes, GUARD_BYTE, GUARD);
    return whole + GUARD;
}

bool esp_is_guarded(const void *values, size_t bytes)
{
    unsigned char whole[GUARD];
    memset(whole, GUARD_BYTE, GUARD);
    return memcmp((const unsigned char *)values - GUARD, whole, GUARD) == 0 &&
           memcmp((const unsigned char *)values + bytes, whole, GUARD) == 0;
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
