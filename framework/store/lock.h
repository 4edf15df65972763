/* Who works on a database: locks on bytes of the file <path>.lock, which the kernel drops with the
 * processes that hold its descriptor, however they end. Byte 0 is the database: runs share it, a
 * merge or a migration has it alone. Byte k is the trial whose key is k; as far behind 2^62 as k, a
 * run shares what says that it means to train it. */
#ifndef ESP_STORE_LOCK_H
#define ESP_STORE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef enum esp_lock_mode { ESP_LOCK_SHARED, ESP_LOCK_ALONE } esp_lock_mode;

/* Opens the lock file (made where there is none, folders too) and takes byte 0. Held until the
 * descriptor is closed, by children too. Errors: ESP_STORE where another holds it or it cannot be
 * made. Thread: any. */
int esp_lock_take(int *lock, const char *path, esp_lock_mode mode);

/* *renewed: -1 where the lock file is still under its name. Where somebody removed it, others do
 * not see what it holds: then a new one, with byte 0 shared. Errors: as above. Thread: any. */
int esp_lock_renew(int *renewed, int lock, const char *path);

/* *taken: the trial is this lock's now, or was before. Errors: ESP_STORE. Thread: any. */
int esp_lock_trial(bool *taken, int lock, int64_t trial_key);
void esp_unlock_trial(int lock, int64_t trial_key);
void esp_unlock_trials(int lock);

/* The trials keys [n], which are sorted, are those that this lock's run trains one after another.
 * Errors: ESP_STORE. Thread: any. */
int esp_lock_wanted(int lock, int64_t *keys, int n);

/* Whether a run or a merge works on the database, whether a run holds the trial. Where none does, a
 * trial the database calls running was cut off. Reads only; true where it cannot be told. In SQL:
 * trial_is_held(key), trial_is_wanted(key): also what waits in a run. Thread: any. */
bool esp_store_has_runner(const char *path);
bool esp_trial_is_held(const char *path, int64_t trial_key);
bool esp_trial_is_wanted(const char *path, int64_t trial_key);

#endif
