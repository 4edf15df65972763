/* One block of memory from which a trial takes all it needs before it starts. */
#ifndef ESP_CORE_ARENA_H
#define ESP_CORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct esp_arena {
    unsigned char *base; /* NULL while only measuring */
    size_t capacity, used;
} esp_arena;

enum { ESP_ALIGNMENT = 64 };

/* Takes bytes, zeroed and 64-byte aligned, out of the arena. On an arena with base NULL it only
 * adds to `used` and returns NULL: lay out twice, once to measure, once for real. Going past
 * capacity is a bug (assert). Thread: the owner's. */
void *esp_arena_take(esp_arena *arena, size_t bytes);

/* The same, with 64 bytes on both sides that no one may write: whoever is handed the array and
 * writes just past it is found by esp_is_guarded, where it would change a neighbor's values. */
void *esp_arena_take_guarded(esp_arena *arena, size_t bytes);
bool esp_is_guarded(const void *values, size_t bytes);

/* Allocates a zeroed arena of the given capacity. Errors: ESP_MEMORY. Thread: any. */
int esp_arena_create(esp_arena *out, size_t capacity);
void esp_arena_destroy(esp_arena *arena);

#define ESP_TAKE(arena, type, count)                                                               \
    ((type *)esp_arena_take((arena), sizeof(type) * (size_t)(count)))

#define ESP_TAKE_GUARDED(arena, type, count)                                                       \
    ((type *)esp_arena_take_guarded((arena), sizeof(type) * (size_t)(count)))

#endif
