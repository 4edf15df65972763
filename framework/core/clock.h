/* Time that only goes forward. */
#ifndef ESP_CORE_CLOCK_H
#define ESP_CORE_CLOCK_H

/* Seconds since some fixed moment; for differences. The sleep of the whole machine is not counted.
 * Thread: any. */
double esp_clock_seconds(void);

/* The same without the time in which this process was stopped (SIGSTOP, Ctrl-Z) or frozen by its
 * control group, to the twentieth of a second: for how long work takes. Only while some thread
 * ticks. Thread: any. */
double esp_clock_working(void);

/* A tick, every twentieth of a second, by a thread that does nothing else for long: a gap between
 * two ticks is a stop where SIGCONT ended it (esp_clock_keep_continue), or where the process spent
 * no time of a processor meanwhile. A busy machine makes no such gap. Thread: one. */
void esp_clock_tick(void);

/* There will be no more ticks. Thread: the one that ticked. */
void esp_clock_tick_no_more(void);

/* Keeps SIGCONT pending, for ticks to see: no thread may run before a handler of it has. Stops end
 * as ever. Thread: the process's only one. */
void esp_clock_keep_continue(void);

#endif
