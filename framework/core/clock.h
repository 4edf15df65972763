/* Time that only goes forward. */
#ifndef ESP_CORE_CLOCK_H
#define ESP_CORE_CLOCK_H

/* Seconds since some fixed moment; for differences. Thread: any. */
double esp_clock_seconds(void);

#endif
