/* What belongs to the process or its main thread and not to a plugin. */
#ifndef ESP_PLUGIN_PROCESS_STATE_H
#define ESP_PLUGIN_PROCESS_STATE_H

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { ESP_N_SIGNALS = 65 };

typedef struct esp_process_state {
    char locale[1024]; /* of the process, as setlocale names it */
    char folder[PATH_MAX];
    mode_t mask; /* umask */
    struct sigaction actions[ESP_N_SIGNALS];
    sigset_t blocked; /* in this thread */
    struct rlimit limits[RLIMIT_NLIMITS];
} esp_process_state;

/* Reads it; umask can only be read by setting it, so that no other thread may make files now.
 * Thread: one, no others may exist. */
void esp_process_state_take(esp_process_state *out);

/* What has changed from one to the other, and what to do instead, as a text that follows a plugin's
 * name; the first that is found, or NULL. Thread: any. */
const char *esp_process_state_change(const esp_process_state *from, const esp_process_state *to);

/* Puts all of it back, as far as the system allows. Thread: as for take. */
void esp_process_state_restore(const esp_process_state *state);

/* The same of what belongs to a thread alone: its locale must be C's, and it must round to nearest
 * and not trap. NULL: it is so. Thread: the one asked about. */
const char *esp_thread_state_change(void);

#endif
