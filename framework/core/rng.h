/* Counter-based random numbers: Philox 4x32-10 of Random123 (Salmon et al., SC 2011), keyed by
 * (seed, stream). What is drawn at a position depends on nothing else, so no thread schedule, no
 * other trial and no interruption can change it. */
#ifndef ESP_CORE_RNG_H
#define ESP_CORE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct esp_rng {
    uint64_t seed;
    uint32_t stream;    /* esp_rng_stream of a name */
    uint32_t substream; /* which tensor, which epoch, ... */
    uint64_t position;  /* next 32-bit word; setting it is all it takes to go there */
    uint64_t cached;    /* the block that words hold, plus one; 0: none */
    uint32_t words[4];
} esp_rng;

/* A random number source at position 0. stream_name, e.g. "init", "order", "noise", "split".
 * Thread: any. */
esp_rng esp_rng_make(uint64_t seed, const char *stream_name, uint32_t substream);

/* The next 32 bits. */
uint32_t esp_rng_next(esp_rng *rng);

/* Uniform in [0, 1), 53 bits (two words). */
double esp_rng_uniform(esp_rng *rng);

/* Uniform in 0..bound-1 without bias (Lemire 2019); bound > 0. */
uint32_t esp_rng_below(esp_rng *rng, uint32_t bound);

/* Puts values [count] into a uniformly random order (Fisher-Yates). */
void esp_rng_shuffle(uint32_t *values, size_t count, esp_rng *rng);

#endif
