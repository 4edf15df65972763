/* How a thread calculates. Denormal numbers, too small for a float's full precision
 * (below 1.2e-38), cost a processor a hundred times an ordinary one, and Adam's moments of inputs
 * that are rarely not zero decay to them. */
#ifndef ESP_CORE_FLOATING_POINT_H
#define ESP_CORE_FLOATING_POINT_H

#include <fenv.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* From here on this thread takes denormals for zero, as operands and as results, rounds to nearest
 * and does not trap, whatever a plugin of an earlier trial left. Thread: any. */
static inline void esp_set_floating_point(void)
{
    fesetenv(FE_DFL_ENV);
#if defined(__x86_64__)
    enum { ZERO_AS_OPERANDS = 0x40, ZERO_AS_RESULTS = 0x8000 };
    _mm_setcsr(_mm_getcsr() | ZERO_AS_OPERANDS | ZERO_AS_RESULTS);
#elif defined(__aarch64__)
    __UINT64_TYPE__ control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("msr fpcr, %0" ::"r"(control | (1u << 24)));
#endif
}

#endif
