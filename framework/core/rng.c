#include "core/rng.h"

#include <Random123/philox.h>
#include <string.h>

/* FNV-1a: names a stream. */
static uint32_t stream_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++) {
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    }
    return hash;
}

esp_rng esp_rng_make(uint64_t seed, const char *stream_name, uint32_t substream)
{
    return (esp_rng){.seed = seed, .stream = stream_of(stream_name), .substream = substream};
}

uint32_t esp_rng_next(esp_rng *rng)
{
    const uint64_t block = rng->position >> 2;
    if (rng->cached != block + 1) {
        philox4x32_ctr_t counter = {
            {(uint32_t)block, (uint32_t)(block >> 32), rng->substream, rng->stream}};
        philox4x32_key_t key = {{(uint32_t)rng->seed, (uint32_t)(rng->seed >> 32)}};
        philox4x32_ctr_t words = philox4x32(counter, key);
        memcpy(rng->words, words.v, sizeof rng->words);
        rng->cached = block + 1;
    }
    return rng->words[rng->position++ & 3];
}

double esp_rng_uniform(esp_rng *rng)
{
    uint64_t high = esp_rng_next(rng);
    uint64_t low = esp_rng_next(rng);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

uint32_t esp_rng_below(esp_rng *rng, uint32_t bound)
{
    uint64_t product = (uint64_t)esp_rng_next(rng) * bound;
    if ((uint32_t)product < bound) {
        uint32_t threshold = -bound % bound;
        while ((uint32_t)product < threshold) {
            product = (uint64_t)esp_rng_next(rng) * bound;
        }
    }
    return (uint32_t)(product >> 32);
}

void esp_rng_shuffle(uint32_t *values, size_t count, esp_rng *rng)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = esp_rng_below(rng, (uint32_t)i);
        uint32_t held = values[i - 1];
        values[i - 1] = values[j];
        values[j] = held;
    }
}
