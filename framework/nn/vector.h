/* Vectors of esp_real for loops that the compiler does not make of C: AVX-512, AVX2 with FMA, or
 * plain arrays where the build has neither, or elements are double. Private to nn/. */
#ifndef ESP_NN_VECTOR_H
#define ESP_NN_VECTOR_H

#include "espalier_plugin.h"

#define INLINE static inline __attribute__((always_inline))

#define ESP_VECTOR_OF_float   1
#define ESP_VECTOR_OF_double  0
#define ESP_VECTOR_JOIN(real) ESP_VECTOR_OF_##real
#define ESP_VECTOR_OF(real)   ESP_VECTOR_JOIN(real)
#define ESP_REAL_IS_FLOAT     ESP_VECTOR_OF(ESP_REAL)

#if ESP_REAL_IS_FLOAT && (defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__)))
#define ESP_HAS_VECTORS 1
#include <immintrin.h>
#endif

#if defined(ESP_HAS_VECTORS) && defined(__AVX512F__)
enum { LANES = 16 };
typedef __m512 vector;

INLINE vector all(esp_real value)
{
    return _mm512_set1_ps(value);
}
INLINE vector load(const esp_real *values)
{
    return _mm512_loadu_ps(values);
}
/* Keeps a value in a register, where the compiler would load it again for each use. */
INLINE vector hold(vector v)
{
    __asm__("" : "+v"(v));
    return v;
}
INLINE void store(esp_real *values, vector v)
{
    _mm512_storeu_ps(values, v);
}
/* Past the cache, to an aligned place: for what is not read again soon. */
INLINE void store_past_cache(esp_real *values, vector v)
{
    _mm512_stream_ps(values, v);
}
/* The first count lanes, count < LANES; the others are 0. */
INLINE vector load_first(const esp_real *values, int count)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), values);
}
INLINE void store_first(esp_real *values, int count, vector v)
{
    _mm512_mask_storeu_ps(values, (__mmask16)((1u << count) - 1), v);
}
/* a * b + c, rounded once. */
INLINE vector multiply_add(vector a, vector b, vector c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* out [4]: the sums over lanes of four vectors. */
INLINE void sum_of_each(esp_real *out, vector a, vector b, vector c, vector d)
{
    const vector ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const vector cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const vector abcd =
        _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));
    const __m256 half =
        _mm256_add_ps(_mm512_castps512_ps256(abcd),
                      _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(abcd), 1)));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

#elif defined(ESP_HAS_VECTORS)
enum { LANES = 8 };
typedef __m256 vector;

INLINE vector all(esp_real value)
{
    return _mm256_set1_ps(value);
}
INLINE vector load(const esp_real *values)
{
    return _mm256_loadu_ps(values);
}
INLINE vector hold(vector v)
{
    __asm__("" : "+x"(v));
    return v;
}
INLINE void store(esp_real *values, vector v)
{
    _mm256_storeu_ps(values, v);
}
INLINE void store_past_cache(esp_real *values, vector v)
{
    _mm256_stream_ps(values, v);
}
INLINE __m256i first_lanes(int count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vector load_first(const esp_real *values, int count)
{
    return _mm256_maskload_ps(values, first_lanes(count));
}
INLINE void store_first(esp_real *values, int count, vector v)
{
    _mm256_maskstore_ps(values, first_lanes(count), v);
}
INLINE vector multiply_add(vector a, vector b, vector c)
{
    return _mm256_fmadd_ps(a, b, c);
}
INLINE void sum_of_each(esp_real *out, vector a, vector b, vector c, vector d)
{
    const vector sums = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1)));
}

#else
enum { LANES = 8 };
typedef struct vector {
    esp_real lane[LANES];
} vector;

INLINE vector load_first(const esp_real *values, int count)
{
    vector v = {{0}};
    for (int i = 0; i < count; i++) {
        v.lane[i] = values[i];
    }
    return v;
}
INLINE void store_first(esp_real *values, int count, vector v)
{
    for (int i = 0; i < count; i++) {
        values[i] = v.lane[i];
    }
}
INLINE vector load(const esp_real *values)
{
    return load_first(values, LANES);
}
INLINE void store(esp_real *values, vector v)
{
    store_first(values, LANES, v);
}
INLINE vector hold(vector v)
{
    return v;
}
INLINE void store_past_cache(esp_real *values, vector v)
{
    store(values, v);
}
INLINE vector all(esp_real value)
{
    vector v;
    for (int i = 0; i < LANES; i++) {
        v.lane[i] = value;
    }
    return v;
}
INLINE vector multiply_add(vector a, vector b, vector c)
{
    for (int i = 0; i < LANES; i++) {
        c.lane[i] += a.lane[i] * b.lane[i];
    }
    return c;
}
INLINE void sum_of_each(esp_real *out, vector a, vector b, vector c, vector d)
{
    for (int i = 0; i < 4; i++) {
        out[i] = 0;
    }
    for (int i = 0; i < LANES; i++) {
        out[0] += a.lane[i];
        out[1] += b.lane[i];
        out[2] += c.lane[i];
        out[3] += d.lane[i];
    }
}
#endif

#endif
