#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/status.h"
#include "core/text.h"
#include "store/store.h"

static int make_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return ESP_OK;
    }
    char *folder = esp_text_format("%.*s", (int)(slash - path), path);
    if (folder == NULL) {
        return esp_fail(ESP_MEMORY, "no memory for a path");
    }
    int status = esp_file_make_directories(folder);
    if (status != ESP_OK) {
        status = esp_fail(ESP_STORE, "%s; name another place with --db", esp_message());
    }
    free(folder);
    return status;
}

/* Locks of an open file description, not of a process: a fork shares them. */
static int lock_bytes(int lock, short type, int64_t first, int64_t count)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = first, .l_len = count};
    return fcntl(lock, F_OFD_SETLK, &range);
}

int esp_lock_take(int *lock, const char *path, esp_lock_mode mode)
{
    int status = make_folder_of(path);
    if (status != ESP_OK) {
        return status;
    }
    char *name = esp_store_beside(path, ".lock");
    if (name == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    *lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*lock < 0) {
        status = esp_fail(ESP_STORE, "%s: %s; name another place with --db", name, strerror(errno));
        goto out;
    }
    if (lock_bytes(*lock, mode == ESP_LOCK_ALONE ? F_WRLCK : F_RDLCK, 0, 1) != 0) {
        const bool held = errno == EAGAIN || errno == EACCES;
        status = !held
                     ? esp_fail(ESP_STORE, "%s: cannot be locked: %s; name another place with --db",
                                name, strerror(errno))
                 : mode == ESP_LOCK_ALONE
                     ? esp_fail(ESP_STORE,
                                "%s: a run is writing to this database; wait for it to end", path)
                     : esp_fail(ESP_STORE,
                                "%s: a merge or migration is at work on this database; wait for it "
                                "to end, or name another with --db",
                                path);
        close(*lock);
        *lock = -1;
    }
out:
    free(name);
    return status;
}

int esp_lock_renew(int *renewed, int lock, const char *path)
{
    struct stat held, named;
    *renewed = -1;
    char *name = esp_store_beside(path, ".lock");
    if (name == NULL) {
        return esp_fail(ESP_MEMORY, "%s: no memory", path);
    }
    const bool is_there = stat(name, &named) == 0;
    const bool is_gone = is_there ? fstat(lock, &held) == 0 &&
                                        (held.st_ino != named.st_ino || held.st_dev != named.st_dev)
                                  : errno == ENOENT;
    free(name);
    return is_gone ? esp_lock_take(renewed, path, ESP_LOCK_SHARED) : ESP_OK;
}

int esp_lock_trial(bool *taken, int lock, int64_t trial_key)
{
    *taken = lock_bytes(lock, F_WRLCK, trial_key, 1) == 0;
    return *taken || errno == EAGAIN || errno == EACCES
               ? ESP_OK
               : esp_fail(ESP_STORE, "the database's lock file cannot be locked: %s",
                          strerror(errno));
}

void esp_unlock_trial(int lock, int64_t trial_key)
{
    lock_bytes(lock, F_UNLCK, trial_key, 1);
}

void esp_unlock_trials(int lock)
{
    lock_bytes(lock, F_UNLCK, 1, 0);
}

static const int64_t wanted = INT64_C(1) << 62;

static int ascending(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

int esp_lock_wanted(int lock, int64_t *keys, int n)
{
    qsort(keys, (size_t)n, sizeof *keys, ascending);
    for (int first = 0, end = 0; first < n; first = end) {
        for (end = first + 1; end < n && keys[end] == keys[end - 1] + 1;) {
            end++;
        }
        if (lock_bytes(lock, F_RDLCK, wanted + keys[first], end - first) != 0) {
            return esp_fail(ESP_STORE, "the database's lock file cannot be locked: %s",
                            strerror(errno));
        }
    }
    return ESP_OK;
}

static bool is_locked(const char *path, int64_t byte)
{
    char *name = esp_store_beside(path, ".lock");
    int file = name != NULL ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    /* Where that cannot be told, what the database says stands. */
    bool locked = name == NULL || errno != ENOENT;
    if (file >= 0) {
        struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
        locked = fcntl(file, F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
        close(file);
    }
    free(name);
    return locked;
}

bool esp_store_has_runner(const char *path)
{
    return is_locked(path, 0);
}

bool esp_trial_is_wanted(const char *path, int64_t trial_key)
{
    return is_locked(path, wanted + trial_key);
}

bool esp_trial_is_held(const char *path, int64_t trial_key)
{
    return is_locked(path, trial_key);
}
