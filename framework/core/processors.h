/* How many processors a process has to itself: those it may run on, and of their time the quota
 * that control groups leave it. */
#ifndef ESP_CORE_PROCESSORS_H
#define ESP_CORE_PROCESSORS_H

/* Processors this process may run on. Thread: any. */
int esp_processors(void);

/* Processors' worth of time that the control group of this process and those around it allow, of
 * either version of control groups; 0: they set no limit. Thread: any. */
double esp_processors_quota(void);

/* How many threads can work at full speed: esp_processors, or the quota's whole part where that is
 * less; at least 1. Thread: any. */
int esp_processors_usable(void);

#endif
