/* Which locale a thread reads and writes numbers in. A plugin, or a library below it, may call
 * setlocale at any time, which changes the locale of the whole process; a thread that has a locale
 * of its own does not follow. */
#ifndef ESP_CORE_C_LOCALE_H
#define ESP_CORE_C_LOCALE_H

#include <locale.h>

/* The C locale, which the C library owns: asking for it allocates nothing. */
static inline locale_t esp_c_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* From here on this thread is in the C locale, whatever the process is in. To call when a thread
 * begins and after each call of a plugin, since a plugin may call uselocale too. Thread: any. */
static inline void esp_set_c_locale(void)
{
    uselocale(esp_c_locale());
}

#endif
